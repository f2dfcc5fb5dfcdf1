import type { PendingWork } from '../flow/pending-work.js';
import { inDoubt, RedisError } from '../model/errors.js';
import { refOf } from '../model/events.js';
import type { Issuance } from '../model/issuance.js';
import { inCall } from '../model/methods.js';
import type { IssueResult } from '../model/result.js';
import { redacted } from '../model/safe-error.js';
import { CampaignOverError } from '../redis/registry.js';
import { issuedOf, type Reservation } from '../redis/reservation.js';
import type { ReserveAnswer } from '../redis/reserve-replies.js';
import type { Serving } from '../redis/serving.js';
import { acceptedNow, toldAtOnce, toldOf } from './answer.js';
import { afterRefusal, deliver } from './carry.js';
import type { SaveOutcome } from './save.js';
import type { Attempt, Carried, IssueCall, Steps } from './steps.js';

/** What a call needs besides its campaign. */
export interface IssueParts {
  readonly steps: Steps;
  readonly pending: PendingWork;
}

/** A unit that this call holds. */
export type Held = Extract<ReserveAnswer, { reservation: Reservation }>;

/**
 * The order of the steps of one call: reserve, deliver, save, answer, confirm. This file alone has that order.
 * `fast-path.ts` is a copy for calls without a delivery, and a test holds the two together. `carry.ts` has what else
 * may happen. Settle and the waiting room come in at `carryThrough`, with a unit in hand.
 */
export async function issue(serving: Serving, call: IssueCall, parts: IssueParts): Promise<IssueResult> {
  const { steps, pending } = parts;
  pending.begin();
  try {
    const answer = await reserve(serving, call, steps);
    if (!('reservation' in answer)) return toldAtOnce(answer, steps);
    return await carryOn(serving, call, parts, answer, null);
  } catch (error) {
    throw inCall('issue', error);
  } finally {
    pending.end();
  }
}

async function reserve(
  serving: Serving,
  call: IssueCall,
  steps: Steps,
): Promise<Exclude<ReserveAnswer, { word: 'expired' }>> {
  const answer = await serving.reserves.add(call).catch((error: unknown) => closedOr(error, serving, steps));
  if (answer.word === 'expired') throw serving.shard.context.runner.unsent('nothing was reserved');
  return answer;
}

/** The end of a campaign is an answer. Throws every other error. */
export function closedOr(error: unknown, { campaign }: Serving, steps: Steps): { word: 'closed'; closedAt: Date } {
  if (!(error instanceof CampaignOverError)) throw error;
  steps.emit({ type: 'refused', campaignId: campaign.id, status: 'closed', count: 1 });
  return { word: 'closed', closedAt: error.closedAt };
}

/**
 * From a unit in hand to the answer. Where Redis had forgotten coupons of the user, reserves once more. `ended`: how
 * the save of this very unit ended, if it was made already. Throws `NotIssuedError`, `RedisError`. This function and
 * `carryThrough` are kept small: while suspended, each keeps a place for every variable, once per call.
 */
export async function carryOn(
  serving: Serving,
  call: IssueCall,
  parts: IssueParts,
  first: Held,
  ended: SaveOutcome | null,
): Promise<IssueResult> {
  const { steps } = parts;
  const { rules, id } = serving.campaign;
  let held = first;
  for (let round = 1; ; round++) {
    call.replayed = held.word === 'existing';
    // A worker saves the backlog.
    if (rules.saveMode === 'write-behind') return acceptedNow(held.reservation.issuance, steps, call.replayed);
    const carried = await carryThrough(serving, held.reservation, call, steps, round === 1 ? ended : null);
    if (carried.outcome !== 'forgotten') {
      const { result, finished } = toldOf(carried, id, steps, {
        replayed: call.replayed,
        unsafe: held.unsafe === true,
      });
      if (finished && 'issuance' in result) {
        const ended = finish(finished, result.issuance, call, parts);
        // Until then the reservation stands in the way of the next request of this user.
        if (result.status === 'revoked') await ended;
      }
      return result;
    }
    if (round === rules.perUser + 2) break;
    const answer = await reserveAgain(serving, call, held.reservation);
    if (!('reservation' in answer)) return toldAtOnce(answer, steps);
    held = answer;
  }
  throw new RedisError(
    'Redis had forgotten several rows of this user; a coupon may have been issued; call again with the same requestId',
    { outcome: 'unknown' },
  );
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
    const { perUser } = serving.campaign.rules;
    const { deadlineAt } = attempt;
    const save = before ?? (await steps.saves.add({ reserved: reservation, perUser, deadlineAt }));
    if (save.verdict === 'saved') return issued(reservation);
    const next = await afterRefusal(serving, reservation, attempt, steps, { save, reassigned });
    if ('outcome' in next) return next;
    reservation = next;
  }
}

function issued(reservation: Reservation): Carried {
  return { outcome: 'issued', issuance: issuedOf(reservation), finished: () => reservation.confirm() };
}

/** An earlier round has left its traces, so a failure no longer means that nothing was reserved. */
async function reserveAgain(
  serving: Serving,
  call: IssueCall,
  { data }: Reservation,
): Promise<Exclude<ReserveAnswer, { readonly word: 'expired' }>> {
  call.reserved = null;
  call.data = data;
  // The old code may have been delivered, and recalled.
  call.code = '';
  const answer = await serving.reserves.add(call).catch((error: unknown) => {
    throw inDoubt(error);
  });
  if (answer.word === 'expired')
    throw new RedisError('the time of this call ran out; call again with the same requestId', { outcome: 'unknown' });
  return answer;
}

/**
 * Ends the lease while the answer is on its way. If this fails, settle finishes the reservation. A repeat tells an
 * event only if it ended a reservation of an earlier call, as settle does.
 */
async function finish(
  finished: () => Promise<unknown>,
  issuance: Issuance,
  call: IssueCall,
  { steps, pending }: IssueParts,
): Promise<void> {
  pending.begin();
  try {
    const word = await finished();
    if (call.replayed && word === 'confirmed') steps.emit({ type: 'settled', ...refOf(issuance) });
  } catch (error) {
    const { campaignId } = issuance;
    steps.emit({ type: 'fault', during: 'confirm', campaignId, error: redacted(error) });
  } finally {
    pending.end();
  }
}
