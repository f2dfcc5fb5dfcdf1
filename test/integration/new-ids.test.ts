import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Campaign, CouponIssuer, NotSavedError } from '../../src/index.js';
import { type PostgresLike, PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { scripts } from '../../src/redis/scripts.js';
import { expireLeases } from '../support/checks/invariants.js';
import { loadScripts, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { Database } from '../support/servers/database.js';
import { LossyProxy } from '../support/servers/proxy.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { shaOf } from '../support/servers/sent.js';

let server: RedisServer;
let proxy: LossyProxy;
let redis: Redis;
let database: Database;
beforeAll(async () => {
  [server, database] = await Promise.all([RedisServer.start(), Database.create()]);
  proxy = await LossyProxy.start(server.port);
});
afterAll(async () => {
  await proxy.stop();
  await Promise.all([server.stop(), database.stop()]);
});
beforeEach(async () => {
  redis = server.client();
  await redis.flushall();
});

describe('a save is told that its ids are new', () => {
  let persistence: ScriptedPersistence;
  beforeEach(() => {
    persistence = new ScriptedPersistence();
  });
  async function opened(client: Redis = redis, rules: object = {}): Promise<Campaign> {
    const night = new CouponIssuer({ redis: client, persistence }).campaign('night');
    await night.open({ stock: { kind: 'counted', total: 100 }, ...rules });
    return night;
  }

  test('if each call made its id up', async () => {
    const night = await opened();
    await Promise.all(['ann', 'bob'].map((userId) => night.issue({ userId })));
    expect(persistence.newIds).toEqual([true]);
  });

  test('unless a call of its batch was given a request id', async () => {
    const night = await opened();
    await night.issue({ userId: 'ann', requestId: 'first' });
    await Promise.all([night.issue({ userId: 'bob' }), night.issue({ userId: 'cid', requestId: 'first' })]);
    expect(persistence.newIds).toEqual([false, false]);
  });

  test('once: the same rows after an unknown end may be stored', async () => {
    const night = await opened();
    persistence.next(async () => {
      throw new Error('connection lost');
    });
    expect(await night.issue({ userId: 'ann' })).toMatchObject({ status: 'issued' });
    expect(persistence.newIds).toEqual([true, false]);
  });

  test('unless the client sent the call again, on another connection', async () => {
    await loadScripts(redis);
    const client = new Redis(proxy.port, '127.0.0.1');
    client.on('error', () => {});
    const night = await opened(client);
    proxy.loseReplyTo(shaOf(scripts.reserve));
    expect(await night.issue({ userId: 'ann' })).toMatchObject({ status: 'issued', issuance: { serial: 1 } });
    client.disconnect();
    expect(persistence.newIds).toEqual([false]);
  });

  test('unless it asked for a unit twice', async () => {
    const night = await opened();
    const another = new CouponIssuer({ redis, persistence });
    await another.campaign('night').rebuild({ stock: { kind: 'counted', total: 100 } });
    expect(await night.issue({ userId: 'ann' })).toMatchObject({ status: 'issued' });
    expect(persistence.newIds).toEqual([false]);
  });

  test('unless its user may have several', async () => {
    const night = await opened(redis, { perUser: 2 });
    await night.issue({ userId: 'ann' });
    expect(persistence.newIds).toEqual([false]);
  });

  test('unless the worker saves it', async () => {
    const night = await opened(redis, { saveMode: 'write-behind' });
    await night.issue({ userId: 'ann' });
    await expireLeases(redis, 'night');
    await night.settle();
    expect(persistence.newIds).toEqual([false]);
  });
});

describe('PostgreSQL', () => {
  /** A campaign on this table, and the INSERTs that its calls send. */
  async function watched(table: string) {
    const sent: string[] = [];
    const query = async (text: string, values?: unknown[]) => {
      if (text.startsWith('INSERT')) sent.push(text);
      return database.pool.query(text, values);
    };
    const persistence = new PostgresPersistence({ query, totalCount: 1 } as PostgresLike, { table });
    const night = new CouponIssuer({ redis, persistence }).campaign('night');
    await night.open({ stock: { kind: 'counted', total: 100 } });
    return { night, sent, looksForIds: () => sent.map((text) => text.includes('t.id =')) };
  }

  test('looks for no new id until a grant is free again', async () => {
    await new PostgresPersistence(database.pool, { table: 'looked_for' }).createTable();
    const { night, sent, looksForIds } = await watched('looked_for');
    const told = await night.issue({ userId: 'ann' });
    expect(looksForIds()).toEqual([false]);
    const { id } = (told as Extract<typeof told, { status: 'issued' }>).issuance;
    await night.revoke({ userId: 'ann', id, revocationId: 'mistake', again: true });
    sent.length = 0;
    expect(await night.issue({ userId: 'bob' })).toMatchObject({ status: 'issued' });
    // The first stored nothing.
    expect(looksForIds()).toEqual([false, true]);
    expect(await night.issue({ userId: 'ann' })).toMatchObject({ status: 'issued' });
  });

  test('looks for each id where the table lacks the index of free grants', async () => {
    const bare = new PostgresPersistence(database.pool, { table: 'bare' });
    await bare.createTable();
    await database.pool.query('DROP INDEX bare_campaign_id_idx');
    const { night, looksForIds } = await watched('bare');
    await night.issue({ userId: 'ann' });
    expect(looksForIds()).toEqual([true]);
    await bare.upgradeTable();
    const upgraded = await watched('bare');
    await upgraded.night.issue({ userId: 'bob' });
    expect(upgraded.looksForIds()).toEqual([false]);
  });

  describe('through a client that does not count rows', () => {
    const rowOf = (serial: number) => ({
      ...{ id: `id-${serial}`, campaignId: 'night', userId: `user-${serial}`, grant: 1, serial, code: null },
      ...{ issuedAt: new Date(), epoch: '1-a', state: 'reserved' as const },
    });
    /** A table with one row, whose grant is free again, and an adapter with the INSERTs that it sends. */
    async function uncounted(
      table: string,
      send = (text: string, values?: unknown[]) => database.pool.query(text, values),
    ) {
      const query = async (text: string, values?: unknown[]) => ({ rows: (await send(text, values)).rows });
      const persistence = new PostgresPersistence({ query, autocommit: true }, { table });
      await persistence.createTable();
      await persistence.save([rowOf(1)]);
      await database.pool.query(`UPDATE ${table} SET grant_no = NULL`);
      return persistence;
    }
    const batch = Array.from({ length: 40 }, (_, i) => rowOf(i + 2));

    test('stores new ids though a grant is free again', async () => {
      const sent: string[] = [];
      const persistence = await uncounted('uncounted', (text, values) => {
        if (text.startsWith('INSERT')) sent.push(text);
        return database.pool.query(text, values);
      });
      sent.length = 0;
      const saved = batch.map(() => ({ verdict: 'saved' }));
      await expect(persistence.save(batch, { newIds: true })).resolves.toEqual(saved);
      expect(sent).toHaveLength(2);
      expect(await persistence.save([rowOf(50)], { newIds: true })).toEqual([{ verdict: 'saved' }]);
      expect(sent).toHaveLength(3);
    });

    test('proves nothing by the second INSERT: the first may have stored the rows', async () => {
      let inserts = 0;
      const persistence = await uncounted('in_doubt', (text, values) => {
        if (text.startsWith('INSERT') && ++inserts === 3) {
          return Promise.reject(Object.assign(new Error('no server'), { code: 'ECONNREFUSED', syscall: 'connect' }));
        }
        return database.pool.query(text, values);
      });
      await database.pool.query('UPDATE in_doubt SET grant_no = 1');
      const error: unknown = await persistence.save([rowOf(2)], { newIds: true }).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(Error);
      expect(error).not.toBeInstanceOf(NotSavedError);
      const { rows } = await database.pool.query('SELECT serial::int FROM in_doubt ORDER BY serial');
      expect(rows.map(({ serial }) => serial)).toEqual([1, 2]);
    });
  });

  test('stores the rows of a batch in the order of their serials', async () => {
    const persistence = new PostgresPersistence(database.pool, { table: 'ordered' });
    await persistence.createTable();
    const batch = [5, 2, 9, 1].map((serial) => ({
      ...{ id: `id-${serial}`, campaignId: serial === 9 ? 'day' : 'night', userId: `user-${serial}`, grant: 1, serial },
      ...{ code: null, issuedAt: new Date(), epoch: '1-a', state: 'reserved' as const },
    }));
    expect(await persistence.save(batch)).toEqual(batch.map(() => ({ verdict: 'saved' })));
    const { rows } = await database.pool.query('SELECT serial::int FROM ordered ORDER BY ctid');
    expect(rows.map(({ serial }) => serial)).toEqual([9, 1, 2, 5]);
  });
});
