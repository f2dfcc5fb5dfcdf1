import { createHash } from 'node:crypto';
import type { CampaignRules } from '../model/campaign-rules.js';
import { type CampaignConflictError, conflict, MisconfiguredError } from '../model/errors.js';
import type { Issuance } from '../model/issuance.js';
import { METHODS } from '../model/methods.js';
import { rulesToFields } from './campaign-fields.js';
import { sendUntilAnswered } from './epoch.js';
import { epochSuffix, generationOf } from './generation.js';
import type { KnownCampaign } from './known-campaign.js';
import { decodeRecord, fateOf, fieldOf, splitField } from './record.js';
import { nextGeneration } from './registry.js';
import { isNotReady, oneOf } from './reply-words.js';
import type { Reply } from './runner.js';
import { scripts } from './scripts.js';
import type { Shard } from './shard.js';

/** The state that a rebuild leaves which cannot go on. */
export const UNREADY = 'it does not serve';
const CHUNK = 500;
/** The size of one stretch; with more, a script takes longer than 10 ms at a million grants. */
const SCAN_CHUNK = 200;

const PHASES = ['old', 'rows', 'codes', 'known', 'end', 'losers'] as const;

/** The campaign that a rebuild makes. A run with another one begins anew. */
export interface Remaking {
  readonly rules: CampaignRules;
  readonly leaseMs: number;
  /** Whether it is paused from the first step on. `false` leaves a pause as it is. */
  readonly paused: boolean;
}

/** A run of a rebuild: the run that began last has the epoch, and every other run is fenced off by it. */
export interface Run {
  readonly epoch: string;
  /** Which part it has to go on with. */
  readonly phase: (typeof PHASES)[number];
  /** Rows up to this serial are written. */
  readonly cursor: number;
  /** The highest stamp it saw: each step has one, and none is made on a Redis that is behind the step before. */
  fence: number;
}

/**
 * Puts the old state aside and names a new epoch, or takes over from a run that stopped. `above`: a generation that the
 * new one has to pass. It is drawn while the state that it follows is there: one that was drawn before may have been
 * overtaken by a campaign that is gone by now. Two round trips for each epoch that is found, and where there is no
 * state four.
 */
export async function beginRebuild(
  campaign: KnownCampaign,
  { rules, leaseMs, paused }: Remaking,
  above = campaign.shard.generation,
): Promise<Run> {
  const { shard, equipment } = campaign;
  const kept = rulesToFields(rules, leaseMs, equipment.store?.identity);
  const fields = paused ? [...kept, { name: 'paused', value: '1' }] : kept;
  const definition = createHash('sha256').update(JSON.stringify(fields)).digest('base64url');
  // It names the epoch it found, so that a late copy of this call does not stop a campaign that serves again.
  let from = shard.epoch;
  let random = epochSuffix();
  let seen = above;
  const unanswered = `the rebuild of campaign ${shard.campaignId} could not begin: its epoch kept changing`;
  return sendUntilAnswered(unanswered, async () => {
    if (from !== '') seen = Math.max(seen, generationOf(from));
    const generation = String(await nextGeneration(shard.context, seen + 1));
    const reply = await shard.run(scripts.beginRebuild, { from, random, generation, definition }, [
      ...fields,
      ...rules.pace,
    ]);
    const word = oneOf('begin-rebuild', ['stale_epoch', 'lacks', 'building', 'done'], reply[0]);
    if (word === 'lacks') throw lacks(shard, String(reply[1]));
    const foundNone = from === '' && word !== 'stale_epoch';
    if (word === 'stale_epoch' || foundNone) from = String(reply[1]);
    if (foundNone) random = epochSuffix();
    if (word === 'stale_epoch' || foundNone) return undefined;
    const [, epoch, phase, cursor, stamp] = reply;
    return {
      epoch: String(epoch),
      phase: oneOf('begin-rebuild', PHASES, phase),
      cursor: Number(cursor),
      fence: Number(stamp ?? 0),
    };
  });
}

function lacks({ campaignId }: Shard, needs: string): MisconfiguredError {
  const hooks = needs.replaceAll('+', ' and ');
  return new MisconfiguredError(
    `campaign ${campaignId} has ${hooks}, and this issuer lacks one of them: nothing was changed. Rebuild it from a process with all of them`,
  );
}

/** Carries the next stretch of promises over. `false` once all of it is. One round trip. */
export async function keepPromised(shard: Shard, run: Run): Promise<boolean> {
  const reply = await shard.run(scripts.keepPromised, { ...named(run), limit: String(SCAN_CHUNK) });
  return running(shard, run, reply, { words: MORE, stampAt: 1 })[0] === 'more';
}

/** Rows, in the order of their serials: all there are in (from, upTo]. */
export interface RowPage {
  readonly from: number;
  readonly upTo: number;
  readonly rows: readonly Issuance[];
}

/**
 * Writes the rows of one page, in stretches of at most 500 serials, one round trip each. Serials in between without a
 * row are free again. `recall` gets promises whose unit may have been delivered, before it leaves them: one round trip
 * more.
 */
