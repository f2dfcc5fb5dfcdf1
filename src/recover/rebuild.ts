import { tell } from '../flow/progress.js';
import type { Source } from '../flow/source.js';
import { type RecallSteps, reportWithdrawn } from '../issue/carry.js';
import type { CampaignDefinition, CampaignRules, CampaignSnapshot } from '../model/campaign-rules.js';
import { assertBoolean, assertFunction, assertSignal, ownCopy } from '../model/check.js';
import { conflict, invalid, MisconfiguredError } from '../model/errors.js';
import { type Emit, type IssuanceRef, refOf } from '../model/events.js';
import type { Issuance } from '../model/issuance.js';
import { METHODS } from '../model/methods.js';
import { newCodeFault } from '../model/new-code.js';
import { assertCodes, type CodeSource, chunksOf } from '../operate/load-codes.js';
import type { PersistenceAdapter } from '../persistence/adapter.js';
import { listRows } from '../persistence/list-rows.js';
import type { Campaigns } from '../redis/campaigns.js';
import { generationOf } from '../redis/generation.js';
import { type KnownCampaign, keptRules } from '../redis/known-campaign.js';
import {
  areKnown,
  beginRebuild,
  finishRebuild,
  highestPromised,
  keepKnown,
  keepPromised,
  loadRebuilt,
  type Remaking,
  type Run,
  UNREADY,
  writeRows,
} from '../redis/rebuild.js';
import { dropOver, register } from '../redis/registry.js';
import { assertSafeServer } from '../redis/server-check.js';
import type { RedisContext, Shard } from '../redis/shard.js';

export interface RebuildOptions {
  /**
   * The codes that may be given out; a pool needs them. Codes in a row or in a reservation are skipped. Leave out
   * withdrawn codes.
   */
  readonly codes?: CodeSource | undefined;
  /**
   * Takes every code as it is, as in `loadCodes`. Default: a code that `loadCodes` would refuse is taken only if a row
   * has it, or if Redis knew it.
   */
  readonly asTheyAre?: boolean | undefined;
  /**
   * Pauses the campaign in the first step, so that nobody is served before `resume()`. Default: a pause that Redis
   * remembers stays. If Redis lost the campaign, it serves as soon as the rebuild ends.
   */
  readonly paused?: boolean | undefined;
  /**
   * Called after each chunk, and not awaited. If it throws, the rebuild ends with that error. A promise that it returns
   * may reject.
   */
  readonly onProgress?: ((progress: RebuildProgress) => void) | undefined;
  /** Ends the rebuild between two steps, and at once while the source of codes is silent. */
  readonly signal?: AbortSignal | undefined;
}

export interface RebuildProgress {
  /** The part under way: the coupons that Redis still has, the rows of the database, or the codes of the pool. */
  readonly phase: 'reservations' | 'rows' | 'codes';
  /** The rows, or the codes, that this run has read. */
  readonly done: number;
}

export interface RebuildResult {
  readonly campaign: CampaignSnapshot;
  /** Rows that this run wrote to Redis. */
  readonly rows: number;
  /**
   * Reservations that Redis still had, and for which no unit was left. Their users had the answer `accepted`. A `lost`
   * event tells each of them too, also where this result is lost.
   */
  readonly lost: readonly IssuanceRef[];
}

export interface RebuildParts {
  readonly context: RedisContext;
  readonly campaigns: Campaigns;
  readonly persistence?: PersistenceAdapter | undefined;
  readonly leaseMs: number;
  readonly timeoutMs: number;
  readonly unsafeRedis?: 'allow' | 'refuse' | undefined;
  readonly emit: Emit;
  readonly steps: RecallSteps;
}

const PAGE = 500;
const RECALLED_AT_ONCE = 32;
/** Far beyond any clock. What a row says beyond it is no generation, and would leave none to follow it. */
const MOST_GENERATIONS = 2 ** 52;

export function checkedRebuildOptions(given: RebuildOptions): RebuildOptions {
  const options = ownCopy('the second argument of rebuild()', given, [
    'codes',
    'asTheyAre',
    'paused',
    'onProgress',
    'signal',
  ]);
  assertBoolean('asTheyAre', options.asTheyAre);
  assertBoolean('paused', options.paused);
  assertFunction('onProgress', options.onProgress);
  assertSignal(options.signal);
  return options;
}

/** Codes are for a pool, and a pool needs them. `codes` is `null` where none were given. */
function assertRebuildable(codes: Source | null, kind: CampaignRules['kind']): void {
  if (codes && kind !== 'codes') throw invalid('codes', 'is for a campaign whose stock is a pool');
  if (!codes && kind === 'codes') {
    throw invalid('codes', 'is missing: a pool is rebuilt from all codes that may be given out, or []');
  }
  if (codes) assertCodes(codes, true);
}

/**
 * Makes a campaign's state in Redis again: promises that Redis still has, then the rows of the database, then the codes
 * of a pool. Nothing serves before all of it is there, and no step of the old epoch counts any more.
 */
