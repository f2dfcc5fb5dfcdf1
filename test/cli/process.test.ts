import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generateCodes } from '../../src/index.js';
import { CLI, CliProcess, linesOf } from '../support/actors/cli.js';
import { until } from '../support/checks/until.js';
import { Database } from '../support/servers/database.js';
import { RedisServer } from '../support/servers/redis-server.js';

const ROOT = new URL('../../', import.meta.url);

let server: RedisServer;
let database: Database;
let env: Record<string, string>;
let dir: string;
beforeAll(async () => {
  [server, database] = await Promise.all([RedisServer.start(), Database.create()]);
  env = { REDIS_URL: `redis://127.0.0.1:${server.port}`, DATABASE_URL: database.url };
  dir = mkdtempSync(join(tmpdir(), 'coupon-cli-'));
  // The packages that it loads from the folder of the user.
  await promisify(execFile)('ln', ['-s', new URL('node_modules', ROOT).pathname, join(dir, 'node_modules')]);
});
afterAll(async () => {
  await Promise.all([server?.stop(), database?.stop()]);
  rmSync(dir, { recursive: true, force: true });
});

const start = (line: string, of: { env?: Record<string, string>; cwd?: string; stdin?: string } = {}) =>
  new CliProcess(line.split(' '), { env, cwd: dir, ...of });

async function done(line: string, of: Parameters<typeof start>[1] = {}) {
  const run = await start(line, of).ended;
  expect({ line, ...run }).toMatchObject({ code: 0 });
  return run;
}

async function json(line: string, of: Parameters<typeof start>[1] = {}): Promise<Record<string, unknown>[]> {
  return linesOf((await done(`${line} --json`, of)).stdout);
}

let nth = 0;
const named = () => `process-${++nth}`;

describe('an import of 100,000 codes', () => {
  const TOTAL = 100_000;
  let file: string;
  beforeAll(() => {
    file = join(dir, 'partner.csv');
    const rows = generateCodes({ count: TOTAL }).map((code, i) => `${i},${code}`);
    writeFileSync(file, `no,code\n${rows.join('\n')}\n`);
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)('that ends by %s goes on where it stopped', async (signal) => {
    const id = named();
    await done(`open ${id} --codes --create-table`);
    const line = `codes import ${id} partner.csv --column code --load-id first`;
    const first = start(line);
    await until(() => first.stderr.includes('codes'));
    first.child.kill(signal);
    const { code, stdout, stderr } = await first.ended;
    expect({ code, stdout }).toEqual({ code: { SIGINT: 130, SIGTERM: 143, SIGKILL: null }[signal], stdout: '' });
    const [{ total }] = (await json(`codes count ${id}`)) as [{ total: number }];
    expect(total).toBeGreaterThan(0);
    expect(total).toBeLessThan(TOTAL);
    if (signal !== 'SIGKILL') {
      expect(stderr).toContain(
        `stopped after ${total} codes of the file, which are loaded; run the same command to go on`,
      );
    }
    const [rest] = await json(line);
    expect(rest).toEqual({
      ...{ id, loadId: 'first', read: TOTAL, loaded: TOTAL - total, duplicates: 0, firstDuplicates: [] },
      ...{ total: TOTAL, resumedAt: total },
    });
    expect(await json(`codes count ${id}`)).toMatchObject([{ total: TOTAL, available: TOTAL }]);
  });
});

test('an import that meets a wrong line tells the codes before it, and goes on once the line is right', async () => {
  const id = named();
  await done(`open ${id} --codes --create-table`);
  const good = generateCodes({ count: 5_000 });
  const write = (last: string) => writeFileSync(join(dir, 'wrong.txt'), `${[...good, last].join('\n')}\n`);
  write('SECRET\u001B-7');
  const { code, stdout, stderr } = await start(`codes import ${id} wrong.txt`).ended;
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  const [{ total }] = (await json(`codes count ${id}`)) as [{ total: number }];
  expect(stderr).toContain(`line 5001 of the file must not contain a control character`);
  expect(stderr).toContain(
    `. ${total} codes before it are loaded: correct the line and run the same command to go on\n`,
  );
  expect(stderr).not.toContain('SECRET');
  write('RIGHT-CODE-7');
  expect(await json(`codes import ${id} wrong.txt`)).toMatchObject([{ total: 5_001 }]);
});

describe('a pipe whose reader is gone', () => {
  test.each([
    ['codes make --count 200000', 'codes make'],
    ['ls', 'ls'],
    ['--help', 'the help'],
  ])('ends %s without a word', async (line) => {
    await done(`open ${named()} --total 5 --create-table`);
    const shell = `set -o pipefail; "${process.execPath}" "${CLI}" ${line} | head -1`;
    const { stdout, stderr } = await promisify(execFile)('bash', ['-c', shell], {
      env: { ...process.env, ...env },
      cwd: dir,
    });
    expect(stdout.split('\n')).toHaveLength(2);
    expect(stderr).toBe('');
  });

  test('lets a change happen all the same', async () => {
    const id = named();
    await done(`open ${id} --total 5 --create-table`);
    const shell = `"${process.execPath}" "${CLI}" pause ${id} | true`;
    await promisify(execFile)('bash', ['-c', shell], { env: { ...process.env, ...env }, cwd: dir });
    expect(await json(`inspect ${id}`)).toMatchObject([{ state: 'paused' }]);
  });
});

describe('a worker', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('finishes reservations until %s, and then ends cleanly', async (signal) => {
    const id = named();
    await done(`open ${id} --total 50 --save-mode write-behind --create-table`);
    const worker = start(`worker --campaign ${id} --interval 20ms`);
    await until(() => worker.stderr.includes('the worker runs'));
    const { CouponIssuer } = await import('../../src/index.js');
    const { PostgresPersistence } = await import('../../src/persistence/postgres/index.js');
    const persistence = new PostgresPersistence(database.pool);
    await using issuer = new CouponIssuer({ redis: server.client(), persistence });
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, i) => issuer.campaign(id).issue({ userId: `user-${i}` })),
    );
    expect(results.map(({ status }) => status)).toEqual(Array(50).fill('accepted'));
    await until(async () => (await issuer.campaign(id).inspect()).issued === 50);
    worker.child.kill(signal);
    const { code, stdout, stderr } = await worker.ended;
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr).toBe(
      'the worker runs; SIGTERM stops it\nthe worker stopped; every reservation that it had is finished\n',
    );
  });
});

