import { assertFunction, assertInteger, assertName, assertObject, assertOnlyKeys } from '../model/check.js';
import { InvalidArgumentError, invalid } from '../model/errors.js';
import type { RedisClient } from '../redis/client.js';
import { whyUnfit } from '../redis/ioredis.js';

/** The options of a cache. Durations are whole milliseconds. A number outside its range is an `InvalidArgumentError`. */
export interface CacheOptions<V> {
  /**
   * `[A-Za-z0-9._-]{1,64}`, once per issuer. Caches of one name, prefix and `redis` share their values over all processes.
   * Change the name together with `redis` or with the shape of the values.
   */
  readonly name: string;
  /**
   * Reads the value of a key, for all processes at once. Return JSON, and `null` for "not found": both are cached. A `Date`
   * comes back as its text, a `Map` as `{}`. `NaN` and `Infinity` count as a failed load.
   *
   * If it throws, or gives no answer within `loadTimeoutMs`, every caller that waits gets a `HookError`. For a second (or
   * `ttlMs`, if that is shorter) the next callers get it too, and nothing is loaded. `signal` is aborted at the deadline.
   * A function that goes on after that may run beside the next load.
   *
   * Its error reaches Redis and other processes, redacted: its message must not quote a value.
   */
  readonly load: (key: string, options: { readonly signal: AbortSignal }) => Promise<V> | V;
  /** How long a value is fresh: 10–2,592,000,000 ms. `jitter` shortens it. */
  readonly ttlMs: number;
  /**
   * How long an expired value is still answered, while one process loads the next: 0–2,592,000,000 ms; default 0. It
   * bridges a loader that is slow or fails.
   */
  readonly staleMs?: number | undefined;
  /**
   * How early a value is refreshed: 0–100; default 1. The closer its end, and the longer its last load took, the likelier
   * a caller refreshes it behind its own answer. 0 refreshes nothing early.
   */
  readonly beta?: number | undefined;
  /** By which share of `ttlMs` a value may expire sooner, by chance: 0–0.9; default 0.1. */
  readonly jitter?: number | undefined;
  /**
   * The most bytes of a value as JSON: 1–1,000,000; default 4,096. A larger value is returned and not stored. A `fault`
   * event says so, at most once a minute.
   */
  readonly maxBytes?: number | undefined;
  /**
   * The most bytes that the stored values of this cache take in Redis: 1,000–2^53−1. The default is 67,108,864 in the
   * Redis of the campaigns, and no limit in a `redis` of its own. A value beyond it is returned and not stored. Costs one
   * round trip per stored value.
   */
  readonly maxTotalBytes?: number | undefined;
  /**
   * Values in the memory of this process, without a round trip: at most `max` (1–1,000,000), each for `ttlMs`
   * (1–3,600,000 ms) at most. The longest unused goes first. Values over `maxBytes` are kept here too.
   *
   * After `invalidate` or `set` of another process this process may answer the old value for `ttlMs` at most. A message
   * usually ends that within milliseconds. After `invalidate` or `set` of this very cache it never does.
   */
  readonly local?: { readonly max: number; readonly ttlMs: number } | undefined;
  /** Another Redis for the values, such as one with `maxmemory-policy allkeys-lru`. Default: that of the campaigns. */
  readonly redis?: RedisClient | undefined;
  /**
   * Deadline of `load`: 1 ms to a quarter of the issuer's `timeoutMs`; default a fifth of it. The lease of a load is twice as
   * long, so if a process dies in a load, its key waits that long.
   */
  readonly loadTimeoutMs?: number | undefined;
  /**
   * While Redis cannot be asked: this process calls `load` at most `loadsPerSecond` times a second (1–100,000) on average,
   * and after a quiet second as often at once. Further calls throw `OverloadedError`. `'throw'`: each call throws its
   * `RedisError`. Default `{ loadsPerSecond: 100 }`.
   */
  readonly withoutRedis?: { readonly loadsPerSecond: number } | 'throw' | undefined;
}

