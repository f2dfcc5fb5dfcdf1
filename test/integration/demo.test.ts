import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Redis } from 'ioredis';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTableSql } from '../../src/persistence/postgres/index.js';
import { Database } from '../support/servers/database.js';
import { ownPort } from '../support/servers/port.js';
import { RedisServer } from '../support/servers/redis-server.js';

const DEMO = new URL('../../examples/demo/', import.meta.url);

interface Verdict {
  readonly id: string;
  readonly name: string;
  readonly holds: boolean;
}

let server: RedisServer;
let database: Database;
let dir: string;
let redisUrl: string;
beforeAll(async () => {
  [server, database] = await Promise.all([RedisServer.start(), Database.create()]);
  redisUrl = `redis://127.0.0.1:${server.port}`;
  dir = mkdtempSync(join(tmpdir(), 'coupon-demo-'));
});
afterAll(async () => {
  await Promise.all([server.stop(), database.stop()]);
  rmSync(dir, { recursive: true, force: true });
});

/** Has the process tell its CPU time at its end: the wall clock belongs to whatever else runs on the machine. */
const TELL_CPU = `data:text/javascript,${encodeURIComponent(
  `import { writeSync } from 'node:fs'; process.on('exit', () => writeSync(3, String(process.cpuUsage().user / 1000)));`,
)}`;

