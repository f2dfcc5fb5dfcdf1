import type { Issuance } from '../model/issuance.js';
import type { SaveVerdict } from './adapter.js';

const SAVED: SaveVerdict = Object.freeze({ verdict: 'saved' });

/**
 * The verdict on an issuance, by the rows that were found in the database after the insert. Give it the rows that share the id, the serial, the code, or
 * user and grant with the issuance; more rows do no harm. It looks at each row once. Throws if neither the issuance nor an obstacle is among the rows: a
 * verdict is proof, and that error means "unknown".
 *
 * @example
 * ```ts
 * import { type Issuance, type SaveVerdict, verdictOf } from 'coupon-issuer';
 *
 * const verdictsOf = (issuances: readonly Issuance[], rows: readonly Issuance[]): SaveVerdict[] =>
 *   issuances.map((issuance) => verdictOf(issuance, rows));
 * ```
 */
export function verdictOf(issuance: Issuance, rows: readonly Issuance[]): SaveVerdict {
  const verdict = knownVerdict(issuance, rows);
  if (verdict) return verdict;
  throw new Error(
    'the row is not stored and nothing stands in its way, so its outcome is unknown; save the batch again',
  );
}

/** The same; `null`: the statement skipped the row, and none of the rows is the reason. */
export function knownVerdict(issuance: Issuance, rows: readonly Issuance[]): SaveVerdict | null {
  const { campaignId, id, userId, grant, serial, code } = issuance;
  const inWay = { id: null, grant: null, serial: null, code: null } as Record<string, Issuance | null>;
  for (const row of rows) {
    if (row.campaignId !== campaignId) continue;
    if (row.id === id) {
      if (row.serial === serial && row.code === code) return SAVED;
      inWay.id ??= row;
    }
    if (row.userId === userId && row.grant === grant) inWay.grant ??= row;
    if (row.serial === serial) inWay.serial ??= row;
    if (code !== null && row.code === code) inWay.code ??= row;
  }
  const existing = inWay.id ?? inWay.grant;
  if (existing) return { verdict: 'user_conflict', existing };
  if (inWay.serial) return { verdict: 'serial_conflict' };
  return inWay.code ? { verdict: 'code_conflict' } : null;
}
