import { defineConfig } from 'tsup';
import { luaEsbuildPlugin } from './scripts/lua-bundle.js';

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    postgres: 'src/persistence/postgres.ts',
    mysql: 'src/persistence/mysql.ts',
    testing: 'src/testing/index.ts',
  },
  format: ['esm', 'cjs'],
  // tsup's declaration build still sets baseUrl, which TypeScript 6 reports unless told otherwise.
  dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
  target: 'node20',
  removeNodeProtocol: false,
  // Source maps of the CommonJS build would carry the path of the machine that built it.
  sourcemap: false,
  clean: true,
  splitting: true,
  esbuildPlugins: [luaEsbuildPlugin()],
});
