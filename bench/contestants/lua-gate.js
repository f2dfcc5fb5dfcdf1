import { Redis } from 'ioredis';
import { connectedPool, countRows, emptyTable, insertOne, statements } from '../database.js';
import { CHECK_AND_DECREMENT } from '../support-gates.js';

/** The stock is a counter in Redis behind one script call per request, and each coupon is one INSERT. A process that dies between them loses the unit. */
export const luaGate = {
  name: 'Lua gate + INSERT',
  database: true,
  redis: true,
  async open({ redisPort, postgresUrl, poolSize, total, prepared }) {
    const table = 'bench_lua_gate';
    const pool = await connectedPool(postgresUrl, poolSize);
    const redis = new Redis(redisPort, '127.0.0.1');
    const gate = await openGate(redis, total);
    const insert = insertOne(table, statements(prepared));
    return {
      async prepare(campaignIds) {
        await emptyTable(pool, table);
        await gate.prepare(campaignIds);
      },
      async issue({ campaignId, userId }) {
        const serial = await gate.pass({ campaignId, userId });
        if (serial === null) return false;
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

/** Who passes has the unit of that serial. */
export async function openGate(redis, total) {
  const sha1 = await redis.script('LOAD', CHECK_AND_DECREMENT);
  return {
    async prepare(campaignIds) {
      await redis.flushall();
      await Promise.all(campaignIds.map((id) => redis.set(`{${id}}:stock`, total)));
    },
    async pass({ campaignId, userId }) {
      const left = await redis.evalsha(sha1, 2, `{${campaignId}}:stock`, `{${campaignId}}:users`, userId);
      return left < 0 ? null : total - left;
    },
  };
}