export async function rebuild(
  id: string,
  definition: CampaignDefinition,
  options: RebuildOptions,
  codes: Source | null,
  parts: RebuildParts,
): Promise<RebuildResult> {
  const rules = keptRules(id, definition, 'rebuild', parts.campaigns.equipment);
  assertRebuildable(codes, rules.kind);
  codes?.endWith(options.signal);
  const { context, campaigns, persistence, emit } = parts;
  if (!persistence?.list) {
    throw new MisconfiguredError(
      'rebuild needs a persistence adapter with list: without it the issued coupons are unknown',
    );
  }
  // It is bound to the database that it is made from.
  await campaigns.equipment.store?.ask();
  const campaign = campaigns.campaign(id);
  const { shard } = campaign;
  if (parts.unsafeRedis !== 'allow') await assertSafeServer(shard);
  await register(context, id);
  const making = { rules, leaseMs: parts.leaseMs, paused: options.paused === true };
  let run = await beginRebuild(campaign, making);
  // An earlier campaign of this id that is over says nothing of the one that is made now. Only now nobody can purge
  // that one any more. One that was closed, and is made again from what is left of it, is over at the same instant.
  const { epoch } = run;
  await dropOver(shard, (now) => now.epoch === epoch && !now.ready && !now.closedAt);
  const step = (phase: RebuildProgress['phase'], done: number) => {
    tell(options.onProgress, { phase, done });
    options.signal?.throwIfAborted();
  };
  options.signal?.throwIfAborted();
  if (run.phase === 'old') while (await keepPromised(shard, run)) step('reservations', 0);
  let rows = 0;
  if (['old', 'rows'].includes(run.phase)) ({ run, rows } = await copyRows(campaign, making, run, parts, step));
  if (codes) await copyCodes(shard, run, codes, options, step);
  const lost: IssuanceRef[] = [];
  const { exhausted } = await finishRebuild(shard, run, (named) => {
    for (const ref of named.map(refOf)) {
      lost.push(ref);
      emit({ type: 'lost', ...ref });
    }
  });
  if (exhausted) emit({ type: 'exhausted', campaignId: id });
  const snapshot = await campaign.inspect();
  campaigns.keep(campaign);
  return { campaign: snapshot, rows, lost };
}

type OnStep = (phase: RebuildProgress['phase'], done: number) => void;

async function copyRows(
  campaign: KnownCampaign,
  making: Remaking,
  first: Run,
  parts: RebuildParts,
  step: OnStep,
): Promise<{ run: Run; rows: number }> {
  const { id, shard } = campaign;
  const recall = (promises: readonly Issuance[]) => recallAll(promises, parts.steps);
  let run = first;
  let cursor = run.cursor;
  let done = 0;
  for (;;) {
    const page = await list(id, cursor, parts);
    if (page.length === 0) break;
    // Other processes have seen this generation, and follow no lower one. Redis may have lost the counter, and its
    // clock may have been set back.
    const highest = Math.max(...page.map(generationOfRow));
    if (highest >= generationOf(run.epoch)) run = await beginRebuild(campaign, making, highest);
    const upTo = page.at(-1)!.serial;
    await writeRows(shard, run, { from: cursor, upTo, rows: page }, recall);
    cursor = upTo;
    done += page.length;
    step('rows', done);
  }
  // Beyond the last row there may be units that are only promised.
  const promised = await highestPromised(shard, run, cursor);
  if (promised > cursor) await writeRows(shard, run, { from: cursor, upTo: promised, rows: [] }, recall);
  return { run, rows: done };
}

/** Units that may have been delivered, and that the database gave to others. */
async function recallAll(promises: readonly Issuance[], steps: RecallSteps): Promise<void> {
  for (let i = 0; i < promises.length; i += RECALLED_AT_ONCE) {
    const some = promises.slice(i, i + RECALLED_AT_ONCE);
    await Promise.all(some.map((issuance) => reportWithdrawn(issuance, steps)));
  }
}

/** 0 for a row that was not written under an epoch. */
function generationOfRow({ epoch }: Issuance): number {
  const generation = generationOf(epoch);
  return generation <= MOST_GENERATIONS ? generation : 0;
}

async function copyCodes(shard: Shard, run: Run, codes: Source, options: RebuildOptions, step: OnStep): Promise<void> {
  for await (const { offset, chunk } of chunksOf(codes, true)) {
    if (!options.asTheyAre) await assertNoneNewIsBad(shard, run, offset, chunk);
    await loadRebuilt(shard, run, chunk);
    step('codes', offset + chunk.length);
  }
  while (await keepKnown(shard, run)) step('codes', 0);
}

/**
 * A code with a mark that nobody sees may be the one that was given out. If nobody knows it, it is a second copy of
 * another code.
 */
async function assertNoneNewIsBad(shard: Shard, run: Run, offset: number, chunk: readonly string[]) {
  const bad = chunk.flatMap((code, i) =>
    newCodeFault(code) ? [{ code, name: `code ${offset + i + 1} of the list` }] : [],
  );
  const known =
    bad.length > 0
      ? await areKnown(
          shard,
          run,
          bad.map(({ code }) => code),
        )
      : [];
  const unknown = bad.find((_, i) => !known[i]);
  if (!unknown) return;
  const what = `never had ${unknown.name}, which ${newCodeFault(unknown.code)}`;
  const cure = `Call ${METHODS.rebuild}() again, with a clean list, or with asTheyAre: true`;
  throw conflict(shard.campaignId, { what, cure }, UNREADY);
}

async function list(campaignId: string, afterSerial: number, { persistence, timeoutMs }: RebuildParts) {
  const otherwise = `campaign ${campaignId} does not serve until rebuild was run again, which goes on where it stopped`;
  const ask = persistence!.list!.bind(persistence);
  return listRows(ask, { campaignId, afterSerial, limit: PAGE, timeoutMs, otherwise });
}
