import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const run = promisify(execFile);
const ROOT = new URL('../../', import.meta.url).pathname;
const ENTRIES = ['index', 'postgres', 'mysql', 'testing'];

let dir: string;
let tarball: string;
let files: string[];

beforeAll(async () => {
  if (!existsSync(join(ROOT, 'dist/index.js'))) throw new Error('dist is missing: npm run build');
  dir = mkdtempSync(join(tmpdir(), 'coupon-package-'));
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', dir], { cwd: ROOT });
  const [packed] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
  tarball = join(dir, packed.filename);
  files = packed.files.map(({ path }) => path);
  // Installed as a user has it, without asking a registry.
  const modules = join(dir, 'node_modules');
  mkdirSync(join(modules, 'coupon-issuer'), { recursive: true });
  await run('tar', ['-xzf', tarball, '-C', join(modules, 'coupon-issuer'), '--strip-components=1']);
  for (const name of ['ioredis', 'ioredis-mock', '@types/node', '@types/ioredis-mock', '@types/pg', 'pg', 'mysql2']) {
    mkdirSync(join(modules, name, '..'), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
  }
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const tool = (name: string, args: string[]) => run(join(ROOT, 'node_modules/.bin', name), args, { cwd: dir });

/** The output of a tool, also of one that fails: a rejection alone would not say what is wrong. */
async function outputOf(work: Promise<{ stdout: string }>): Promise<{ failed: boolean; output: string }> {
  try {
    return { failed: false, output: (await work).stdout };
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    return { failed: true, output: `${stdout}${stderr}` };
  }
}

test('the tarball holds dist, README, LICENSE, CHANGELOG and package.json, and nothing else', () => {
  const outside = files.filter((path) => !path.startsWith('dist/')).sort();
  expect(outside).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json']);
  for (const entry of ENTRIES) {
    for (const extension of ['js', 'cjs', 'd.ts', 'd.cts']) expect(files).toContain(`dist/${entry}.${extension}`);
  }
  expect(files.filter((path) => !/^dist\/.*\.(c?js|d\.c?ts)$/.test(path) && path.startsWith('dist/'))).toEqual([]);
});

test('publint finds nothing', async () => {
  const { failed, output } = await outputOf(tool('publint', [tarball, '--strict']));
  expect(output).toContain('All good!');
  expect(failed).toBe(false);
});

test('its types are right for ESM and CommonJS', async () => {
  const { failed, output } = await outputOf(tool('attw', ['--profile', 'node16', '--no-emoji', tarball]));
  expect(failed, output).toBe(false);
});

const USE = `
async function main() {
  const issuer = new CouponIssuer({ redis: new Redis({ data: {} }), persistence: new MemoryPersistence() });
  await issuer.openCampaign({ id: 'launch', stock: { kind: 'counted', total: 1, generateCodes: true } });
  const results = [];
  for (const userId of ['kim', 'lee']) results.push(await issuer.issue({ campaignId: 'launch', userId }));
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
  writeFileSync(join(dir, file), imports + USE);
  const { stdout } = await run(process.execPath, [file], { cwd: dir });
  expect(JSON.parse(stdout)).toEqual({ statuses: ['issued', 'sold_out'], http: [201, 409], valid: true });
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
  const result: IssueResult = await issuer.issue({ campaignId: 'launch', userId });
  // @ts-expect-error a refusal carries no issuance
  if (result.status === 'sold_out') return result.issuance.serial;
  return result.status === 'issued' ? result.issuance.serial : null;
}
// @ts-expect-error the id of a user is a string
issuer.issue({ campaignId: 'launch', userId: 7 });
`;

test('a TypeScript user in either module system compiles against the installed types, checked themselves too', async () => {
  for (const extension of ['mts', 'cts']) writeFileSync(join(dir, `typed.${extension}`), TYPED_USE);
  const options = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--module', 'node16', '--target', 'es2022'];
  const { failed, output } = await outputOf(
    tool('tsc', [...options, '--moduleResolution', 'node16', '--types', 'node', 'typed.mts', 'typed.cts']),
  );
  expect(failed, output).toBe(false);
});
