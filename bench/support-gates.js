// Ways to decide in Redis alone who gets a coupon, a call per request through one client. Each `open` gives `prepare`, `call(n)` for the n-th user
// and `fault(given)`: what is wrong in Redis after so many coupons were given.
import { CouponIssuer } from 'coupon-issuer';
import { Redis } from 'ioredis';

/** More than any round can give out. */
const PLENTY = 10_000_000;

/** The common script, as `Lua gate + INSERT` runs it before its INSERT. */
export const CHECK_AND_DECREMENT = `
if redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 1 then return -1 end
local left = redis.call('DECR', KEYS[1])
if left < 0 then
  redis.call('INCR', KEYS[1])
  return -2
end
redis.call('SADD', KEYS[2], ARGV[1])
return left
`;

const STOCK = '{bench}:stock';
const USERS = '{bench}:users';

/** This library. `total` units, of which the first calls take all when there are fewer than callers; `options` go to the issuer. */
export function couponIssuer({ redisPort, total = PLENTY, name = 'coupon-issuer', options = {} }) {
  const redis = new Redis(redisPort, '127.0.0.1');
  const issuer = new CouponIssuer({ redis, ...options });
  let round = 0;
  let campaignId;
  return {
    name,
    async prepare() {
      await redis.flushall();
      campaignId = `bench-${++round}`;
      await issuer.campaign(campaignId).open({ stock: { kind: 'counted', total } });
    },
    async call(n) {
      return (await issuer.campaign(campaignId).issue({ userId: `user-${n}` })).status === 'issued';
    },
    finish: () => issuer.idle(),
    async fault(given, holder) {
      const { issued, reserved, available } = await issuer.campaign(campaignId).inspect();
      const right = issued === given && reserved === 0 && available === total - issued;
      if (!right) return `issued ${issued}, reserved ${reserved}, available ${available} after ${given} coupons`;
      // Whoever has one is not told that nothing is left.
      const { status } = holder
        ? await issuer.campaign(campaignId).issue({ userId: holder })
        : { status: 'already_issued' };
      return status === 'already_issued' ? null : `who has one was told ${status}`;
    },
    async close() {
      await issuer.close();
      redis.disconnect();
    },
  };
}

/** With auto-pipelining the client sends the calls of one tick together. */
export async function checkAndDecrement({ redisPort, stock = PLENTY, autoPipelining = false }) {
  const redis = new Redis(redisPort, '127.0.0.1', { enableAutoPipelining: autoPipelining });
  const sha1 = await redis.script('LOAD', CHECK_AND_DECREMENT);
  const run = (userId) => redis.evalsha(sha1, 2, STOCK, USERS, userId);
  return {
    name: `check-and-decrement script${autoPipelining ? ', auto-pipelined' : ''}`,
    async prepare() {
      await redis.flushall();
      await redis.set(STOCK, stock);
    },
    run,
    call: async (n) => (await run(`user-${n}`)) >= 0,
    async fault(given) {
      const [left, users] = [Number(await redis.get(STOCK)), await redis.scard(USERS)];
      return users === given && left === stock - given ? null : `${users} users, ${left} left after ${given} coupons`;
    },
    close: () => redis.disconnect(),
  };
}

/** A counter that only goes up: past the total it is sold out. Who asks is not looked at. */
export function increment({ redisPort }) {
  const redis = new Redis(redisPort, '127.0.0.1');
  return {
    name: 'INCR gate (users not looked at)',
    prepare: () => redis.flushall(),
    call: async () => (await redis.incr(STOCK)) <= PLENTY,
    async fault(given) {
      const count = Number(await redis.get(STOCK));
      return count === given ? null : `${count} counted after ${given} coupons`;
    },
    close: () => redis.disconnect(),
  };
}

/** Three commands, between which anything may happen: two calls of one user at once both find no mark. */
export function existsDecrementSet({ redisPort }) {
  const redis = new Redis(redisPort, '127.0.0.1');
  return {
    name: 'EXISTS + DECR + SET',
    async prepare() {
      await redis.flushall();
      await redis.set(STOCK, PLENTY);
    },
    async call(n) {
      const mark = `{bench}:user-${n}`;
      if ((await redis.exists(mark)) === 1) return false;
      if ((await redis.decr(STOCK)) < 0) {
        await redis.incr(STOCK);
        return false;
      }
      await redis.set(mark, '1');
      return true;
    },
    async fault(given) {
      const [left, keys] = [Number(await redis.get(STOCK)), await redis.dbsize()];
      const right = left === PLENTY - given && keys === given + 1;
      return right ? null : `${keys - 1} marks, ${left} left after ${given} coupons`;
    },
    close: () => redis.disconnect(),
  };
}

/** A rate limiter with as many points as coupons and no end of its window. */
export async function rateLimiter({ redisPort }) {
  const { RateLimiterRedis } = await import('rate-limiter-flexible');
  const redis = new Redis(redisPort, '127.0.0.1');
  const limiter = new RateLimiterRedis({ storeClient: redis, keyPrefix: '{bench}', points: PLENTY, duration: 0 });
  return {
    name: 'rate limiter as a gate (users not looked at)',
    prepare: () => redis.flushall(),
    async call() {
      // What is refused is rejected with its figures; anything else that is thrown is a fault.
      const { remainingPoints } = await limiter.consume('stock');
      return remainingPoints >= 0;
    },
    async fault(given) {
      const { consumedPoints } = (await limiter.get('stock')) ?? { consumedPoints: 0 };
      return consumedPoints === given ? null : `${consumedPoints} counted after ${given} coupons`;
    },
    close: () => redis.disconnect(),
  };
}

/** Floors: what one command per request costs through the same client, decided or not. */
export function ping({ redisPort }) {
  const redis = new Redis(redisPort, '127.0.0.1');
  return {
    name: 'bare PING',
    floor: true,
    prepare: () => redis.flushall(),
    call: async () => (await redis.ping()) === 'PONG',
    fault: () => null,
    close: () => redis.disconnect(),
  };
}

export function hset({ redisPort }) {
  const redis = new Redis(redisPort, '127.0.0.1');
  return {
    name: 'bare HSET',
    floor: true,
    prepare: () => redis.flushall(),
    call: async (n) => (await redis.hset(USERS, `user-${n}`, '1')) === 1,
    async fault(given) {
      const count = await redis.hlen(USERS);
      return count === given ? null : `${count} fields after ${given} calls`;
    },
    close: () => redis.disconnect(),
  };
}
