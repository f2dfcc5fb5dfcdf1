import { defineConfig } from 'tsup';
import { luaEsbuildPlugin } from './scripts/lua-bundle.js';

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    postgres: 'src/persistence/postgres/index.ts',
    mysql: 'src/persistence/mysql/index.ts',
    codes: 'src/read-codes/index.ts',
    csv: 'src/csv/index.ts',
    web: 'src/web/index.ts',
    nestjs: 'src/nestjs/index.ts',
    fastify: 'src/fastify/index.ts',
    opentelemetry: 'src/opentelemetry/index.ts',
    prometheus: 'src/prometheus/index.ts',
    testing: 'src/testing/index.ts',
  },
  // The parser of `coupon-issuer/codes` is part of that entry, so that the package depends on nothing.
  noExternal: ['csv-parse'],
  format: ['esm', 'cjs'],
  // tsup's declaration build still sets baseUrl, which TypeScript 6 reports unless told otherwise.
  dts: { compilerOptions: { ignoreDeprecations: '6.0', stripInternal: true } },
  target: 'node20',
  removeNodeProtocol: false,
  // Source maps of the CommonJS build would carry the path of the machine that built it.
  sourcemap: false,
  clean: true,
  splitting: true,
  esbuildPlugins: [luaEsbuildPlugin()],
});
