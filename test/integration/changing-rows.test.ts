import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { monotonicMs } from '../../src/flow/deadline.js';
import { type Issuance, NotSavedError } from '../../src/index.js';
import { mintId } from '../../src/model/issuance.js';
import { firstRedeem } from '../../src/model/life.js';
import { type MysqlLike, MysqlPersistence } from '../../src/persistence/mysql/index.js';
import { type PostgresLike, PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { Changes } from '../../src/redeem/changes.js';
import { issuance } from '../support/scenes/issuances.js';
import { Database } from '../support/servers/database.js';
import { Mariadb } from '../support/servers/mariadb.js';

/** A statement that waits for a lock fails after this many seconds, so that a wait that must not be is seen. */
const LOCK_WAIT_S = 4;

type Adapter = PostgresPersistence | MysqlPersistence;
type Send = () => Promise<unknown>;

/** One of the databases, and what is done to it behind the back of its adapter. */
interface Ground {
  /** `around` stands around each statement and is given its text. */
  adapter(around?: (sql: string, send: Send) => Promise<unknown>): Adapter;
  /** An adapter whose sessions have a clock that stands still. */
  adapterAt(instant: Date): Promise<Adapter>;
  /** A transaction that locks a row; resolves to its end. */
  hold(row: Issuance): Promise<() => Promise<void>>;
  isWaiting(): Promise<boolean>;
  now(): Promise<Date>;
  /** As the server refuses a statement that was cancelled. */
  readonly cancelled: object;
}

let postgres: Database;
let mariadb: Mariadb;
const ended: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  [postgres, mariadb] = await Promise.all([Database.create(), Mariadb.start()]);
  await new PostgresPersistence(postgres.pool).createTable();
  await new MysqlPersistence(mariadb.pool).createTable();
});
afterAll(async () => {
  for (const end of ended) await end();
  await Promise.all([postgres.stop(), mariadb.stop()]);
});

/** Ends it once: when it is called, or at the end of a test that failed before. */
function ending(end: () => Promise<void>): () => Promise<void> {
  let promise: Promise<void> | null = null;
  const once = () => {
    promise ??= end();
    return promise;
  };
  onTestFinished(once);
  return once;
}

function pool(options: string): pg.Pool {
  const made = new pg.Pool({ connectionString: postgres.url, options });
  ended.push(() => made.end());
  return made;
}

function groundOfPostgres(): Ground {
  const waiting = pool(`-c lock_timeout=${LOCK_WAIT_S}s`);
  return {
    cancelled: { code: '57014', severity: 'ERROR' },
    adapter: (around = (_, send) => send()) => {
      const query = (...args: Parameters<PostgresLike['query']>) =>
        around(args[0], () => waiting.query(...args)) as ReturnType<PostgresLike['query']>;
      return new PostgresPersistence(Object.assign(Object.create(waiting) as pg.Pool, { query }));
    },
    adapterAt: async (instant) => {
      const schema = `clock_${mintId().toLowerCase().replaceAll('-', '_')}`;
      await postgres.pool.query(
        `CREATE SCHEMA ${schema}; CREATE FUNCTION ${schema}.statement_timestamp() RETURNS timestamptz STABLE LANGUAGE sql
         AS $$SELECT '${instant.toISOString()}'::timestamptz$$`,
      );
      return new PostgresPersistence(pool(`-c search_path=${schema},pg_catalog,public`));
    },
    hold: async ({ campaignId, serial }) => {
      const client = await postgres.pool.connect();
      await client.query('BEGIN');
      const sql = 'SELECT FROM coupon_issuances WHERE campaign_id = $1 AND serial = $2 FOR UPDATE';
      expect((await client.query(sql, [campaignId, serial])).rowCount).toBe(1);
      return ending(async () => {
        await client.query('ROLLBACK');
        client.release();
      });
    },
    isWaiting: async () =>
      (await postgres.pool.query(`SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'`)).rowCount === 1,
    now: async () => (await postgres.pool.query('SELECT clock_timestamp() AS now')).rows[0].now,
  };
}

function groundOfMariadb(): Ground {
  const waiting = mariadb.createPool();
  waiting.on('connection', (one) => void one.query(`SET innodb_lock_wait_timeout = ${LOCK_WAIT_S}`));
  return {
    cancelled: { errno: 1205, code: 'ER_LOCK_WAIT_TIMEOUT', sqlState: 'HY000', sqlMessage: 'waited too long' },
    adapter: (around = (_, send) => send()) => {
      const query = (options: Parameters<MysqlLike['query']>[0]) =>
        around(options.sql, () => waiting.query(options)) as ReturnType<MysqlLike['query']>;
      return new MysqlPersistence(Object.assign(Object.create(waiting) as MysqlLike, { query }));
    },
    adapterAt: async (instant) => {
      const still = mariadb.createPool();
      still.on('connection', (one) => void one.query(`SET timestamp = ${instant.getTime() / 1000}`));
      return new MysqlPersistence(still);
    },
    hold: async ({ campaignId, serial }) => {
      const client = await mariadb.connect();
      await client.beginTransaction();
      const sql = 'SELECT serial FROM coupon_issuances WHERE campaign_id = ? AND serial = ? FOR UPDATE';
      expect((await client.query(sql, [campaignId, serial]))[0]).toHaveLength(1);
      return ending(() => client.rollback());
    },
    isWaiting: async () => (await mariadb.statusOf('Innodb_row_lock_current_waits')) === 1,
    now: async () => {
      const [rows] = await mariadb.pool.query('SELECT UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS ms');
      return new Date(Number((rows as { ms: string }[])[0]!.ms));
    },
  };
}

