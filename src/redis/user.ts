import type { Issuance } from '../model/issuance.js';
import { answerUnderEpoch } from './epoch.js';
import { heldIssuances, shownIssuance } from './record.js';
import { oneOf } from './reply-words.js';
import { scripts } from './scripts.js';
import type { Shard } from './shard.js';

/** The coupons of a user; the code of a reservation is not shown. One round trip. */
export async function findUser(shard: Shard, userId: string): Promise<Issuance[]> {
  return (await findHeld(shard, userId)).map(shownIssuance);
}

/** The same with every code: to compare, and for no answer. */
export async function findHeld(shard: Shard, userId: string): Promise<Issuance[]> {
  const { reply, epoch } = await answerUnderEpoch(shard, ({ epoch, fence }) =>
    shard.run(scripts.findUser, { epoch, fence, userId }),
  );
  oneOf('find-user', ['ok'], reply[0]);
  shard.sawStamp(epoch, Number(reply[1]));
  return heldIssuances(reply.slice(2), shard.recordOf(userId, epoch));
}
