import { type Coupon, type CouponTally, countIn, couponOf, noCounts } from '../model/coupon.js';
import type { Issuance } from '../model/issuance.js';
import type { PersistenceAdapter } from '../persistence/adapter.js';
import { LIST_MUST, ownPage } from '../persistence/list-rows.js';
import { misses, readFrom, unfit } from '../persistence/read-from.js';
import type { CheckedFilter } from './requests.js';

const PAGE = 500;
/** A count of ten million rows takes seconds. */
const COUNT_MS = 60_000;
const TALLY_MUST = '{ issued, redeemed, expired, revoked, returned }, each a whole number from 0';

/** A campaign whose rows are read page by page. */
export interface Paged {
  readonly campaignId: string;
  readonly adapter: PersistenceAdapter | undefined;
  readonly timeoutMs: number;
  /** Counts a page among the calls under way, and throws `ClosedError`. */
  readonly call: <T>(read: () => Promise<T>) => Promise<T>;
}

/** Throws `MisconfiguredError`. */
export function assertLists({ adapter }: Paged): void {
  if (!adapter?.list) throw misses('the coupons of a campaign are', 'list');
}

/** Throws `PersistenceError`, `ClosedError`. */
export async function* couponsIn(
  paged: Paged,
  { state, endsByMs, afterSerial }: CheckedFilter,
): AsyncGenerator<Coupon> {
  for await (const rows of pagesOf(paged, afterSerial)) {
    const now = Date.now();
    for (const row of rows) {
      const coupon = couponOf(row, now);
      if (state !== undefined && coupon.state !== state) continue;
      if (endsByMs !== undefined && (coupon.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY) > endsByMs) continue;
      yield coupon;
    }
  }
}

/** By `count` of the adapter, and page by page where it has none. Throws `MisconfiguredError`, `PersistenceError`, `ClosedError`. */
export async function tallyOf(paged: Paged): Promise<CouponTally> {
  const { adapter, campaignId, timeoutMs, call } = paged;
  const count = adapter?.count?.bind(adapter);
  if (count) {
    const patienceMs = Math.max(timeoutMs, COUNT_MS);
    return call(async () => ownTally(await readFrom('count', patienceMs, (signal) => count(campaignId, { signal }))));
  }
  if (!adapter?.list) throw misses('the coupons of a campaign are counted', 'count or list');
  const counts = noCounts();
  for await (const rows of pagesOf(paged, 0)) {
    const now = Date.now();
    for (const row of rows) countIn(counts, row, now);
  }
  return counts;
}

async function* pagesOf({ campaignId, adapter, timeoutMs, call }: Paged, first: number): AsyncGenerator<Issuance[]> {
  const list = adapter!.list!.bind(adapter);
  let afterSerial = first;
  for (;;) {
    const asked = { campaignId, afterSerial, limit: PAGE };
    const rows = await call(async () =>
      ownPage(await readFrom('list', timeoutMs, () => list(campaignId, { afterSerial, limit: PAGE })), asked),
    );
    if (!rows) throw unfit('list', LIST_MUST);
    const last = rows.at(-1);
    if (!last) return;
    yield rows;
    afterSerial = last.serial;
  }
}

/** An own copy. Throws `PersistenceError`. */
function ownTally(given: unknown): CouponTally {
  const counts = noCounts();
  const read = (given ?? {}) as Readonly<Record<string, unknown>>;
  for (const state of Object.keys(counts) as (keyof CouponTally)[]) {
    const count = read[state];
    if (!Number.isSafeInteger(count) || (count as number) < 0) throw unfit('count', TALLY_MUST);
    counts[state] = count as number;
  }
  return counts;
}
