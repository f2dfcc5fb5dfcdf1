import { Redis } from 'ioredis';
import { connectedPool, countRows, emptyTable, insertOne, statements } from '../database.js';
import { openGate } from './lua-gate.js';

/**
 * Whoever passes the gate becomes a job, and a worker inserts the row. Users are commonly told "accepted" when the job is in the queue; here, as
 * everywhere, the answer counts when the row is committed. The worker is in the same process, so that it need not announce it through Redis.
 */
export const luaGateQueue = {
  name: 'Lua gate + job queue + INSERT',
  needs: 'bullmq',
  database: true,
  redis: true,
  slow: true,
  async open({ redisPort, postgresUrl, poolSize, total, prepared }) {
    const { Queue, Worker } = await import('bullmq');
    const table = 'bench_queue';
    const pool = await connectedPool(postgresUrl, poolSize);
    const redis = new Redis(redisPort, '127.0.0.1');
    const gate = await openGate(redis, total);
    const insert = insertOne(table, statements(prepared));
    const waiting = new Map();
    let queue;
    let worker;

    async function stop() {
      await worker?.close();
      await queue?.close();
    }

    return {
      async prepare(campaignIds) {
        await stop();
        await emptyTable(pool, table);
        await gate.prepare(campaignIds);
        const connection = { host: '127.0.0.1', port: redisPort, maxRetriesPerRequest: null };
        queue = new Queue('issue', { connection, defaultJobOptions: { removeOnComplete: true } });
        worker = new Worker('issue', ({ data }) => pool.query(insert(data)).then(() => {}), {
          connection,
          concurrency: poolSize,
        });
        worker.on('completed', ({ data }) => settle(data, ({ resolve }) => resolve(true)));
        worker.on('failed', ({ data }, error) => settle(data, ({ reject }) => reject(error)));
        await Promise.all([queue.waitUntilReady(), worker.waitUntilReady()]);
      },
      async issue({ campaignId, userId }) {
        const serial = await gate.pass({ campaignId, userId });
        if (serial === null) return false;
        const committed = new Promise((resolve, reject) => waiting.set(`${campaignId}:${serial}`, { resolve, reject }));
        await queue.add('issue', { campaignId, userId, serial });
        return committed;
      },
      statements: () => pool.sent,
      count: () => countRows(pool, table),
      async close() {
        await stop();
        redis.disconnect();
        await pool.end();
      },
    };

    function settle({ campaignId, serial }, answer) {
      answer(waiting.get(`${campaignId}:${serial}`));
      waiting.delete(`${campaignId}:${serial}`);
    }
  },
};
