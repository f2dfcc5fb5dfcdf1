import { withDeadline } from '../flow/deadline.js';
import { secretsOf } from '../model/caller-data.js';
import { mintCode } from '../model/codes.js';
import { inDoubt, RedisError } from '../model/errors.js';
import { type Emit, refOf } from '../model/events.js';
import { asIssued, type Issuance } from '../model/issuance.js';
import { redacted } from '../model/safe-error.js';
import type { ReassignAnswer, ReleaseAnswer, WithdrawWord } from '../redis/held.js';
import { intact, type Reservation, type Reserved, type Tries } from '../redis/reservation.js';
import type { ReserveRequest } from '../redis/reserve.js';
import type { ReserveAnswer } from '../redis/reserve-replies.js';
import type { Serving } from '../redis/serving.js';
import { acceptedNow, type Told, toldAtOnce, toldOf } from './answer.js';
import type { Deliveries } from './deliver.js';
import type { RowRefusal, SaveOutcome, Saves } from './save.js';

/** The parts that the steps work with. `saves` and `deliveries` are there exactly when the campaign needs them. */
export interface Steps {
  readonly saves: Saves | null;
  readonly deliveries: Deliveries | null;
  /** Deadline of `recall`, ms. */
  readonly timeoutMs: number;
  /** Whether `deliver` or `onEvent` is there, which may look at the async context of a call. */
  readonly hasHooks: boolean;
  readonly recall: ((issuance: Issuance) => Promise<void> | void) | undefined;
  readonly emit: Emit;
}

/** One attempt of one user. */
export interface IssueCall extends ReserveRequest, Attempt {
  /** That of the unit that it took over, once it did. */
  data: string;
  /** It took over the reservation of an earlier call under the same request id. */
  replayed: boolean;
}

/** For how long a reservation is carried, and the answer that its callers may get meanwhile. */
export interface Attempt {
  /** Monotonic ms. */
  readonly deadlineAt: number;
  /**
   * Its reservation: if the time of a caller runs out, the answer is `accepted`. `null` while it holds nothing, or may
   * be giving it back.
   */
  reserved: Reserved | null;
  /** Somebody was told `accepted`: from now on the unit is not given back. */
  promised: boolean;
}

/** How far a reservation was carried. */
export type Carried =
  /**
   * The row is committed (or nothing is to be saved). `finished` ends the lease; if it is lost, settle saves again.
   * `before`: another attempt had committed it.
   */
  | {
      readonly outcome: 'issued';
      readonly issuance: Issuance;
      readonly finished: () => Promise<unknown>;
      readonly before?: true;
    }
  /**
   * It stays reserved, and settle rolls it forward. `finished`: it will never be accepted, and is put into quarantine;
   * if that is lost, settle does it.
   */
  | {
      readonly outcome: 'accepted';
      readonly issuance: Issuance;
      readonly trouble: Trouble;
      readonly finished?: () => Promise<unknown>;
    }
  /** Nothing was delivered or saved and the unit is back. */
  | { readonly outcome: 'released'; readonly why: NotIssued }
  /** Redis had forgotten this user, and the unit with it: reserve once more. */
  | { readonly outcome: 'forgotten' }
  /** The database gave this unit to somebody else, and no other could be taken instead. */
  | { readonly outcome: 'sold_out' | 'rolled_back' };

/**
 * Why an attempt left a reservation as it was. `unknown`: it may still succeed, or another call acts on it. `failed`:
 * the cause is outside. `not_delivered`: the cause may be on either side. `refused`: this row is the cause.
 * `refused_for_good`: and it stays the cause.
 */
export type Trouble = 'unknown' | 'failed' | 'not_delivered' | 'refused' | 'refused_for_good';

/** The reason why nothing was issued, for an operator. */
interface NotIssued {
  readonly trouble: Trouble;
  readonly message: string;
  readonly options?: { cause: Error };
  /** The word of the adapter for a row that the database will never accept: clients are told it. */
  readonly reason?: string;
}

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

/**
 * Goes on with a call that holds a unit: carries it through and, where Redis had forgotten coupons of the user,
 * reserves once more. `ended`: how the save of that unit ended, if it was made already. Throws `NotIssuedError`,
 * `RedisError`. The async parts are kept small here and in `carryThrough`, with the other parts beside them. A
 * suspended function keeps a place for each of its variables, once per call.
 */
export async function carryOn(
  serving: Serving,
  call: IssueCall,
  steps: Steps,
  first: Reservation,
  ended: SaveOutcome | null,
): Promise<Told> {
  const maxRounds = serving.campaign.rules.perUser + 2;
  let reservation = first;
  for (let round = 1; ; round++) {
    const carried = await carryThrough(serving, reservation, call, steps, round === 1 ? ended : null);
    if (carried.outcome !== 'forgotten') return toldOf(carried, serving.campaign.id, steps, call.replayed);
    if (round === maxRounds) break;
    call.reserved = null;
    call.data = reservation.data;
    // The old code may have been delivered, and recalled.
    call.code = '';
    const answer = await reserveAgain(serving, call);
    if (!('reservation' in answer)) return toldAtOnce(answer, steps);
    reservation = answer.reservation;
    call.replayed = answer.word === 'existing';
    if (serving.campaign.rules.saveMode === 'write-behind')
      return acceptedNow(reservation.issuance, steps, call.replayed);
  }
  throw new RedisError(
    'Redis had forgotten several rows of this user; a coupon may have been issued; call again with the same requestId',
    { outcome: 'unknown' },
  );
}