async function demo(...args: string[]) {
  const child = spawn(process.execPath, ['--import', TELL_CPU, new URL('demo.js', DEMO).pathname, ...args], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const [stdout, stderr, cpuMs, exitCode] = await Promise.all([
    ...[1, 2, 3].map((fd) => text(child.stdio[fd] as Readable)),
    new Promise<number | null>((resolve) => child.once('close', resolve)),
  ] as [Promise<string>, Promise<string>, Promise<string>, Promise<number | null>]);
  return { exitCode, stdout, stderr, cpuMs: Number(cpuMs) };
}

const real = () => ['--redis', redisUrl, '--postgres', database.url];

/** The number of one line of the table. */
function figure(stdout: string, label: string): number {
  const line = stdout.split('\n').find((one) => one.startsWith(label));
  return Number(/\s([\d,]+)( {3}|$)/.exec(line ?? '')?.[1]?.replaceAll(',', ''));
}

const VERDICTS = ['I1', 'I2', 'I3', 'I4', 'I5', 'I6', 'I7', 'I10'];

function expectProof(stdout: string): void {
  for (const id of VERDICTS) expect(stdout).toMatch(new RegExp(`^${id} +holds `, 'm'));
  expect(stdout).toContain('every invariant holds');
  expect(stdout).not.toContain('VIOLATED');
}

describe('the demo', () => {
  test('sells 1,000 codes to 1,500 buyers on the embedded servers in seconds, and every invariant holds', async () => {
    const { exitCode, stdout, stderr, cpuMs } = await demo('--seed', '7');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expectProof(stdout);
    expect(figure(stdout, 'issued')).toBe(1000);
    expect(figure(stdout, 'refused')).toBe(500);
    expect(figure(stdout, 'failed and retried')).toBeGreaterThan(50);
    expect(figure(stdout, 'finished by settle')).toBeGreaterThan(0);
    expect(figure(stdout, 'duplicates')).toBe(0);
    expect(figure(stdout, 'codes lost')).toBe(0);
    expect(figure(stdout, 'rows in the database')).toBe(1000);
    expect(stdout).toContain('seed 7');
    expect(cpuMs).toBeGreaterThan(500);
    expect(cpuMs).toBeLessThan(20_000);
  });

  test('holds its promises while the external API never answers well', async () => {
    const { exitCode, stdout } = await demo(...real(), '--total', '20', '--buyers', '30', '--failure-rate', '1');
    expect(exitCode).toBe(0);
    expectProof(stdout);
    expect(figure(stdout, 'failed and retried')).toBeGreaterThan(20);
  });

  test('needs no settle where nothing fails', async () => {
    const { exitCode, stdout } = await demo(...real(), '--total', '30', '--buyers', '20', '--failure-rate', '0');
    expect(exitCode).toBe(0);
    expectProof(stdout);
    expect(figure(stdout, 'issued')).toBe(20);
    expect(figure(stdout, 'refused')).toBe(0);
    expect(figure(stdout, 'failed and retried')).toBe(0);
  });

  test('does the same on a real Redis and a real PostgreSQL, with rows to look at afterwards', async () => {
    const { exitCode, stdout, stderr } = await demo(...real());
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expectProof(stdout);
    expect(stdout).not.toContain('postgres:postgres');
    const campaignId = /campaign (demo-\w+)/.exec(stdout)![1];
    const { rows } = await database.pool.query(
      'SELECT count(*)::int AS rows, count(DISTINCT code)::int AS codes, count(DISTINCT user_id)::int AS users FROM coupon_demo WHERE campaign_id = $1',
      [campaignId],
    );
    expect(rows[0]).toEqual({ rows: 1000, codes: 1000, users: 1000 });
    const client = server.client();
    expect(await client.hget(`{coupon-demo:${campaignId}}:campaign`, 'issued')).toBe('1000');
    for (const key of await client.keys(`{coupon-demo:${campaignId}}:*`)) {
      expect(await client.pttl(key)).toBeGreaterThan(0);
    }
  });

  test('takes one real server and an embedded one', async () => {
    const [onRedis, onPostgres] = await Promise.all([
      demo('--redis', redisUrl, '--total', '50'),
      demo('--postgres', database.url, '--total', '50'),
    ]);
    expect([onRedis.exitCode, onPostgres.exitCode]).toEqual([0, 0]);
    expectProof(onRedis.stdout);
    expectProof(onPostgres.stdout);
    expect(onRedis.stdout).toContain('and PGlite');
    expect(onPostgres.stdout).toContain('ioredis-mock and PostgreSQL');
  });

  test("hands out a partner's list: blank lines, CRLF and duplicates in it do no harm", async () => {
    const file = join(dir, 'codes.txt');
    const codes = Array.from({ length: 600 }, (_, i) => `PARTNER:${i}`);
    writeFileSync(file, `\uFEFF${codes.join('\r\n')}\r\n\r\n   \n${codes[0]}\n${codes[599]}\nLAST`);
    const { exitCode, stdout } = await demo(...real(), '--codes', file);
    expect(exitCode).toBe(0);
    expectProof(stdout);
    expect(stdout).toContain('601 codes (2 duplicates in the list skipped), 902 buyers at once');
    const { rows } = await database.pool.query('SELECT code FROM coupon_demo WHERE campaign_id = $1', [
      /campaign (demo-\w+)/.exec(stdout)![1],
    ]);
    expect(new Set(rows.map(({ code }) => code))).toEqual(new Set([...codes, 'LAST']));
  });
});

test('a database that loses a row makes the demo say so and end with exit code 1', async () => {
  const careless = await Database.create();
  try {
    await careless.pool.query(`${createTableSql({ table: 'coupon_demo' })}
      CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM coupon_demo WHERE serial = 1; RETURN NULL; END';
      CREATE TRIGGER lose AFTER INSERT ON coupon_demo FOR EACH STATEMENT EXECUTE FUNCTION lose()`);
    const { exitCode, stdout } = await demo('--redis', redisUrl, '--postgres', careless.url, '--total', '20');
    expect(exitCode).toBe(1);
    for (const id of ['I4', 'I5', 'I7']) expect(stdout).toMatch(new RegExp(`^${id} +VIOLATED`, 'm'));
    expect(stdout).toMatch(/^I1 +holds/m);
    expect(figure(stdout, 'codes lost')).toBe(1);
    expect(figure(stdout, 'rows in the database')).toBe(19);
  } finally {
    await careless.stop();
  }
});

describe('what the demo cannot do it says in one line', () => {
  const PASSWORD = 'hunter2secret';
  let closed: number;
  let silent: { port: number; stop: () => void };
  let guarded: RedisServer;
  beforeAll(async () => {
    closed = await ownPort();
    guarded = await RedisServer.start(['--requirepass', 'another']);
    const sockets = new Set<{ destroy(): void }>();
    const listener = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
    });
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    silent = {
      port: (listener.address() as { port: number }).port,
      stop: () => {
        for (const socket of sockets) socket.destroy();
        listener.close();
      },
    };
    writeFileSync(join(dir, 'empty.txt'), '\r\n\n');
    writeFileSync(join(dir, 'long.txt'), `FINE\n${'x'.repeat(129)}\n`);
  });
  afterAll(async () => {
    silent.stop();
    await guarded.stop();
  });

  const cases: [string, () => string[], RegExp][] = [
    ['an unknown flag', () => ['--redi', `redis://:${PASSWORD}@h`], /--redi/],
    ['a value without a flag', () => [`redis://:${PASSWORD}@h`], /flag/],
    ['a flag without its value', () => ['--total'], /--total/],
    ['a total that is no number', () => ['--total', 'many'], /--total must be a whole number/],
    ['no buyers', () => ['--buyers', '0'], /--buyers must be/],
    ['a negative total', () => ['--total', '-1'], /--total/],
    ['a failure rate above 1', () => ['--failure-rate', '10'], /--failure-rate must be a number from 0 to 1/],
    ['a URL of another protocol', () => ['--redis', `http://:${PASSWORD}@h`], /--redis must be a URL/],
    ['a URL that is none', () => ['--postgres', `postgres://u:${PASSWORD}@`], /--postgres must be a URL/],
    ['a file that is not there', () => ['--codes', join(dir, 'nowhere.txt')], /cannot read .*nowhere.txt: ENOENT/],
    ['a directory', () => ['--codes', dir], /not a file/],
    ['a file without codes', () => [...real(), '--codes', join(dir, 'empty.txt')], /holds no codes/],
    ['a code that is too long', () => [...real(), '--codes', join(dir, 'long.txt')], /line 2 of the file .* 128 bytes/],
    ['a total beside a list', () => ['--codes', join(dir, 'long.txt'), '--total', '5'], /--total/],
    ['a Redis that is down', () => ['--redis', `redis://:${PASSWORD}@127.0.0.1:${closed}`], /Redis at .*ECONNREFUSED/],
    ['a Redis that never answers', () => ['--redis', `redis://:${PASSWORD}@127.0.0.1:${silent.port}`], /Redis at/],
    ['a wrong password', () => ['--redis', `redis://:${PASSWORD}@127.0.0.1:${guarded.port}`], /WRONGPASS/],
    [
      'a PostgreSQL that is down',
      () => ['--postgres', `postgres://u:${PASSWORD}@127.0.0.1:${closed}/db`],
      /PostgreSQL at .*ECONNREFUSED/,
    ],
    [
      'a PostgreSQL that never answers',
      () => ['--postgres', `postgres://u:${PASSWORD}@127.0.0.1:${silent.port}/db`],
      /PostgreSQL at/,
    ],
  ];
  test.concurrent.each(cases)('%s', async (_, args, line) => {
    const { exitCode, stdout, stderr } = await demo(...args());
    expect(stderr).toMatch(/^demo: [^\n]+\n$/);
    expect(stderr).toMatch(line);
    expect(stdout + stderr).not.toContain(PASSWORD);
    expect(exitCode).toBe(2);
  });

  test('--help is not a fault', async () => {
    const { exitCode, stdout, stderr } = await demo('--help');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toContain('--failure-rate');
  });
});

