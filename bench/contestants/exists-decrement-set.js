import { Redis } from 'ioredis';
import { connectedPool, countRows, emptyTable, insertOne, statements, wentIn } from '../database.js';

/**
 * Three commands, between which anything may happen: two calls of one user at once both find no mark, and only the unique index stops the second.
 * Its unit goes back to the counter, which therefore cannot number the units: the database does.
 */
export const existsDecrementSet = {
  name: 'EXISTS + DECR + SET + INSERT',
  database: true,
  redis: true,
  async open({ redisPort, postgresUrl, poolSize, total, prepared }) {
    const table = 'bench_exists';
    const pool = await connectedPool(postgresUrl, poolSize);
    const redis = new Redis(redisPort, '127.0.0.1');
    const statement = statements(prepared);
    const insert = insertOne(table, (name, text) =>
      statement(name, text.replace('$2', `nextval('bench_serial') + $2`)),
    );
    return {
      async prepare(campaignIds) {
        await emptyTable(pool, table);
        await pool.query('CREATE SEQUENCE IF NOT EXISTS bench_serial');
        await redis.flushall();
        await Promise.all(campaignIds.map((id) => redis.set(`{${id}}:stock`, total)));
      },
      async issue({ campaignId, userId }) {
        const mark = `{${campaignId}}:user:${userId}`;
        const stock = `{${campaignId}}:stock`;
        if ((await redis.exists(mark)) === 1) return false;
        if ((await redis.decr(stock)) < 0) {
          await redis.incr(stock);
          return false;
        }
        await redis.set(mark, '1');
        const given = await wentIn(pool, insert({ campaignId, userId, serial: 0 }));
        if (!given) await redis.incr(stock);
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
