import { CouponIssuer } from 'coupon-issuer';
import { createTableSql, PostgresPersistence } from 'coupon-issuer/postgres';
import { Redis } from 'ioredis';
import { connectedPool, countRows, emptyTable } from '../database.js';

/** What the contestants of this library are made of; another release of it is another build, with tables of its own. */
export const TODAY = { name: 'coupon-issuer', suffix: '', CouponIssuer, PostgresPersistence, createTableSql };

/** This library with its defaults, on a pool with the defaults of pg. */
export function contestantOf(build) {
  return {
    name: build.name,
    redis: true,
    async open({ redisPort, postgresUrl, total, prepared }) {
      const table = `bench_coupon_issuer${build.suffix}`;
      const pool = await connectedPool(postgresUrl, 10);
      const persistence = new build.PostgresPersistence(pool, { table, prepare: prepared });
      const empty = () => emptyTable(pool, table, build.createTableSql);
      return {
        ...issuing({ build, redisPort, persistence, total, empty, close: () => pool.end() }),
        statements: () => pool.sent,
        count: () => countRows(pool, table),
      };
    },
  };
}

export const couponIssuer = contestantOf(TODAY);

/** An adapter that answers at once, so that reserve and confirm are all there is to pay for. */
export function withoutDatabase(build) {
  const persistence = { save: async (issuances) => issuances.map(() => ({ verdict: 'saved' })) };
  return {
    name: build.name,
    redis: true,
    async open({ redisPort, total }) {
      const nothing = async () => {};
      return {
        ...issuing({ build, redisPort, persistence, total, empty: nothing, close: nothing }),
        statements: () => 0,
      };
    },
  };
}

/** The same on any database. */
export function issuing({ build = TODAY, redisPort, persistence, total, empty, close }) {
  const redis = new Redis(redisPort, '127.0.0.1');
  const issuer = new build.CouponIssuer({ redis, persistence });
  let campaigns = [];
  return {
    async prepare(campaignIds) {
      await empty();
      await redis.flushall();
      campaigns = campaignIds;
      const stock = { kind: 'counted', total };
      // The table was just emptied, and a thousand looks at it at once might take too long.
      await Promise.all(campaignIds.map((id) => issuer.campaign(id).open({ stock }, { skipRowCheck: true })));
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
