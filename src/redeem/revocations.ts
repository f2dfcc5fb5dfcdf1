import { conflict, MisconfiguredError, RedisError } from '../model/errors.js';
import { type Emit, refOf } from '../model/events.js';
import { isError } from '../model/foreign.js';
import type { Issuance } from '../model/issuance.js';
import { UNTOUCHED } from '../model/life.js';
import { METHODS } from '../model/methods.js';
import { redacted } from '../model/safe-error.js';
import type { Campaigns } from '../redis/campaigns.js';
import { CampaignOverError } from '../redis/registry.js';
import { isNotReady, notReady } from '../redis/reply-words.js';
import { type Announcement, announceRevokes } from '../redis/revoke.js';
import type { Serving } from '../redis/serving.js';
import type { Revoking } from './turn.js';

/** Whether Redis knows of a revocation. */
export type StockAfter = 'done' | 'pending';

/** The code of a unit that comes back may be known, so its place needs a new code. */
const POOL = {
  what: 'has a pool of codes, which grows by codes alone',
  cure: `Revoke with unit 'kept', and call ${METHODS.load}() with one more code`,
};
const OVER = {
  what: 'is over, so Redis has no stock and no grants of it',
  cure: "Revoke with unit 'kept', and without again",
};

/** The part of Redis in revocations. The row decides; Redis hears of it before, and moves the unit after. */
export class Revocations {
  readonly #campaigns: Campaigns;
  readonly #emit: Emit;
  /** The calls of one batch share its fault. */
  readonly #told = new WeakSet<object>();

  constructor(campaigns: Campaigns, emit: Emit) {
    this.#campaigns = campaigns;
    this.#emit = emit;
  }

  /**
   * Announces coupons that are about to be revoked, so that a worker takes the units back if this process dies. For
   * each why it must not be revoked now, or `null`. If unit and grant stay, only a mark is at stake: such a coupon is
   * revoked all the same.
   */
  async announce(coupons: readonly Revoking[]): Promise<(Error | null)[]> {
    const errors = new Map<Revoking, Error>();
    const campaignIds = new Set(coupons.map(({ row }) => row.campaignId));
    const ofCampaign = (id: string) => coupons.filter(({ row }) => row.campaignId === id);
    await Promise.all([...campaignIds].map((id) => this.#announceIn(id, ofCampaign(id), errors)));
    return coupons.map((one) => errors.get(one) ?? null);
  }

  async #announceIn(campaignId: string, coupons: readonly Revoking[], errors: Map<Revoking, Error>): Promise<void> {
    try {
      const { campaign, shard } = await this.#serving(campaignId);
      const isImpossible = ({ call }: Revoking) => campaign.rules.kind === 'codes' && call.unit === 'returned';
      for (const one of coupons.filter(isImpossible)) errors.set(one, conflict(campaignId, POOL));
      const allowed = coupons.filter((one) => !errors.has(one));
      const reason = await announceRevokes(shard, allowed.map(announcementOf));
      if (isNotReady(reason)) throw notReady(campaignId, reason);
    } catch (error) {
      const isWrong = error instanceof MisconfiguredError;
      const refused = coupons.filter((one) => (isWrong || movesUnit(one)) && !errors.has(one));
      for (const one of refused) errors.set(one, unannounced(campaignId, error as Error));
    }
  }

  /** A row of another database says nothing of the units of this campaign. Throws `MisconfiguredError`. */
  async #serving(campaignId: string): Promise<Serving> {
    const serving = await this.#campaigns.get(campaignId);
    await this.#campaigns.assertOwnStore(serving);
    return serving;
  }

  /** Takes the unit of a revoked row back, once: Redis knows by the record. Never rejects. */
  async takeBack(row: Issuance): Promise<StockAfter> {
    try {
      const { shard } = await this.#serving(row.campaignId);
      const word = await shard.verbs(shard.epoch).takeBacks.add(row);
      if (isNotReady(word)) return await this.#leave(row);
      if (word === 'taken_back') this.#emit({ type: 'taken_back', ...refOf(row) });
      return 'done';
    } catch (error) {
      // Redis has nothing of it, and no unit goes out any more.
      if (error instanceof CampaignOverError) return 'done';
      this.tell(row.campaignId, error);
      return this.#leave(row);
    }
  }

  /**
   * For a worker. Redis may have lost the announcement, and a rebuild under way may have read the row before its change.
   * So the row is announced anew, as it is now. If that fails too, `reconcile` finds the coupon.
   */
  async #leave(row: Issuance): Promise<StockAfter> {
    try {
      const { shard } = await this.#serving(row.campaignId);
      await announceRevokes(shard, [announcementOf({ row })]);
    } catch (error) {
      this.tell(row.campaignId, error);
    }
    return 'pending';
  }

  /** Tells a fault that reached no caller. */
  tell(campaignId: string, error: unknown, shown: (error: unknown) => Error = redacted): void {
    if (isError(error) && this.#told.has(error)) return;
    if (isError(error)) this.#told.add(error);
    this.#emit({ type: 'fault', during: 'take_back', campaignId, error: shown(error) });
  }
}

/** Whether Redis has to hear of it before. */
export function movesUnit({ call }: Pick<Revoking, 'call'>): boolean {
  return call.unit === 'returned' || call.again;
}

function announcementOf({ row: { id, userId, serial, life = UNTOUCHED } }: Pick<Revoking, 'row'>): Announcement {
  return { id, userId, serial, version: life.version };
}

/** An announcement alone changes nothing, so nothing was changed. */
function unannounced(campaignId: string, error: Error): Error {
  if (error instanceof CampaignOverError) return conflict(campaignId, OVER);
  if (!(error instanceof RedisError)) return error;
  return new RedisError(`${error.message}; the coupon was not revoked: revoke it again`, {
    outcome: 'not_applied',
    cause: error.cause,
  });
}
