import { monotonicMs } from '../flow/deadline.js';
import { kindOf } from '../model/safe-error.js';
import { type Announcement, dropAnnounced, findAnnounced } from '../redis/revoke.js';
import type { Shard } from '../redis/shard.js';
import type { Changes } from './changes.js';
import type { Revocations } from './revocations.js';
import type { ChangeOutcome } from './turn.js';

/** More come with the next round. */
const AT_ONCE = 500;

export interface AnnouncedParts {
  readonly changes: Changes;
  readonly revocations: Revocations;
  readonly timeoutMs: number;
}

/**
 * Ends announcements that are past due: their processes died, or Redis was away. The row decides. If it is revoked, the
 * unit is taken back. If not, the change that was announced is made impossible before the announcement goes. If that is
 * not known, the next round asks again. Two round trips, and two statements in the database.
 */
export async function endAnnounced(shard: Shard, parts: AnnouncedParts): Promise<void> {
  const announced = await findAnnounced(shard, AT_ONCE);
  if (typeof announced === 'string' || announced.length === 0) return;
  const ended = await Promise.all(announced.map((one) => end(shard, one, parts)));
  const dead = announced.filter((_, i) => ended[i]);
  if (dead.length > 0) await dropAnnounced(shard, dead);
}

/** Whether the change that was announced can no longer be made. */
async function end(
  shard: Shard,
  one: Announcement,
  { changes, revocations, timeoutMs }: AnnouncedParts,
): Promise<boolean> {
  const { campaignId } = shard;
  const { id, serial, version } = one;
  let outcome: ChangeOutcome;
  try {
    const deadlineAt = monotonicMs() + timeoutMs;
    outcome = await changes.change({ ref: { campaignId, id, serial }, call: { verb: 'fence', version }, deadlineAt });
  } catch (error) {
    revocations.tell(campaignId, error);
    return false;
  }
  switch (outcome.answer) {
    case 'no_row':
      return true;
    case 'revoked':
      await revocations.takeBack(outcome.row);
      return false;
    case 'fenced':
      return (outcome.row.life?.version ?? 0) > version;
    case 'failed':
      // The words of a database quote rows.
      revocations.tell(campaignId, outcome.cause, kindOf);
      return false;
    default:
      return false;
  }
}
