import type { Issuance } from '../model/issuance.js';
import type { CampaignState } from './campaign-state.js';
import { answerUnderEpoch } from './epoch.js';
import { shownIssuances } from './record.js';
import { scripts } from './scripts.js';
import { oneOf } from './words.js';

/** The coupons of a user; the code of a reservation is not shown. One round trip. */
export async function findUser(state: CampaignState, userId: string): Promise<Issuance[]> {
  const { reply, epoch } = await answerUnderEpoch(state, ({ epoch, fence }) =>
    state.run(scripts.findUser, { epoch, fence, userId }),
  );
  oneOf('find-user', ['ok'], reply[0]);
  state.sawStamp(Number(reply[1]));
  return shownIssuances(reply.slice(2), { campaignId: state.id, userId, epoch });
}
