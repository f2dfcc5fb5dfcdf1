import { monotonicMs, withDeadline } from '../flow/deadline.js';
import { postpone } from '../issue/carry.js';
import { carryThrough } from '../issue/issue.js';
import type { Carried, Steps, Trouble } from '../issue/steps.js';
import { ownFound } from '../issue/verdicts.js';
import { secretsOf } from '../model/caller-data.js';
import { NotReadyError, UnknownCampaignError } from '../model/errors.js';
import { type Emit, refOf } from '../model/events.js';
import type { Issuance } from '../model/issuance.js';
import type { NotReadyReason } from '../model/result.js';
import { redacted } from '../model/safe-error.js';
import type { PersistenceAdapter } from '../persistence/adapter.js';
import type { Campaigns } from '../redis/campaigns.js';
import { claimDue } from '../redis/claim.js';
import { CampaignOverError, registered, strikeOff } from '../redis/registry.js';
import type { Reservation, Tries } from '../redis/reservation.js';
import type { Serving } from '../redis/serving.js';
import type { RedisContext } from '../redis/shard.js';
import { notReady } from '../redis/words.js';

export interface SettleResult {
  /** Finished reservations: the row is committed, or the user already had one. */
  readonly settled: number;
  /** Reservations that remain because their lease still runs, their outcome is unknown, or they are in quarantine. */
  readonly pending: number;
  /** Reservations that remain because the delivery or the save failed for certain. */
  readonly failed: number;
}

/** How to ask the database for its rows. */
export interface FindOptions {
  readonly timeoutMs: number;
  readonly find: PersistenceAdapter['find'];
}

export interface SettleOptions extends FindOptions {
  readonly batchSize: number;
  /** Whether to keep to the pace of the campaign. */
  readonly paced: boolean;
  /** After so many refusals a reservation goes into quarantine. */
  readonly maxTries: number;
  /** Whether to claim nothing more. */
  readonly closing: () => boolean;
}

/** The results of reservations that were carried to their end. */
export interface Finished {
  readonly settled: number;
  readonly failed: number;
  readonly pending: number;
}

/** How to carry reservations to their end. */
export interface Finishing extends Pick<SettleOptions, 'timeoutMs' | 'maxTries'> {
  /** Which of them the database has already. */
  readonly saved: readonly boolean[];
  /** The database worked just now, so a failure is the fault of the reservation. */
  readonly healthy: boolean;
  /** The event of a reservation with a committed row. */
  readonly event: 'settled' | 'issued';
}

/** The result of one batch. */
export interface SettledBatch extends Finished {
  readonly claimed: readonly Reservation[];
  /** Ms until the cap allows the next claim; 0 without a cap. */
  readonly waitMs: number;
}

type End = 'settled' | Trouble | 'untried';
/** Whether other reservations succeeded: in the same batch, or just before it. */
type Others = 'came_through' | 'came_through_before' | 'failed_too';

const SAVED = { verdict: 'saved' } as const;
const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 60_000;
/** If nothing at all is delivered, a reservation goes into quarantine only after this many times more tries. */
const HOPELESS = 5;

/**
 * Finishes every reservation of a campaign that is due. It rolls forward and never releases: reserved means it will be
 * issued, unless the call that took it proved that nothing happened.
 */
export async function settle(serving: Serving, steps: Steps, options: SettleOptions): Promise<SettleResult> {
  let settled = 0;
  let failed = 0;
  const tried = new Set<string>();
  let startedMs = Number.POSITIVE_INFINITY;
  while (!options.closing()) {
    const batch = await settleBatch(serving, steps, options, settled > 0);
    settled += batch.settled;
    failed += batch.failed;
    // One pass tries each reservation once: with a database that hangs, leases run out again faster than they can be
    // settled.
    if (batch.claimed.length < options.batchSize || batch.claimed.some(({ id }) => tried.has(id))) break;
    for (const { id } of batch.claimed) tried.add(id);
    // Reservations that came after its start are left for the next pass.
    startedMs = Math.min(startedMs, Number(batch.claimed[0]!.stamp) / 1000);
    if (batch.claimed.every(({ issuance }) => issuance.issuedAt.getTime() > startedMs)) break;
  }
  const campaign = await serving.shard.refresh();
  const reserved = typeof campaign === 'string' ? 0 : campaign.reserved;
  return { settled, pending: Math.max(0, reserved - failed), failed };
}

/**
 * Claims one batch and carries each reservation to its end, or leaves it for later. `healthy`: the database worked
 * just now, so a failure is the fault of the reservation.
 */
