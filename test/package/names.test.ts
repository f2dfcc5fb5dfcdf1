import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BuildOptions, build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as source from '../../src/index.js';
import { Installed } from './installed.js';

let installed: Installed;
beforeAll(async () => {
  installed = await Installed.create();
});
afterAll(() => installed?.remove());

const CLASSES = Object.keys(source).filter((name) => name.endsWith('Error') && name !== 'CouponIssuerError');

/** Makes one error of each class, and the events of a save that fails, and prints what a log would have of them. */
const USE = `
async function namesOf(coupons) {
  const { CouponIssuer, MemoryPersistence, NotSavedError } = coupons;
  const classes = Object.keys(coupons).filter((key) => key.endsWith('Error') && key !== 'CouponIssuerError');
  const names = classes.map((key) => {
    const error = new coupons[key]('m', key === 'OverloadedError' ? 5 : { outcome: 'unknown' });
    const { name } = error;
    return { key, name, written: String(error), constructor: error.constructor.name, json: JSON.parse(JSON.stringify(error)), stack: String(error.stack).split('\\n')[0] };
  });
  const events = [];
  const persistence = new MemoryPersistence();
  const errors = [new NotSavedError('the disk is full'), Object.assign(new TypeError('no route to the host'), { code: 'ENOROUTE' })];
  persistence.save = async () => {
    throw errors.length > 1 ? errors.shift() : errors[0];
  };
  const issuer = new CouponIssuer({ redis: new Redis({ data: {}, port: 1 }), persistence, onEvent: (event) => events.push(event) });
  await issuer.campaign('c').open({ stock: { kind: 'counted', total: 2 } });
  const refused = await issuer.campaign('c').issue({ userId: 'ann' }).catch((error) => error);
  await issuer.campaign('c').issue({ userId: 'bob' });
  await issuer.close();
  const faults = events.filter(({ type }) => type === 'fault').map((event) => JSON.parse(JSON.stringify(event)).error);
  return { names, faults, refused: JSON.parse(JSON.stringify(refused)) };
}
`;
const PRINT = 'namesOf(coupons).then((answer) => console.log(JSON.stringify(answer)));';
const ESM = `import Redis from 'ioredis-mock'; import * as coupons from 'coupon-issuer';${USE}${PRINT}`;
const CJS = `const Redis = require('ioredis-mock'); const coupons = require('coupon-issuer');${USE}${PRINT}`;

interface Named {
  readonly names: readonly { key: string; json: { name: string; message: string }; [how: string]: unknown }[];
  readonly faults: readonly unknown[];
  readonly refused: unknown;
}

function expectNamesIn(printed: string): void {
  const { names, faults, refused } = JSON.parse(printed) as Named;
  expect(names.map(({ key }) => key).sort()).toEqual([...CLASSES].sort());
  for (const { key, json, ...rest } of names) {
    const written = `${key}: m`;
    expect(rest).toEqual({ name: key, constructor: key, written, stack: written });
    expect(json).toMatchObject({ name: key, message: 'm' });
  }
  expect(faults).toContainEqual({ name: 'NotSavedError', message: 'the disk is full' });
  expect(faults).toContainEqual({ name: 'TypeError', code: 'ENOROUTE', message: 'no route to the host' });
  expect(refused).toMatchObject({ name: 'NotIssuedError', code: 'NOT_ISSUED' });
}

test('every error has its name in the ESM build', async () => {
  installed.write('names.mjs', ESM);
  expectNamesIn(await installed.node('names.mjs'));
});

test('every error has its name in the CommonJS build', async () => {
  installed.write('names.cjs', CJS);
  expectNamesIn(await installed.node('names.cjs'));
});

describe('every error has its name in a bundle', () => {
  const bundles: Record<string, BuildOptions> = {
    'minified ESM': { minify: true, format: 'esm', outfile: 'min.mjs' },
    'minified CommonJS': { minify: true, format: 'cjs', outfile: 'min.cjs' },
    'minified for engines without class fields': { minify: true, format: 'cjs', outfile: 'old.cjs', target: 'es2015' },
  };
  test.each(Object.entries(bundles))('%s', async (_, { outfile, ...options }) => {
    const stdin = { contents: ESM, resolveDir: installed.dir };
    const base: BuildOptions = { bundle: true, platform: 'node', external: ['ioredis-mock'], logLevel: 'error' };
    await build({ ...base, ...options, stdin, outfile: join(installed.dir, outfile!) });
    expectNamesIn(await installed.node(outfile!));
  });
});

test('every error has its name under Jest, and errors of Node keep their messages there', async () => {
  // Jest runs a test in a realm of its own: an error of Node is no \`instanceof Error\` there.
  installed.write('jest.config.cjs', 'module.exports = { transform: {}, testEnvironment: "node" };');
  installed.write(
    'names.test.js',
    `${CJS.replace(PRINT, '')}
test('names', async () => {
  require('node:fs').writeFileSync('names.json', JSON.stringify(await namesOf(coupons)));
});
test('an error of Node keeps its message, though it is of another realm', async () => {
  const events = [];
  const persistence = { save: () => require('node:fs').promises.readFile('/not/there') };
  const issuer = new coupons.CouponIssuer({ redis: new Redis({ port: 2 }), persistence, onEvent: (event) => events.push(JSON.stringify(event)) });
  await issuer.campaign('c').open({ stock: { kind: 'counted', total: 2 }, opensAt: structuredClone(new Date(0)) });
  const { status } = await issuer.campaign('c').issue({ userId: 'ann' });
  await issuer.close();
  expect(status).toBe('accepted');
  expect(events[0]).toContain('no such file or directory');
});
`,
  );
  const { failed, output } = await installed.tool('jest', ['--ci', '--runInBand']);
  expect(failed, output).toBe(false);
  expectNamesIn(readFileSync(join(installed.dir, 'names.json'), 'utf8'));
});

describe('frozen intrinsics do no harm', () => {
  const frozen: Record<string, { args: string[]; first: string }> = {
    'Object.freeze(Error)': { args: [], first: 'Object.freeze(Error);' },
    'a frozen Error.prototype': { args: [], first: 'Object.freeze(Error); Object.freeze(Error.prototype);' },
    'every intrinsic': { args: ['--frozen-intrinsics', '--no-warnings'], first: '' },
  };
  test.each(Object.entries(frozen))('%s', async (_, { args, first }) => {
    installed.write('frozen.cjs', `const Redis = require('ioredis-mock');${first}${CJS.slice(CJS.indexOf(';') + 1)}`);
    expectNamesIn(await installed.node(...args, 'frozen.cjs'));
  });
});