export async function writeRows(
  shard: Shard,
  run: Run,
  { from, upTo, rows }: RowPage,
  recall: (promises: readonly Issuance[]) => Promise<void>,
): Promise<void> {
  let cursor = from;
  let next = 0;
  while (cursor < upTo) {
    const end = Math.min(upTo, cursor + CHUNK);
    const first = next;
    while (next < rows.length && rows[next]!.serial <= end) next++;
    const items = rows.slice(first, next).map((row) => ({
      field: fieldOf(row.grant, row.userId),
      id: row.id,
      serial: String(row.serial),
      issuedAt: String(row.issuedAt.getTime()),
      code: row.code ?? '',
      ...fateOf(row),
    }));
    const args = { ...named(run), after: String(cursor), upTo: String(end) };
    const write = async (told: string) => {
      const sent = await shard.run(scripts.rebuildRows, { ...args, told }, items);
      return running(shard, run, sent, { words: ['ok', 'beyond', 'recall'], stampAt: 3 });
    };
    let reply = await write('');
    if (reply[0] === 'recall') {
      await recall(decodeNamed(shard, run, reply, { from: 1, withData: true }));
      reply = await write('1');
    }
    if (reply[0] === 'beyond') {
      const what = `has issuances up to serial ${upTo}, more than the total of this definition`;
      throw conflict(
        shard.campaignId,
        {
          what,
          cure: 'Rebuild it with a larger total. If a restock had taken units away, rebuild it paused, and take them away again before resume()',
        },
        UNREADY,
      );
    }
    if (Number(reply[1]) !== end) throw overtaken(shard);
    cursor = end;
  }
}

/** The highest serial that is still promised. One round trip. */
export async function highestPromised(shard: Shard, run: Run, cursor: number): Promise<number> {
  const args = { ...named(run), after: String(cursor), upTo: String(cursor), told: '' };
  const reply = await shard.run(scripts.rebuildRows, args, []);
  return Number(running(shard, run, reply, { words: ['ok'], stampAt: 3 })[2]);
}

/** Loads free codes into the serials without a row. One round trip; at most 1,000. */
export async function loadRebuilt(shard: Shard, run: Run, codes: readonly string[]): Promise<void> {
  const items = codes.map((code) => ({ code }));
  running(shard, run, await shard.run(scripts.rebuildCodes, named(run), items), { words: ['ok'], stampAt: 1 });
}

/** For each of at most 1,000 codes, whether a row, a promise or the state of before has it. One round trip. */
export async function areKnown(shard: Shard, run: Run, codes: readonly string[]): Promise<boolean[]> {
  const items = codes.map((code) => ({ code }));
  const [, ...words] = running(shard, run, await shard.run(scripts.knowCodes, named(run), items), { words: ['ok'] });
  return words.map((word) => word === 'known');
}

/**
 * Keeps the next stretch of the codes that were known before from being loaded again. `false` once all of it is. One
 * round trip.
 */
export async function keepKnown(shard: Shard, run: Run): Promise<boolean> {
  const reply = await shard.run(scripts.keepKnown, { ...named(run), limit: String(SCAN_CHUNK) });
  return running(shard, run, reply, { words: MORE, stampAt: 1 })[0] === 'more';
}

/**
 * Gives another unit to users that lost theirs, and makes the campaign serve. `name` gets the reservations for which no
 * unit is left, before they go. If this ends early, the next run names them again.
 */
export async function finishRebuild(
  shard: Shard,
  run: Run,
  name: (lost: readonly Issuance[]) => void,
): Promise<{ exhausted: boolean }> {
  let items: { field: string }[] = [];
  for (;;) {
    const sent = await shard.run(scripts.finishRebuild, { ...named(run), limit: String(CHUNK) }, items);
    const reply = running(shard, run, sent, { words: MORE });
    if (reply[0] === 'done') return { exhausted: reply[1] === '1' };
    const lost = decodeNamed(shard, run, reply, { from: 2, withData: false });
    name(lost);
    items = lost.map(({ grant, userId }) => ({ field: fieldOf(grant, userId) }));
  }
}

/** Fields and records of a reply, each with its data or without. */
function decodeNamed(shard: Shard, { epoch }: Run, reply: Reply, at: { from: number; withData: boolean }): Issuance[] {
  const issuances: Issuance[] = [];
  for (let i = at.from; i < reply.length; i += at.withData ? 3 : 2) {
    const { grant, userId } = splitField(String(reply[i]));
    const data = at.withData ? String(reply[i + 2]) : '';
    issuances.push(decodeRecord(grant, String(reply[i + 1]), shard.recordOf(userId, epoch), data).issuance);
  }
  return issuances;
}

function named({ epoch, fence }: Run): { epoch: string; fence: string } {
  return { epoch, fence: String(fence) };
}

/** `words`: the other words of the script. `stampAt`: the place of the campaign's stamp in its reply. */
interface Answers {
  readonly words: readonly string[];
  readonly stampAt?: number;
}

/** Some steps have a rest to do. */
const MORE = ['more', 'done'];

function running(shard: Shard, run: Run, reply: Reply, { words, stampAt }: Answers): Reply {
  const [word] = reply;
  if (word === 'stale_epoch' || isNotReady(word)) throw overtaken(shard);
  oneOf('of a rebuild', words, word);
  if (stampAt !== undefined && word !== 'beyond' && word !== 'recall')
    run.fence = Math.max(run.fence, Number(reply[stampAt]));
  return reply;
}

function overtaken({ campaignId }: Shard): CampaignConflictError {
  const what = 'is rebuilt by another call that has taken over, or Redis lost the state of this rebuild';
  const cure = `Wait for the other call, or call ${METHODS.rebuild}() again`;
  return conflict(campaignId, { what, cure }, 'this call has stopped');
}
