import type { CouponTally } from '../model/coupon.js';
import { isErrorNamed } from '../model/foreign.js';
import type { ShownIssuer } from './options.js';
import { campaignOf } from './verbs.js';

/** Counts of rows. Each reads every row of its campaign, so all that ask meanwhile share one. */
export class Tallies {
  readonly #running = new Map<string, Promise<CouponTally | null>>();

  /** A `tally` of `null`: the adapter cannot count. */
  async read(issuer: ShownIssuer, body: object): Promise<{ tally: CouponTally | null }> {
    const campaign = campaignOf(issuer, body as { campaignId: string });
    const { campaignId } = body as { campaignId: string };
    const running = this.#running.get(campaignId) ?? this.#count(campaignId, campaign.tally());
    return { tally: await running };
  }

  #count(campaignId: string, tally: Promise<CouponTally>): Promise<CouponTally | null> {
    const counting = tally
      .catch((error) => {
        if (isErrorNamed(error, 'MisconfiguredError')) return null;
        throw error;
      })
      .finally(() => this.#running.delete(campaignId));
    this.#running.set(campaignId, counting);
    return counting;
  }
}
