import type { PoolClient } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import {
  type CouponEvent,
  CouponIssuer,
  InvalidArgumentError,
  type Issuance,
  MemoryPersistence,
  MisconfiguredError,
  type PersistenceAdapter,
  PersistenceError,
} from '../../src/index.js';
import { mintId } from '../../src/model/issuance.js';
import { UNTOUCHED } from '../../src/model/life.js';
import type { CouponRows } from '../../src/persistence/adapter.js';
import { type MysqlLike, MysqlPersistence } from '../../src/persistence/mysql/index.js';
import { type PostgresLike, PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { issuance } from '../support/scenes/issuances.js';
import { Database } from '../support/servers/database.js';
import { Mariadb } from '../support/servers/mariadb.js';
import { RedisServer } from '../support/servers/redis-server.js';

const HOUR_MS = 3_600_000;
const anySignal = () => ({ signal: new AbortController().signal });

/** The database has answered: it is not told as silent. */
const FAILED_WITH_40001 = expect.stringMatching(
  /^the call to the database failed \(Error 40001\): roll your transaction back/,
);

/** An open transaction of a shop. */
interface Transaction {
  readonly client: object;
  /** Sees the table, as a transaction does that looks at an order first. */
  look(): Promise<unknown>;
  commit(): Promise<unknown>;
  rollback(): Promise<unknown>;
  /** The process of the shop dies: its connection is cut. */
  die(): void;
}

type Send = () => Promise<unknown>;

interface Ground {
  readonly persistence: PersistenceAdapter<object> & CouponRows;
  readonly pool: object;
  begin(isolation?: string): Promise<Transaction>;
  /** The same client; `around` stands around each statement and is given its text. */
  around(client: object, around: (sql: string, send: Send) => Promise<unknown>): object;
  /** A connection without a transaction. */
  idle(): Promise<object>;
  isWaiting(): Promise<boolean>;
  /** What a transaction is told that saw a row before another one changed it. */
  readonly whenSeen: { readonly redeemed: object; readonly extended: object };
  readonly deadlock: Error;
}

let redis: RedisServer;
let postgres: Database;
let mariadb: Mariadb;
beforeAll(async () => {
  [redis, postgres, mariadb] = await Promise.all([
    RedisServer.start(),
    Database.create(),
    Mariadb.start(['--innodb-lock-wait-timeout=4']),
  ]);
  await new PostgresPersistence(postgres.pool).createTable();
  await new MysqlPersistence(mariadb.pool).createTable();
});
afterAll(() => Promise.all([redis.stop(), postgres.stop(), mariadb.stop()]));

function groundOfPostgres(): Ground {
  const lent = async () => {
    const client: PoolClient = await postgres.pool.connect();
    client.on('error', () => {});
    // What a test left open is not for the next one.
    onTestFinished(() => client.release(true));
    return client;
  };
  return {
    persistence: new PostgresPersistence(postgres.pool),
    pool: postgres.pool,
    idle: lent,
    begin: async (isolation = 'READ COMMITTED') => {
      const client = await lent();
      await client.query(`BEGIN ISOLATION LEVEL ${isolation}`);
      return {
        client,
        look: () => client.query('SELECT count(*) FROM coupon_issuances'),
        commit: () => client.query('COMMIT'),
        rollback: () => client.query('ROLLBACK'),
        die: () => (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy(),
      };
    },
    around: (client, around) => {
      const query = (text: string, values?: unknown[]) =>
        around(text, () => (client as PostgresLike).query(text, values));
      return { query };
    },
    isWaiting: async () => {
      const here = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`;
      return (await postgres.pool.query(here)).rowCount === 1;
    },
    whenSeen: {
      redeemed: { outcome: 'not_applied', message: FAILED_WITH_40001, cause: { code: '40001' } },
      extended: { outcome: 'not_applied', message: FAILED_WITH_40001, cause: { code: '40001' } },
    },
    deadlock: Object.assign(new Error('deadlock detected'), { code: '40P01', severity: 'ERROR' }),
  };
}

function groundOfMariadb(): Ground {
  const lent = async () => {
    const client = await mariadb.connect();
    onTestFinished(() => client.destroy());
    return client;
  };
  return {
    persistence: new MysqlPersistence(mariadb.pool),
    pool: mariadb.pool,
    idle: lent,
    begin: async (isolation = 'REPEATABLE READ') => {
      const client = await lent();
      await client.query(`SET TRANSACTION ISOLATION LEVEL ${isolation}`);
      await client.beginTransaction();
      return {
        client,
        look: () => client.query('SELECT count(*) FROM coupon_issuances'),
        commit: () => client.commit(),
        rollback: () => client.rollback(),
        die: () => client.destroy(),
      };
    },
    around: (client, around) => {
      const query = (options: Parameters<MysqlLike['query']>[0]) =>
        around(options.sql, () => (client as MysqlLike).query(options));
      return { query };
    },
    isWaiting: async () => (await mariadb.statusOf('Innodb_row_lock_current_waits')) === 1,
    whenSeen: { redeemed: { status: 'already_redeemed' }, extended: { status: 'redeemed' } },
    deadlock: Object.assign(new Error('Deadlock found'), { code: 'ER_LOCK_DEADLOCK', errno: 1213, sqlState: '40001' }),
  };
}

describe.each([
  ['PostgreSQL', groundOfPostgres],
  ['MariaDB', groundOfMariadb],
] as const)('in %s', (_, groundOf) => {
  let ground: Ground;
  let issuer: CouponIssuer<object>;
  const events: CouponEvent[] = [];
  beforeAll(() => {
    ground = groundOf();
    const { persistence } = ground;
    issuer = new CouponIssuer({ redis: redis.client(), persistence, onEvent: (event) => events.push(event) });
  });
  beforeEach(() => {
    events.length = 0;
  });

  /** A stored coupon of Ann. */
  async function coupon(given: Partial<Issuance> = {}) {
    const row = issuance({ campaignId: mintId(), userId: 'ann', serial: 1, code: 'CODE1', ...given });
    const [verdict] = await ground.persistence.save([row], anySignal());
    expect(verdict).toEqual({ verdict: 'saved' });
    const launch = issuer.campaign(row.campaignId);
    const redeem = (redemptionId: string, within?: object) =>
      launch.redeem({ userId: 'ann', code: row.code!, redemptionId, within });
    /** The row as another connection sees it. */
    const stored = async () => {
      const [found] = await ground.persistence.look([{ campaignId: row.campaignId, code: row.code! }], anySignal());
      return found!.life ?? UNTOUCHED;
    };
    return { row, launch, redeem, stored };
  }

  /** A redeem that has 300 ms. */
  async function hasty({ campaignId, code }: Issuance, within: object) {
    const { persistence } = ground;
    const launch = new CouponIssuer({ redis: redis.client(), persistence, timeoutMs: 300 }).campaign(campaignId);
    return launch.redeem({ userId: 'ann', code: code!, redemptionId: 'order-2', within });
  }

  test('a coupon that was redeemed in a transaction of the shop is redeemed once that commits, and tells no event', async () => {
    const { redeem, stored } = await coupon();
    const shop = await ground.begin();
    expect(await redeem('order-1', shop.client)).toMatchObject({
      status: 'redeemed',
      coupon: { state: 'redeemed', redemptionId: 'order-1' },
    });
    expect(await stored(), 'nobody else sees it yet').toMatchObject({ state: 'issued', version: 0 });
    await shop.commit();
    expect(await stored()).toMatchObject({ state: 'redeemed', by: 'order-1', version: 1 });
    expect(await redeem('order-2')).toMatchObject({ status: 'already_redeemed' });
    expect(await redeem('order-1')).toMatchObject({ status: 'redeemed', replayed: true });
    expect(events).toEqual([]);
  });

  test('a coupon whose shop rolls back is not redeemed, and the next order gets it', async () => {
    const { redeem } = await coupon();
    const shop = await ground.begin();
    expect(await redeem('order-1', shop.client)).toMatchObject({ status: 'redeemed' });
    await shop.rollback();
    expect(await redeem('order-2')).toMatchObject({ status: 'redeemed' });
    expect(await redeem('order-1')).toMatchObject({ status: 'already_redeemed' });
  });

  test('a coupon whose shop dies in its transaction is not redeemed, and the next order gets it', async () => {
    const { redeem } = await coupon();
    const shop = await ground.begin();
    expect(await redeem('order-1', shop.client)).toMatchObject({ status: 'redeemed' });
    const next = redeem('order-2');
    await expect.poll(() => ground.isWaiting(), { timeout: 10_000 }).toBe(true);
    shop.die();
    expect(await next).toMatchObject({ status: 'redeemed' });
  });

  test('an order that redeems several coupons in one transaction gets all of them, or none', async () => {
    const coupons = [await coupon(), await coupon(), await coupon()];
    const shop = await ground.begin();
    const told = await Promise.all(coupons.map(({ redeem }) => redeem('order-1', shop.client)));
    expect(told.map(({ status }) => status)).toEqual(['redeemed', 'redeemed', 'redeemed']);
    expect(await coupons[0]!.redeem('order-2', shop.client)).toMatchObject({ status: 'already_redeemed' });
    await shop.rollback();
    for (const { stored } of coupons) expect(await stored()).toMatchObject({ version: 0 });
  });

  test('an order that is cancelled in a transaction gives its coupon back once that commits', async () => {
    const { redeem, launch, row, stored } = await coupon();
    await redeem('order-1');
    events.length = 0;
    for (const end of ['rollback', 'commit'] as const) {
      expect(await stored()).toMatchObject({ state: 'redeemed', by: 'order-1' });
      const shop = await ground.begin();
      const request = { code: row.code!, redemptionId: 'order-1', within: shop.client };
      expect(await launch.unredeem(request)).toMatchObject({ status: 'unredeemed' });
      await shop[end]();
    }
    expect(await redeem('order-1')).toEqual({ status: 'redemption_undone' });
    expect(events).toEqual([]);
    expect(await redeem('order-2')).toMatchObject({ status: 'redeemed' });
  });

  test.each([
    ['commits', 'commit', 'already_redeemed'],
    ['rolls back', 'rollback', 'redeemed'],
  ] as const)(
    'two orders wait for one that has the coupon, with and without a transaction, and once it %s each is told the truth',
    async (_end, end, status) => {
      const { redeem } = await coupon();
      const first = await ground.begin('READ COMMITTED');
      expect(await redeem('order-1', first.client)).toMatchObject({ status: 'redeemed' });
      const second = await ground.begin('READ COMMITTED');
      const waiting = redeem('order-2', second.client);
      await expect.poll(() => ground.isWaiting(), { timeout: 10_000 }).toBe(true);
      await first[end]();
      expect(await waiting).toMatchObject({ status });
      const alone = redeem('order-3');
      if (end === 'rollback') await expect.poll(() => ground.isWaiting(), { timeout: 10_000 }).toBe(true);
      await second.commit();
      expect(await alone).toMatchObject({ status: 'already_redeemed' });
    },
  );

  test.each([
    ['commits', 'commit', 'unredeemed'],
    ['rolls back', 'rollback', 'not_redeemed'],
  ] as const)(
    'an order that is given up while its redemption waits for its commit is over for good, where that %s',
    async (_end, end, status) => {
      const { row, launch, redeem, stored } = await coupon();
      const shop = await ground.begin('READ COMMITTED');
      expect(await redeem('order-1', shop.client)).toMatchObject({ status: 'redeemed' });
      const givenUp = launch.unredeem({ code: row.code!, redemptionId: 'order-1' });
      await expect.poll(() => ground.isWaiting(), { timeout: 10_000 }).toBe(true);
      await shop[end]();
      expect(await givenUp).toMatchObject({ status });
      expect(await stored()).toMatchObject({ state: 'issued', by: null, version: end === 'commit' ? 2 : 1 });
      expect(await redeem('order-1')).toEqual({ status: 'redemption_undone' });
      expect(await redeem('order-2')).toMatchObject({ status: 'redeemed' });
    },
  );

  test('an order whose time runs out behind another one is not known to be made, sends nothing more, and is not made if it rolls back', async () => {
    const { row, redeem, stored } = await coupon();
    const holder = await ground.begin();
    await redeem('order-1', holder.client);
    const shop = await ground.begin();
    const sent: string[] = [];
    const within = ground.around(shop.client, (sql, send) => {
      sent.push(sql);
      return send();
    });
    await expect(hasty(row, within)).rejects.toMatchObject({
      code: 'PERSISTENCE',
      outcome: 'unknown',
      message: expect.stringContaining('roll your transaction back'),
    });
    const count = sent.length;
    expect(sent.at(-1)).toContain('UPDATE');
    const ended = shop.rollback();
    await holder.rollback();
    await ended;
    expect(sent.length).toBe(count);
    expect(await stored()).toMatchObject({ version: 0 });
    expect(await redeem('order-3')).toMatchObject({ status: 'redeemed' });
  });

  test('a call whose time ran out sends no change once its transaction is over', async () => {
    const { row, stored } = await coupon();
    const shop = await ground.begin();
    let goOn = () => {};
    const gate = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const sent: string[] = [];
    const within = ground.around(shop.client, async (sql, send) => {
      sent.push(sql);
      if (/^(SELECT|LOCK)/.test(sql)) await gate;
      return send();
    });
    await expect(hasty(row, within)).rejects.toMatchObject({ code: 'PERSISTENCE' });
    await shop.rollback();
    const count = sent.length;
    goOn();
    // Each stands behind the statement that was let through, and behind the next one.
    for (let look = 0; look < 3; look++) await shop.look();
    expect(sent.slice(count)).toEqual([]);
    expect(await stored()).toMatchObject({ version: 0 });
  });

  test('a call that stands behind another one of its transaction is not made after its time', async () => {
    const [first, second] = [await coupon(), await coupon()];
    const holder = await ground.begin();
    await first.redeem('order-1', holder.client);
    const shop = await ground.begin();
    const both = [hasty(first.row, shop.client), hasty(second.row, shop.client)];
    const told = (await Promise.allSettled(both)).map(({ status }) => status);
    expect(told).toEqual(['rejected', 'rejected']);
    const ended = shop.rollback();
    await holder.rollback();
    await ended;
    await shop.look();
    for (const { stored } of [first, second]) expect(await stored()).toMatchObject({ version: 0 });
  });

  test.each(['REPEATABLE READ', 'SERIALIZABLE'])('a coupon is redeemed in a transaction of %s', async (isolation) => {
    const { redeem, stored } = await coupon();
    const shop = await ground.begin(isolation);
    expect(await redeem('order-1', shop.client)).toMatchObject({ status: 'redeemed' });
    await shop.commit();
    expect(await stored()).toMatchObject({ by: 'order-1' });
  });

  test('a transaction that saw the coupon before another order redeemed it is not told that it expired', async () => {
    const { redeem, stored } = await coupon({ expiresAt: new Date(Date.now() + HOUR_MS) });
    const shop = await ground.begin('REPEATABLE READ');
    await shop.look();
    expect(await redeem('order-1')).toMatchObject({ status: 'redeemed' });
    const told = await redeem('order-2', shop.client).catch((error: unknown) => error);
    expect(told).toMatchObject(ground.whenSeen.redeemed);
    await shop.rollback();
    expect(await stored()).toMatchObject({ by: 'order-1' });
  });

  test('a transaction that saw an expired coupon before its end was moved is not told that it expired', async () => {
    const { redeem, launch, row } = await coupon({ expiresAt: new Date(Date.now() - HOUR_MS) });
    const shop = await ground.begin('REPEATABLE READ');
    await shop.look();
    const expiresAt = new Date(Date.now() + HOUR_MS);
    expect(await launch.extend({ code: row.code!, expiresAt })).toMatchObject({ status: 'extended' });
    const told = await redeem('order-1', shop.client).catch((error: unknown) => error);
    expect(told).toMatchObject(ground.whenSeen.extended);
    await shop.rollback();
  });

  test('a transaction is told of an undone order, an expired coupon and the coupon of another user as everybody is', async () => {
    const [one, expired] = [await coupon(), await coupon({ expiresAt: new Date(Date.now() - HOUR_MS) })];
    await one.launch.unredeem({ code: 'CODE1', redemptionId: 'order-1' });
    const { client: within } = await ground.begin();
    expect(await one.redeem('order-1', within)).toEqual({ status: 'redemption_undone' });
    expect(await expired.redeem('order-1', within)).toMatchObject({ status: 'expired' });
    const others = { userId: 'bob', code: 'CODE1', redemptionId: 'order-2', within };
    expect(await one.launch.redeem(others)).toEqual({ status: 'not_found' });
    expect(await one.redeem('order-2', within)).toMatchObject({ status: 'redeemed' });
    expect(await one.redeem('order-2', within)).toMatchObject({ status: 'redeemed', replayed: true });
  });

  test.each(['code', 'id'] as const)(
    'a coupon that is looked for by its %s before it is saved is saved all the same, and found in a new transaction',
    async (by) => {
      const { launch, row } = await coupon();
      const late = issuance({ campaignId: row.campaignId, userId: 'ann', grant: 2, serial: 2, code: 'CODE2' });
      const named = by === 'code' ? { code: late.code! } : { id: late.id };
      const request = { userId: 'ann', redemptionId: 'order-1', ...named } as {
        userId: string;
        code: string;
        redemptionId: string;
      };
      const shop = await ground.begin();
      expect(await launch.redeem({ ...request, within: shop.client })).toEqual({ status: 'not_found' });
      await launch.unredeem({ ...request, within: shop.client });
      const saving = ground.persistence.save([late], anySignal());
      await expect(saving, 'it waits for no transaction').resolves.toEqual([{ verdict: 'saved' }]);
      await shop.rollback();
      expect(await launch.redeem({ ...request, within: (await ground.begin()).client })).toMatchObject({
        status: 'redeemed',
      });
    },
  );

  test('a coupon that is still reserved is not saved yet in a transaction either', async () => {
    const id = mintId();
    const save = () => Promise.reject(new Error('the reply was lost'));
    const blocked = new CouponIssuer({ redis: redis.client(), persistence: { save } });
    await blocked.campaign(id).open({ stock: { kind: 'counted', total: 1, generateCodes: true } });
    const issued = await blocked.campaign(id).issue({ userId: 'ann' });
    expect(issued.status).toBe('accepted');
    const { issuance: one } = issued as { issuance: Issuance };
    const { client: within } = await ground.begin();
    const request = { userId: 'ann', id: one.id, redemptionId: 'order-1', within };
    expect(await issuer.campaign(id).redeem(request)).toEqual({ status: 'not_saved_yet', retryAfterMs: 30_000 });
  });

  test('a client without a transaction, a pool and what is no client are refused, and nothing is changed', async () => {
    const { redeem, stored, launch } = await coupon();
    const idle = await ground.idle();
    await expect(redeem('order-1', idle)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', argument: 'within' });
    await expect(launch.unredeem({ code: 'CODE1', redemptionId: 'order-1', within: idle })).rejects.toThrow('within');
    await expect(redeem('order-1', ground.pool)).rejects.toThrow('not a pool');
    for (const wrong of [null, 'client', 7] as unknown as object[]) {
      await expect(redeem('order-1', wrong)).rejects.toMatchObject({ argument: 'within' });
    }
    await expect(redeem('order-1', {})).rejects.toThrow(InvalidArgumentError);
    expect(await stored()).toMatchObject({ version: 0 });
  });

  test('a statement that was the victim of a deadlock is not sent again, because its transaction is over', async () => {
    const { redeem, stored } = await coupon();
    const shop = await ground.begin();
    let updates = 0;
    const within = ground.around(shop.client, async (sql, send) => {
      if (!sql.includes('UPDATE') || ++updates > 1) return send();
      await shop.rollback();
      throw ground.deadlock;
    });
    const error = await redeem('order-1', within).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(PersistenceError);
    expect(error).toMatchObject({
      outcome: 'not_applied',
      cause: { code: (ground.deadlock as Error & { code: string }).code },
    });
    expect(await stored()).toMatchObject({ version: 0 });
  });

  test('a statement whose reply is lost is not sent again, because its transaction may be over', async () => {
    const { redeem, stored } = await coupon();
    const shop = await ground.begin();
    let updates = 0;
    const within = ground.around(shop.client, async (sql, send) => {
      if (!sql.includes('UPDATE') || ++updates > 1) return send();
      await shop.rollback();
      throw new Error('the reply was lost');
    });
    await expect(redeem('order-1', within)).rejects.toMatchObject({ code: 'PERSISTENCE', outcome: 'unknown' });
    expect(updates).toBe(1);
    expect(await stored()).toMatchObject({ version: 0 });
  });
});

test('a session of MariaDB without autocommit is in a transaction from its first statement', async () => {
  const persistence = new MysqlPersistence(mariadb.pool);
  const row = issuance({ campaignId: mintId(), userId: 'ann', serial: 1, code: 'CODE1' });
  await persistence.save([row], anySignal());
  const within = await mariadb.connect();
  await within.query('SET autocommit = 0');
  const launch = new CouponIssuer({ redis: redis.client(), persistence }).campaign(row.campaignId);
  const request = { userId: 'ann', code: 'CODE1', redemptionId: 'order-1', within };
  await expect(launch.redeem(request)).resolves.toMatchObject({ status: 'redeemed' });
  await within.rollback();
  const [found] = await persistence.look([{ campaignId: row.campaignId, code: 'CODE1' }]);
  expect(found?.life).toBeUndefined();
});

test('an adapter that cannot take part in a transaction says so before it is asked', async () => {
  const asked: string[] = [];
  const persistence = Object.assign(new MemoryPersistence(), {
    look: async () => asked.push('look'),
    change: async () => asked.push('change'),
  }) as unknown as MemoryPersistence;
  const launch: ReturnType<CouponIssuer<object>['campaign']> = new CouponIssuer({
    redis: redis.client(),
    persistence,
  }).campaign('x');
  const request = { code: 'CODE1', userId: 'ann', redemptionId: 'order-1', within: {} };
  await expect(launch.redeem(request)).rejects.toThrow(MisconfiguredError);
  await expect(launch.unredeem(request)).rejects.toThrow('`within`');
  expect(asked).toEqual([]);
});
