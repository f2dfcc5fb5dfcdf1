import { channel } from 'node:diagnostics_channel';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Redis, RedisOptions } from 'ioredis';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  CouponIssuer,
  type Diagnosis,
  type DiagnosisCheck,
  NotSavedError,
  type SettleWorker,
} from '../../src/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { cli, linesOf } from '../support/actors/cli.js';
import { until } from '../support/checks/until.js';
import { Database } from '../support/servers/database.js';
import { Mariadb } from '../support/servers/mariadb.js';
import { RedisServer } from '../support/servers/redis-server.js';

const GUARDS = { maxRetriesPerRequest: 0, enableOfflineQueue: false, commandTimeout: 5_000, socketTimeout: 10_000 };
const STOCK = { kind: 'counted', total: 5, generateCodes: true } as const;

let server: RedisServer;
let admin: Redis;
let database: Database;
let dir: string;
beforeAll(async () => {
  [server, database] = await Promise.all([RedisServer.start(['--appendonly', 'yes']), Database.create()]);
  admin = server.client();
  dir = mkdtempSync(join(tmpdir(), 'coupon-doctor-'));
});
afterAll(async () => {
  await Promise.all([server.stop(), database.stop()]);
  rmSync(dir, { recursive: true, force: true });
});

let issuer: CouponIssuer;
let worker: SettleWorker;
beforeEach(async () => {
  await admin.flushall();
  await database.pool.query('DROP TABLE IF EXISTS coupon_issuances, coupon_issuances_store');
  await new PostgresPersistence(database.pool).createTable();
  issuer = await issuerOf();
  await issuer.campaign('night').open({ stock: STOCK });
  worker = issuer.startWorker({ intervalMs: 50 });
  await until(async () => (await issuer.workers()).some(({ succeededAt }) => succeededAt));
});
afterEach(async () => {
  vi.useRealTimers();
  await issuer.close();
});

async function ready(options: RedisOptions = GUARDS): Promise<Redis> {
  const client = server.client(options);
  await new Promise<void>((resolve) => client.once('ready', resolve));
  return client;
}

async function issuerOf(of: Partial<ConstructorParameters<typeof CouponIssuer>[0]> = {}): Promise<CouponIssuer> {
  const redis = of.redis ?? (await ready());
  return new CouponIssuer({ persistence: new PostgresPersistence(database.pool), ...of, redis });
}

const findingsOf = (found: readonly Diagnosis[]) => found.filter(({ verdict }) => verdict !== 'ok');

/** Exactly these checks find something, and each says its cure. */
async function expectFindings(
  found: readonly Diagnosis[],
  expected: Partial<Record<DiagnosisCheck, readonly [verdict: Diagnosis['verdict'], says: RegExp]>>,
): Promise<void> {
  const findings = findingsOf(found);
  expect(findings.map(({ check }) => check).sort()).toEqual(Object.keys(expected).sort());
  for (const { check, verdict, found: says, cure } of findings) {
    expect([check, verdict]).toEqual([check, expected[check]![0]]);
    expect(says).toMatch(expected[check]![1]);
    expect(cure).toMatch(/\w{3}/);
  }
}

test('a healthy set-up has no finding, and each check says what it saw', async () => {
  const found = await issuer.diagnose();
  expect(findingsOf(found)).toEqual([]);
  expect(found.map(({ check }) => check)).toEqual([
    'redis.version',
    'redis.append_only',
    'redis.eviction',
    'redis.role',
    'redis.clock',
    'redis.rights',
    'redis.latency',
    'client.offline_queue',
    'client.time_outs',
    'client.retries',
    'client.tracing',
    'database.table',
    'database.identity',
    'database.clock',
    'database.isolation',
    'database.commit',
    'campaigns',
    'quarantine',
    'workers',
  ]);
  expect(found.find(({ check }) => check === 'database.commit')!.found).toMatch(/^a commit is on disk; it takes \d/);
});

test('looking writes no row, and no key but those of the worker', async () => {
  await worker.stop();
  const keys = (await admin.keys('*')).sort();
  await issuer.diagnose();
  expect((await admin.keys('*')).sort()).toEqual(keys);
  expect((await database.pool.query('SELECT FROM coupon_issuances')).rowCount).toBe(0);
});

