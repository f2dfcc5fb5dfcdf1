import type { CouponTally, Issuance } from '../../src/index.js';
import { NotSavedError } from '../../src/index.js';
import type { Wire } from '../../src/testing/index.js';
import type { Broken } from './broken.js';
import { Sheet } from './sheet.js';

const BY_USER = ' (if it lists by user)';
const CAMPAIGNS = ' (if it lists campaigns)';
const COUNTS = ' (if it counts)';
const AND_CHANGES = (able: string) => able.replace(')', ' and looks and changes)');
const AND_WIRED = (able: string) => able.replace(')', ' and is wired)');

type Asked = { readonly userIds: readonly string[]; readonly campaignIds: readonly string[]; readonly limit: number };

/** Lists the rows of a user by another rule. */
function boxing(rule: (rows: readonly Issuance[], asked: Asked, right: readonly Issuance[]) => readonly Issuance[]) {
  return class extends Sheet {
    override async listByUser(...args: Parameters<Sheet['listByUser']>): Promise<readonly Issuance[]> {
      const [userIds, options] = args;
      return rule(this.rows, { userIds, ...options }, await super.listByUser(...args));
    }
  };
}

function listing(rule: (rows: readonly Issuance[]) => readonly string[]) {
  return class extends Sheet {
    override async campaigns(): Promise<readonly string[]> {
      return rule(this.rows);
    }
  };
}

function counting(rule: (rows: readonly Issuance[], right: CouponTally) => CouponTally) {
  return class extends Sheet {
    override async count(campaignId: string): Promise<CouponTally> {
      return rule(
        this.rows.filter((row) => row.campaignId === campaignId),
        await super.count(campaignId),
      );
    }
  };
}

/** A sheet that takes a wire that fails for a table without rows. */
class Hopeful extends Sheet {
  readonly #wire: Wire;

  constructor(wire: Wire) {
    super();
    this.#wire = wire;
  }

  override async save(...args: Parameters<Sheet['save']>) {
    return this.#wire
      .send(() => super.save(...args))
      .catch(() => {
        throw new NotSavedError('not sent', { wholeBatch: true });
      });
  }

  override async listByUser(...args: Parameters<Sheet['listByUser']>): Promise<readonly Issuance[]> {
    return this.#wire.send(() => super.listByUser(...args)).catch(() => []);
  }

  override async campaigns(): Promise<readonly string[]> {
    return this.#wire.send(() => super.campaigns()).catch(() => []);
  }

  override async count(campaignId: string): Promise<CouponTally> {
    const none = { issued: 0, redeemed: 0, expired: 0, revoked: 0, returned: 0 };
    return this.#wire.send(() => super.count(campaignId)).catch(() => none);
  }
}

export const WRONG_BOXES: Broken[] = [
  {
    how: 'lists the rows of a user in the order in which they were saved',
    Adapter: boxing((rows, _, right) => rows.filter((row) => right.includes(row))),
    caughtBy: [`listByUser gives the coupons of the user with all their fields, the newest first${BY_USER}`],
  },
  {
    how: 'takes user ids that differ in case, or by a space at the end, for the same',
    Adapter: boxing((rows, { userIds }) => {
      const folded = new Set(userIds.map((id) => id.trimEnd().toLowerCase()));
      return rows.filter(({ userId }) => folded.has(userId.trimEnd().toLowerCase()));
    }),
    caughtBy: [`listByUser gives no coupon of another user, whose id differs in case or by a space${BY_USER}`],
  },
  {
    how: 'lists the rows of a user in all campaigns',
    Adapter: boxing((rows, { userIds }) => rows.filter(({ userId }) => userIds.includes(userId))),
    caughtBy: [
      'listByUser gives the coupons of the campaigns named, and of no other',
      'listByUser of nobody, or of no campaign, is empty',
    ].map((name) => name + BY_USER),
  },
  {
    how: 'cuts off the newest rows',
    Adapter: boxing((rows, { userIds, campaignIds, limit }) =>
      rows.filter((row) => userIds.includes(row.userId) && campaignIds.includes(row.campaignId)).slice(0, limit),
    ),
    caughtBy: [`listByUser gives at most limit, the newest of all campaigns${BY_USER}`],
  },
  {
    how: 'pairs each user with one campaign',
    Adapter: boxing((_, { userIds, campaignIds }, right) =>
      right.filter((row) => userIds.indexOf(row.userId) === campaignIds.indexOf(row.campaignId)),
    ),
    caughtBy: [`listByUser may be asked of 200 users in 300 campaigns at once${BY_USER}`],
  },
  {
    how: 'lists no coupon of a user that was revoked',
    Adapter: boxing((_, __, right) => right.filter(({ life }) => life?.state !== 'revoked')),
    caughtBy: [
      `listByUser gives a coupon whatever became of it, and whether its grant is freed${AND_CHANGES(BY_USER)}`,
      'list, find and listByUser show the same life as look, of a coupon whose grant is freed as well (if it looks and changes)',
    ],
  },
  {
    how: 'takes a wire that fails for a table without rows',
    Adapter: Hopeful,
    caughtBy: [
      `listByUser that cannot reach the database throws: an empty answer would hide coupons${AND_WIRED(BY_USER)}`,
      `campaigns that cannot reach the database throws${AND_WIRED(CAMPAIGNS)}`,
      `count that cannot reach the database throws${AND_WIRED(COUNTS)}`,
    ],
  },
  {
    how: 'lists a campaign for each row',
    Adapter: listing((rows) => rows.map(({ campaignId }) => campaignId)),
    caughtBy: [`campaigns gives every campaign with a coupon once, as it is written${CAMPAIGNS}`],
  },
  {
    how: 'lists only campaigns with a coupon that is not revoked',
    Adapter: listing((rows) => [
      ...new Set(rows.filter(({ life }) => life?.state !== 'revoked').map(({ campaignId }) => campaignId)),
    ]),
    caughtBy: [
      `campaigns gives a campaign whose coupons are all revoked, and none without a coupon${AND_CHANGES(CAMPAIGNS)}`,
    ],
  },
  {
    how: 'counts the rows of all campaigns',
    Adapter: class extends Sheet {
      override async count(): Promise<CouponTally> {
        return { issued: this.rows.length, redeemed: 0, expired: 0, revoked: 0, returned: 0 };
      }
    },
    caughtBy: [`count of a campaign without a coupon is zero of each${COUNTS}`],
  },
  {
    how: 'counts a coupon without an end as expired',
    Adapter: counting((rows, right) => {
      const endless = rows.filter(({ expiresAt }) => !expiresAt).length;
      return { ...right, issued: right.issued - endless, expired: right.expired + endless };
    }),
    caughtBy: [`count tells a coupon that is valid from one that expired, by the clock of the database${COUNTS}`],
  },
  {
    how: 'counts a coupon as expired whatever became of it before',
    Adapter: counting((rows, right) => ({
      ...right,
      expired: rows.filter(({ expiresAt }) => expiresAt && expiresAt.getTime() <= Date.now()).length,
    })),
    caughtBy: [`count counts a coupon once by its state, and its returned unit beside it${AND_CHANGES(COUNTS)}`],
  },
];
