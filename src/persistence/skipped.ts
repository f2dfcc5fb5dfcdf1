import type { Issuance } from '../model/issuance.js';
import type { SaveVerdict } from './adapter.js';

/** The reason that clients get if a key, a rule or a trigger of the user's own keeps the row out without an error. */
export const SKIPPED: SaveVerdict = Object.freeze({ verdict: 'refused', reason: 'skipped_by_database' });
/** So many skipped rows are sent again alone. Of more of them in one batch the reason hardly lies in the rows. */
const MOST_SKIPPED = 16;

/**
 * The verdicts of a batch. A row without one is sent again alone: only a statement of one row says for certain that
 * this very row was skipped. `alone` answers `null` where that is not known; then nobody knows how the batch ended.
 */
export async function withoutSkipped(
  issuances: readonly Issuance[],
  verdicts: readonly (SaveVerdict | null)[],
  alone: (one: Issuance) => Promise<SaveVerdict | null>,
): Promise<SaveVerdict[]> {
  const all: SaveVerdict[] = [];
  let skipped = 0;
  for (const [i, one] of issuances.entries()) {
    const verdict = verdicts[i] ?? (++skipped > MOST_SKIPPED ? null : await alone(one));
    if (!verdict) {
      throw new Error('a row was skipped, yet nothing stands in its way: rows of a live campaign must not be deleted');
    }
    all.push(verdict);
  }
  return all;
}
