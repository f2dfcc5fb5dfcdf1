import { HookError } from '../model/errors.js';
import { type Issuance, ownRow } from '../model/issuance.js';
import type { PersistenceAdapter } from './adapter.js';
import { askAdapter } from './ask-adapter.js';

export const LIST_MUST = 'issuances of the campaign in ascending order of serial, and no more than it was asked for';

/** The purpose of a `list`, and the state that its failure leaves. */
interface Page {
  readonly campaignId: string;
  readonly afterSerial: number;
  readonly limit: number;
  readonly timeoutMs: number;
  readonly otherwise: string;
}

/**
 * One page of rows, checked: rows that were skipped, repeated or made up would be sold again. Throws `HookError`, which
 * quotes no row, and `MisconfiguredError`.
 */
export async function listRows(list: PersistenceAdapter['list'] & {}, page: Page): Promise<readonly Issuance[]> {
  const { campaignId, afterSerial, limit, otherwise } = page;
  const rows = ownPage(await askAdapter('list', () => list(campaignId, { afterSerial, limit }), page), page);
  if (rows) return rows;
  throw new HookError(`the adapter's list must answer ${LIST_MUST}; ${otherwise}`);
}

/** Own copies of a page that `list` gave, or `null`. */
export function ownPage(
  given: unknown,
  { campaignId, afterSerial, limit }: Pick<Page, 'campaignId' | 'afterSerial' | 'limit'>,
): Issuance[] | null {
  if (!Array.isArray(given)) return null;
  const rows: Issuance[] = [];
  let last = afterSerial;
  for (const one of given) {
    const row = ownRow(one);
    if (!row || row.campaignId !== campaignId || row.serial <= last || rows.length === limit) return null;
    last = row.serial;
    rows.push(row);
  }
  return rows;
}