describe.each([
  ['PostgreSQL', groundOfPostgres],
  ['MariaDB', groundOfMariadb],
] as const)('in %s', (_, groundOf) => {
  let ground: Ground;
  beforeAll(() => {
    ground = groundOf();
  });

  /** Stored coupons of one campaign, each of a user of its own. */
  async function coupons(count: number, given: Partial<Issuance> = {}): Promise<Issuance[]> {
    const campaignId = mintId();
    const rows = Array.from({ length: count }, (_, i) =>
      issuance({ campaignId, serial: i + 1, code: `CODE${i + 1}`, ...given }),
    );
    await ground.adapter().save(rows, { signal: new AbortController().signal });
    return rows;
  }
  const redeem = ({ campaignId, code }: Issuance) => ({ ref: { campaignId, code: code! }, ...firstRedeem('A') });

  test('a batch leaves out the row that another transaction holds; alone its change waits, and is made', async () => {
    const rows = await coupons(5);
    const release = await ground.hold(rows[2]!);
    const adapter = ground.adapter();
    const changing = adapter.change(rows.map(redeem));
    await expect(changing, 'the batch waits for no row').resolves.toHaveLength(5);
    const verdicts = await changing;
    expect(verdicts.map(({ changed }) => changed)).toEqual([true, true, false, true, true]);
    expect(verdicts[2]).toEqual({ changed: false, row: null, held: true });
    const alone = adapter.change([redeem(rows[2]!)]);
    await expect.poll(() => ground.isWaiting(), { timeout: 10_000 }).toBe(true);
    await release();
    expect(await alone).toMatchObject([{ changed: true, row: { life: { version: 1, by: 'A' } } }]);
  });

  test('calls are answered while another transaction holds the coupon of one of them, which is answered after it', async () => {
    const rows = await coupons(10);
    const release = await ground.hold(rows[4]!);
    const changes = new Changes(ground.adapter(), {
      maxBatch: 500,
      maxInFlight: 2,
      maxQueued: 100,
      announce: async () => [],
    });
    const calls = rows.map(({ campaignId, code }) =>
      changes.change({
        ref: { campaignId, code: code! },
        call: { verb: 'redeem', id: 'A' },
        deadlineAt: monotonicMs() + 60_000,
      }),
    );
    const others = await Promise.all(calls.filter((_, i) => i !== 4));
    await release();
    expect(others.map(({ answer }) => answer)).toEqual(others.map(() => 'redeemed'));
    expect(await calls[4]).toMatchObject({ answer: 'redeemed', changed: true });
  });

  test('the time of a change is the time of the database, whatever clock this process has', async () => {
    const [row] = await coupons(1);
    const adapter = ground.adapter();
    const before = await ground.now();
    vi.useFakeTimers({ toFake: ['Date'], now: new Date('2040-01-01T00:00:00Z') });
    const [verdict] = await adapter.change([redeem(row!)]).finally(() => vi.useRealTimers());
    const after = await ground.now();
    const { at } = verdict!.row!.life!;
    expect(at!.getTime()).toBeGreaterThanOrEqual(before.getTime() - 1);
    expect(at!.getTime()).toBeLessThanOrEqual(after.getTime() + 1);
  });

  test('a count takes a coupon for expired at its end, and for valid a millisecond before', async () => {
    const end = new Date('2030-05-01T10:00:00.123Z');
    const [row] = await coupons(1, { expiresAt: end });
    const countAt = async (ms: number) => (await ground.adapterAt(new Date(ms))).count(row!.campaignId);
    expect(await countAt(end.getTime() - 1)).toMatchObject({ issued: 1, expired: 0 });
    expect(await countAt(end.getTime())).toMatchObject({ issued: 0, expired: 1 });
  });

  test('a coupon is redeemed a millisecond before its end, and not at its end', async () => {
    const expiresAt = new Date('2026-12-01T00:00:00.500Z');
    const [row] = await coupons(1, { expiresAt });
    const atEnd = await ground.adapterAt(expiresAt);
    expect(await atEnd.change([redeem(row!)])).toMatchObject([{ changed: false, row: { expiresAt } }]);
    const before = await ground.adapterAt(new Date(expiresAt.getTime() - 1));
    expect(await before.change([redeem(row!)])).toMatchObject([{ changed: true }]);
  });

  test('a change that is alone is never held, also if its row is saved behind the statement', async () => {
    const row = issuance({ code: 'CODE1' });
    let saved = false;
    const adapter = ground.adapter(async (sql, send) => {
      const result = await send();
      if (sql.includes('UPDATE') && !saved) {
        saved = true;
        await ground.adapter().save([row], { signal: new AbortController().signal });
      }
      return result;
    });
    expect(await adapter.change([redeem(row)])).toEqual([{ changed: false, row: { ...row, state: 'issued' } }]);
    expect(saved).toBe(true);
  });

  test('a batch of which one statement is committed does not deny it where the next one is refused', async () => {
    const [first, second] = (await coupons(2)) as [Issuance, Issuance];
    let updates = 0;
    const adapter = ground.adapter(async (sql, send) => {
      if (/^(WITH|UPDATE)/.test(sql) && ++updates === 2) {
        throw Object.assign(new Error('canceling statement'), ground.cancelled);
      }
      return send();
    });
    const { campaignId, id, userId } = second;
    const both = [redeem(first), { ref: { campaignId, id, userId }, ...firstRedeem('A') }];
    const error = await adapter.change(both).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(NotSavedError);
    const found = await ground.adapter().look(both.map(({ ref }) => ref));
    expect(found.map((row) => row?.life?.by)).toEqual(['A', undefined]);
    updates = 1;
    await expect(adapter.change([redeem(second)])).rejects.toBeInstanceOf(NotSavedError);
  });
});

