import { withDeadline } from './deadline.js';
import { HookError, kindOf } from './errors.js';
import { type Issuance, isIssuance } from './issuance.js';
import type { PersistenceAdapter } from './persistence/adapter.js';

/** What `list` is asked for, and in which state its failure leaves things. */
interface Page {
  readonly campaignId: string;
  readonly afterSerial: number;
  readonly limit: number;
  readonly timeoutMs: number;
  readonly otherwise: string;
}

/** One page of rows, checked: rows that were skipped, repeated or made up would be sold again. Throws `HookError`, which quotes no row. */
export async function listRows(list: PersistenceAdapter['list'] & {}, page: Page): Promise<readonly Issuance[]> {
  const { campaignId, afterSerial, limit, timeoutMs, otherwise } = page;
  const late = new Error('no answer in time');
  let rows: readonly Issuance[];
  try {
    const listing = (async () => list(campaignId, { afterSerial, limit }))();
    rows = await withDeadline(listing, timeoutMs, () => late);
  } catch (error) {
    const cause = error === late ? late : kindOf(error);
    const what =
      error === late ? late.message : [cause.name, (cause as { code?: string }).code].filter(Boolean).join(' ');
    throw new HookError(`the adapter's list failed (${what}); ${otherwise}`, { cause });
  }
  let last = afterSerial;
  for (const row of Array.isArray(rows) ? rows : [null]) {
    if (!isIssuance(row) || row.serial <= last) {
      throw new HookError(`the adapter's list must answer issuances in ascending order of serial; ${otherwise}`);
    }
    last = row.serial;
  }
  return rows;
}
