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
 * The options of an issuer. Durations are in ms; every number is a whole one, and outside its range it is an
 * `InvalidArgumentError`.
 */
export interface CouponIssuerOptions {
  /** Your ioredis `Redis` or `Cluster`: borrowed, never closed, never configured. One with `keyPrefix` is refused. */
  readonly redis: RedisClient;
  /** Your database. Without it `issued` means: recorded in Redis. */
  readonly persistence?: PersistenceAdapter | undefined;
  /** Your external call for each reserved coupon, before the save. At least once, with a stable id. */
  readonly deliver?: Deliver | undefined;
  /**
   * Receives each delivered unit that the database then refused, with its code; at most once. An error of it becomes a
   * `fault` event.
   */
  readonly recall?: ((issuance: Issuance) => Promise<void> | void) | undefined;
  /** Your own rule, asked before anything is reserved. An error of it becomes a `HookError`. */
  readonly eligible?: Eligible | undefined;
  /** Receives every event. Its errors are ignored. */
  readonly onEvent?: ((event: CouponEvent) => void) | undefined;
  /**
   * Where Redis alone keeps the promise (without `persistence`, or with write-behind), wait for this many replicas
   * before the answer. Too few within `timeoutMs` (1–60,000 ms): the answer is `accepted`, never an error. `count` is
   * 1–10. One more command per batch, and nothing else passes on the connection meanwhile. Not on a Cluster, and not
   * for users admitted from a waiting room.
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
   * How long a reservation is left to its caller before settle may take it over: 1,000–3,600,000 ms, more than
   * `timeoutMs`; default 30,000. A campaign keeps the one it was opened with.
   */
  readonly leaseMs?: number | undefined;
  /**
   * Deadline of one call, and of each delivery and save: 1–600,000 ms; default 10,000. A call whose batch has younger
   * ones may wait up to twice as long when Redis does not answer; its own `timeoutMs` is exact.
   */
  readonly timeoutMs?: number | undefined;
  /** Callers per script call and per save: 1–1,000; default 500. */
  readonly maxBatch?: number | undefined;
  /**
   * Batches out at a time, per campaign in Redis and over all of them in the database: 1–64; default 2. A campaign
   * whose saves hang never takes the last of the places in the database; with 1 it has to, and delays all the others.
   */
  readonly maxInFlight?: number | undefined;
  /** Callers waiting per campaign before `OverloadedError`: 1–1,000,000; default 10,000. */
  readonly maxQueued?: number | undefined;
  /**
   * For how long this process may repeat a `sold_out`, `closed` or `paused` without asking Redis: 0–60,000 ms; default
   * 0, every answer is exact. Within that time it does not see a returned unit, a restock, a resumed pause, or coupons
   * of other processes. Users of those coupons get the refusal instead of `already_issued`; `eligible` is not asked.
   * Users with a coupon from this process, or possibly one, always go to Redis.
   */
  readonly refusalCacheMs?: number | undefined;
  /**
   * Deliveries at a time: 1–10,000; default 32. One campaign has at most half of them while another waits; from 8 on,
   * it leaves the last one to a campaign that has none.
   */
  readonly maxDeliveries?: number | undefined;
  /**
   * After this many failures in settle a reservation goes into quarantine: 1–1,000; default 10. Failures of the
   * database as a whole do not count.
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
