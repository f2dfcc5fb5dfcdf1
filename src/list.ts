import { withDeadline } from './deadline.js';
import { HookError, kindOf, MisconfiguredError } from './errors.js';
import { isErrorNamed, messageOf } from './foreign.js';
import { type Issuance, ownRow } from './issuance.js';
import type { PersistenceAdapter } from './persistence/adapter.js';

/** What `list` is asked for, and in which state its failure leaves things. */
interface Page {
  readonly campaignId: string;
  readonly afterSerial: number;
  readonly limit: number;
  readonly timeoutMs: number;
  readonly otherwise: string;
}

/** One page of rows, checked: rows that were skipped, repeated or made up would be sold again. Throws `HookError`, which quotes no row; `MisconfiguredError` as it comes. */
export async function listRows(list: PersistenceAdapter['list'] & {}, page: Page): Promise<readonly Issuance[]> {
  const { campaignId, afterSerial, limit, timeoutMs, otherwise } = page;
  const late = new Error('no answer in time');
  let rows: readonly Issuance[] | null;
  try {
    const listing = (async () => list(campaignId, { afterSerial, limit }))();
    rows = ownPage(await withDeadline(listing, timeoutMs, () => late), page);
  } catch (error) {
    // Its words are this library's, and quote no row: they say what is wrong with the client or the table.
    if (isErrorNamed(error, 'MisconfiguredError')) throw new MisconfiguredError(`${messageOf(error)}; ${otherwise}`);
    const cause = error === late ? late : kindOf(error);
    const what =
      error === late ? late.message : [cause.name, (cause as { code?: string }).code].filter(Boolean).join(' ');
    throw new HookError(`the adapter's list failed (${what}); ${otherwise}`, { cause });
  }
  if (rows) return rows;
  throw new HookError(
    `the adapter's list must answer issuances of the campaign in ascending order of serial, and no more than it was asked for; ${otherwise}`,
  );
}

function ownPage(given: unknown, { campaignId, afterSerial, limit }: Page): Issuance[] | null {
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
