import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import type {
  ChangeVerdict,
  CouponChange,
  CouponRef,
  Issuance,
  PersistenceAdapter,
  RedisClient,
  SaveVerdict,
} from '../../../src/index.js';
import { MemoryPersistence } from '../../../src/index.js';
import { scripts } from '../../../src/redis/scripts.js';
import { replyOf, shaOf, sourceOf } from '../servers/sent.js';

/** Calls that several campaigns may share; here one has each. */
const SHARED = new Set(
  Object.values(scripts)
    .filter(({ joint }) => joint)
    .map(shaOf),
);

/** A memory adapter whose next saves can be scripted; its rows are the test's oracle. */
export class ScriptedPersistence implements PersistenceAdapter {
  readonly memory = new MemoryPersistence();
  /** Saves that reached the adapter, by issuance id and serial. */
  readonly saves: { id: string; serial: number }[] = [];
  /** Whether each of them was told that its ids are new. */
  readonly newIds: (boolean | undefined)[] = [];
  readonly #behaviours: Behaviour[] = [];
  readonly #watchers: (() => void)[] = [];

  /** The next save does this instead of storing; several are used up one by one. */
  next(...behaviours: Behaviour[]): void {
    this.#behaviours.push(...behaviours);
  }

  /** The next save waits until `end` is called, with an error or without. */
  hold(): (error?: Error) => void {
    let end: (error?: Error) => void = () => {};
    const held = new Promise<void>((resolve, reject) => {
      end = (error) => (error ? reject(error) : resolve());
    });
    this.next(async (issuances, memory) => {
      await held;
      return memory.save(issuances);
    });
    return end;
  }

  /** Resolves when the next save reaches the adapter. */
  reached(): Promise<void> {
    return new Promise((resolve) => {
      this.#watchers.push(resolve);
    });
  }

  async save(
    issuances: readonly Issuance[],
    options?: { newIds?: boolean | undefined },
  ): Promise<readonly SaveVerdict[]> {
    this.newIds.push(options?.newIds);
    for (const { id, serial } of issuances) this.saves.push({ id, serial });
    for (const resolve of this.#watchers.splice(0)) resolve();
    const behaviour = this.#behaviours.shift();
    return behaviour ? behaviour(issuances, this.memory) : this.memory.save(issuances);
  }

  list(campaignId: string, options: { afterSerial: number; limit: number }): Promise<readonly Issuance[]> {
    return this.memory.list(campaignId, options);
  }

  look(refs: readonly CouponRef[]): Promise<readonly (Issuance | null)[]> {
    return this.memory.look(refs);
  }

  change(changes: readonly CouponChange[]): Promise<readonly ChangeVerdict[]> {
    return this.memory.change(changes);
  }

  rows(campaignId: string): Promise<readonly Issuance[]> {
    return this.memory.list(campaignId, { afterSerial: 0, limit: Number.MAX_SAFE_INTEGER });
  }
}

export type Behaviour = (
  issuances: readonly Issuance[],
  memory: MemoryPersistence,
) => Promise<readonly SaveVerdict[]> | readonly SaveVerdict[];

export const fails =
  (error: Error): Behaviour =>
  () => {
    throw error;
  };

export const answers =
  (...verdicts: SaveVerdict[]): Behaviour =>
  () =>
    verdicts;

/** A client that keeps every EVALSHA it was asked for, so that a test can run a copy of it at any later time. */
export function recording(
  redis: Redis,
): RedisClient & { readonly calls: { sha1: string; replay: () => Promise<unknown> }[] } {
  const calls: { sha1: string; replay: () => Promise<unknown> }[] = [];
  return {
    calls,
    evalsha: (sha1, numberOfKeys, ...args) => {
      const run = () => redis.evalsha(sha1, numberOfKeys, ...args);
      calls.push({ sha1, replay: async () => (SHARED.has(sha1) ? replyOf(await run()) : run()) });
      return redis.evalsha(sha1, numberOfKeys, ...args);
    },
    eval: (source, numberOfKeys, ...args) => redis.eval(source, numberOfKeys, ...args),
  };
}

/** The same client, but for what is done around each call, whether a script is named by its hash or sent whole. */
export function withEach(
  through: RedisClient,
  around: (sha1: string, send: () => Promise<unknown>) => Promise<unknown>,
) {
  return {
    evalsha: (sha1: string, keys: number, ...args: string[]) =>
      around(sha1, () => through.evalsha(sha1, keys, ...args)),
    eval: (source: string, keys: number, ...args: string[]) =>
      around(createHash('sha1').update(source).digest('hex'), () => through.eval(source, keys, ...args)),
  };
}

/** Loads every script, so that the next call is the one EVALSHA that a test wants to see. */
export async function loadScripts(redis: Redis): Promise<void> {
  for (const script of Object.values(scripts)) await redis.script('LOAD', sourceOf(script));
}

/** Every key with its content and its expiry. Hashes and sets keep no order, so they are compared without one: even a look-up may change it. */
export async function dump(redis: Redis): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const key of (await redis.keys('*')).sort()) {
    all[key] = `${await contentOf(redis, key)} until ${await redis.call('PEXPIRETIME', key)}`;
  }
  return all;
}

async function contentOf(redis: Redis, key: string): Promise<string> {
  switch (await redis.type(key)) {
    case 'hash':
      return JSON.stringify(Object.entries(await redis.hgetall(key)).sort());
    case 'set':
      return JSON.stringify((await redis.smembers(key)).sort());
    default:
      return (await redis.dumpBuffer(key)).toString('base64');
  }
}
