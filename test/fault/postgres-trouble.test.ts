import { afterAll, beforeAll, test } from 'vitest';
import { LIMIT, length } from '../support/checks/lengths.js';
import { pause } from '../support/checks/until.js';
import { endure, foreignly, type Ground, holdSerial, someWait, type Trouble } from '../support/scenes/postgres-run.js';
import { Database } from '../support/servers/database.js';
import { RedisServer } from '../support/servers/redis-server.js';

let database: Database;
let server: RedisServer;
beforeAll(async () => {
  [database, server] = await Promise.all([Database.create(), RedisServer.start()]);
});
afterAll(async () => {
  await Promise.all([database?.stop(), server?.stop()]);
});

/** The first two campaigns save before they answer. */
const WRITE_THROUGH = 2;

/** A serial that will be saved next, or soon. */
async function nextSerial({ database, campaignIds }: Ground, campaign: number): Promise<[string, number]> {
  const id = campaignIds[campaign % WRITE_THROUGH]!;
  const { rows } = await database.pool.query(
    'SELECT coalesce(max(serial), 0)::int AS last FROM coupon_issuances WHERE campaign_id = $1',
    [id],
  );
  return [id, rows[0].last + 3];
}

let turn = 0;
const troubles: Trouble[] = [
  {
    name: 'sessions terminated in the middle of statements',
    failures: (book) => book.failed(/^57P01$|terminated/),
    make: async ({ database }) => {
      await database.pool.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'issuer' AND state = 'active' AND datname = current_database()",
      );
    },
    pool: { application_name: 'issuer' },
  },
  {
    name: 'statement_timeout behind the lock of somebody else',
    failures: (book) => book.failed(/^57014$/),
    enough: length(8, 80),
    pool: { options: '-c statement_timeout=250' },
    make: (ground) =>
      foreignly(ground.database, async (client) => {
        await holdSerial(client, ...(await nextSerial(ground, ++turn)));
        await pause(300);
      }),
  },
  {
    name: 'lock_timeout behind the lock of somebody else',
    failures: (book) => book.failed(/^55P03$/),
    pool: { options: '-c lock_timeout=10' },
    make: (ground) =>
      foreignly(ground.database, async (client) => {
        await holdSerial(client, ...(await nextSerial(ground, ++turn)));
        await pause(20);
      }),
  },
  {
    name: 'dead-locks with somebody else, who locks in the other order',
    failures: (book) => book.failed(/^40P01$/),
    enough: length(5, 50),
    pool: { options: '-c deadlock_timeout=40' },
    make: (ground) =>
      foreignly(ground.database, async (client) => {
        await client.query("SET LOCAL deadlock_timeout = '10s'");
        const [id, serial] = await nextSerial(ground, ++turn);
        await holdSerial(client, id, serial + 1);
        if (await someWait(ground.database, 20)) await holdSerial(client, id, serial);
      }),
  },
  {
    name: 'serialization failures, because somebody else counts what is being written',
    failures: (book) => book.failed(/^40001$/),
    pool: { options: '-c default_transaction_isolation=serializable' },
    make: (ground) =>
      foreignly(ground.database, async (client) => {
        await client.query('SET TRANSACTION ISOLATION LEVEL SERIALIZABLE');
        await client.query('SELECT count(*) FROM coupon_issuances');
        await holdSerial(client, `other-${++turn}`, 1);
        await pause(2);
        await client.query('COMMIT');
      }),
  },
  {
    name: 'no connection left in the pool',
    failures: (book) => book.failed(/timeout exceeded when trying to connect/),
    pool: { max: 1, connectionTimeoutMillis: 30 },
    make: async ({ pool }) => {
      const client = await pool.connect().catch(() => null);
      await pause(60);
      client?.release();
    },
  },
];

test.each(troubles.map((trouble) => [trouble.name, trouble] as const))(
  '%s, again and again under load: what was told is true, and no unit is lost',
  (_, trouble) => endure(trouble, database, server),
  LIMIT,
);