describe('a campaign that is followed', () => {
  test('is followed through a restart of Redis, and a signal ends that well', async () => {
    const own = await RedisServer.with({ args: ['--save', '', '--appendonly', 'yes', '--appendfsync', 'always'] });
    try {
      const id = named();
      const shop = { ...env, REDIS_URL: `redis://127.0.0.1:${own.port}` };
      await done(`open ${id} --total 5 --create-table`, { env: shop });
      const following = start(`inspect ${id} --follow --interval 20ms`, { env: shop });
      await until(() => following.stdout.includes('available=5'));
      expect(await own.kill()).toBe('SIGKILL');
      await until(() => following.stderr !== '');
      const before = following.stdout.length;
      await own.restart();
      await until(() => following.stdout.length > before);
      following.child.kill('SIGINT');
      const { code, stderr } = await following.ended;
      expect(code).toBe(0);
      expect(stderr).toMatch(/^inspect: /);
    } finally {
      await own.stop();
    }
  });

  test('ends with a fault if it was never there', async () => {
    expect(await start(`inspect ${named()} --follow`).ended).toMatchObject({ code: 1, stdout: '' });
  });
});

describe('an issuer of a config', () => {
  const dist = (name: string) => new URL(`dist/${name}.js`, ROOT).href;
  const text = (exported: string) => `
    import { CouponIssuer } from ${JSON.stringify(dist('index'))};
    import { PostgresPersistence } from ${JSON.stringify(dist('postgres'))};
    import { Redis } from 'ioredis';
    import pg from 'pg';
    const redis = new Redis(process.env.CACHE);
    const pool = new pg.Pool({ connectionString: process.env.BOOKS });
    const issuer = new CouponIssuer({ redis, persistence: new PostgresPersistence(pool), deliver: () => {} });
    ${exported}`;
  let own: string;
  let surroundings: Record<string, string>;
  beforeAll(async () => {
    own = mkdtempSync(join(tmpdir(), 'coupon-config-'));
    await promisify(execFile)('ln', ['-s', new URL('node_modules', ROOT).pathname, join(own, 'node_modules')]);
    surroundings = { CACHE: env.REDIS_URL!, BOOKS: env.DATABASE_URL! };
    writeFileSync(join(own, 'coupon-issuer.config.mjs'), text('export default issuer;'));
    writeFileSync(
      join(own, 'made.mjs'),
      text(
        `export default async () => ({ issuer, close: async () => { redis.disconnect(); await pool.end(); console.error('closed'); } });`,
      ),
    );
    writeFileSync(join(own, 'nothing.mjs'), 'export default 7;');
    writeFileSync(join(own, 'stuck.mjs'), 'export default () => new Promise(() => {});');
    writeFileSync(
      join(own, 'late.mjs'),
      `setImmediate(() => { throw new Error('redis://:SECRET-7@cache'); });\nexport default () => new Promise(() => {});`,
    );
    const typed = `const made: { issuer: CouponIssuer; close(): Promise<void> } = {
      issuer,
      close: async () => { redis.disconnect(); await pool.end(); console.error('closed'); },
    };
    export default made;`;
    for (const name of ['typed.ts', 'typed.mts']) writeFileSync(join(own, name), text(typed));
    writeFileSync(join(own, 'broken.mjs'), `throw new Error('redis://:SECRET-7@cache and password=SECRET-8');`);
  });
  afterAll(() => rmSync(own, { recursive: true, force: true }));

  test('is found in the folder, also beside URLs, and ends with its clients open', async () => {
    const id = named();
    await done(`open ${id} --total 5`, { cwd: own, env: surroundings });
    expect(await json(`inspect ${id}`, { cwd: own, env: { ...surroundings, ...env } })).toMatchObject([
      { needs: ['deliver', 'persistence'] },
    ]);
  });

  test('may be made by a function, with the way to close its clients', async () => {
    const { stderr } = await done('ls --config made.mjs', { cwd: own, env: surroundings });
    expect(stderr).toBe('closed\n');
  });

  test.each(['typed.ts', 'typed.mts'])(
    'in %s is loaded where Node strips types, and refused elsewhere',
    async (name) => {
      const { code, stderr } = await start(`ls --json --config ${name}`, { cwd: own, env: surroundings }).ended;
      if ((process.features as { typescript?: unknown }).typescript) {
        expect({ code, isClosed: stderr.endsWith('closed\n') }).toEqual({ code: 0, isClosed: true });
      } else {
        expect(code).toBe(2);
        expect(stderr).toMatch(/^coupon-issuer: this Node does not read TypeScript: [^\n]+ Node 22\.18 or newer\n$/);
      }
    },
  );

  test.each([
    ['--config nothing.mjs', 2, /the default export of the config must be an issuer/],
    ['--config stuck.mjs', 1, /^coupon-issuer: the work stopped before its end/],
    ['--config late.mjs', 1, /^coupon-issuer: \[redacted\]; it is not known whether/],
    ['--config broken.mjs', 1, /^coupon-issuer: \[redacted\] and password=\[redacted\]\n$/],
  ])('that is no issuer is told in one line: %s', async (option, code, says) => {
    const run = await start(`ls ${option}`, { cwd: own, env: surroundings }).ended;
    expect(run).toMatchObject({ code, stdout: '' });
    expect(run.stderr).toMatch(says);
    expect(run.stderr).toMatch(/^[^\n]+\n$/);
  });

  test('is needed by a campaign with hooks, and an issuer of URLs says so', async () => {
    const id = named();
    await done(`open ${id} --total 5`, { cwd: own, env: surroundings });
    for (const line of [`settle ${id}`, `quarantine withdraw ${id} --all --yes`]) {
      const { code, stdout, stderr } = await start(line).ended;
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toMatch(/was opened with deliver and persistence.*export yours from coupon-issuer\.config\.js\n$/);
    }
    expect(await start(`open ${id} --total 5 --create-table`, { cwd: own, env: surroundings }).ended).toMatchObject({
      code: 2,
      stderr: 'coupon-issuer: --create-table needs DATABASE_URL, and no config: a config makes its own table\n',
    });
  });
});

