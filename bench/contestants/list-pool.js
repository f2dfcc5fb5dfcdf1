import { Redis } from 'ioredis';
import { connectedPool, countRows, emptyTable, insertOne, statements, wentIn } from '../database.js';

/** More than a round of this way can give out; ten million would fill Redis before it begins. */
const MAX_UNITS = 60_000;

/** The units lie in a list, each is popped once; between looking and marking the same user may come again, and only the unique index stops it. */
export const listPool = {
  name: 'GET + LPOP + SET + INSERT',
  database: true,
  redis: true,
  async open({ redisPort, postgresUrl, poolSize, total, prepared }) {
    const table = 'bench_list';
    const pool = await connectedPool(postgresUrl, poolSize);
    const redis = new Redis(redisPort, '127.0.0.1');
    const insert = insertOne(table, statements(prepared));
    const units = Array.from({ length: Math.min(total, MAX_UNITS) }, (_, i) => i + 1);
    return {
      async prepare(campaignIds) {
        await emptyTable(pool, table);
        await redis.flushall();
        for (const id of campaignIds) {
          for (let from = 0; from < units.length; from += 10_000) {
            await redis.rpush(`{${id}}:units`, ...units.slice(from, from + 10_000));
          }
        }
      },
      async issue({ campaignId, userId }) {
        const mark = `{${campaignId}}:user:${userId}`;
        if ((await redis.get(mark)) !== null) return false;
        const serial = await redis.lpop(`{${campaignId}}:units`);
        if (serial === null) return false;
        await redis.set(mark, serial);
        const given = await wentIn(pool, insert({ campaignId, userId, serial: Number(serial) }));
        if (!given) await redis.rpush(`{${campaignId}}:units`, serial);
        return given;
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
