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

/**
 * Asks the caller's own rule why this user is refused; `null` if not. It does not apply to a repeat that already holds
 * its coupon: that was answered before, and the same request must find the same answer. Where nobody can say whether it
 * holds one, the answer is `not_ready`.
 */
export async function refusalOfRule(
  eligible: Eligible,
  shard: Shard,
  call: Pick<ReserveRequest, 'id' | 'userId'>,
  options: { repeatable: boolean; timeoutMs: number },
): Promise<Extract<IssueResult, { reason: string }> | null> {
  let verdict: true | { reason: string };
  try {
    const asked = (async () => eligible(Object.freeze({ campaignId: shard.campaignId, userId: call.userId })))();
    verdict = await withDeadline(asked, options.timeoutMs, () => new Error('no answer in time'));
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
  const refusal = { status: 'not_eligible', reason } as const;
  if (!options.repeatable) return refusal;
  try {
    return (await findUser(shard, call.userId)).some(({ id }) => id === call.id) ? null : refusal;
  } catch (error) {
    if (error instanceof NotReadyError) return { status: 'not_ready', reason: error.reason };
    throw error;
  }
}