export type CheckedCache<V> = Omit<CacheOptions<V>, 'redis' | keyof ReturnType<typeof defaults>> &
  ReturnType<typeof defaults> & { readonly leaseMs: number; readonly failedMs: number; readonly lifeMs: number };

const MONTH_MS = 2_592_000_000;
const FAILED_MS = 1_000;

const defaults = (timeoutMs: number, isShared: boolean) => ({
  staleMs: 0,
  beta: 1,
  jitter: 0.1,
  maxBytes: 4_096,
  maxTotalBytes: isShared ? 67_108_864 : Number.POSITIVE_INFINITY,
  loadTimeoutMs: Math.max(1, Math.floor(timeoutMs / 5)),
  withoutRedis: { loadsPerSecond: 100 } as { readonly loadsPerSecond: number } | 'throw',
});

/** `timeoutMs`: that of the issuer. `isOwn`: its Redis is not the client of the campaigns. */
export function checkedCache<V>(options: CacheOptions<V>, timeoutMs: number, isOwn: boolean): CheckedCache<V> {
  assertObject('the argument of cache()', options as unknown);
  const standard = defaults(timeoutMs, !isOwn);
  const names = ['name', 'load', 'ttlMs', 'local', 'redis', ...Object.keys(standard)];
  assertOnlyKeys('the argument of cache()', options, names);
  const { redis, ...given } = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const why = redis === undefined ? null : whyUnfit(redis);
  if (why !== null) throw new InvalidArgumentError(why);
  const checked = { ...standard, ...given } as unknown as CheckedCache<V>;
  const { ttlMs, staleMs, loadTimeoutMs } = checked;
  assertName('name', checked.name);
  assertFunction('load', checked.load ?? null);
  assertInteger('ttlMs', ttlMs, 10, MONTH_MS);
  assertInteger('staleMs', staleMs, 0, MONTH_MS);
  assertShare('beta', checked.beta, 100);
  assertShare('jitter', checked.jitter, 0.9);
  assertInteger('maxBytes', checked.maxBytes, 1, 1_000_000);
  if (checked.maxTotalBytes !== Number.POSITIVE_INFINITY)
    assertInteger('maxTotalBytes', checked.maxTotalBytes, 1_000, Number.MAX_SAFE_INTEGER);
  assertInteger('loadTimeoutMs', loadTimeoutMs, 1, Math.max(1, Math.floor(timeoutMs / 4)));
  assertInner(checked);
  const leaseMs = 2 * loadTimeoutMs;
  // A value is stored within a lease after its count, and a refresh under way keeps it for another.
  const lifeMs = ttlMs + staleMs + 2 * leaseMs + FAILED_MS;
  return { ...checked, leaseMs, lifeMs, failedMs: Math.min(FAILED_MS, ttlMs) };
}

function assertInner({ local, withoutRedis }: Pick<CacheOptions<unknown>, 'local' | 'withoutRedis'>): void {
  if (local !== undefined) {
    assertObject('local', local as unknown);
    assertOnlyKeys('local', local, ['max', 'ttlMs']);
    assertInteger('local.max', local.max, 1, 1_000_000);
    assertInteger('local.ttlMs', local.ttlMs, 1, 3_600_000);
  }
  if (withoutRedis === 'throw' || withoutRedis === undefined) return;
  if (typeof withoutRedis !== 'object' || withoutRedis === null)
    throw invalid('withoutRedis', "must be 'throw' or { loadsPerSecond }");
  assertOnlyKeys('withoutRedis', withoutRedis, ['loadsPerSecond']);
  assertInteger('withoutRedis.loadsPerSecond', withoutRedis.loadsPerSecond, 1, 100_000);
}

function assertShare(name: string, value: unknown, max: number): void {
  if (typeof value !== 'number' || !(value >= 0 && value <= max))
    throw invalid(name, `must be a number from 0 to ${max}`);
}
