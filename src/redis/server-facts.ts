import { monotonicMs } from '../flow/deadline.js';
import type { RedisClient } from './client.js';
import { isCluster } from './ioredis.js';
import { campaignKeys } from './keys.js';
import { isRegistered } from './registry.js';
import { scripts } from './scripts.js';
import type { RedisContext } from './shard.js';

/** One server, as it told of itself. An empty text: its INFO is forbidden. */
export interface ServerFacts {
  readonly policy: string;
  readonly role: string;
  readonly version: string;
  /** `1`: it keeps an append-only file. */
  readonly appendOnly: string;
  /** Its clock less the clock of this process, ms. */
  readonly aheadMs: number;
}

/** A campaign id has no slash, so no campaign has these keys. */
const NODES_ASKED = 32;

/** Each server that keys of this prefix lead to; on a Cluster as many as 32 keys find. One round trip for each key. */
export async function serverFacts(context: RedisContext, client: RedisClient): Promise<ServerFacts[]> {
  const found = new Map<string, ServerFacts>();
  for (let node = 0; node < (isCluster(client) ? NODES_ASKED : 1); node++) {
    const sentAt = Date.now();
    const [, policy, role, version, appendOnly, run, nowMs] = (await ask(context, node)).map(String);
    const aheadMs = Number(nowMs) - (sentAt + Date.now()) / 2;
    found.set(run!, { policy: policy!, role: role!, version: version!, appendOnly: appendOnly!, aheadMs });
  }
  return [...found.values()];
}

function ask({ runner, prefix, timeoutMs }: RedisContext, node: number) {
  const keys = campaignKeys(prefix, `/${node}`);
  return runner.run(scripts.inspectServer, { keys, args: {} }, timeoutMs);
}

/** The commands that this Redis user may not run. One round trip. */
export async function missingRights({ runner, prefix, timeoutMs }: RedisContext): Promise<string[]> {
  const keys = campaignKeys(prefix, '/rights');
  return (await runner.run(scripts.checkRights, { keys, args: {} }, timeoutMs)).slice(1).map(String);
}

/** The median time of a small call, ms. Eleven round trips. */
export async function latencyMs(context: RedisContext): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 11; i++) {
    const sentAt = monotonicMs();
    await isRegistered(context, '/latency');
    times.push(monotonicMs() - sentAt);
  }
  return times.sort((a, b) => a - b)[5]!;
}
