import { withDeadline } from './deadline.js';
import { HookError, redacted } from './errors.js';
import type { Eligible } from './options.js';
import { findUser } from './redis/admin.js';
import type { CampaignState } from './redis/campaign-state.js';
import type { ReserveRequest } from './redis/serving.js';

/**
 * Asks the caller's own rule why this user is refused; `null` if not. It does not apply to a repeat that already holds its coupon: that was
 * answered before, and the same request must find the same answer.
 */
export async function refusalOfRule(
  eligible: Eligible,
  state: CampaignState,
  call: Pick<ReserveRequest, 'id' | 'userId'>,
  options: { repeatable: boolean; timeoutMs: number },
): Promise<string | null> {
  let verdict: true | { reason: string };
  try {
    const asked = (async () => eligible({ campaignId: state.id, userId: call.userId }))();
    verdict = await withDeadline(asked, options.timeoutMs, () => new Error('no answer in time'));
  } catch (error) {
    throw new HookError('eligible failed; nothing was reserved', { cause: redacted(error) });
  }
  if (verdict === true) return null;
  if (typeof verdict?.reason !== 'string') {
    throw new HookError('eligible must return true or { reason }; nothing was reserved');
  }
  if (options.repeatable && (await findUser(state, call.userId)).some(({ id }) => id === call.id)) return null;
  return verdict.reason;
}