describe('a verdict can fail', () => {
  // biome-ignore lint/suspicious/noExplicitAny: the evidence is plain JavaScript of the example
  let evidence: any;
  let redis: Redis;
  let examine: (evidence: unknown) => Promise<{ verdicts: Verdict[] }>;
  beforeAll(async () => {
    ({ examine } = await import(new URL('report.js', DEMO).href));
    const { experiment } = await import(new URL('experiment.js', DEMO).href);
    redis = server.client();
    const screen = { step() {}, sale() {} };
    evidence = await experiment({
      redis,
      sql: database.pool,
      total: 40,
      buyers: 60,
      failureRate: 0.2,
      seed: 1,
      screen,
    });
  });

  /** Judges after sabotage of the rows; the transaction takes it back. */
  async function violatedAfter(
    sabotage: (sql: pg.PoolClient, campaignId: string) => Promise<unknown>,
  ): Promise<string[]> {
    const sql = await database.pool.connect();
    try {
      await sql.query('BEGIN');
      await sabotage(sql, evidence.campaignId);
      return violated(await examine({ ...evidence, sql }));
    } finally {
      await sql.query('ROLLBACK');
      sql.release();
    }
  }

  function violated({ verdicts }: { verdicts: Verdict[] }): string[] {
    return verdicts.filter(({ holds }) => !holds).map(({ id, name }) => id || name.split(' ')[0]!);
  }

  const one = 'ctid = (SELECT min(ctid) FROM coupon_demo WHERE campaign_id = $1)';
  const copied = (values: string) =>
    `INSERT INTO coupon_demo (campaign_id, serial, user_id, grant_no, id, code, issued_at, epoch)
     SELECT campaign_id, ${values}, issued_at, epoch FROM coupon_demo WHERE ${one}`;
  const loser = () => evidence.told.find(({ status }: { status: string }) => status === 'sold_out').userId;

  test('all hold before the sabotage', async () => {
    expect(violated(await examine(evidence))).toEqual([]);
  });

  test('a row that vanished', async () => {
    const found = await violatedAfter((sql, id) => sql.query(`DELETE FROM coupon_demo WHERE ${one}`, [id]));
    expect(found).toEqual(['I4', 'Redis', 'I5', 'I7']);
  });

  test('a row too many, of a user who was told sold out', async () => {
    const found = await violatedAfter((sql, id) => sql.query(copied("41, $2, 1, 'forged', 'FORGED'"), [id, loser()]));
    expect(found).toEqual(expect.arrayContaining(['I1', 'I4', 'I6']));
  });

  test('a second coupon of one user', async () => {
    const found = await violatedAfter((sql, id) => sql.query(copied("41, user_id, 2, 'forged', 'FORGED'"), [id]));
    expect(found).toEqual(expect.arrayContaining(['I1', 'I2']));
  });

  test('one code in two rows', async () => {
    const found = await violatedAfter(async (sql, id) => {
      await sql.query('DROP INDEX coupon_demo_campaign_id_code_idx');
      await sql.query(
        'UPDATE coupon_demo SET code = (SELECT code FROM coupon_demo WHERE campaign_id = $1 AND serial = 1) WHERE campaign_id = $1 AND serial = 2',
        [id],
      );
    });
    expect(found).toEqual(['I1', 'Redis', 'I5', 'I7', 'I10']);
  });

  test('counters of Redis that do not add up', async () => {
    const { campaign } = evidence;
    expect(violated(await examine({ ...evidence, campaign: { ...campaign, issued: campaign.issued + 1 } }))).toEqual([
      'I3',
    ]);
    const samples = [{ ...campaign, reserved: 1 }];
    expect(violated(await examine({ ...evidence, samples }))).toEqual(['I3']);
  });

  test('a unit that Redis lost', async () => {
    const key = `{coupon-demo:${evidence.campaignId}}:grants`;
    const [field, record] = Object.entries(await redis.hgetall(key))[0]!;
    await redis.hdel(key, field);
    expect(violated(await examine(evidence))).toEqual(['I4', 'Redis']);
    await redis.hset(key, field, record);
    expect(violated(await examine(evidence))).toEqual([]);
  });

  test('a winner who is shown another coupon the second time', async () => {
    const [first, second] = evidence.repeats;
    const repeats = [{ ...first, same: second.same }, ...evidence.repeats.slice(1)];
    expect(violated(await examine({ ...evidence, repeats }))).toEqual(['I7']);
  });

  test('a code that the partner delivered to a second user', async () => {
    const [{ code }] = evidence.deliveries;
    const deliveries = [...evidence.deliveries, { code, userId: loser() }];
    expect(violated(await examine({ ...evidence, deliveries }))).toEqual(['I10']);
  });
});