describe('a server that does not answer as it should', () => {
  test('is told in one line, without its URL and password', async () => {
    const guarded = await RedisServer.start(['--requirepass', 'SECRET-word-7']);
    try {
      const database = new URL(env.DATABASE_URL!);
      database.password = 'SECRET-word-8';
      const cases: [Record<string, string>, RegExp][] = [
        [
          { REDIS_URL: 'redis://:SECRET-word-7@127.0.0.1:1' },
          /Redis of REDIS_URL cannot be reached: connect ECONNREFUSED/,
        ],
        [
          { REDIS_URL: `redis://:SECRET-word-9@127.0.0.1:${guarded.port}` },
          /Redis of REDIS_URL cannot be reached: WRONGPASS/,
        ],
        [
          { REDIS_URL: `redis://:SECRET-word-7@127.0.0.1:${guarded.port}/99` },
          /Redis of REDIS_URL cannot be reached: ERR DB index/,
        ],
        [{ REDIS_URL: `redis://127.0.0.1:${guarded.port}` }, /Redis of REDIS_URL cannot be reached: .*NOAUTH/],
        [{ ...env, DATABASE_URL: database.href }, /password authentication failed/],
        [{ ...env, DATABASE_URL: 'postgres://shop:SECRET-word-8@127.0.0.1:1/shop' }, /ECONNREFUSED|Connection/],
        [{ ...env, DATABASE_URL: 'mysql://shop:SECRET-word-8@127.0.0.1:1/shop' }, /ECONNREFUSED/],
      ];
      for (const [given, says] of cases) {
        const { code, stdout, stderr } = await start('open other --total 5 --create-table', { env: given }).ended;
        expect({ stderr, code, stdout }).toMatchObject({ code: 1, stdout: '' });
        expect(stderr).toMatch(says);
        expect(stderr).toMatch(/^coupon-issuer: [^\n]+\n$/);
        expect(stderr).not.toMatch(/SECRET|:\/\//);
      }
    } finally {
      await guarded.stop();
    }
  });

  test('is told where its table is missing, with the cure', async () => {
    const empty = await Database.create();
    try {
      const { code, stderr } = await start(`open ${named()} --total 5`, { env: { ...env, DATABASE_URL: empty.url } })
        .ended;
      expect(code).toBe(1);
      expect(stderr).toMatch(/^coupon-issuer: [^\n]*coupon_issuances[^\n]*\n$/);
    } finally {
      await empty.stop();
    }
  });
});
