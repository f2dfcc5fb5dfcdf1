import { withDeadline } from '../flow/deadline.js';
import { isReason } from '../model/check.js';
import { HookError, NotReadyError } from '../model/errors.js';
import type { IssueResult } from '../model/result.js';
import { redacted } from '../model/safe-error.js';
import type { ReserveRequest } from '../redis/reserve-call.js';
import type { Shard } from '../redis/shard.js';
import { findUser } from '../redis/user.js';

/**
 * Your own rule, asked before anything is reserved. Return `true`, or the reason for a refusal: 1–128 bytes of text without
 * control characters, which the client gets.
 */
export type Eligible = (request: {
  campaignId: string;
  userId: string;
}) => Promise<true | { reason: string }> | true | { reason: string };

type NotEligible = Extract<IssueResult, { status: 'not_eligible' }>;
type NotReady = Extract<IssueResult, { status: 'not_ready' }>;

/** Asks the caller's own rule why this user is refused; `null` if not. */
export async function refusalOfRule(
  eligible: Eligible,
  { campaignId }: Shard,
  { userId }: Pick<ReserveRequest, 'userId'>,
  timeoutMs: number,
): Promise<NotEligible | null> {
  let verdict: true | { reason: string };
  try {
    const asked = (async () => eligible(Object.freeze({ campaignId, userId })))();
    verdict = await withDeadline(asked, timeoutMs, () => new Error('no answer in time'));
  } catch (error) {
    throw new HookError('eligible failed; nothing was reserved', { cause: redacted(error) });
  }
  if (verdict === true) return null;
  const reason: unknown = verdict?.reason;
  if (!isReason(reason)) {
    throw new HookError(
      'eligible must return true, or a { reason } of 1–128 bytes of text without control characters; nothing was reserved',
    );
  }
  return { status: 'not_eligible', reason };
}

/**
 * The refusal does not apply to a repeat that already holds its coupon: that was answered before, and the same request
 * must find the same answer. `null` then. Where nobody can say whether it holds one, the answer is `not_ready`.
 */
export async function unlessHeld(
  refusal: NotEligible,
  shard: Shard,
  { id, userId }: Pick<ReserveRequest, 'id' | 'userId'>,
): Promise<NotEligible | NotReady | null> {
  const held = await findUser(shard, userId).catch(asNotReady);
  if ('status' in held) return held;
  return held.some((one) => one.id === id) ? null : refusal;
}

/** The answer to a call that learned so. Throws any other error. */
export function asNotReady(error: unknown): NotReady {
  if (error instanceof NotReadyError) return { status: 'not_ready', reason: error.reason };
  throw error;
}
