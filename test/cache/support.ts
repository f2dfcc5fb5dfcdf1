import type { Redis } from 'ioredis';
import { type CouponEvent, CouponIssuer, type CouponIssuerOptions } from '../../src/index.js';
import { CachedEntries } from '../../src/redis/cached.js';
import { cacheKeys } from '../../src/redis/keys.js';

/** An issuer, and the faults of its caches. */
export function issuerOn(redis: Redis, options: Partial<CouponIssuerOptions> = {}) {
  const faults: string[] = [];
  const onEvent = (event: CouponEvent) => {
    if (event.type === 'fault' && event.during === 'cache') faults.push(event.error.message);
  };
  return { issuer: new CouponIssuer({ redis, onEvent, ...options }), faults };
}

/** The database of a test: a version per key, and how often each was loaded. */
export class Versions {
  readonly #versions = new Map<string, number>();
  readonly loads = new Map<string, number>();
  /** Most loads of one key at a time. */
  most = 0;
  #running = new Map<string, number>();

  commit(key: string): number {
    const next = this.of(key) + 1;
    this.#versions.set(key, next);
    return next;
  }

  of(key: string): number {
    return this.#versions.get(key) ?? 0;
  }

  readonly load = async (key: string, { ms = 5 }: { ms?: number; signal?: AbortSignal } = {}): Promise<number> => {
    const running = (this.#running.get(key) ?? 0) + 1;
    this.#running.set(key, running);
    this.most = Math.max(this.most, running);
    this.loads.set(key, (this.loads.get(key) ?? 0) + 1);
    const version = this.of(key);
    await new Promise((resolve) => setTimeout(resolve, ms));
    this.#running.set(key, this.#running.get(key)! - 1);
    return version;
  };
}

export function entryKeyOf(name: string, key: string): string {
  const entries = new CachedEntries({} as never, { prefix: 'coupon', name }, () => {});
  return cacheKeys('coupon', name, entries.idOf(key)).entry;
}

const STEP = `
local INSTANTS = { value = '^(%d+):(%d+):(%d+):', lease = '^(%d+):(%d+):', failed = '^(%d+):(%d+):', counted = '^(%d+):' }
for _, key in ipairs(redis.call('KEYS', '{coupon:cache:' .. ARGV[2] .. '*')) do
  local goneAt = redis.call('PEXPIRETIME', key)
  local later = function(at) return string.format('%.0f', tonumber(at) - tonumber(ARGV[1])) end
  for _, field in ipairs(redis.call('HKEYS', key)) do
    local text, name = redis.call('HGET', key, field), field
    local instants = INSTANTS[field]
    if instants then
      text = string.gsub(text, instants, function(...)
        local moved = ''
        for _, at in ipairs({ ... }) do moved = moved .. later(at) .. ':' end
        return moved
      end)
    else
      name = later(field)
      redis.call('HDEL', key, field)
    end
    redis.call('HSET', key, name, text)
  end
  redis.call('PEXPIREAT', key, later(goneAt))
end`;

/**
 * A step of the clock of Redis, as far as the scripts can see it: they compare instants that they wrote with the clock,
 * so all of those of a cache move the other way. A step back by an hour makes each instant an hour later.
 */
export async function stepClock(redis: Redis, ms: number, name = ''): Promise<void> {
  await redis.eval(STEP, 0, String(ms), name);
}