export async function settleBatch(
  serving: Serving,
  steps: Steps,
  options: SettleOptions,
  healthy: boolean,
): Promise<SettledBatch> {
  const claim = await claimDue(serving, options.batchSize, options.paced);
  if (typeof claim === 'string') throw notReady(serving.campaign.id, claim);
  const { claimed, waitMs } = claim;
  const saved = steps.deliveries ? await findSaved(claimed, steps, options) : claimed.map(() => false);
  const { timeoutMs, maxTries } = options;
  const finishing: Finishing = { timeoutMs, maxTries, saved, healthy, event: 'settled' };
  return { claimed, waitMs, ...(await finishAll(serving, claimed, steps, finishing)) };
}

/** Carries each reservation to its end, or leaves it for later. */
export async function finishAll(
  serving: Serving,
  claimed: readonly Reservation[],
  steps: Steps,
  finishing: Finishing,
): Promise<Finished> {
  const settleAt = (i: number) => settleOne(serving, claimed[i]!, steps, finishing, finishing.saved[i]!);
  const ends: End[] = claimed.map(() => 'untried');
  const fresh = claimed.flatMap(({ tries }, i) => (tries.failures === 0 ? [i] : []));
  const first = await Promise.all(fresh.map(settleAt));
  fresh.forEach((i, at) => {
    ends[i] = first[at]!;
  });
  // A reservation that failed before goes alone, so that it takes no neighbours along. If it ends unknown, the rest
  // waits.
  for (const i of claimed.flatMap(({ tries }, at) => (tries.failures > 0 ? [at] : []))) {
    ends[i] = await settleAt(i);
    if (ends[i] === 'unknown') break;
  }
  const count = (...of: End[]) => ends.filter((end) => of.includes(end)).length;
  const settled = count('settled');
  const others = settled > 0 ? 'came_through' : finishing.healthy ? 'came_through_before' : 'failed_too';
  await leaveForLater(serving, claimed, ends, steps, { maxTries: finishing.maxTries, others });
  const failed = count('failed', 'not_delivered', 'refused', 'refused_for_good');
  return { settled, failed, pending: ends.length - settled - failed };
}

/**
 * Gives failed reservations a later lease, longer each time, or puts them into quarantine. If this is lost, the lease
 * runs out as it would have.
 */
async function leaveForLater(
  serving: Serving,
  claimed: readonly Reservation[],
  ends: readonly End[],
  steps: Steps,
  limits: { maxTries: number; others: Others },
): Promise<void> {
  const one = async (reservation: Reservation, end: End) => {
    const tries = after(reservation.tries, end, limits.others);
    const hopeless = end === 'not_delivered' && tries.failures >= HOPELESS * limits.maxTries;
    const lastTry = tries.counted > reservation.tries.counted && tries.counted >= limits.maxTries;
    const backOff =
      Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.max(0, tries.failures - 1)) * (0.5 + Math.random() / 2);
    // A delivery in doubt may still be under way: the next one waits as long as another process would.
    const later = steps.deliveries && end === 'unknown' ? Math.max(backOff, serving.shard.leaseMs) : backOff;
    const delayMs = end === 'refused_for_good' || lastTry || hopeless ? null : later;
    await postpone(reservation, steps, { tries, delayMs });
  };
  try {
    await Promise.all(
      claimed.map((reservation, i) => (ends[i] === 'settled' ? undefined : one(reservation, ends[i]!))),
    );
  } catch (error) {
    steps.emit({ type: 'fault', during: 'settle', campaignId: serving.campaign.id, error: redacted(error) });
  }
}

/**
 * A row that was refused alone is to blame. Other failures count only while reservations succeed: of the same batch, or
 * just before a try alone. A database that falls silent leaves a whole batch unknown, right after others came through.
 */
function after({ failures, counted }: Tries, end: End, others: Others): Tries {
  if (end === 'untried') return { failures, counted };
  const outside = end === 'unknown' || end === 'not_delivered';
  const alone = others === 'came_through' || (others === 'came_through_before' && failures > 0);
  const itself = end === 'refused' || end === 'refused_for_good' || (outside && alone);
  return { failures: failures + 1, counted: counted + (itself ? 1 : 0) };
}

/**
 * Settles every campaign of the registry. One that fails does not stop the others; the first fault is thrown at the
 * end.
 */
