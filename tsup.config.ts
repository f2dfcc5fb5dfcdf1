import type { PluginBuild } from 'esbuild';
import { defineConfig, type Options } from 'tsup';
import { luaEsbuildPlugin } from './scripts/lua-bundle.js';
import { pageEsbuildPlugin } from './scripts/page-bundle.js';

const ENTRIES: Options = {
  entry: {
    index: 'src/index.ts',
    postgres: 'src/persistence/postgres/index.ts',
    mysql: 'src/persistence/mysql/index.ts',
    codes: 'src/read-codes/index.ts',
    csv: 'src/csv/index.ts',
    web: 'src/web/index.ts',
    dashboard: 'src/dashboard/index.ts',
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
  // The file of the command is written by the other build.
  clean: ['!cli.js'],
  splitting: true,
  esbuildPlugins: [luaEsbuildPlugin(), pageEsbuildPlugin()],
};

/** The command loads the entries of the package instead of copies of them. */
const OF_PACKAGE = {
  name: 'entries of the package',
  setup(build: PluginBuild) {
    const files: Record<string, string> = {
      issuer: 'index',
      'read-codes/index': 'codes',
      'csv/index': 'csv',
      'dashboard/index': 'dashboard',
    };
    for (const name of ['postgres', 'mysql']) files[`persistence/${name}/index`] = name;
    build.onResolve({ filter: /^(\.\.\/)+/ }, ({ path }) => {
      const file = files[path.replace(/^(\.\.\/)+|\.js$/g, '')];
      return file ? { path: `./${file}.js`, external: true } : undefined;
    });
  },
};

/** The command is one file that nobody imports: it needs no types and no CommonJS. */
const COMMAND: Options = {
  ...ENTRIES,
  entry: { cli: 'src/cli/index.ts' },
  format: ['esm'],
  dts: false,
  clean: false,
  splitting: false,
  esbuildPlugins: [OF_PACKAGE, luaEsbuildPlugin()],
};

export default defineConfig([ENTRIES, COMMAND]);
