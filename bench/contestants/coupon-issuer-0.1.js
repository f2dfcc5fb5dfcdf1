// Release 0.1 under the names that the contestants use: it had no campaign objects, and its methods took the id of the campaign. What it did not have is
// not here: redeem, revoke.
import { buildRelease } from '../release.js';

/** The build, as `TODAY` is one, or why there is none: `{ missing }`. */
export async function release01() {
  const { dist, missing } = await buildRelease();
  if (missing) return { missing };
  const { CouponIssuer } = await import(`${dist}/index.js`);
  const { PostgresPersistence, createTableSql } = await import(`${dist}/postgres.js`);
  return {
    name: 'coupon-issuer 0.1',
    suffix: '_0_1',
    CouponIssuer: underTodaysNames(CouponIssuer),
    PostgresPersistence,
    createTableSql,
  };
}

function underTodaysNames(CouponIssuer) {
  return class {
    #issuer;
    #campaigns = new Map();

    constructor(options) {
      this.#issuer = new CouponIssuer(options);
      this.idle = () => this.#issuer.idle();
      this.close = () => this.#issuer.close();
    }

    /** Made once: a new object for each call would be charged to 0.1. */
    campaign(id) {
      const known = this.#campaigns.get(id);
      if (known) return known;
      const campaign = campaignOf(this.#issuer, id);
      this.#campaigns.set(id, campaign);
      return campaign;
    }
  };
}

const campaignOf = (issuer, campaignId) => ({
  open: (definition, { skipRowCheck = false } = {}) =>
    issuer.openCampaign({ id: campaignId, ...definition }, { isNew: skipRowCheck }),
  issue: ({ userId }) => issuer.issue({ campaignId, userId }),
  inspect: () => issuer.inspect(campaignId),
  join: ({ userId }) => issuer.join({ campaignId, userId }),
  admit: (options) => issuer.admit(campaignId, options),
  settle: () => issuer.settle(campaignId),
});
