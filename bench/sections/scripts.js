// For how long one call of each script keeps Redis from everybody else, in a campaign that goes from the first call to the purge.
import { readdirSync } from 'node:fs';
import { CouponIssuer } from 'coupon-issuer';
import { Redis } from 'ioredis';
import { bundleLua } from '../../scripts/lua-bundle.js';
import { median } from '../support-rounds.js';
import { markdownTable, terminalTable, whole } from '../table.js';

export const name = 'scripts';
export const title = 'The longest call of each script';

const LUA = new URL('../../lua/', import.meta.url).pathname;
const AT_ONCE = 10_000;

export async function run({ redisPort, quick }) {
  const users = quick ? 20_000 : 300_000;
  const redis = new Redis(redisPort, '127.0.0.1');
  const timed = timedClient(redis);
  const saved = { save: async (issuances) => issuances.map(() => ({ verdict: 'saved' })), list: async () => [] };
  const issuer = new CouponIssuer({ redis: timed.client, maxQueued: 100_000, persistence: saved });
  const auditor = new CouponIssuer({ redis: timed.client, persistence: { save: saved.save } });
  const wrong = [];
  try {
    await redis.flushall();
    const definition = { stock: { kind: 'counted', total: users }, saveMode: 'write-behind' };
    await issuer.campaign('long').open(definition);
    for (let first = 0; first < users; first += AT_ONCE) {
      await Promise.all(
        Array.from({ length: AT_ONCE }, (_, i) => issuer.campaign('long').issue({ userId: `user-${first + i}` })),
      );
    }
    await issuer.campaign('long').rebuild(definition);
    const { settled } = await issuer.campaign('long').settle();
    if (settled !== users) wrong.push(`${settled} settled instead of ${users}`);
    const { findings } = await auditor.campaign('long').reconcile();
    if (findings.length > 0) wrong.push(`${findings.length} findings of a reconcile`);
    await issuer.campaign('long').closeForGood({ retainMs: 86_400_000 });
    await issuer.campaign('long').purge();
    return { quick, users, scripts: timed.figures(), wrong };
  } finally {
    await Promise.all([issuer.close(), auditor.close()]);
    await redis.flushall();
    redis.disconnect();
  }
}

/**
 * A client that asks the server, right before and right after each script, for how long its main thread has worked. Unlike the time in SLOWLOG, that
 * does not count how long the server had to wait for a processor.
 */
function timedClient(redis) {
  const names = new Map(
    readdirSync(LUA, { recursive: true })
      .filter((file) => file.endsWith('.lua'))
      .map((file) => [bundleLua(`${LUA}${file}`).sha1, file.slice(0, -4)]),
  );
  const bySource = new Map([...names.values()].map((script) => [bundleLua(`${LUA}${script}.lua`).source, script]));
  const worked = new Map();
  const timed = async (script, call) => {
    // The three commands leave together, so that none of another call comes between.
    const before = redis.info('cpu');
    const reply = call();
    const after = redis.info('cpu');
    try {
      return await reply;
    } finally {
      const all = worked.get(script) ?? [];
      all.push(workedMs(await after) - workedMs(await before));
      worked.set(script, all);
    }
  };
  return {
    client: {
      evalsha: (sha1, ...rest) => timed(names.get(sha1), () => redis.evalsha(sha1, ...rest)),
      eval: (source, ...rest) => timed(bySource.get(source), () => redis.eval(source, ...rest)),
    },
    figures: () =>
      [...worked]
        .map(([script, all]) => ({
          script,
          calls: all.length,
          medianMs: median(all),
          // A table of the server that doubles, or another process on its processor: one call in a hundred may pay for it.
          rarelyMs: all.toSorted((a, b) => b - a)[Math.floor(all.length / 100)],
          mostMs: Math.max(...all),
        }))
        .sort((a, b) => b.rarelyMs - a.rarelyMs),
  };
}

function workedMs(info) {
  const seconds = ['used_cpu_sys_main_thread', 'used_cpu_user_main_thread'].map((field) =>
    Number(new RegExp(`${field}:([0-9.]+)`).exec(info)?.[1]),
  );
  return 1_000 * (seconds[0] + seconds[1]);
}

const HEAD = ['script', 'calls', 'median', '99 of 100 within', 'longest'];
const ms = (number) => `${number.toFixed(1)} ms`;

function rowsOf({ scripts }) {
  return scripts.map(({ script, calls, medianMs, rarelyMs, mostMs }) => [
    script,
    whole(calls),
    ms(medianMs),
    ms(rarelyMs),
    ms(mostMs),
  ]);
}

export function lines(result) {
  return terminalTable(HEAD, rowsOf(result));
}

export function markdown(result) {
  return [
    `A write-behind campaign of ${whole(result.users)} coupons: issued, made again, settled, compared, closed and purged. The time is that of the main thread of Redis for one call, in which nobody else is served.`,
    markdownTable(HEAD, rowsOf(result)),
  ].join('\n\n');
}
