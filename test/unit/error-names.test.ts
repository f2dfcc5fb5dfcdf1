import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NotDeliveredError, NotSavedError } from '../../src/index.js';
import { bareError, kindOf, redacted } from '../../src/model/safe-error.js';

const ROOT = new URL('../../', import.meta.url).pathname;

let dir: string;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'coupon-names-'));
  const outfile = join(dir, 'errors.mjs');
  // As a serverless function is bundled: no class keeps the name that it has in the source.
  await build({
    stdin: {
      contents: `export * from './errors.ts'; export { bareError, redacted } from './safe-error.ts';`,
      resolveDir: join(ROOT, 'src/model'),
    },
    bundle: true,
    minify: true,
    platform: 'node',
    format: 'esm',
    outfile,
  });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const MAKE = `
const names = Object.keys(errors).filter((key) => key.endsWith('Error') && !['CouponIssuerError', 'bareError'].includes(key));
const made = names.map((name) => new errors[name]('m', name === 'OverloadedError' ? 5 : { outcome: 'unknown' }));
const odd = Object.assign(new TypeError('no route'), { code: 'ENOROUTE' });
console.log(JSON.stringify({
  names,
  written: made.map(String),
  stacks: made.map(({ stack }) => stack.split('\\n')[0]),
  constructors: made.map(({ constructor }) => constructor.name),
  overloaded: errors.OverloadedError && new errors.OverloadedError('m', 1).stack.split('\\n').length,
  safe: errors.redacted(odd),
  limit: Error.stackTraceLimit,
}));`;

async function madeAfter(first: string): Promise<{ names: string[]; [what: string]: unknown }> {
  const file = join(dir, 'use.mjs');
  const use = `const errors = await import('./errors.mjs');${MAKE}`;
  writeFileSync(
    file,
    `${first}\ntry {${use}} catch (error) { console.log(JSON.stringify({ names: [], failed: String(error) })); }`,
  );
  return JSON.parse((await promisify(execFile)(process.execPath, [file])).stdout);
}

test('an error of a minified bundle has its name, in its text, its stack and its class', async () => {
  const { names, ...made } = await madeAfter('');
  expect(names.length).toBeGreaterThan(11);
  const written = names.map((name) => `${name}: m`);
  expect(made).toMatchObject({ written, stacks: written, constructors: names, overloaded: 1, limit: 10 });
});

test('an error is made where Error and its prototype are frozen', async () => {
  const { names, ...made } = await madeAfter('Object.freeze(Error); Object.freeze(Error.prototype);');
  expect(made).toMatchObject({ written: names.map((name) => `${name}: m`), limit: 10 });
  expect(made.safe).toEqual({ name: 'TypeError', code: 'ENOROUTE', message: 'no route' });
});

test('the JSON of an error in an event or in health() is its name, code and message', () => {
  const error = Object.assign(new RangeError('too far'), { code: 'EFAR', rows: ['kim'] });
  const event = { type: 'fault', error: redacted(error) };
  expect(JSON.parse(JSON.stringify(event)).error).toEqual({ name: 'RangeError', code: 'EFAR', message: 'too far' });
  expect(JSON.parse(JSON.stringify(kindOf(error)))).toEqual({
    name: 'RangeError',
    code: 'EFAR',
    message: 'its message may quote codes and is not told',
  });
  expect(JSON.stringify(bareError('Odd', 'm'))).toBe('{"name":"Odd","message":"m"}');
});

test('the JSON of an error that an adapter or a hook throws has its message', () => {
  expect(JSON.parse(JSON.stringify(new NotSavedError('full', { permanent: true })))).toEqual({
    name: 'NotSavedError',
    message: 'full',
    wholeBatch: false,
    permanent: true,
  });
  expect(JSON.stringify(new NotDeliveredError('no'))).toBe('{"name":"NotDeliveredError","message":"no"}');
});

test('a redacted error crosses to another thread, and may be named anew by an observer', () => {
  const error = redacted(new RangeError('too far'));
  expect(structuredClone({ error }).error.message).toBe('too far');
  error.name = 'Far';
  expect(String(error)).toBe('Far: too far');
});
