import type { CampaignSnapshot } from '../model/campaign-rules.js';
import { CampaignConflictError, UnknownCampaignError } from '../model/errors.js';
import { METHODS } from '../model/methods.js';
import { type RegistryKeys, registryKeys } from './keys.js';
import { inOnePiece, type Reply, type Script } from './runner.js';
import { scripts } from './scripts.js';
import type { RedisContext, Shard } from './shard.js';

/**
 * A campaign that was closed long ago: its keys expired, or were purged. Where there is a status for it, it becomes
 * `closed`.
 */
export class CampaignOverError extends CampaignConflictError {
  readonly closedAt: Date;
  /** Its id is free again. */
  readonly isPurged: boolean;

  constructor(id: string, closedAt: Date, isPurged: boolean) {
    super(
      `campaign ${id} is over: it was closed at ${closedAt.toISOString()}, and Redis keeps no state of it; nothing was written. ${isPurged ? 'Take another id, or open it anew if the database has no rows of it' : `Take another id, or call ${METHODS.purge}() to use this one again`}`,
    );
    this.closedAt = closedAt;
    this.isPurged = isPurged;
  }
}

/** Purged, expired, or never opened. */
export function isNoCampaign(error: unknown): error is CampaignOverError | UnknownCampaignError {
  return error instanceof CampaignOverError || error instanceof UnknownCampaignError;
}

/**
 * The note about a campaign without state in Redis, and the instant it has. `expired`: its keys had an expiry, which is past; `purged`: its id
 * is free again.
 */
export type Past = { readonly noted: string } & (
  | { readonly word: 'none' }
  | { readonly word: 'expired' | 'purged'; readonly closedAt: Date; readonly nowMs: number }
);

function run<A extends string>(
  { runner, prefix, timeoutMs }: RedisContext,
  script: Script<keyof RegistryKeys, A, never>,
  args: Readonly<Record<A, string>>,
): Promise<Reply> {
  return runner.run(script, { keys: registryKeys(prefix), args }, timeoutMs);
}

/**
 * Remembers the id before the campaign is written: its missing state is then `not_ready`, never unknown. One round
 * trip.
 */
export async function register(context: RedisContext, campaignId: string): Promise<void> {
  await run(context, scripts.registerCampaign, { campaignId });
}

/** The mark of the last registration, or `null` if there is none. One round trip. */
export async function registration(context: RedisContext, campaignId: string): Promise<string | null> {
  const [word, mark] = await run(context, scripts.knowCampaign, { campaignId });
  return word === 'known' ? String(mark) : null;
}

/** `mark`: read before its keys were seen to be gone. A registration since then stays. One round trip. */
export async function strikeOff(context: RedisContext, campaignId: string, mark: string | null): Promise<void> {
  if (mark !== null) await run(context, scripts.forgetCampaign, { campaignId, mark });
}

/** The same for a campaign that was found to be over. Three round trips. */
export async function strikeOffIfOver(context: RedisContext, campaignId: string): Promise<void> {
  const mark = await registration(context, campaignId);
  // An opening drops the note, registers, and serves then.
  if ((await findOver(context, campaignId)).word !== 'none') await strikeOff(context, campaignId, mark);
}

/** Every campaign of the registry, page by page, each once. */
export async function* registered(context: RedisContext): AsyncGenerator<string> {
  const seen = new Set<string>();
  let cursor = '0';
  do {
    const [next, ...ids] = inOnePiece(await run(context, scripts.listCampaigns, { cursor }));
    for (const id of ids.map(String)) {
      if (!seen.has(id)) yield id;
      seen.add(id);
    }
    cursor = String(next);
  } while (cursor !== '0');
}

/** A generation above every one before and no lower than `atLeast`. One round trip. */
export async function nextGeneration(context: RedisContext, atLeast: number): Promise<number> {
  return Number((await run(context, scripts.nextGeneration, { atLeast: String(atLeast) }))[1]);
}

/**
 * Remembers that a campaign was closed, and when its keys expire (`null`: they were purged). `nowMs`: the clock of
 * Redis at that time. One round trip.
 */
export async function noteOver(
  context: RedisContext,
  campaignId: string,
  { closedAt, goneAt, nowMs }: { closedAt: number; goneAt: number | null; nowMs: number },
): Promise<void> {
  const gone = goneAt === null ? '' : String(goneAt);
  await run(context, scripts.noteOver, { campaignId, closedAt: String(closedAt), goneAt: gone, sentAt: String(nowMs) });
}

/**
 * Forgets that an earlier campaign of this id is over, and registers the one that is made now, before that serves.
 * `isOwn`: whether Redis has that one, and it does not serve yet. Four round trips, and three more where another
 * note arrived in between.
 */
export async function dropOver(shard: Shard, isOwn: (snapshot: CampaignSnapshot) => boolean): Promise<void> {
  const { context, campaignId } = shard;
  for (let reply: Reply = []; reply[0] !== 'done'; ) {
    // The note is read before the look at the campaign: a note of that time tells of an earlier one.
    const { noted } = await findOver(context, campaignId);
    const snapshot = await shard.refresh();
    if (typeof snapshot === 'string' || !isOwn(snapshot)) return;
    reply = await run(context, scripts.dropOver, { campaignId, closedAt: noted });
  }
  // A process that found the earlier one to be over before that may strike off the registration of before.
  await register(context, campaignId);
}

export async function findOver(context: RedisContext, campaignId: string): Promise<Past> {
  const [word, closedAt, nowMs] = await run(context, scripts.findOver, { campaignId });
  const noted = String(closedAt);
  if (word !== 'expired' && word !== 'purged') return { word: 'none', noted };
  return { word, noted, closedAt: new Date(Number(noted)), nowMs: Number(nowMs) };
}

/**
 * Why a campaign that has no state has none. Resolves where its state was lost. Throws `CampaignOverError` where it is
 * over, and `UnknownCampaignError` where it was never opened. `wasSeen`: this process has seen it, so if the registry
 * lacks it, Redis lost that too. One round trip, or two.
 */
export async function assertLost(context: RedisContext, id: string, wasSeen: boolean): Promise<void> {
  const past = await findOver(context, id);
  if (past.word !== 'none') throw new CampaignOverError(id, past.closedAt, past.word === 'purged');
  if (wasSeen || (await registration(context, id)) !== null) return;
  throw neverOpened(context, id);
}

export function neverOpened({ prefix }: RedisContext, id: string): UnknownCampaignError {
  return new UnknownCampaignError(
    `no campaign ${id} was opened under the prefix ${prefix}; nothing was written. Check the id and the prefix of this issuer, or ${METHODS.open}() the campaign first. If it was open, Redis lost it: ${METHODS.rebuild}()`,
  );
}
