import type { Deliver } from './issue/deliver.js';
import type { Eligible } from './issue/eligibility.js';
import { assertFunction, assertInteger, assertName, assertObject, assertOnlyKeys } from './model/check.js';
import { InvalidArgumentError, invalid } from './model/errors.js';
import type { CouponEvent } from './model/events.js';
import type { Issuance } from './model/issuance.js';
import type { PersistenceAdapter } from './persistence/adapter.js';
import type { RedisClient } from './redis/client.js';
import { canWait, whyUnfit } from './redis/ioredis.js';

/**
 * The options of an issuer. Durations are whole milliseconds. A number outside its range is an `InvalidArgumentError`.
 */
export interface CouponIssuerOptions<Client = never> {
  /**
   * Your ioredis `Redis` or `Cluster`. The issuer neither closes nor configures it. A client with `keyPrefix` is
   * refused.
   */
  readonly redis: RedisClient;
  /** Your database. Without it, `issued` means that Redis has recorded the coupon. */
  readonly persistence?: PersistenceAdapter<Client> | undefined;
  /**
   * Your external call for each reserved coupon, before the save. It runs at least once, each time with the same id.
   */
  readonly deliver?: Deliver | undefined;
  /**
   * Receives a delivered unit that the database refused, or that an operator withdrew, with its code. Called at most
   * once per unit. An error of it becomes a `fault` event.
   */
  readonly recall?: ((issuance: Issuance) => Promise<void> | void) | undefined;
  /** Your own rule. It is asked before anything is reserved. An error of it becomes a `HookError`. */
  readonly eligible?: Eligible | undefined;
  /** Receives every event. Its errors are ignored. */
  readonly onEvent?: ((event: CouponEvent) => void) | undefined;
  /**
   * Waits for `count` replicas (1–10) before the answer, and at most `timeoutMs` (1–60,000 ms). If fewer have the write
   * by then, the answer is `accepted`, never an error.
   *
   * It holds where Redis alone keeps the promise: without `persistence`, or with write-behind. It does not hold for
   * users admitted from a waiting room. A Cluster is refused with `InvalidArgumentError`. Costs one more command per
   * batch, and nothing else passes on the connection meanwhile.
   */
  readonly replicas?: { readonly count: number; readonly timeoutMs: number } | undefined;
  /**
   * Whether `open` and `rebuild` accept a replica, or a Redis that may evict keys (`maxmemory-policy` other than
   * `noeviction`). `refuse` (default) throws `MisconfiguredError`; `allow` accepts it.
   */
  readonly unsafeRedis?: 'refuse' | 'allow' | undefined;
  /** `[A-Za-z0-9._-]{1,64}`; default `coupon`. */
  readonly prefix?: string | undefined;
  /**
   * The lease: how long only the caller acts on a reservation. Afterwards settle may take it over. 1,000–3,600,000 ms,
   * more than `timeoutMs`; default 30,000. A campaign keeps the lease that it was opened with.
   */
  readonly leaseMs?: number | undefined;
  /**
   * Deadline of a call, of a delivery and of a save: 1–600,000 ms; default 10,000. If Redis does not answer, a call
   * that shares a batch with younger calls may wait up to twice as long. The `timeoutMs` of a single call is exact.
   */
  readonly timeoutMs?: number | undefined;
  /** The most calls of one campaign in a script call, and the most rows in a save: 1–1,000; default 500. */
  readonly maxBatch?: number | undefined;
  /**
   * The most batches under way at a time, per campaign in Redis and over all campaigns in the database: 1–64; default
   * 2. A campaign whose saves hang never takes the last place in the database. With 1 there is no other place, so such
   * a campaign delays all others.
   */
  readonly maxInFlight?: number | undefined;
  /**
   * The most calls of one campaign that wait in this process: 1–1,000,000; default 10,000. One more throws
   * `OverloadedError`.
   */
  readonly maxQueued?: number | undefined;
  /**
   * How long this process may repeat `sold_out`, `closed` or `paused` from memory, without a call to Redis: 0–60,000
   * ms. The default is 0, so every answer is exact.
   *
   * Within that time the process does not see a returned unit, a restock, an update, the end of a pause, or coupons of
   * other processes. A user with a coupon of another process gets the refusal instead of `already_issued`. `eligible`
   * is not asked. Users who have a coupon of this process, or may have one, always go to Redis.
   */
  readonly refusalCacheMs?: number | undefined;
  /**
   * The most deliveries at a time: 1–10,000; default 32. While another campaign waits, one campaign has at most half of
   * them. From 8 on, a campaign that has some leaves the last one to a campaign that has none.
   */
  readonly maxDeliveries?: number | undefined;
  /**
   * The failures in settle after which a reservation goes into quarantine: 1–1,000; default 10. A failure of the whole
   * database does not count.
   */
  readonly maxTries?: number | undefined;
}

