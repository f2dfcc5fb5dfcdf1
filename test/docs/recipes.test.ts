import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CouponIssuer, type Issuance, type PersistenceAdapter } from '../../src/index.js';
import { mintId } from '../../src/model/issuance.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { persistenceContract } from '../../src/testing/index.js';
import { until } from '../support/checks/until.js';
import { Database } from '../support/servers/database.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { Guide, sqlWith } from './guide.js';
import { Project } from './snippets.js';

let project: Project;
let database: Database;
let server: RedisServer;
let guide: Guide;
beforeAll(async () => {
  project = new Project();
  guide = new Guide(project);
  [server, database] = await Promise.all([RedisServer.start(), Database.create()]);
  await new PostgresPersistence(database.pool).createTable();
  for (const words of ['CREATE TABLE vouchers', 'CREATE TABLE coupons']) {
    await database.pool.query(sqlWith(words));
  }
});
afterAll(async () => {
  project.remove();
  await Promise.all([server.stop(), database.stop()]);
});

const newId = () => `campaign-${randomBytes(4).toString('hex')}`;
const options = { signal: new AbortController().signal };

function issuance(given: Partial<Issuance> = {}): Issuance {
  const rest = { grant: 1, serial: 1, code: null, issuedAt: new Date(), epoch: '1-a', state: 'reserved' } as const;
  return { id: mintId(), campaignId: newId(), userId: 'kim', ...rest, ...given };
}

describe('of two time-outs', () => {
  /** The table is locked, so that a save waits until the lock is gone. */
  async function whileLocked(work: (unlock: () => Promise<void>) => Promise<void>): Promise<void> {
    const blocker = await database.pool.connect();
    try {
      await blocker.query('BEGIN');
      await blocker.query('LOCK TABLE vouchers');
      await work(async () => void (await blocker.query('COMMIT')));
    } finally {
      blocker.release(true);
    }
  }

  async function withPool(config: pg.PoolConfig, work: (adapter: PersistenceAdapter) => Promise<void>) {
    const pool = new pg.Pool({ connectionString: database.url, ...config });
    const { vouchers } = await guide.file('vouchers');
    await work(vouchers(pool)).finally(() => pool.end());
  }

  test("the server's is certain: nothing is stored, and nothing will be", async () => {
    await withPool({ statement_timeout: 100 }, async (adapter) => {
      const one = issuance();
      await whileLocked(async (unlock) => {
        const refused = { name: 'NotSavedError', wholeBatch: true, cause: { code: '57014' } };
        await expect(adapter.save([one], options)).rejects.toMatchObject(refused);
        await unlock();
      });
      expect(await adapter.find!([one])).toEqual([null]);
    });
  });

  test("the client's is not: the row comes after the error, and the repeat says saved", async () => {
    await withPool({ query_timeout: 100 }, async (adapter) => {
      const one = issuance();
      await whileLocked(async (unlock) => {
        await expect(adapter.save([one], options)).rejects.toThrow(/timeout/);
        await expect(adapter.save([one], options)).rejects.not.toMatchObject({ name: 'NotSavedError' });
        await unlock();
      });
      await withPool({}, async (patient) => {
        await until(async () => (await patient.find!([one]))[0] !== null);
        expect(await patient.save([one], options)).toEqual([{ verdict: 'saved' }]);
      });
    });
  });
});

