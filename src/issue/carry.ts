import { withDeadline } from '../flow/deadline.js';
import { secretsOf } from '../model/caller-data.js';
import { mintCode } from '../model/codes.js';
import { RedisError } from '../model/errors.js';
import { refOf } from '../model/events.js';
import type { Issuance } from '../model/issuance.js';
import { redacted } from '../model/safe-error.js';
import type { ReassignAnswer, ReleaseAnswer, WithdrawWord } from '../redis/held.js';
import { intact, type Reservation, type Tries } from '../redis/reservation.js';
import type { Serving } from '../redis/serving.js';
import type { Deliveries } from './deliver.js';
import type { RowRefusal, SaveOutcome } from './save.js';
import type { Attempt, Carried, NotIssued, Steps } from './steps.js';

const DELIVERY_FAILED: NotIssued = { trouble: 'not_delivered', message: 'the delivery failed for certain' };

const TROUBLES = { no: 'failed', yes: 'refused', for_good: 'refused_for_good' } as const;

function saveFailed(error: Error, refusal: RowRefusal): NotIssued {
  const message = `the save failed for certain (${error.message})`;
  return { trouble: TROUBLES[refusal], message, options: { cause: error } };
}

function refusedForGood(reason: string): NotIssued {
  return { trouble: 'refused_for_good', message: 'the adapter refused the row for good', reason };
}

const MAX_REASSIGNMENTS = 8;

/** `null`: it was delivered. */
export async function deliver(
  reservation: Reservation,
  attempt: Attempt,
  steps: Steps,
  deliveries: Deliveries,
): Promise<Carried | null> {
  const { leaseEndsAt, message } = reservation;
  const delivery = await deliveries.run(intact(reservation), { deadlineAt: attempt.deadlineAt, leaseEndsAt, message });
  if (delivery === 'unknown') return { outcome: 'accepted', issuance: intact(reservation), trouble: 'unknown' };
  if (delivery === 'not_delivered') return giveBack(reservation, attempt, steps, DELIVERY_FAILED);
  return null;
}

/** The result of a failed save: the end of the reservation, or a reservation with another unit. */
export async function afterRefusal(
  serving: Serving,
  reservation: Reservation,
  attempt: Attempt,
  steps: Steps,
  { save, reassigned }: { save: Exclude<SaveOutcome, { verdict: 'saved' }>; reassigned: number },
): Promise<Carried | Reservation> {
  const issuance = intact(reservation);
  const delivered = steps.deliveries !== null;
  switch (save.verdict) {
    case 'unknown':
      return { outcome: 'accepted', issuance, trouble: 'unknown' };
    case 'not_saved': {
      const why = saveFailed(save.error, save.refusal);
      if (delivered) return stays(reservation, steps, why);
      return giveBack(reservation, attempt, steps, why);
    }
    case 'refused': {
      const why = refusedForGood(save.reason);
      if (delivered) return stays(reservation, steps, why);
      return giveBack(reservation, attempt, steps, why);
    }
    case 'user_conflict':
      return meetRow(reservation, save.existing, delivered, steps);
  }
  // Another user has the unit: Redis is behind the database.
  if (delivered || reassigned === MAX_REASSIGNMENTS) return withdraw(reservation, delivered, steps);
  const { generateCodes } = serving.campaign.rules;
  const next = await reservation.reassign({
    keepSerial: generateCodes && save.verdict === 'code_conflict',
    code: generateCodes ? mintCode() : '',
  });
  if (next.word !== 'reassigned' && next.word !== 'sold_out') return overtaken(next);
  const taken = next.word === 'reassigned' ? next.reservation : null;
  if (taken?.issuance.serial !== issuance.serial) {
    steps.emit({ type: 'withdrawn', delivered: false, ...refOf(issuance) });
  }
  return taken ?? { outcome: 'sold_out' };
}

/**
 * Compensation. Only the call that took the unit may release it. Only the reply of Redis makes a `NotIssuedError`:
 * `released`, or `gone` for the second copy of the release. If another call took the reservation over, it stays. If the
 * reply is lost, the outcome is unknown.
 */
async function giveBack(reservation: Reservation, attempt: Attempt, steps: Steps, why: NotIssued): Promise<Carried> {
  const { issuance } = reservation;
  if (!reservation.mayRelease || attempt.promised) return stays(reservation, steps, why);
  attempt.reserved = null;
  const answer = await reservation.release();
  if (answer.word === 'released') steps.emit({ type: 'released', ...refOf(issuance) });
  if (answer.word === 'released' || answer.word === 'gone') return { outcome: 'released', why };
  return overtaken(answer);
}