describe('each of these set-ups is named by its line:', () => {
  test('a Redis without an append-only file', async () => {
    await admin.config('SET', 'appendonly', 'no');
    await expectFindings(await issuer.diagnose(), { 'redis.append_only': ['warning', /^appendonly no$/] });
    await admin.config('SET', 'appendonly', 'yes');
  });

  test('a Redis that may evict keys', async () => {
    await admin.config('SET', 'maxmemory-policy', 'volatile-lru');
    await expectFindings(await issuer.diagnose(), { 'redis.eviction': ['fault', /volatile-lru/] });
    await admin.config('SET', 'maxmemory-policy', 'noeviction');
  });

  test('a replica', async () => {
    await worker.stop();
    await admin.replicaof('127.0.0.1', 1);
    const found = await issuer.diagnose();
    await admin.replicaof('NO', 'ONE');
    expect(findingsOf(found)).toContainEqual(
      expect.objectContaining({ check: 'redis.role', verdict: 'fault', found: 'slave' }),
    );
  });

  test('a Redis user without a right', async () => {
    await admin.call('ACL', 'SETUSER', 'limited', 'reset', 'on', '>secret', '~*', '&*', '+@all', '-zadd', '-lset');
    const limited = await issuerOf({ redis: await ready({ ...GUARDS, username: 'limited', password: 'secret' }) });
    await expectFindings(await limited.diagnose(), { 'redis.rights': ['fault', /may not run LSET, ZADD$/] });
  });

  test('a Redis user that may not ask for the settings of the server', async () => {
    await admin.call('ACL', 'SETUSER', 'limited', 'reset', 'on', '>secret', '~*', '&*', '+@all', '-info');
    const redis = await ready({ ...GUARDS, username: 'limited', password: 'secret', enableReadyCheck: false });
    const blind = await issuerOf({ redis });
    await expect(blind.diagnose()).resolves.toContainEqual(expect.objectContaining({ check: 'redis.rights' }));
    await expectFindings(await blind.diagnose(), { 'redis.version': ['unknown', /INFO/] });
  });

  test('a table without a unique index', async () => {
    const { rows } = await database.pool.query(
      "SELECT indexrelid::regclass::text AS name FROM pg_index WHERE indrelid = 'coupon_issuances'::regclass AND indisunique AND indexrelid::regclass::text LIKE '%code%'",
    );
    expect(rows).toHaveLength(1);
    await database.pool.query(`DROP INDEX ${rows[0].name}`);
    await expectFindings(await issuer.diagnose(), { 'database.table': ['fault', /unique/i] });
  });

  test('a campaign of another database', async () => {
    const staging = await Database.create();
    const persistence = new PostgresPersistence(staging.pool);
    await persistence.createTable();
    const other = await issuerOf({ persistence });
    const found = await other.diagnose();
    await other.close();
    await staging.stop();
    await expectFindings(found, { campaigns: ['fault', /^campaign night keeps its issuances in the database/] });
  });

  test('a campaign with a hook that this process lacks', async () => {
    const bare = await issuerOf({ persistence: undefined });
    await expectFindings(await bare.diagnose(), {
      campaigns: ['fault', /^campaign night was opened with persistence/],
    });
  });

  test('no worker', async () => {
    await worker.stop();
    await expectFindings(await issuer.diagnose(), { workers: ['fault', /these campaigns need one: night$/] });
    await issuer.campaign('night').closeForGood();
    expect(findingsOf(await issuer.diagnose())).toEqual([]);
  });

  test('a worker that looks after other campaigns alone', async () => {
    await worker.stop();
    await issuer.campaign('day').open({ stock: STOCK });
    worker = issuer.startWorker({ intervalMs: 50, campaigns: ['day'] });
    await until(async () => (await issuer.workers()).some(({ succeededAt }) => succeededAt));
    await expectFindings(await issuer.diagnose(), {
      workers: ['fault', /^1 seen, for other campaigns alone, and these campaigns need one: night$/],
    });
    const other = issuer.startWorker({ intervalMs: 50, campaigns: ['night', 'day'] });
    await until(async () => (await issuer.workers()).filter(({ succeededAt }) => succeededAt).length === 2);
    expect(findingsOf(await issuer.diagnose())).toEqual([]);
    await other.stop();
  });

  test('workers that fail, and workers of several versions', async () => {
    await worker.stop();
    const now = Date.now();
    const facts = (version: string, word: string) => `${now}:60000:settle:${version}:${now - 9}:${now - 5}:${word}`;
    await admin.hset('coupon:workers', {
      one: facts('0.1.0', 'ECONNREFUSED'),
      two: `${now}:60000:settle:0.2.0:${now}::`,
    });
    const found = findingsOf(await issuer.diagnose());
    expect(found.map(({ check, verdict, found: says }) => `${check} ${verdict} ${says}`)).toEqual([
      'workers warning 1 of 2 workers fail with ECONNREFUSED',
      'workers warning versions 0.1.0, 0.2.0',
    ]);
  });

  test('a clock that is off', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 5_000 });
    const found = await issuer.diagnose();
    vi.useRealTimers();
    await expectFindings(found, {
      'redis.clock': ['warning', /^the clock is \d{4} ms behind that of this process$/],
      'database.clock': ['warning', /behind/],
    });
  });

  test('a client that queues, waits for ever and sends calls again', async () => {
    const careless = await issuerOf({ redis: await ready({}) });
    await expectFindings(await careless.diagnose(), {
      'client.offline_queue': ['warning', /^enableOfflineQueue true$/],
      'client.time_outs': ['warning', /^no commandTimeout, no socketTimeout$/],
      'client.retries': ['warning', /^maxRetriesPerRequest 20$/],
    });
  });

  test('a listener in this process that reads the arguments of commands', async () => {
    const listener = () => {};
    const starts = channel('tracing:ioredis:command:start');
    starts.subscribe(listener);
    const found = await issuer.diagnose();
    starts.unsubscribe(listener);
    await expectFindings(found, { 'client.tracing': ['warning', /^a subscriber of tracing:ioredis:command$/] });
  });

  test('a campaign that lost a key', async () => {
    await worker.stop();
    await issuer.campaign('second').open({ stock: STOCK });
    await issuer.campaign('second').issue({ userId: 'ann' });
    await issuer.idle();
    await admin.del('{coupon:second}:grants');
    const found = findingsOf(await issuer.diagnose()).filter(({ check }) => check !== 'workers');
    await expectFindings(found, { campaigns: ['fault', /^campaign second is missing$/] });
  });

  test('a Redis that lost everything', async () => {
    expect(await issuer.campaign('night').issue({ userId: 'ann' })).toMatchObject({ status: 'issued' });
    await issuer.idle();
    await admin.flushall();
    await expectFindings(await issuer.diagnose(), {
      campaigns: ['fault', /no campaign under the prefix coupon, and the database has rows of night: Redis lost them/],
    });
  });

  test('campaigns that were closed and purged need nothing, and say so to whoever opens them again', async () => {
    const night = issuer.campaign('night');
    expect(await night.issue({ userId: 'ann' })).toMatchObject({ status: 'issued' });
    await issuer.idle();
    await night.closeForGood();
    await night.purge();
    const looks = async () => findingsOf(await issuer.diagnose()).filter(({ check }) => check === 'campaigns');
    expect(await looks()).toEqual([]);
    await expect(night.open({ stock: STOCK })).rejects.toThrow(
      /closed at .* and purged; nothing was written\. Take another id/,
    );
    expect(await looks(), 'and open left nothing').toEqual([]);
    expect(await night.issue({ userId: 'bob' })).toMatchObject({ status: 'closed' });
  });

  test('reservations in quarantine', async () => {
    const postgres = new PostgresPersistence(database.pool);
    const refusing = {
      check: () => postgres.check(),
      identity: () => postgres.identity(),
      save: async () => {
        throw new NotSavedError('the test says so', { permanent: true });
      },
    };
    const other = await issuerOf({ persistence: refusing });
    await worker.stop();
    await other.campaign('behind').open({ stock: STOCK, saveMode: 'write-behind' }, { skipRowCheck: true });
    await other.campaign('behind').issue({ userId: 'ann' });
    await other.settle();
    const found = findingsOf(await issuer.diagnose()).filter(({ check }) => check !== 'workers');
    await expectFindings(found, { quarantine: ['warning', /^1 of campaign behind$/] });
    await other.close();
  });

  test('a database that forgets commits with the power', async () => {
    await database.pool.query(`ALTER DATABASE ${new URL(database.url).pathname.slice(1)} SET synchronous_commit = off`);
    const pool = new pg.Pool({ connectionString: database.url });
    const found = await (await issuerOf({ persistence: new PostgresPersistence(pool) })).diagnose();
    await database.pool.query(`ALTER DATABASE ${new URL(database.url).pathname.slice(1)} RESET synchronous_commit`);
    await pool.end();
    await expectFindings(found, { 'database.commit': ['fault', /^synchronous_commit off$/] });
  });

  test('a table of 0.1, which does not say which database it is in', async () => {
    await database.pool.query('DROP TABLE coupon_issuances_store');
    await expectFindings(
      findingsOf(await issuer.diagnose()).filter(({ check }) => check !== 'campaigns'),
      {
        'database.identity': ['warning', /does not say/],
      },
    );
  });
});

