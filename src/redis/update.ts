import { CampaignConflictError } from '../model/errors.js';
import { answerUnderEpoch } from './epoch.js';
import { scripts } from './scripts.js';
import type { Shard } from './shard.js';
import { oneOf } from './words.js';

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

const REFUSED: Readonly<Record<string, string>> = {
  another_change: 'made another change under this request id',
  opened: 'has opened: opensAt does not move any more',
  draws: 'draws at the opening: opensAt cannot be removed',
  fewer: 'has a higher perUser: it may rise, never fall',
  no_window: 'would close before it opens: closesAt must be after opensAt',
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
  const { reply } = await answerUnderEpoch(shard, async ({ epoch, fence }) => {
    const reply = await shard.run(scripts.updateCampaign, { epoch, fence, known, requestId }, changes);
    if (reply[0] !== 'stale_rules') return reply;
    known = String(reply[1]);
    return undefined;
  });
  const why = REFUSED[String(reply[0])];
  if (why) throw new CampaignConflictError(`campaign ${shard.campaignId} ${why}; nothing was changed`);
  oneOf('update-campaign', ['done'], reply[0]);
  const [, stamp, opensAt, closesAt, perUser] = reply.map(String) as [string, string, string, string, string];
  shard.sawStamp(Number(stamp));
  const instant = (text: string) => (text === '' ? null : new Date(Number(text)));
  return { opensAt: instant(opensAt), closesAt: instant(closesAt), perUser: Number(perUser) };
}
