import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { declaredValues } from '../../scripts/api-report.js';
import { IMPORTS, Installed } from './installed.js';

let installed: Installed;
beforeAll(async () => {
  installed = await Installed.create();
});
afterAll(() => installed?.remove());

const VALUES = declaredValues('.d.ts');
const valuesOf = (imports: readonly string[]) => Object.fromEntries(imports.map((name) => [name, VALUES[name]]));

describe('the installed package exports what its declarations promise', () => {
  const PRINT = 'console.log(JSON.stringify(Object.fromEntries(found)));';
  const names = '[name, Object.keys(entry).sort()]';
  const uses = {
    'as ESM': `const found = await Promise.all(IMPORTS.map(async (name) => { const entry = await import(name); return ${names}; }));`,
    'as CommonJS': `const found = IMPORTS.map((name) => { const entry = require(name); return ${names}; });`,
  };
  test.each([
    ['as ESM', 'names.mjs', '.d.ts'],
    ['as CommonJS', 'names.cjs', '.d.cts'],
  ] as const)('%s, in each entry', async (module, file, extension) => {
    installed.write(file, `const IMPORTS = ${JSON.stringify(IMPORTS)};${uses[module]}${PRINT}`);
    expect(JSON.parse(await installed.node(file))).toEqual(declaredValues(extension));
  });
});

/** Jest 29 loads no package of ES modules for CommonJS, and Nest 12 is one. */
const IN_JEST = IMPORTS.filter((name) => !name.endsWith('/nestjs'));

/** A user's test: it issues the last coupon, and writes down which names each entry has. */
const testOf = (names: string) => `
test('the second user of one coupon is told sold_out', async () => {
  require('node:fs').writeFileSync('names.json', JSON.stringify(Object.fromEntries(${names})));
  const { CouponIssuer, MemoryPersistence } = require('coupon-issuer');
  const Redis = require('ioredis-mock');
  const issuer = new CouponIssuer({ redis: new Redis({ data: {} }), persistence: new MemoryPersistence() });
  const launch = issuer.campaign('launch');
  await launch.open({ stock: { kind: 'counted', total: 1 }, closesAt: new Date(Date.now() + 60_000) });
  const told = [await launch.issue({ userId: 'kim' }), await launch.issue({ userId: 'lee' })];
  await issuer.close();
  expect(told.map(({ status }) => status)).toEqual(['issued', 'sold_out']);
});
`;
const namesWritten = () => JSON.parse(readFileSync(join(installed.dir, 'names.json'), 'utf8'));

test('the package works under Jest, each entry that Jest can load', async () => {
  installed.write('jest.config.cjs', "module.exports = { transform: {}, testMatch: ['**/*.jest.js'] };");
  const names = `${JSON.stringify(IN_JEST)}.map((name) => [name, Object.keys(require(name)).sort()])`;
  installed.write('shop.jest.js', testOf(names));
  const { failed, output } = await installed.tool('jest', ['--ci', '--runInBand']);
  expect(failed, output).toBe(false);
  expect(namesWritten()).toEqual(valuesOf(IN_JEST));
});

test('the package works under Vitest, in each entry', async () => {
  const config = "export default { test: { globals: true, include: ['**/*.vitest.mjs'] } };";
  installed.write('vitest.config.mjs', config);
  const names = `await Promise.all(${JSON.stringify(IMPORTS)}.map(async (name) => [name, Object.keys(await import(name)).sort()]))`;
  const first = "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);";
  const imported = testOf(names)
    .replace("= require('coupon-issuer')", "= await import('coupon-issuer')")
    .replace("= require('ioredis-mock')", "= (await import('ioredis-mock')).default");
  installed.write('shop.vitest.mjs', first + imported);
  const { failed, output } = await installed.tool('vitest', ['run', '--maxWorkers=1']);
  expect(failed, output).toBe(false);
  expect(namesWritten()).toEqual(VALUES);
});

describe('a bundle has all names of each entry', () => {
  const lines = IMPORTS.map((name, i) => `import * as entry${i} from '${name}';`);
  const found = IMPORTS.map((name, i) => `['${name}', Object.keys(entry${i}).sort()]`);
  const contents = `${lines.join('\n')}\nconsole.log(JSON.stringify(Object.fromEntries([${found}])));`;
  test.each([
    ['esm', 'bundle.mjs'],
    ['cjs', 'bundle.cjs'],
  ] as const)('as %s, minified, with nothing beside it but the peers', async (format, file) => {
    await build({
      stdin: { contents, resolveDir: installed.dir },
      ...{ bundle: true, minify: true, platform: 'node', target: 'node20', logLevel: 'error', format },
      external: Object.keys(manifest.peerDependencies),
      outfile: join(installed.dir, file),
    });
    expect(JSON.parse(await installed.node(file))).toEqual(VALUES);
  });
});
