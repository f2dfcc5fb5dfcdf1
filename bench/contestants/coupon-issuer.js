import { CouponIssuer } from 'coupon-issuer';
import { PostgresPersistence } from 'coupon-issuer/postgres';
import { Redis } from 'ioredis';
import { connectedPool, countRows, emptyTable } from '../database.js';

/** This library with its defaults, on a pool with the defaults of pg. */
export const couponIssuer = {
  name: 'coupon-issuer',
  redis: true,
  async open({ redisPort, postgresUrl, total, prepared }) {
    const table = 'bench_coupon_issuer';
    const pool = await connectedPool(postgresUrl, 10);
    const persistence = new PostgresPersistence(pool, { table, prepare: prepared });
    return {
      ...issuing({ redisPort, persistence, total, empty: () => emptyTable(pool, table), close: () => pool.end() }),
      statements: () => pool.sent,
      count: () => countRows(pool, table),
    };
  },
};

/** The same on any database. */
export function issuing({ redisPort, persistence, total, empty, close }) {
  const redis = new Redis(redisPort, '127.0.0.1');
  const issuer = new CouponIssuer({ redis, persistence });
  let campaigns = [];
  return {
    async prepare(campaignIds) {
      await empty();
      await redis.flushall();
      campaigns = campaignIds;
      const stock = { kind: 'counted', total };
      await Promise.all(campaignIds.map((id) => issuer.campaign(id).open({ stock })));
    },
    async issue({ campaignId, userId }) {
      const { status } = await issuer.campaign(campaignId).issue({ userId });
      return status === 'issued';
    },
    /** Part of the measured time: the confirms that follow the last answer are work as well. */
    finish: () => issuer.idle(),
    async fault(given) {
      const states = await Promise.all(campaigns.map((id) => issuer.campaign(id).inspect()));
      const sum = (name) => states.reduce((all, state) => all + state[name], 0);
      if (sum('issued') === given && sum('reserved') === 0) return null;
      return `Redis has ${sum('issued')} issued and ${sum('reserved')} reserved after ${given} coupons`;
    },
    async close() {
      await issuer.close();
      redis.disconnect();
      await close();
    },
  };
}
