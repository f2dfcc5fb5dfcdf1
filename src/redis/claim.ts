import type { NotReadyReason } from '../model/result.js';
import { underEpoch } from './epoch.js';
import { type Reservation, reservationsUnder } from './reservation.js';
import { scripts } from './scripts.js';
import type { Serving } from './serving.js';

export interface Claim {
  readonly claimed: readonly Reservation[];
  /** Ms until the cap allows the next claim; 0 without a cap. */
  readonly waitMs: number;
  /** How many revocations are announced whose units were not taken back yet. */
  readonly revoking: number;
  /** The clock of Redis. A stamp may be ahead of it. */
  readonly nowMs: number;
}

/** Takes over up to `limit` reservations that are due, no more per second than the cap allows. One round trip. */
export async function claimDue(
  { campaign, shard }: Serving,
  limit: number,
  paced: boolean,
): Promise<Claim | NotReadyReason> {
  const answered = await underEpoch(shard, ({ epoch, fence }) => {
    const perUser = String(campaign.equippedRules().perUser);
    return shard.run(scripts.claimDue, { epoch, fence, perUser, limit: String(limit), paced: paced ? '1' : '' });
  });
  const { reply, refused, epoch } = answered;
  if (refused) return refused;
  shard.sawStamp(epoch, Number(reply[1]));
  const [waitMs, revoking, nowMs] = reply.slice(2, 5).map(Number) as [number, number, number];
  return { claimed: reservationsUnder(shard, answered, 5), waitMs, revoking, nowMs };
}
