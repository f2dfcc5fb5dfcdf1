import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { connectedPool, countRows, emptyStock, emptyTable, insertOne, statements, transaction } from '../database.js';

const LOCK_MS = 5_000;
const PATIENCE_MS = 10_000;
/** Asks again soon: with the delays such locks have by default, the lock is idle most of the time. */
const AGAIN_MS = 100;

/** A lock in Redis around what the row lock does. A transaction that outlives the lock is not stopped; the unique indexes are the last word. */
export const redisLock = {
  name: 'distributed lock in Redis',
  needs: '@sesamecare-oss/redlock',
  database: true,
  redis: true,
  slow: true,
  givesUp: true,
  maxInFlight: 128,
  async open({ redisPort, postgresUrl, poolSize, total, prepared }) {
    const table = 'bench_redis_lock';
    const pool = await connectedPool(postgresUrl, poolSize);
    const redis = new Redis(redisPort, '127.0.0.1');
    const { Redlock } = await import('@sesamecare-oss/redlock');
    const redlock = new Redlock([redis], { retryCount: 0 });
    // Each caller hears of its own failures; what is emitted beside that is every attempt that found the lock taken.
    redlock.on('error', () => {});
    const statement = statements(prepared);
    const read = statement('read', 'SELECT issued, total FROM bench_stock WHERE campaign_id = $1');
    const has = statement('has', `SELECT 1 FROM ${table} WHERE campaign_id = $1 AND user_id = $2`);
    const insert = insertOne(table, statement);
    const count = statement('count', 'UPDATE bench_stock SET issued = issued + 1 WHERE campaign_id = $1');

    /** By the clock rather than by a number of attempts: among thousands each attempt takes longer. */
    async function acquire(key) {
      for (const patientUntil = performance.now() + PATIENCE_MS; ; ) {
        try {
          return await redlock.acquire([key], LOCK_MS);
        } catch (error) {
          if (performance.now() > patientUntil) throw error;
          await sleep(Math.random() * AGAIN_MS);
        }
      }
    }

    return {
      async prepare(campaignIds) {
        await emptyTable(pool, table);
        await emptyStock(pool, campaignIds, total);
        await redis.flushall();
      },
      async issue({ campaignId, userId }) {
        const lock = await acquire(`{${campaignId}}:lock`);
        try {
          return await transaction(pool, async (client) => {
            const [stock] = (await client.query(read([campaignId]))).rows;
            if (Number(stock.issued) >= Number(stock.total)) return false;
            if ((await client.query(has([campaignId, userId]))).rows.length > 0) return false;
            await client.query(insert({ campaignId, userId, serial: Number(stock.issued) + 1 }));
            await client.query(count([campaignId]));
            return true;
          });
        } finally {
          await lock.release();
        }
      },
      statements: () => pool.sent,
      count: () => countRows(pool, table),
      async close() {
        redis.disconnect();
        await pool.end();
      },
    };
  },
};
