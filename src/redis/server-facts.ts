import { monotonicMs } from '../flow/deadline.js';
import type { RedisClient } from './client.js';
import { mastersBySlot, SLOTS } from './ioredis.js';
import { type CampaignKeys, campaignKeys } from './keys.js';
import { registration } from './registry.js';
import { scripts } from './scripts.js';
import type { RedisContext } from './shard.js';

/** One server, as it told of itself. An empty text: its INFO is forbidden. */
export interface ServerFacts {
  readonly policy: string;
  readonly role: string;
  readonly version: string;
  /** `1`: it keeps an append-only file. */
  readonly appendOnly: string;
  /** The name that it took when it started. */
  readonly run: string;
  /** Its clock less the clock of this process, ms. */
  readonly aheadMs: number;
}

/** The answers of the servers that keys of this prefix may be on. */
export interface AskedServers<T> {
  /** 1 for a client of one server, and otherwise each master of the Cluster. */
  readonly masters: number;
  readonly answers: readonly T[];
  /** The first error, where a master gave no answer. */
  readonly fault: unknown;
}

/** Even a master of a single slot has one of so many keys. */
const MOST_KEYS = 300_000;

/** One round trip for each master, all at once. Throws if none of them answers. */
export function serverFacts(context: RedisContext, client: RedisClient): Promise<AskedServers<ServerFacts>> {
  return askEach(context, client, async (keys) => {
    const sentAt = Date.now();
    const [, policy, role, version, appendOnly, run, nowMs] = (
      await context.runner.run(scripts.inspectServer, { keys, args: {} }, context.timeoutMs)
    ).map(String);
    const aheadMs = Number(nowMs) - (sentAt + Date.now()) / 2;
    return { policy: policy!, role: role!, version: version!, appendOnly: appendOnly!, run: run!, aheadMs };
  });
}

/** The commands that this Redis user may not run, on each master. One round trip for each. Throws if none of them answers. */
export function missingRights(context: RedisContext, client: RedisClient): Promise<AskedServers<readonly string[]>> {
  return askEach(context, client, async (keys) =>
    (await context.runner.run(scripts.checkRights, { keys, args: {} }, context.timeoutMs)).slice(1).map(String),
  );
}

async function askEach<T>(
  { prefix }: RedisContext,
  client: RedisClient,
  ask: (keys: CampaignKeys) => Promise<T>,
): Promise<AskedServers<T>> {
  const masters = mastersBySlot(client);
  const asked = masters ? namesOnEach(masters, prefix) : ['/0'];
  const answers: T[] = [];
  let fault: unknown = null;
  for (const result of await Promise.allSettled(asked.map((name) => ask(campaignKeys(prefix, name))))) {
    if (result.status === 'fulfilled') answers.push(result.value);
    else fault ??= result.reason;
  }
  if (answers.length === 0) throw fault;
  return { masters: Math.max(asked.length, new Set(masters?.values()).size), answers, fault };
}

/** For each master a name whose keys it holds. A campaign id has no slash, so no campaign has these keys. */
function namesOnEach(masters: ReadonlyMap<number, string>, prefix: string): string[] {
  const wanted = new Set(masters.values());
  const names: string[] = [];
  for (let n = 0; n < MOST_KEYS && wanted.size > 0; n++) {
    const master = masters.get(slotOf(`${prefix}:/${n}`));
    if (master !== undefined && wanted.delete(master)) names.push(`/${n}`);
  }
  return names.length > 0 ? names : ['/0'];
}

/** The slot of a Cluster that keys with this tag in braces are in: its CRC16. */
function slotOf(tag: string): number {
  let crc = 0;
  for (const byte of Buffer.from(tag)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc % SLOTS;
}

/** The median time of a small call, ms. Eleven round trips. */
export async function latencyMs(context: RedisContext): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 11; i++) {
    const sentAt = monotonicMs();
    await registration(context, '/latency');
    times.push(monotonicMs() - sentAt);
  }
  return times.sort((a, b) => a - b)[5]!;
}
