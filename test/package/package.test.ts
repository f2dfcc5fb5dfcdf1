import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { ENTRIES, Installed } from './installed.js';

let installed: Installed;
beforeAll(async () => {
  installed = await Installed.create();
});
afterAll(() => installed?.remove());

/** Beside dist: the pages that a person reads, and the examples that they link to. */
const PLACES =
  /^(?:[A-Z][A-Z.a-z]*\.md|LICENSE|package\.json|lua\/README\.md|docs\/.*\.(?:md|svg|yml|json)|examples\/.*)$/;

test('the tarball holds dist, the docs and the examples, and nothing else', () => {
  const { files } = installed;
  const outside = files.filter((path) => !path.startsWith('dist/'));
  expect(outside.filter((path) => !PLACES.test(path))).toEqual([]);
  expect(outside.filter((path) => /node_modules|package-lock|docs\/reference/.test(path))).toEqual([]);
  expect(outside).toEqual(expect.arrayContaining(['README.md', 'LICENSE', 'CHANGELOG.md', 'docs/errors.md']));
  expect(ENTRIES).toEqual(
    expect.arrayContaining([
      '.',
      './postgres',
      './mysql',
      './codes',
      './csv',
      './web',
      './dashboard',
      './nestjs',
      './fastify',
      './opentelemetry',
      './prometheus',
      './testing',
    ]),
  );
  for (const entry of ENTRIES) {
    const name = entry === '.' ? 'index' : entry.slice(2);
    for (const extension of ['js', 'cjs', 'd.ts', 'd.cts']) expect(files).toContain(`dist/${name}.${extension}`);
  }
  expect(files.filter((path) => !/^dist\/.*\.(c?js|d\.c?ts)$/.test(path) && path.startsWith('dist/'))).toEqual([]);
});

test('the command runs by npx, as npm installs it', async () => {
  // Outside of the folder whose packages it would find.
  const shop = mkdtempSync(join(tmpdir(), 'coupon-shop-'));
  onTestFinished(() => rmSync(shop, { recursive: true, force: true }));
  writeFileSync(join(shop, 'package.json'), '{ "private": true }');
  const offline = ['--offline', '--legacy-peer-deps', '--no-audit', '--no-fund', '--ignore-scripts'];
  const env = { ...process.env, REDIS_URL: 'redis://127.0.0.1:1' };
  const run = (...args: [string, string[]]) => promisify(execFile)(...args, { cwd: shop, env });
  await run('npm', ['install', installed.tarball, ...offline]);
  const npx = (...args: string[]) => run('npx', ['--no-install', 'coupon-issuer', ...args]);
  expect((await npx('--version')).stdout.trim()).toBe(manifest.version);
  await expect(npx('ls')).rejects.toMatchObject({
    code: 2,
    stderr: 'coupon-issuer: REDIS_URL needs the package ioredis, which is not installed here: npm install ioredis\n',
  });
});

test('publint finds nothing', async () => {
  const { failed, output } = await installed.tool('publint', [installed.tarball, '--strict']);
  expect(output).toContain('All good!');
  expect(failed).toBe(false);
});

test('its types are right for ESM and CommonJS', async () => {
  const { failed, output } = await installed.tool('attw', ['--no-emoji', installed.tarball]);
  expect(failed, output).toBe(false);
});

const USE = `
async function main() {
  const issuer = new CouponIssuer({ redis: new Redis({ data: {} }), persistence: new MemoryPersistence() });
  const launch = issuer.campaign('launch');
  await launch.open({ stock: { kind: 'counted', total: 1, generateCodes: true } });
  const results = [];
  for (const userId of ['kim', 'lee']) results.push(await launch.issue({ userId }));
  await issuer.close();
  const code = results[0].issuance.code;
  for (const one of [PostgresPersistence, MysqlPersistence]) if (typeof one !== 'function') throw new Error('no adapter');
  console.log(JSON.stringify({ statuses: results.map((result) => result.status), http: results.map(httpStatus), valid: isValidCode(code) }));
}
main();
`;

test.each([
  {
    module: 'ESM',
    file: 'use.mjs',
    imports: `import Redis from 'ioredis-mock';
import { CouponIssuer, MemoryPersistence, httpStatus, isValidCode } from 'coupon-issuer';
import { MysqlPersistence } from 'coupon-issuer/mysql';
import { PostgresPersistence } from 'coupon-issuer/postgres';
import 'coupon-issuer/testing';`,
  },
  {
    module: 'CommonJS',
    file: 'use.cjs',
    imports: `const Redis = require('ioredis-mock');
const { CouponIssuer, MemoryPersistence, httpStatus, isValidCode } = require('coupon-issuer');
const { MysqlPersistence } = require('coupon-issuer/mysql');
const { PostgresPersistence } = require('coupon-issuer/postgres');
require('coupon-issuer/testing');`,
  },
])('plain Node issues a coupon with the installed package as $module', async ({ file, imports }) => {
  installed.write(file, imports + USE);
  expect(JSON.parse(await installed.node(file))).toEqual({
    statuses: ['issued', 'sold_out'],
    http: [201, 409],
    valid: true,
  });
});

const TYPED_USE = `import { CouponIssuer, type IssueResult, MemoryPersistence, type PersistenceAdapter } from 'coupon-issuer';
import { MysqlPersistence } from 'coupon-issuer/mysql';
import { PostgresPersistence } from 'coupon-issuer/postgres';
import { Redis } from 'ioredis';
import { createPool } from 'mysql2/promise';
import { Pool } from 'pg';

const adapters: PersistenceAdapter[] = [
  new MemoryPersistence(),
  new PostgresPersistence(new Pool()),
  new MysqlPersistence(createPool('mysql://127.0.0.1')),
];
export const issuer = new CouponIssuer({ redis: new Redis(), persistence: adapters[0]! });
export async function serialOf(userId: string): Promise<number | null> {
  const result: IssueResult = await issuer.campaign('launch').issue({ userId });
  // @ts-expect-error a refusal carries no issuance
  if (result.status === 'sold_out') return result.issuance.serial;
  return result.status === 'issued' ? result.issuance.serial : null;
}
// @ts-expect-error the id of a user is a string
issuer.campaign('launch').issue({ userId: 7 });
`;

test('a TypeScript user in either module system compiles against the installed types, checked themselves too', async () => {
  for (const extension of ['mts', 'cts']) installed.write(`typed.${extension}`, TYPED_USE);
  const options = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--module', 'node16', '--target', 'es2022'];
  const files = ['typed.mts', 'typed.cts'];
  const args = [...options, '--moduleResolution', 'node16', '--types', 'node', ...files];
  const { failed, output } = await installed.tool('tsc', args);
  expect(failed, output).toBe(false);
});
