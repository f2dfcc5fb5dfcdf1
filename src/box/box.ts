import { type Coupon, couponOf, newestFirst } from '../model/coupon.js';
import { type Issuance, ownRow } from '../model/issuance.js';
import type { PersistenceAdapter } from '../persistence/adapter.js';
import { misses, readFrom, unfit } from '../persistence/read-from.js';
import { assertUserId } from '../persistence/user-id.js';
import { ownLooked } from '../redeem/adapter-answers.js';
import { TableCampaigns } from './campaigns.js';
import type { BoxRequest, CodeRequest } from './requests.js';

export interface BoxOptions {
  readonly adapter: PersistenceAdapter | undefined;
  readonly timeoutMs: number;
  /** The campaigns that this process serves. */
  readonly served: () => Iterable<string>;
}

/** The most coupons of one user that are shown. */
const MOST_COUPONS = 500;
/** The most campaigns of one statement. */
const CAMPAIGNS_AT_ONCE = 500;

/** Coupons of any campaign, by their user or their code. Rows alone: Redis is not asked. */
export class Box {
  readonly #adapter: PersistenceAdapter | undefined;
  readonly #timeoutMs: number;
  readonly #campaigns: TableCampaigns;

  constructor({ adapter, timeoutMs, served }: BoxOptions) {
    this.#adapter = adapter;
    this.#timeoutMs = timeoutMs;
    this.#campaigns = new TableCampaigns(adapter, timeoutMs, served);
  }

  /** Throws `InvalidArgumentError`, `MisconfiguredError`, `PersistenceError`. */
  async ofUser({ userId, campaignIds }: BoxRequest): Promise<readonly Coupon[]> {
    assertUserId(this.#adapter, userId);
    const listByUser = this.#adapter?.listByUser?.bind(this.#adapter);
    if (!listByUser) throw misses('the coupons of a user are', 'listByUser');
    const ids = campaignIds ?? (await this.#campaigns.ids());
    const rows: Issuance[] = [];
    for (const some of inParts(ids)) {
      const given = await readFrom('listByUser', this.#timeoutMs, (signal) =>
        listByUser([userId], { campaignIds: [...some], limit: MOST_COUPONS, signal }),
      );
      rows.push(...ownOfUser(given, userId, some));
    }
    return couponsOf(rows).slice(0, MOST_COUPONS);
  }

  /** Throws `MisconfiguredError`, `PersistenceError`. */
  async ofCode({ code, campaignIds }: CodeRequest): Promise<readonly Coupon[]> {
    if (!this.#adapter?.look) throw misses('a code is looked for', 'look');
    if (campaignIds) return couponsOf(await this.#withCode(code, campaignIds));
    const ids = await this.#campaigns.ids();
    const found = await this.#withCode(code, ids);
    return couponsOf(found.length > 0 ? found : await this.#withCode(code, await this.#campaigns.idsBeyond(ids)));
  }

  async #withCode(code: string, campaignIds: readonly string[]): Promise<Issuance[]> {
    const look = this.#adapter!.look!.bind(this.#adapter);
    const found: Issuance[] = [];
    for (const some of inParts(campaignIds)) {
      const refs = some.map((campaignId) => ({ campaignId, code }));
      const rows = await readFrom('look', this.#timeoutMs, async (signal) =>
        ownLooked(await look([...refs], { signal }), refs),
      );
      found.push(...rows.filter((row) => row !== null));
    }
    return found;
  }
}

function inParts(ids: readonly string[]): (readonly string[])[] {
  const count = Math.ceil(ids.length / CAMPAIGNS_AT_ONCE);
  return Array.from({ length: count }, (_, i) => ids.slice(i * CAMPAIGNS_AT_ONCE, (i + 1) * CAMPAIGNS_AT_ONCE));
}

function couponsOf(rows: readonly Issuance[]): Coupon[] {
  const now = Date.now();
  return rows.toSorted(newestFirst).map((row) => couponOf(row, now));
}

/** Own copies of the rows that `listByUser` gave. A row of another user would show that user's code. Throws `PersistenceError`. */
function ownOfUser(given: unknown, userId: string, campaignIds: readonly string[]): Issuance[] {
  const must = `issuances of the users and campaigns that were asked, each once, and at most ${MOST_COUPONS}`;
  if (!Array.isArray(given) || given.length > MOST_COUPONS) throw unfit('listByUser', must);
  const seen = new Set<string>();
  return given.map((one) => {
    const row = ownRow(one);
    if (row?.userId !== userId || !campaignIds.includes(row.campaignId)) throw unfit('listByUser', must);
    const key = `${row.campaignId}:${row.serial}`;
    if (seen.has(key)) throw unfit('listByUser', must);
    seen.add(key);
    return row;
  });
}
