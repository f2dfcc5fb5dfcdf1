import { NotIssuedError } from '../model/errors.js';
import { refOf } from '../model/events.js';
import { type Issuance, withoutCode } from '../model/issuance.js';
import type { IssueResult } from '../model/result.js';
import type { Reservation } from '../redis/reservation.js';
import type { ReserveAnswer } from '../redis/reserve-replies.js';
import type { Carried, Steps } from './steps.js';

type AtOnce = Exclude<ReserveAnswer, { word: 'expired' } | { reservation: Reservation }>;

/** The answers of `issue()`, and the steps after them that end the lease. */
export interface Told {
  readonly result: IssueResult;
  readonly finished?: () => Promise<unknown>;
}

/** Final answers of reserve. */
export function toldAtOnce(answer: AtOnce, steps: Steps): IssueResult {
  switch (answer.word) {
    case 'issued':
      return answer.unsafe
        ? acceptedNow(answer.issuance, steps, !answer.isNew)
        : issuedNow(answer.issuance, steps, !answer.isNew);
    case 'unattended':
      return acceptedNow(answer.issuance, steps, true);
    case 'revoked':
      return { status: 'revoked', issuance: withoutCode(answer.issuance) };
    case 'already_issued':
      return { status: 'already_issued', issuances: answer.issuances };
    case 'not_open':
      return { status: 'not_open', opensAt: answer.opensAt };
    case 'closed':
      return { status: 'closed', closedAt: answer.closedAt };
    case 'not_ready':
      return { status: 'not_ready', reason: answer.reason };
    case 'sold_out':
    case 'paused':
      return { status: answer.word };
  }
}

/**
 * How far a call was carried. `replayed`: it took over a reservation of an earlier call. `unsafe`: fewer replicas have
 * it than asked for.
 */
export function toldOf(
  carried: Exclude<Carried, { outcome: 'forgotten' }>,
  campaignId: string,
  steps: Steps,
  { replayed, unsafe }: { readonly replayed: boolean; readonly unsafe: boolean },
): Told {
  switch (carried.outcome) {
    case 'issued': {
      const { issuance, finished, before } = carried;
      const answer = unsafe ? acceptedNow : issuedNow;
      return { result: answer(issuance, steps, replayed || before === true), finished };
    }
    case 'accepted': {
      const { finished } = carried;
      return { result: acceptedNow(carried.issuance, steps, replayed), ...(finished && { finished }) };
    }
    case 'revoked': {
      const { issuance, finished } = carried;
      steps.emit({ type: 'refused', campaignId, status: 'revoked', count: 1 });
      return { result: { status: 'revoked', issuance: withoutCode(issuance) }, finished };
    }
    case 'released':
      if (carried.why.reason !== undefined) {
        steps.emit({ type: 'refused', campaignId, status: 'not_eligible', count: 1 });
        return { result: { status: 'not_eligible', reason: carried.why.reason } };
      }
      throw new NotIssuedError(`${carried.why.message}; the unit is back in the stock`, carried.why.options);
    case 'sold_out':
      steps.emit({ type: 'refused', campaignId, status: 'sold_out', count: 1 });
      return { result: { status: 'sold_out' } };
    case 'rolled_back':
      steps.emit({ type: 'refused', campaignId, status: 'not_ready', count: 1 });
      return { result: { status: 'not_ready', reason: 'rolled_back' } };
  }
}

/** The call that took a unit tells the event of it, so that no repeat tells it a second time. */
export function issuedNow(issuance: Issuance, steps: Steps, replayed: boolean): IssueResult {
  if (replayed) return { status: 'issued', issuance, replayed };
  steps.emit({ type: 'issued', ...refOf(issuance) });
  return { status: 'issued', issuance };
}

export function acceptedNow(issuance: Issuance, steps: Steps, replayed: boolean): IssueResult {
  if (replayed) return { status: 'accepted', issuance: withoutCode(issuance), replayed };
  steps.emit({ type: 'accepted', ...refOf(issuance) });
  return { status: 'accepted', issuance: withoutCode(issuance) };
}
