import { registryKeys } from './keys.js';
import { inOnePiece } from './runner.js';
import { scripts } from './scripts.js';
import type { RedisContext } from './shard.js';

/** `settle_and_admit`: it looks after a campaign with a waiting room too. */
export type WorkerRole = 'settle' | 'settle_and_admit';

/** A running worker, as it told of itself last. Its instants are those of the clock of Redis. */
export interface WorkerSeen {
  /** Random, and another one after each start. */
  readonly id: string;
  readonly role: WorkerRole;
  /** The campaigns that it was told to look after; `null`: all of the registry, or more than 100. */
  readonly campaigns: readonly string[] | null;
  /** The version of this package in its process. */
  readonly version: string;
  readonly intervalMs: number;
  readonly seenAt: Date;
  /** When a campaign was last attended to without a fault; `null`: not yet. */
  readonly succeededAt: Date | null;
  /** The last fault: a word such as `REDIS` or `ECONNREFUSED`, and never a message. It stays until the next one. */
  readonly lastFault: { readonly errorType: string; readonly at: Date } | null;
}

/** The note of a worker about itself. Durations, because its clock is not that of Redis. */
export interface WorkerNote {
  readonly id: string;
  readonly role: WorkerRole;
  readonly campaigns: readonly string[] | null;
  readonly version: string;
  readonly intervalMs: number;
  readonly succeededMsAgo: number | null;
  readonly lastFault: { readonly errorType: string; readonly msAgo: number } | null;
}

/** After so many intervals of silence a worker is gone, as `note-worker.lua` has it. */
const SILENT_INTERVALS = 10;
/** A longer list is not told: every interval carries it. */
const MOST_CAMPAIGNS = 100;
const ALL_CAMPAIGNS = '*';

/** Returns where the next note looks for silent workers. One round trip. */
export async function noteWorker(context: RedisContext, note: WorkerNote, cursor: string): Promise<string> {
  const { runner, prefix, timeoutMs } = context;
  const { id: worker, role, campaigns, version, intervalMs, succeededMsAgo, lastFault } = note;
  const msAgo = (ms: number | undefined | null) => (ms === undefined || ms === null ? '' : String(Math.round(ms)));
  const args = {
    worker,
    cursor,
    intervalMs: String(intervalMs),
    role,
    version,
    succeededMsAgo: msAgo(succeededMsAgo),
    faultMsAgo: msAgo(lastFault?.msAgo),
    fault: lastFault?.errorType ?? '',
    campaigns: campaigns && campaigns.length <= MOST_CAMPAIGNS ? campaigns.join() : ALL_CAMPAIGNS,
  };
  return String((await runner.run(scripts.noteWorker, { keys: registryKeys(prefix), args }, timeoutMs))[1]);
}

/** One round trip. */
export async function forgetWorker({ runner, prefix, timeoutMs }: RedisContext, worker: string): Promise<void> {
  await runner.run(scripts.forgetWorker, { keys: registryKeys(prefix), args: { worker } }, timeoutMs);
}

/** The workers that were not silent for ten of their intervals. One round trip per page of about 500. */
export async function listWorkers({ runner, prefix, timeoutMs }: RedisContext): Promise<WorkerSeen[]> {
  const found = new Map<string, WorkerSeen>();
  const keys = registryKeys(prefix);
  let cursor = '0';
  do {
    const reply = await runner.run(scripts.listWorkers, { keys, args: { cursor } }, timeoutMs);
    const [next, nowMs, ...page] = inOnePiece(reply).map(String);
    for (let i = 0; i < page.length; i += 2) {
      const worker = workerOf(page[i]!, page[i + 1]!);
      if (worker.seenAt.getTime() + SILENT_INTERVALS * worker.intervalMs >= Number(nowMs)) found.set(worker.id, worker);
    }
    cursor = next!;
  } while (cursor !== '0');
  return [...found.values()];
}

function workerOf(id: string, facts: string): WorkerSeen {
  const [seenAt, intervalMs, role, version, succeededAt, faultAt, errorType, told = ALL_CAMPAIGNS] = facts.split(':');
  const at = (text: string | undefined) => (text ? new Date(Number(text)) : null);
  const faulted = at(faultAt);
  return {
    id,
    role: role as WorkerRole,
    campaigns: told === ALL_CAMPAIGNS ? null : told.split(',').filter((name) => name !== ''),
    version: version!,
    intervalMs: Number(intervalMs),
    seenAt: at(seenAt)!,
    succeededAt: at(succeededAt),
    lastFault: faulted && { errorType: errorType!, at: faulted },
  };
}
