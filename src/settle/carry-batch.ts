import { monotonicMs } from '../flow/deadline.js';
import { postpone } from '../issue/carry.js';
import { carryThrough } from '../issue/issue.js';
import type { SaveOutcome, Saves } from '../issue/save.js';
import type { Carried, Steps, Trouble } from '../issue/steps.js';
import { refOf } from '../model/events.js';
import type { Issuance } from '../model/issuance.js';
import { redacted } from '../model/safe-error.js';
import type { SaveVerdict } from '../persistence/adapter.js';
import type { Reservation, Tries } from '../redis/reservation.js';
import type { Serving } from '../redis/serving.js';
import { saveTogether } from './save-together.js';

/** The results of reservations that were carried to their end. */
export interface Finished {
  readonly settled: number;
  readonly failed: number;
  /** Those that were not settled. */
  readonly left: readonly Reservation[];
}

/** How to carry reservations to their end. */
export interface Finishing {
  readonly timeoutMs: number;
  /** After so many refusals a reservation goes into quarantine. */
  readonly maxTries: number;
  /** The verdict on each of them that the database has already; `null`: it was not asked. */
  readonly saved: readonly (SaveVerdict | null)[] | null;
  /** The database worked just now, so a failure is the fault of the reservation. */
  readonly healthy: boolean;
  /** The event of a reservation with a committed row. */
  readonly event: 'settled' | 'issued';
}

type End = 'settled' | Trouble | 'untried';
const FAILED: ReadonlySet<End> = new Set(['failed', 'not_delivered', 'refused', 'refused_for_good']);
/** Whether other reservations succeeded: in the same batch, or just before it. */
type Others = 'came_through' | 'came_through_before' | 'failed_too';

const NOT_RESERVED_ANEW =
  'an accepted coupon has no reservation any more, because Redis had forgotten another coupon of its user; repeat its call with the same requestId';
const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 60_000;
/** If nothing at all is delivered, a reservation goes into quarantine only after this many times more tries. */
const HOPELESS = 5;

/** Carries each reservation to its end, or leaves it for later. */
export async function finishAll(
  serving: Serving,
  claimed: readonly Reservation[],
  steps: Steps,
  finishing: Finishing,
): Promise<Finished> {
  const deadlineAt = () => monotonicMs() + finishing.timeoutMs;
  const settleAt = (i: number) =>
    settleOne(serving, claimed[i]!, steps, finishing, {
      deadlineAt: deadlineAt(),
      ended: finishing.saved?.[i] ?? null,
    });
  const ends = claimed.map((): End => 'untried');
  const [fresh, failedBefore] = byTries(claimed);
  const { saves } = steps;
  const first =
    saves && !steps.deliveries
      ? await saveAll(serving, claimed, fresh, steps, { saves, finishing, deadlineAt: deadlineAt() })
      : await Promise.all(fresh.map(settleAt));
  fresh.forEach((i, at) => {
    ends[i] = first[at]!;
  });
  // A reservation that failed before goes alone, so that it takes no neighbours along. If it ends unknown, the rest
  // waits.
  for (const i of failedBefore) {
    ends[i] = await settleAt(i);
    if (ends[i] === 'unknown') break;
  }
  const left = claimed.filter((_, i) => ends[i] !== 'settled');
  const settled = claimed.length - left.length;
  if (left.length === 0) return { settled, failed: 0, left };
  const others = settled > 0 ? 'came_through' : finishing.healthy ? 'came_through_before' : 'failed_too';
  await leaveForLater(serving, claimed, ends, steps, { maxTries: finishing.maxTries, others });
  const failed = ends.filter((end) => FAILED.has(end)).length;
  return { settled, failed, left };
}

/** The indices of those that never failed, and of the others. */
function byTries(claimed: readonly Reservation[]): [fresh: number[], failedBefore: number[]] {
  const fresh: number[] = [];
  const failedBefore: number[] = [];
  for (let i = 0; i < claimed.length; i++) (claimed[i]!.tries.failures === 0 ? fresh : failedBefore).push(i);
  return [fresh, failedBefore];
}

/** The same as `settleOne` for each, without a promise for each step. */
async function saveAll(
  serving: Serving,
  claimed: readonly Reservation[],
  which: readonly number[],
  steps: Steps,
  { saves, finishing, deadlineAt }: { saves: Saves; finishing: Finishing; deadlineAt: number },
): Promise<End[]> {
  const ends = await saveTogether<End>(
    which.map((i) => claimed[i]!),
    {
      saves,
      deadlineAt,
      perUser: serving.campaign.rules.perUser,
      hasHooks: steps.hasHooks,
      finished: ({ issuance }) => steps.emit({ type: finishing.event, ...refOf(issuance) }),
      goOn: (reservation, ended) => settleOne(serving, reservation, steps, finishing, { deadlineAt, ended }),
      failed: (error) => unknownBy(error, serving, steps),
    },
  );
  return ends.map((end) => end ?? 'settled');
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

async function settleOne(
  serving: Serving,
  reservation: Reservation,
  steps: Steps,
  { event }: Finishing,
  { deadlineAt, ended }: { deadlineAt: number; ended: SaveOutcome | null },
): Promise<End> {
  try {
    const attempt = { deadlineAt, reserved: null, promised: true };
    const carried = await carryThrough(serving, reservation, attempt, steps, ended);
    if (carried.outcome === 'issued' || carried.outcome === 'revoked') await carried.finished();
    if (carried.outcome === 'forgotten') return await reserveAnew(serving, reservation, steps, attempt.deadlineAt);
    return endOf(carried, reservation.issuance, steps, event);
  } catch (error) {
    return unknownBy(error, serving, steps);
  }
}

function unknownBy(error: unknown, { campaign }: Serving, steps: Steps): End {
  steps.emit({ type: 'fault', during: 'settle', campaignId: campaign.id, error: redacted(error) });
  return 'unknown';
}

/**
 * Redis had forgotten another coupon of this user. A further promise is their next coupon, if the limit allows it. Its
 * old reservation is gone by now: if it gets no new one for a reason that passes, only a repeat of its call can keep it.
 */
async function reserveAnew(
  serving: Serving,
  { id, issuance, data }: Reservation,
  steps: Steps,
  deadlineAt: number,
): Promise<End> {
  const { userId } = issuance;
  const request = { id, isMinted: false, userId, code: '', data, deadlineAt, abandoned: false, sent: false };
  const answer = await serving.reservesAnew.add(request).catch((error: unknown) => ({ word: 'error' as const, error }));
  switch (answer.word) {
    case 'new':
    case 'existing':
    case 'unattended':
      return 'unknown';
    case 'issued':
    case 'revoked':
    case 'already_issued':
      steps.emit({ type: 'settled', ...refOf(issuance) });
      return 'settled';
    case 'sold_out':
    case 'closed':
      steps.emit({ type: 'lost', ...refOf(issuance) });
      return 'settled';
    default: {
      const why = answer.word === 'error' ? redacted(answer.error).message : answer.word;
      const error = new Error(`${NOT_RESERVED_ANEW} (${why})`);
      steps.emit({
        type: 'fault',
        during: 'settle',
        campaignId: serving.campaign.id,
        error,
        issuance: refOf(issuance),
      });
      return 'unknown';
    }
  }
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
    case 'revoked':
      // No coupon was issued by it.
      steps.emit({ type: 'settled', ...refOf(issuance) });
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