export type CheckedOptions = Omit<CouponIssuerOptions, keyof typeof DEFAULTS> & Readonly<typeof DEFAULTS>;

const DEFAULTS = {
  prefix: 'coupon',
  leaseMs: 30_000,
  timeoutMs: 10_000,
  maxBatch: 500,
  maxInFlight: 2,
  maxQueued: 10_000,
  refusalCacheMs: 0,
  maxDeliveries: 32,
  maxTries: 10,
};

const HOOKS = ['deliver', 'recall', 'eligible', 'onEvent'] as const;

const ARGUMENT = 'the argument of new CouponIssuer()';

export function checkedOptions(options: CouponIssuerOptions): CheckedOptions {
  assertObject(ARGUMENT, options);
  assertOnlyKeys(ARGUMENT, options, [
    'redis',
    'persistence',
    'unsafeRedis',
    'replicas',
    ...HOOKS,
    ...Object.keys(DEFAULTS),
  ]);
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const checked = { ...DEFAULTS, ...given } as CheckedOptions;
  assertClient(checked.redis);
  if (checked.persistence !== undefined) assertFunction('persistence.save', checked.persistence?.save ?? null);
  for (const hook of HOOKS) assertFunction(hook, checked[hook]);
  assertName('prefix', checked.prefix);
  if (!['refuse', 'allow', undefined].includes(checked.unsafeRedis)) {
    throw invalid('unsafeRedis', "must be 'refuse' or 'allow'");
  }
  assertInteger('timeoutMs', checked.timeoutMs, 1, 600_000);
  assertInteger('leaseMs', checked.leaseMs, 1_000, 3_600_000);
  assertInteger('maxBatch', checked.maxBatch, 1, 1_000);
  assertInteger('maxInFlight', checked.maxInFlight, 1, 64);
  assertInteger('maxQueued', checked.maxQueued, 1, 1_000_000);
  assertInteger('refusalCacheMs', checked.refusalCacheMs, 0, 60_000);
  assertInteger('maxDeliveries', checked.maxDeliveries, 1, 10_000);
  assertInteger('maxTries', checked.maxTries, 1, 1_000);
  if (checked.leaseMs <= checked.timeoutMs) throw invalid('leaseMs', 'must be more than timeoutMs');
  assertReplicas(checked);
  return checked;
}

function assertReplicas({ replicas, redis }: CheckedOptions): void {
  if (replicas === undefined) return;
  assertObject('replicas', replicas as unknown);
  assertOnlyKeys('replicas', replicas, ['count', 'timeoutMs']);
  assertInteger('replicas.count', replicas.count, 1, 10);
  assertInteger('replicas.timeoutMs', replicas.timeoutMs, 1, 60_000);
  if (!canWait(redis)) {
    throw new InvalidArgumentError(
      'replicas needs a client of one server: WAIT cannot be sent to the right node of a Cluster',
    );
  }
}

function assertClient(redis: RedisClient): void {
  const why = whyUnfit(redis);
  if (why !== null) throw new InvalidArgumentError(why);
}
