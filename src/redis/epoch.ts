import { monotonicMs } from '../flow/deadline.js';
import { conflict, inDoubt, RedisError } from '../model/errors.js';
import type { NotReadyReason } from '../model/result.js';
import { isNotReady, notReady } from './reply-words.js';
import type { Reply } from './runner.js';
import type { Sending, Shard } from './shard.js';

const MAX_SENDS = 5;

/** A reply, and the send that it answers. `refused`: why the campaign's state must not be acted on. */
export interface Answered extends Sending {
  readonly reply: Reply;
  readonly refused: NotReadyReason | null;
}

/**
 * The one loop that sends again. `send` gets the items that are open and returns the items that stay open. Gives up
 * after five sends in a row that end none, and sends nothing a second time after `deadlineAt` (monotonic ms). Throws
 * `RedisError`. After the first send its outcome is `unknown`, because the proof of one send says nothing about the
 * others.
 */
export async function sendUntilNoneIsOpen<T>(
  items: readonly T[],
  unanswered: string,
  send: (open: readonly T[]) => Promise<readonly T[]>,
  deadlineAt = Number.POSITIVE_INFINITY,
): Promise<void> {
  let open = items;
  let inVain = 0;
  for (let again = false; open.length > 0; again = true) {
    if (inVain === MAX_SENDS || (again && monotonicMs() >= deadlineAt)) {
      throw new RedisError(unanswered, { outcome: 'unknown' });
    }
    try {
      const rest = await send(open);
      inVain = rest.length < open.length ? 0 : inVain + 1;
      open = rest;
    } catch (error) {
      throw again ? inDoubt(error) : error;
    }
  }
}

/** Sends again while `send` has no answer (`undefined`), at most five times. */
export async function sendUntilAnswered<T>(unanswered: string, send: () => Promise<T | undefined>): Promise<T> {
  let answer: T | undefined;
  await sendUntilNoneIsOpen(['answer'], unanswered, async (open) => {
    answer = await send();
    return answer === undefined ? open : [];
  });
  return answer as T;
}

/**
 * Judges the reply to one send. `undefined`: nothing was done, because the epoch or a rule is stale. The campaign was
 * read, and the call has to be built anew, because the rules may be others. Throws `CampaignOverError` and
 * `UnknownCampaignError` where the state is missing because the campaign is over or was never opened.
 */
export async function answerOf(shard: Shard, at: Sending, reply: Reply): Promise<Answered | undefined> {
  if (reply[0] === 'missing') await shard.context.assertLost(shard);
  if (isNotReady(reply[0])) return answered(at, reply, reply[0]);
  if (reply[0] !== 'stale_epoch' && reply[0] !== 'stale_rules') return answered(at, reply, null);
  const snapshot = await shard.refresh();
  return typeof snapshot === 'string' ? answered(at, [snapshot], snapshot) : undefined;
}

/** Written out: a spread costs some 400 ns, and every call comes by here. */
function answered({ epoch, fence, sentAt }: Sending, reply: Reply, refused: NotReadyReason | null): Answered {
  return { epoch, fence, sentAt, reply, refused };
}

/**
 * Sends a call under the epoch that this process knows, and again under a newer one. A reply of `undefined` is sent
 * again as well.
 */
export function underEpoch(shard: Shard, send: (at: Sending) => Promise<Reply | undefined>): Promise<Answered> {
  return sendUntilAnswered(`campaign ${shard.campaignId} had no stable epoch`, async () => {
    const at = shard.sending();
    const reply = await send(at);
    return reply && answerOf(shard, at, reply);
  });
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
    throw conflict(shard.campaignId, { what: 'is closed for good', cure: 'Open another campaign' });
  return answer;
}