/** An earlier round has left its traces, so a failure no longer means that nothing was reserved. */
async function reserveAgain(
  serving: Serving,
  call: IssueCall,
): Promise<Exclude<ReserveAnswer, { readonly word: 'expired' }>> {
  const answer = await serving.reserves.add(call).catch((error: unknown) => {
    throw inDoubt(error);
  });
  if (answer.word === 'expired')
    throw new RedisError('the time of this call ran out; call again with the same requestId', { outcome: 'unknown' });
  return answer;
}

/**
 * Deliver, save, confirm; or give back with proof that nothing happened. Never gives back on an unknown outcome.
 * `ended`: how the save of this very unit ended, if it was made already, and the delivery before it.
 */
export async function carryThrough(
  serving: Serving,
  first: Reservation,
  attempt: Attempt,
  steps: Steps,
  ended: SaveOutcome | null = null,
): Promise<Carried> {
  let reservation = first;
  for (let reassigned = 0; ; reassigned++) {
    attempt.reserved = reservation;
    const before = reassigned === 0 ? ended : null;
    if (!before && steps.deliveries) {
      const undelivered = await deliver(reservation, attempt, steps, steps.deliveries);
      if (undelivered) return undelivered;
    }
    if (!steps.saves) return issued(reservation);
    const save = before ?? (await saveOf(serving, reservation, attempt, steps.saves));
    if (save.verdict === 'saved') return issued(reservation);
    const next = await afterRefusal(serving, reservation, attempt, steps, { save, reassigned });
    if ('outcome' in next) return next;
    reservation = next;
  }
}

function saveOf({ campaign }: Serving, reservation: Reservation, { deadlineAt }: Attempt, saves: Saves) {
  const { perUser } = campaign.rules;
  return saves.add({
    get issuance() {
      return intact(reservation);
    },
    perUser,
    deadlineAt,
  });
}

function issued(reservation: Reservation): Carried {
  return {
    outcome: 'issued',
    issuance: asIssued(intact(reservation)),
    finished: () => reservation.confirm(),
  };
}

/** `null`: it was delivered. */
async function deliver(
  reservation: Reservation,
  attempt: Attempt,
  steps: Steps,
  deliveries: Deliveries,
): Promise<Carried | null> {
  const issuance = intact(reservation);
  const { leaseEndsAt } = reservation;
  const delivery = await deliveries.run(issuance, { deadlineAt: attempt.deadlineAt, leaseEndsAt });
  if (delivery === 'unknown') return { outcome: 'accepted', issuance: intact(reservation), trouble: 'unknown' };
  if (delivery === 'not_delivered') return giveBack(reservation, attempt, steps, DELIVERY_FAILED);
  return null;
}

/** The result of a failed save: the end of the reservation, or a reservation with another unit. */
async function afterRefusal(
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
  // The unit is somebody else's: Redis is behind the database.
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
 * `released`, or `gone` for the second copy of the release. If somebody took the reservation over, it stays; if the
 * answer is lost, nobody knows.
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
  const otherUnit = row.serial !== reservation.issuance.serial;
  const adopt = async () => {
    const word = await reservation.adopt(row, delivered);
    if (word !== 'adopted' || !otherUnit) return;
    if (delivered) await reportWithdrawn(intact(reservation), steps);
    else steps.emit({ type: 'released', ...refOf(reservation.issuance) });
  };
  if (row.id === reservation.id) {
    return { outcome: 'issued', issuance: { ...row, state: 'issued' }, finished: adopt, before: true };
  }
  await adopt();
  return { outcome: 'forgotten' };
}

async function withdraw(reservation: Reservation, delivered: boolean, steps: Steps): Promise<Carried> {
  const word = await takeOut(reservation, delivered, steps);
  if (word === 'taken_over' || word === 'issued')
    return { outcome: 'accepted', issuance: reservation.issuance, trouble: 'unknown' };
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

/** A user may hold the code of a unit that is not theirs: tell the hook that can take it back. */
async function reportWithdrawn(issuance: Issuance, steps: Steps): Promise<void> {
  steps.emit({ type: 'withdrawn', delivered: true, ...refOf(issuance) });
  try {
    const recalled = (async () => steps.recall?.(issuance))();
    await withDeadline(recalled, steps.timeoutMs, () => new Error('recall did not answer in time'));
  } catch (error) {
    const { campaignId } = issuance;
    steps.emit({ type: 'fault', during: 'recall', campaignId, error: redacted(error, secretsOf(issuance)) });
  }
}

/** Somebody else acted on the reservation meanwhile: answer by the record. */
function overtaken(
  answer: Exclude<ReleaseAnswer | ReassignAnswer, { word: 'released' } | { word: 'reassigned' } | { word: 'sold_out' }>,
): Carried {
  switch (answer.word) {
    case 'issued':
      return { outcome: 'issued', issuance: answer.issuance, finished: async () => {}, before: true };
    case 'taken_over':
      return { outcome: 'accepted', issuance: answer.issuance, trouble: 'unknown' };
    // Given back and taken anew by another call, or of another epoch.
    case 'gone':
    case 'retaken':
    case 'stale':
      throw new RedisError(
        'another call acted on the reservation; whether it was issued is not known; call again with the same requestId',
        {
          outcome: 'unknown',
        },
      );
  }
}