test('a Redis that is away ends the look at Redis alone', async () => {
  const away = await ready();
  const cut = await issuerOf({ redis: away });
  away.disconnect();
  const found = await cut.diagnose();
  expect(findingsOf(found).map(({ check, verdict }) => [check, verdict])).toEqual([
    ['redis.answer', 'unknown'],
    ['campaigns', 'unknown'],
    ['workers', 'unknown'],
  ]);
  expect(found).toContainEqual(expect.objectContaining({ check: 'database.table', verdict: 'ok' }));
});

test('a database that is away ends the look at it alone, and its error quotes nothing', async () => {
  const lost = async () => {
    throw new Error('postgres://shop:hunter2@db refused CODE-7');
  };
  const persistence = { save: lost, check: lost, identity: lost, facts: lost };
  const found = await (await issuerOf({ persistence })).diagnose();
  const checks = ['database.table', 'database.identity', 'database.clock'];
  expect(findingsOf(found).map(({ check, verdict }) => [check, verdict])).toEqual(
    checks.map((one) => [one, 'unknown']),
  );
  expect(JSON.stringify(found)).not.toMatch(/hunter2|CODE-7/);
});

test('MariaDB tells its facts too', async () => {
  const mariadb = await Mariadb.start();
  const { MysqlPersistence } = await import('../../src/persistence/mysql/index.js');
  const persistence = new MysqlPersistence(mariadb.pool);
  const facts = await persistence.facts();
  expect(facts).toMatchObject({ version: expect.stringMatching(/^\d+\./), unsafe: [], commitMs: null });
  expect(facts.isolation).toMatch(/READ/);
  expect(Math.abs(facts.now.getTime() - Date.now())).toBeLessThan(60_000);
  await mariadb.stop();
});

