import { Redis } from 'ioredis';
import { connectedPool, countRows, emptyTable, insertOne, statements } from '../database.js';

/** A set of those who asked and a counter that only goes up: past the total it is sold out. Everyone who asks stays in the set. */
export const incrementGate = {
  name: 'SADD + INCR + INSERT',
  database: true,
  redis: true,
  async open({ redisPort, postgresUrl, poolSize, total, prepared }) {
    const table = 'bench_increment';
    const pool = await connectedPool(postgresUrl, poolSize);
    const redis = new Redis(redisPort, '127.0.0.1');
    const insert = insertOne(table, statements(prepared));
    return {
      async prepare() {
        await emptyTable(pool, table);
        await redis.flushall();
      },
      async issue({ campaignId, userId }) {
        if ((await redis.sadd(`{${campaignId}}:users`, userId)) === 0) return false;
        const serial = await redis.incr(`{${campaignId}}:issued`);
        if (serial > total) return false;
        await pool.query(insert({ campaignId, userId, serial }));
        return true;
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