export async function settleAll(
  context: RedisContext,
  campaigns: Campaigns,
  settleOf: (serving: Serving) => Promise<SettleResult>,
  emit: Emit,
): Promise<SettleResult> {
  const sum = { settled: 0, pending: 0, failed: 0 };
  let fault: unknown;
  for await (const id of registered(context)) {
    let serving: Serving | NotReadyReason = 'missing';
    try {
      serving = await campaigns.find(id);
      if (typeof serving === 'string') continue;
      const { settled, pending, failed } = await settleOf(serving);
      sum.settled += settled;
      sum.pending += pending;
      sum.failed += failed;
    } catch (error) {
      // It was purged since it was listed; or its keys expired, as they should, and only its entry is left.
      if (error instanceof UnknownCampaignError) continue;
      if (error instanceof CampaignOverError) {
        await strikeOff(context, id);
        continue;
      }
      if (error instanceof NotReadyError && typeof serving !== 'string' && (await emptiness(serving))) continue;
      fault ??= error;
      emit({ type: 'fault', during: 'settle', campaignId: id, error: redacted(error) });
    }
  }
  if (fault) throw fault;
  return sum;
}

/**
 * Why a campaign that nobody may act on has nothing to settle. `gone`: all its keys are, expired after the close; a
 * part of them is a fault. `opening`: it was written and did not serve yet, at this look or at the last one. One round
 * trip.
 */
export async function emptiness({ shard }: Serving): Promise<'gone' | 'opening' | null> {
  const wasOpening = !shard.verified && !shard.building;
  const found = await shard.refresh().catch(() => null);
  if (found === 'missing') return 'gone';
  if (found === null || typeof found === 'string') return null;
  return !shard.building && (wasOpening || !shard.verified) ? 'opening' : null;
}

async function settleOne(
  serving: Serving,
  reservation: Reservation,
  steps: Steps,
  { timeoutMs, event }: Finishing,
  alreadySaved: boolean,
): Promise<End> {
  try {
    const attempt = { deadlineAt: monotonicMs() + timeoutMs, reserved: null, promised: true };
    const carried = await carryThrough(serving, reservation, attempt, steps, alreadySaved ? SAVED : null);
    if (carried.outcome === 'issued') await carried.finished();
    if (carried.outcome === 'forgotten') return await reserveAnew(serving, reservation, steps, attempt.deadlineAt);
    return endOf(carried, reservation.issuance, steps, event);
  } catch (error) {
    steps.emit({ type: 'fault', during: 'settle', campaignId: serving.campaign.id, error: redacted(error) });
    return 'unknown';
  }
}

/** Redis had forgotten another coupon of this user. A further promise is their next coupon, if the limit allows it. */
async function reserveAnew(
  serving: Serving,
  { id, issuance, data }: Reservation,
  steps: Steps,
  deadlineAt: number,
): Promise<End> {
  const { userId } = issuance;
  const request = { id, userId, code: '', data, deadlineAt, abandoned: false, sent: false };
  const { word } = await serving.reservesAnew.add(request);
  if (word === 'new' || word === 'existing' || word === 'unattended') return 'unknown';
  steps.emit({ type: word === 'issued' || word === 'already_issued' ? 'settled' : 'lost', ...refOf(issuance) });
  return 'settled';
}

function endOf(
  carried: Exclude<Carried, { outcome: 'forgotten' }>,
  issuance: Issuance,
  steps: Steps,
  event: Finishing['event'],
): End {
  switch (carried.outcome) {
    case 'issued':
      steps.emit({ type: event, ...refOf(carried.issuance) });
      return 'settled';
    case 'accepted':
      return carried.trouble;
    case 'released':
    case 'sold_out':
    case 'rolled_back':
      steps.emit({ type: 'lost', ...refOf(issuance) });
      return 'settled';
  }
}

/**
 * Which reservations the database already has, so that nothing is delivered a second time. Where it cannot say, they
 * are delivered again.
 */
export async function findSaved(
  claimed: readonly Reservation[],
  { emit }: Steps,
  findOptions: FindOptions,
): Promise<boolean[]> {
  const { find, timeoutMs } = findOptions;
  const none = claimed.map(() => false);
  if (!find || claimed.length === 0) return none;
  try {
    const asking = (async () => find(claimed.map(({ issuance }) => issuance)))();
    const given = await withDeadline(asking, timeoutMs, () => new Error('find did not answer in time'));
    const rows = ownFound(
      given,
      claimed.map(({ issuance }) => issuance),
    );
    return claimed.map(({ issuance }, i) => rows[i]?.serial === issuance.serial && rows[i]?.code === issuance.code);
  } catch (error) {
    const { campaignId } = claimed[0]!.issuance;
    const secrets = claimed.flatMap(({ issuance }) => secretsOf(issuance));
    emit({ type: 'fault', during: 'find', campaignId, error: redacted(error, secrets) });
    return none;
  }
}
