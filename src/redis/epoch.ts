import { monotonicMs } from '../flow/deadline.js';
import { CampaignConflictError, inDoubt, RedisError } from '../model/errors.js';
import type { NotReadyReason } from '../model/result.js';
import type { Reply } from './runner.js';
import type { Shard } from './shard.js';
import { isNotReady, notReady } from './words.js';

const MAX_SENDS = 5;

/** The arguments of one send of a call. */
export interface Sending {
  readonly epoch: string;
  /** The highest stamp that was seen under this epoch. */
  readonly fence: string;
  /** Monotonic ms, before it left. */
  readonly sentAt: number;
}

/** A reply, and the send that it answers. `refused`: why the campaign's state must not be acted on. */
export interface Answered extends Sending {
  readonly reply: Reply;
  readonly refused: NotReadyReason | null;
}

export interface SendOptions {
  /** An earlier send of this work may have done something, so no failure means that nothing was done. */
  readonly sentBefore?: boolean;
  /** Monotonic ms. After this instant nothing is sent a second time. */
  readonly deadlineAt?: number;
}

/**
 * Sends, and sends again while `send` has no answer (`undefined`), at most five times. Throws `RedisError`; after the
 * first send its outcome is `unknown`, because the proof of one send says nothing about the others.
 */
export async function sendUntilAnswered<T>(
  unanswered: string,
  send: () => Promise<T | undefined>,
  { sentBefore = false, deadlineAt = Number.POSITIVE_INFINITY }: SendOptions = {},
): Promise<T> {
  for (let sends = 0; sends < MAX_SENDS; sends++) {
    const again = sentBefore || sends > 0;
    if (again && monotonicMs() >= deadlineAt) break;
    try {
      const answer = await send();
      if (answer !== undefined) return answer;
    } catch (error) {
      throw again ? inDoubt(error) : error;
    }
  }
  throw new RedisError(unanswered, { outcome: 'unknown' });
}

/**
 * Sends a call under the epoch that this process knows. If the epoch or a rule is stale, reads the campaign and sends
 * again under the newer one. `send` builds the call anew each time, because the rules may be others. A reply of
 * `undefined` is sent again as well. Throws `CampaignOverError` and `UnknownCampaignError` where the state is missing
 * because the campaign is over or was never opened.
 */
export function underEpoch(
  shard: Shard,
  send: (at: Sending) => Promise<Reply | undefined>,
  options: SendOptions = {},
): Promise<Answered> {
  const unanswered = `campaign ${shard.campaignId} had no stable epoch`;
  const sendOnce = async (): Promise<Answered | undefined> => {
    const at: Sending = { epoch: shard.servingEpoch, fence: shard.fence, sentAt: monotonicMs() };
    const reply = await send(at);
    if (reply === undefined) return undefined;
    if (reply[0] === 'missing') await shard.context.assertLost(shard);
    if (isNotReady(reply[0])) return answered(at, reply, reply[0]);
    // Nothing was done: the epoch is another one, or the rules of the campaign were changed.
    if (reply[0] !== 'stale_epoch' && reply[0] !== 'stale_rules') return answered(at, reply, null);
    const snapshot = await shard.refresh();
    return typeof snapshot === 'string' ? answered(at, [snapshot], snapshot) : undefined;
  };
  return sendUntilAnswered(unanswered, sendOnce, options);
}

/** Written out: a spread costs some 400 ns, and every call comes by here. */
function answered({ epoch, fence, sentAt }: Sending, reply: Reply, refused: NotReadyReason | null): Answered {
  return { epoch, fence, sentAt, reply, refused };
}

/**
 * The same for a call that has no status for a state that is not ready, nor for the close. Throws `NotReadyError`,
 * `CampaignConflictError`.
 */
export async function answerUnderEpoch(
  shard: Shard,
  send: (at: Sending) => Promise<Reply | undefined>,
): Promise<Answered> {
  const answer = await underEpoch(shard, send);
  if (answer.refused) throw notReady(shard.campaignId, answer.refused);
  if (answer.reply[0] === 'closed')
    throw new CampaignConflictError(`campaign ${shard.campaignId} is closed; nothing was changed`);
  return answer;
}
