import type { Redis } from 'ioredis';
import { type Cache, CouponIssuer, type RedisClient } from '../../src/index.js';
import { scripts } from '../../src/redis/scripts.js';
import { shaOf } from '../support/servers/sent.js';

export interface Row {
  readonly version: number;
  readonly more: string;
}

/** What a process needs of the world around it. */
interface Around {
  readonly name: string;
  readonly version: number;
  random(): number;
  chance(share: number): boolean;
  begin(load: { claimedAt: number; process: CacheProcess }): () => void;
  ends<T>(run: () => Promise<T>): Promise<T>;
}

/** What went wrong, and what came of it. */
export const seen = {
  gets: 0,
  stored: 0,
  refreshes: 0,
  alone: 0,
  large: 0,
  kills: 0,
  copies: 0,
  resent: 0,
  lost: 0,
  silent: 0,
  outages: 0,
  steps: 0,
  dropped: 0,
  sets: 0,
  failedSets: 0,
  excused: 0,
};

export const TIMEOUT_MS = 1_000;
const MAX_BYTES = 200;

/** By this name the caches take it for an answer, and go on asking Redis at once. */
const lost = () => Object.assign(new Error('Connection is closed.'), { name: 'ReplyError' });
const never = () => new Promise<never>(() => {});
export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** A process of its own options, whose calls get lost, run late or twice, and are not answered. */
export class CacheProcess {
  readonly cache: Cache<Row>;
  readonly leaseMs: number;
  readonly local: { readonly max: number; readonly ttlMs: number } | undefined;
  isDead = false;
  isHealthy = false;
  readonly #around: Around;
  readonly #issuer: CouponIssuer;
  readonly #subscribers: Redis[] = [];
  /** When the looks were sent that got a lease: their loads follow in this order. */
  readonly #claims: number[] = [];
  readonly #died: Promise<null>;
  #die = () => {};

  constructor(around: Around, client: Redis) {
    const { random } = around;
    this.#around = around;
    this.#died = new Promise((resolve) => {
      this.#die = () => resolve(null);
    });
    this.leaseMs = around.chance(0.5) ? 60 : 40;
    this.local = around.chance(0.4) ? { max: 1, ttlMs: 1 + Math.floor(random() * 10) } : undefined;
    this.#issuer = new CouponIssuer({ redis: this.#faulty(client), timeoutMs: TIMEOUT_MS });
    this.cache = this.#issuer.cache({
      name: around.name,
      load: () => this.#load(),
      ttlMs: 30 + Math.floor(random() * 60),
      staleMs: around.chance(0.4) ? 50 : 0,
      beta: around.chance(0.5) ? 10 : 1,
      maxBytes: MAX_BYTES,
      loadTimeoutMs: this.leaseMs / 2,
      local: this.local,
      withoutRedis: around.chance(0.7) ? { loadsPerSecond: 100_000 } : 'throw',
    });
  }

  kill(): void {
    seen.kills++;
    this.isDead = true;
    this.#die();
  }

  /** What a call returned; `null`: it failed, or the process died. */
  answer<T>(call: Promise<T>): Promise<T | null> {
    return Promise.race([this.#died, call.catch(() => null)]);
  }

  async answers(call: Promise<void>): Promise<boolean> {
    return (await this.answer(call.then(() => true))) === true;
  }

  async close(): Promise<void> {
    for (const subscriber of this.#subscribers) subscriber.disconnect();
    if (!this.isDead) await this.#issuer.close();
  }

  async #load(): Promise<Row> {
    const around = this.#around;
    const claimedAt = this.#claims.shift();
    const ended = claimedAt === undefined ? () => {} : around.begin({ claimedAt, process: this });
    if (claimedAt === undefined) seen.alone++;
    const { version } = around;
    // Longer than its deadline, now and then: such a load fails, and its lease is given up before it ends.
    const isSlow = around.chance(0.03) && !this.isHealthy;
    await pause(isSlow ? this.leaseMs / 2 - 5 : Math.floor(around.random() * 15));
    ended();
    if (isSlow) await pause(this.leaseMs);
    if (around.chance(0.05) && !this.isHealthy) throw new Error('the database is away');
    const isLarge = around.chance(0.05);
    if (isLarge) seen.large++;
    return { version, more: isLarge ? 'x'.repeat(MAX_BYTES) : '' };
  }

  #faulty(client: Redis): RedisClient {
    const guarded =
      (method: 'evalsha' | 'eval') =>
      async (script: string, keys: number, ...args: string[]): Promise<unknown> =>
        this.#send(script, () => client[method](script, keys, ...args));
    return {
      evalsha: guarded('evalsha'),
      eval: guarded('eval'),
      duplicate: (...options: unknown[]) => {
        const subscriber = (client.duplicate as (...options: unknown[]) => Redis)(...options);
        this.#subscribers.push(subscriber);
        const on = subscriber.on.bind(subscriber) as (event: string, listener: (...args: unknown[]) => void) => unknown;
        return Object.assign(Object.create(subscriber), {
          on: (event: string, listener: (...args: unknown[]) => void) =>
            on(event, event === 'message' ? this.#losing(listener) : listener),
          subscribe: (...channels: string[]) => subscriber.subscribe(...channels),
          unsubscribe: (...channels: string[]) => subscriber.unsubscribe(...channels),
          disconnect: () => subscriber.disconnect(),
        });
      },
    };
  }

  #losing(listener: (...args: unknown[]) => void) {
    return (...args: unknown[]) => {
      if (!this.#around.chance(0.3)) listener(...args);
      else seen.silent++;
    };
  }

  async #send(sha1: string, run: () => Promise<unknown>): Promise<unknown> {
    const around = this.#around;
    if (this.isDead) return never();
    const askedAt = performance.now();
    const drops = sha1 === shaOf(scripts.dropCached);
    const ran = () => (drops ? around.ends(run) : run());
    if (this.isHealthy) return this.#told(sha1, askedAt, await ran());
    if (around.chance(0.3)) await pause(Math.floor(around.random() * 12));
    if (this.isDead && around.chance(0.5)) return never();
    const [isLost, isLate, isResent, loses] = [0.03, 0.06, 0.04, 0.04].map((share) => around.chance(share));
    const later = () => {
      seen.copies++;
      setTimeout(() => void ran().catch(() => {}), Math.floor(around.random() * 80));
    };
    if (isLost) {
      if (around.chance(0.5)) later();
      throw await this.#unanswered();
    }
    let reply = await ran();
    if (drops) seen.dropped++;
    if (isLate) later();
    if (isResent) {
      seen.resent++;
      reply = await ran();
    }
    if (around.chance(0.2)) await pause(Math.floor(around.random() * 12));
    if (this.isDead) return never();
    if (loses) throw await this.#unanswered();
    return this.#told(sha1, askedAt, reply);
  }

  #told(sha1: string, askedAt: number, reply: unknown): unknown {
    const word = String((reply as unknown[])[0]);
    if (sha1 === shaOf(scripts.findCached) && (word === 'load' || word === 'refresh')) this.#claims.push(askedAt);
    if (word === 'refresh') seen.refreshes++;
    if (word === 'stored') seen.stored++;
    return reply;
  }

  /** Of a call without an answer; some of them make the process go on without Redis, and few take all of their time. */
  #unanswered(): Error | Promise<never> {
    seen.lost++;
    if (this.#around.chance(0.8)) return lost();
    seen.outages++;
    return this.#around.chance(0.1) ? never() : new Error('Connection is closed.');
  }
}