test('in a partitioned table of PostgreSQL a change leaves alone the row at the same place of another partition', async () => {
  await new PostgresPersistence(postgres.pool, { table: 'whole' }).createTable();
  await postgres.pool.query(`CREATE TABLE parted (LIKE whole INCLUDING ALL) PARTITION BY LIST (campaign_id);
    CREATE TABLE parted_a PARTITION OF parted FOR VALUES IN ('a'); CREATE TABLE parted_b PARTITION OF parted FOR VALUES IN ('b')`);
  const persistence = new PostgresPersistence(postgres.pool, { table: 'parted' });
  const rows = ['a', 'a', 'b', 'b'].map((campaignId, i) => issuance({ campaignId, serial: i + 1 }));
  await persistence.save(rows);
  const { rows: places } = await postgres.pool.query('SELECT count(DISTINCT ctid)::int AS places FROM parted');
  expect(places).toEqual([{ places: 2 }]);
  const changes = rows
    .slice(0, 2)
    .map(({ campaignId, id, userId }) => ({ ref: { campaignId, id, userId }, ...firstRedeem('A') }));
  expect(await persistence.change(changes)).toMatchObject([{ changed: true }, { changed: true }]);
  const versions = (await persistence.find(rows)).map((row) => row?.life?.version ?? 0);
  expect(versions).toEqual([1, 1, 0, 0]);
});

test.each([1, 50])(
  'in PostgreSQL a change finds its row by the key, in a campaign that the statistics do not know as well: %i at a time',
  async (size) => {
    const table = `changed_${size}`;
    const plans: string[] = [];
    const query = async (text: string, values?: unknown[]) => {
      const { rows } = await postgres.pool.query(`EXPLAIN ${text}`, values);
      plans.push(rows.map((row) => row['QUERY PLAN']).join('\n'));
      return postgres.pool.query(text, values);
    };
    await new PostgresPersistence(postgres.pool, { table }).createTable();
    const fill = (campaignId: string, count: number) =>
      postgres.pool.query(
        `INSERT INTO ${table} SELECT $1, n, 'user-' || n, 1, 'id-' || n, 'CODE-' || n, now(), '1-a' FROM generate_series(1, $2::int) n`,
        [campaignId, count],
      );
    await fill('known', 1_000);
    await postgres.pool.query(`ANALYZE ${table}`);
    await fill('new', 40_000);
    const persistence = new PostgresPersistence({ query, totalCount: 1 } as PostgresLike, { table });
    const numbers = Array.from({ length: size }, (_, i) => 100 + i);
    const byCode = numbers.map((n) => ({ campaignId: 'new', code: `CODE-${n}`, userId: `user-${n}` }));
    const byId = numbers.map((n) => ({ campaignId: 'new', id: `id-${n}`, userId: `user-${n}` }));
    for (const [version, refs] of [byCode, byId].entries()) {
      const made = await persistence.change(
        refs.map((ref) => ({ ref, version, unexpired: true, undone: `m${version}` })),
      );
      expect(made.filter(({ changed }) => changed)).toHaveLength(size);
    }
    const [code, id] = plans;
    expect(code).toMatch(/Index Scan using \w+_code_/);
    expect(id).toMatch(/Index Scan using \w+_user_id_grant_no_key/);
    for (const plan of plans) expect(plan).not.toMatch(/_pkey|Seq Scan on changed/);
  },
);