describe('the issued count', () => {
  async function issueThreeCampaigns(persistence: PersistenceAdapter): Promise<void> {
    const issuer = new CouponIssuer({ redis: server.client(), persistence, maxInFlight: 8, maxBatch: 20 });
    const ids = [newId(), newId(), newId()];
    for (const id of ids) {
      await issuer.campaign(id).open({ stock: { kind: 'unlimited' } });
      await database.pool.query('INSERT INTO coupons (id) VALUES ($1)', [id]);
    }
    const users = Array.from({ length: 200 }, (_, user) => `user-${user}`);
    const calls = users.flatMap((userId) => ids.map((campaignId) => issuer.campaign(campaignId).issue({ userId })));
    expect((await Promise.all(calls)).every(({ status }) => status === 'issued')).toBe(true);
    await issuer.close();
    const { rows } = await database.pool.query('SELECT issued::int FROM coupons WHERE id = ANY($1)', [ids]);
    expect(rows).toEqual(ids.map(() => ({ issued: users.length })));
  }

  test('is kept by the trigger, for the adapter that is shipped', async () => {
    await issueThreeCampaigns(new PostgresPersistence(database.pool));
  });

  test('is kept by the transaction, for an adapter of your own', async () => {
    const { countedVouchers, inTransaction } = await guide.file('counted');
    const { pool } = database;
    await issueThreeCampaigns(
      countedVouchers({
        query: (text, values) => pool.query(text, values),
        transaction: (work) => inTransaction(pool, work),
      }),
    );
  });

  test('is neither raised by a repeat nor by a transaction that fails', async () => {
    const { countedVouchers, inTransaction } = await guide.file('counted');
    const { pool } = database;
    const adapter = countedVouchers({
      query: (text, values) => pool.query(text, values),
      transaction: (work) => inTransaction(pool, work),
    });
    const one = issuance();
    await pool.query('INSERT INTO coupons (id) VALUES ($1)', [one.campaignId]);
    await adapter.save([one], options);
    await adapter.save([one, one], options);
    const failing = inTransaction(pool, async (db) => {
      await db.query('UPDATE coupons SET issued = issued + 1 WHERE id = $1', [one.campaignId]);
      throw new Error('afterwards');
    });
    await expect(failing).rejects.toThrow('afterwards');
    const { rows } = await pool.query('SELECT issued::int FROM coupons WHERE id = $1', [one.campaignId]);
    expect(rows).toEqual([{ issued: 1 }]);
  });

  describe('in a transaction keeps the contract', () => {
    const contract = persistenceContract({
      createAdapter: async ({ send }) => {
        const { countedVouchers, inTransaction } = await guide.file('counted');
        const { pool } = database;
        return countedVouchers({
          query: (text, values) => send(() => pool.query(text, values)),
          transaction: (work) => send(() => inTransaction(pool, work)),
        });
      },
    });
    for (const { name, run } of contract) test(name, run);
  });
});

describe('the mark of the last coupon', () => {
  async function sellOut(onEvent: ConstructorParameters<typeof CouponIssuer>[0]['onEvent']) {
    const id = newId();
    await database.pool.query('INSERT INTO coupons (id) VALUES ($1)', [id]);
    const persistence = new PostgresPersistence(database.pool);
    const issuer = new CouponIssuer({ redis: server.client(), persistence, ...(onEvent ? { onEvent } : {}) });
    await issuer.campaign(id).open({ stock: { kind: 'counted', total: 2 } });
    await issuer.campaign(id).issue({ userId: 'kim' });
    await issuer.idle();
    expect(await isMarked(id)).toBe(false);
    await issuer.campaign(id).issue({ userId: 'lee' });
    await issuer.idle();
    return { id, issuer };
  }

  async function isMarked(id: string): Promise<boolean> {
    const { rows } = await database.pool.query('SELECT exhausted_at FROM coupons WHERE id = $1', [id]);
    return rows[0].exhausted_at !== null;
  }

  test('is set by the event', async () => {
    const { whenExhausted } = await guide.file('exhausted');
    const { id } = await sellOut(whenExhausted(database.pool));
    await until(() => isMarked(id));
  });

  test('is set by the next look where the event was lost', async () => {
    const { checkExhausted } = await guide.file('exhausted');
    const { id, issuer } = await sellOut(undefined);
    expect(await isMarked(id)).toBe(false);
    await checkExhausted(database.pool, issuer, id);
    expect(await isMarked(id)).toBe(true);
  });

  test('is not set for a pool whose codes are not loaded yet', async () => {
    const { checkExhausted } = await guide.file('exhausted');
    const id = newId();
    await database.pool.query('INSERT INTO coupons (id) VALUES ($1)', [id]);
    const issuer = new CouponIssuer({ redis: server.client(), persistence: new PostgresPersistence(database.pool) });
    await issuer.campaign(id).open({ stock: { kind: 'codes' } });
    await checkExhausted(database.pool, issuer, id);
    expect(await isMarked(id)).toBe(false);
    await issuer.campaign(id).loadCodes(['LAST']);
    await issuer.campaign(id).issue({ userId: 'kim' });
    await issuer.idle();
    await checkExhausted(database.pool, issuer, id);
    expect(await isMarked(id)).toBe(true);
  });
});