describe('coupon-issuer doctor', () => {
  const run = (line: string, env: Record<string, string> = {}) =>
    cli(line.split(' '), {
      env: { REDIS_URL: `redis://127.0.0.1:${server.port}`, DATABASE_URL: database.url, ...env },
      cwd: dir,
    });

  test('ends with 0 without findings, one line a check', async () => {
    const { code, stdout, stderr } = await run('doctor');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .every((line) => /^ok {7}[a-z._]+ /.test(line)),
    ).toBe(true);
  });

  test('ends with 3 with findings, each with its cure', async () => {
    await worker.stop();
    const { code, stdout } = await run('doctor');
    expect(code).toBe(3);
    expect(stdout).toMatch(/^fault {4}workers .*night\n +→ start one in two processes/m);
    const { code: again, stdout: lines } = await run('doctor --json');
    expect(again).toBe(3);
    expect(linesOf(lines)).toContainEqual(
      expect.objectContaining({ check: 'workers', verdict: 'fault', cure: expect.stringContaining('start one') }),
    );
  });

  test('ends with 1 where a check could not run, and shows no password', async () => {
    await admin.call('ACL', 'SETUSER', 'keeper', 'reset', 'on', '>hunter2', '~*', '&*', '+@all');
    const url = `redis://keeper:hunter2@127.0.0.1:${server.port}`;
    expect((await run('doctor', { REDIS_URL: url })).code).toBe(0);
    await database.pool.query('DROP TABLE coupon_issuances, coupon_issuances_store');
    await worker.stop();
    const away = new URL(database.url);
    [away.password, away.port] = ['hunter3', '1'];
    const { code, stdout, stderr } = await run('doctor', { REDIS_URL: url, DATABASE_URL: away.href });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^unknown {2}database.table /m);
    expect(stdout + stderr).not.toMatch(/hunter/);
  });
});
