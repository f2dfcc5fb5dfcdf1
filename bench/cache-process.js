// One of the processes that share a cache: makes it, waits for the word, does its part, and says what it measured.
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { CouponIssuer } from 'coupon-issuer';
import { Redis } from 'ioredis';

const [{ part, redisPort, cache: options, loadMs, ms, callers }] = await once(process, 'message');
const redis = new Redis(redisPort, '127.0.0.1');
const issuer = new CouponIssuer({ redis });
let loads = 0;
/** When loads ran, ms since 1970. */
const loading = [];
const now = () => performance.timeOrigin + performance.now();
/** The database: a number that only this benchmark changes. */
const versions = { kim: 0 };
const load = async (key) => {
  loads++;
  const from = now();
  await pause(loadMs);
  loading.push({ from, till: now() });
  return versions[key];
};
const cache = issuer.cache({ name: 'bench', load, ...options });

const PARTS = {
  /** All of them at once on a cold key. */
  async cold() {
    await Promise.all(Array.from({ length: callers }, () => cache.get('kim')));
    return { loads };
  },
  /** One call after the other, across several ends of the value. */
  async expiring() {
    // Not the cold start.
    await cache.get('kim');
    loads = 0;
    loading.length = 0;
    const calls = [];
    const endsAt = now() + ms;
    const caller = async () => {
      for (let from = now(); from < endsAt; from = now()) {
        await cache.get('kim');
        calls.push({ from, till: now() });
        await pause(2);
      }
    };
    await Promise.all(Array.from({ length: callers }, caller));
    await issuer.idle();
    return { loads, loading, calls };
  },
  /** Looks in its own memory until the change of another process shows. */
  async watching() {
    await cache.get('kim');
    // The connection that listens opens meanwhile.
    await pause(200);
    process.send('watching');
    const [{ version }] = await once(process, 'message');
    versions.kim = version;
    process.send('changed');
    const [{ invalidatedAt }] = await once(process, 'message');
    while ((await cache.get('kim')) !== version) await pause(0);
    return { staleMs: now() - invalidatedAt };
  },
};

await redis.ping();
process.send('ready');
await once(process, 'message');
const figures = await PARTS[part]();
await issuer.close();
redis.disconnect();
process.send(figures, () => process.disconnect());
