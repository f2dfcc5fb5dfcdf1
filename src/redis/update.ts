import { type Conflict, conflict } from '../model/errors.js';
import { answerUnderEpoch } from './epoch.js';
import { ANOTHER_CHANGE } from './operate.js';
import { oneOf } from './reply-words.js';
import { scripts } from './scripts.js';
import type { Shard } from './shard.js';

/** The rules that `update()` changes, as they hold now. */
export interface RunningRules {
  readonly opensAt: Date | null;
  readonly closesAt: Date | null;
  readonly perUser: number;
}

/** A rule and its new value; an empty value removes a bound. */
export interface RuleChange {
  readonly name: 'opensAt' | 'closesAt' | 'perUser';
  readonly value: string;
}

const REFUSED: Readonly<Record<string, Conflict>> = {
  another_change: ANOTHER_CHANGE,
  opened: { what: 'has opened: opensAt does not move any more', cure: 'Leave opensAt out' },
  draws: { what: 'draws at the opening: opensAt cannot be removed', cure: 'Give another opensAt' },
  fewer: { what: 'has a higher perUser: it may rise, never fall', cure: 'Leave perUser out' },
  past_validity: {
    what: 'has validity.until, and a coupon that is given later would be expired at its issue',
    cure: 'Give a closesAt that is not after validity.until',
  },
  no_window: { what: 'would close before it opens', cure: 'Give a closesAt that is after opensAt' },
};

/**
 * Changes rules of a campaign, once per request id. It names the changes that it follows, so that of two at once each
 * is made on top of the other, and a late copy of one undoes nothing. One round trip, and one more where the campaign
 * was updated before. Throws `CampaignConflictError`.
 */
export async function updateRules(
  shard: Shard,
  requestId: string,
  changes: readonly RuleChange[],
): Promise<RunningRules> {
  let known = '0';
  const { reply, epoch } = await answerUnderEpoch(shard, async ({ epoch, fence }) => {
    const reply = await shard.run(scripts.updateCampaign, { epoch, fence, known, requestId }, changes);
    if (reply[0] !== 'stale_rules') return reply;
    known = String(reply[1]);
    return undefined;
  });
  const refusal = REFUSED[String(reply[0])];
  if (refusal) throw conflict(shard.campaignId, refusal);
  oneOf('update-campaign', ['done'], reply[0]);
  const [, stamp, opensAt, closesAt, perUser] = reply.map(String) as [string, string, string, string, string];
  shard.sawStamp(epoch, Number(stamp));
  const instant = (text: string) => (text === '' ? null : new Date(Number(text)));
  return { opensAt: instant(opensAt), closesAt: instant(closesAt), perUser: Number(perUser) };
}