/** It was delivered or promised, so it is not given back. */
function stays(reservation: Reservation, steps: Steps, { trouble, reason }: NotIssued): Carried {
  const issuance = intact(reservation);
  const { tries } = reservation;
  if (trouble !== 'refused_for_good') return { outcome: 'accepted', issuance, trouble };
  if (reason !== undefined) {
    const error = redacted(new Error(`the adapter refused the row for good (${reason})`), secretsOf(issuance));
    const { campaignId } = issuance;
    steps.emit({ type: 'fault', during: 'save', campaignId, error, issuance: refOf(issuance), count: 1 });
  }
  const last = { failures: tries.failures + 1, counted: tries.counted + 1 };
  const finished = () => postpone(reservation, steps, { tries: last, delayMs: null });
  return { outcome: 'accepted', issuance, trouble, finished };
}

/** Leaves it for a later try, or (`null`) puts it into quarantine. */
export async function postpone(
  reservation: Reservation,
  steps: Steps,
  to: { tries: Tries; delayMs: number | null },
): Promise<void> {
  const word = await reservation.postpone(to);
  if (word !== 'quarantined') return;
  steps.emit({ type: 'quarantined', tries: to.tries.counted, ...refOf(reservation.issuance) });
}

/** The user, or this very id, already has a row. Rows are never deleted, so that is proof for every attempt. */
async function meetRow(reservation: Reservation, row: Issuance, delivered: boolean, steps: Steps): Promise<Carried> {
  const { issuance } = reservation;
  const otherUnit = row.serial !== issuance.serial;
  // Of another history of Redis: the same unit has another code there.
  const otherCode = row.code !== issuance.code;
  const adopt = async () => {
    const word = await reservation.adopt(row, delivered);
    if (word !== 'adopted' || !(otherUnit || otherCode)) return;
    if (delivered) await reportWithdrawn(intact(reservation), steps);
    else if (otherUnit) steps.emit({ type: 'released', ...refOf(issuance) });
  };
  if (row.id !== reservation.id) {
    await adopt();
    return { outcome: 'forgotten' };
  }
  const isItself = !otherUnit && !otherCode;
  return committed(row, isItself && row.state === 'revoked' ? () => takeBack(reservation, row, steps) : adopt);
}

/** The unit of a revoked row leaves its user once, whether this call or the one that revoked it comes first. */
async function takeBack(reservation: Reservation, row: Issuance, steps: Steps): Promise<void> {
  const word = await reservation.takeBack(row);
  if (word === 'taken_back') steps.emit({ type: 'taken_back', ...refOf(row) });
}

/** Another attempt had committed the row of this id. */
function committed(issuance: Issuance, finished: () => Promise<unknown>): Carried {
  if (issuance.state === 'revoked') return { outcome: 'revoked', issuance, finished };
  return { outcome: 'issued', issuance: { ...issuance, state: 'issued' }, finished, before: true };
}

async function withdraw(reservation: Reservation, delivered: boolean, steps: Steps): Promise<Carried> {
  const word = await takeOut(reservation, delivered, steps);
  if (word === 'taken_over' || word === 'issued')
    return { outcome: 'accepted', issuance: intact(reservation), trouble: 'unknown' };
  // A rebuild may keep it as a promise, and then it is saved later.
  if (word === 'stale' || word === 'retaken') return overtaken({ word });
  return { outcome: 'rolled_back' };
}

/** Withdraws the unit of a reservation and reports it. `delivered`: a user may know its code. */
export async function takeOut(reservation: Reservation, delivered: boolean, steps: Steps): Promise<WithdrawWord> {
  const word = await reservation.withdraw();
  if (word === 'withdrawn') {
    if (delivered) await reportWithdrawn(intact(reservation), steps);
    else steps.emit({ type: 'withdrawn', delivered, ...refOf(reservation.issuance) });
  }
  return word;
}

/** The parts that tell of a delivered unit. */
export type RecallSteps = Pick<Steps, 'recall' | 'timeoutMs' | 'emit'>;

/** A user may hold the code of a unit that is not theirs: tell the hook that can take it back. */
export async function reportWithdrawn(issuance: Issuance, steps: RecallSteps): Promise<void> {
  steps.emit({ type: 'withdrawn', delivered: true, ...refOf(issuance) });
  try {
    const recalled = (async () => steps.recall?.(issuance))();
    await withDeadline(recalled, steps.timeoutMs, () => new Error('recall did not answer in time'));
  } catch (error) {
    const { campaignId } = issuance;
    steps.emit({ type: 'fault', during: 'recall', campaignId, error: redacted(error, secretsOf(issuance)) });
  }
}

/** Another call acted on the reservation meanwhile: answer by the record. */
function overtaken(
  answer: Exclude<ReleaseAnswer | ReassignAnswer, { word: 'released' } | { word: 'reassigned' } | { word: 'sold_out' }>,
): Carried {
  switch (answer.word) {
    case 'issued':
      return committed(answer.issuance, async () => {});
    case 'taken_over':
      return { outcome: 'accepted', issuance: answer.issuance, trouble: 'unknown' };
    // Given back and taken anew by another call, or of another epoch.
    case 'gone':
    case 'retaken':
    case 'stale':
      throw new RedisError(
        'another call acted on the reservation; whether it was issued is not known; call again with the same requestId',
        { outcome: 'unknown' },
      );
  }
}
