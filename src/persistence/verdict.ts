import type { Issuance } from '../model/issuance.js';
import type { SaveVerdict } from './adapter.js';

export const SAVED: SaveVerdict = Object.freeze({ verdict: 'saved' });

/**
 * Returns the verdict on an issuance, by the rows that were found in the database after the insert. Give it the rows
 * that share the id, the serial, the code, or user and grant with the issuance; more rows do no harm. It reads each row
 * once, so use `verdictsOf` for a batch. Throws if neither the issuance nor an obstacle is among the rows. A verdict is
 * proof, and that error means "unknown".
 *
 * @example
 * ```ts
 * import { type Issuance, type SaveVerdict, verdictOf } from 'coupon-issuer';
 *
 * const isStored = (issuance: Issuance, rows: readonly Issuance[]) => verdictOf(issuance, rows).verdict === 'saved';
 * ```
 */
export function verdictOf(issuance: Issuance, rows: readonly Issuance[]): SaveVerdict {
  return proven(knownVerdict(issuance, rows));
}

/**
 * Returns the verdicts on a batch, in its order, by all rows that were found for it. Each verdict is the one of
 * `verdictOf`. Throws as `verdictOf` does. It reads each row once for the whole batch.
 *
 * @example
 * ```ts
 * import { type Issuance, type SaveVerdict, verdictsOf } from 'coupon-issuer';
 *
 * const answerOf = (batch: readonly Issuance[], rows: readonly Issuance[]): SaveVerdict[] => verdictsOf(batch, rows);
 * ```
 */
export function verdictsOf(issuances: readonly Issuance[], rows: readonly Issuance[]): SaveVerdict[] {
  return knownVerdicts(issuances, rows).map(proven);
}

function proven(verdict: SaveVerdict | null): SaveVerdict {
  if (verdict) return verdict;
  throw new Error(
    'the row is not stored and nothing stands in its way, so its outcome is unknown; save the batch again',
  );
}

/** The same as `verdictsOf`; `null`: the statement skipped the row, and none of the rows is the reason. */
export function knownVerdicts(issuances: readonly Issuance[], rows: readonly Issuance[]): (SaveVerdict | null)[] {
  const rowsBy = new Map<string, Issuance[]>();
  for (const row of rows) {
    for (const key of keysOf(row)) {
      const found = rowsBy.get(key);
      if (found) found.push(row);
      else rowsBy.set(key, [row]);
    }
  }
  return issuances.map((issuance) =>
    knownVerdict(
      issuance,
      keysOf(issuance).flatMap((key) => rowsBy.get(key) ?? []),
    ),
  );
}

/** By what an issuance can meet a row. U+0000 is in none of the parts. */
function keysOf({ campaignId, id, userId, grant, serial, code }: Issuance): string[] {
  const parts = [`id\0${id}`, `serial\0${serial}`, `grant\0${grant}\0${userId}`];
  if (code !== null) parts.push(`code\0${code}`);
  return parts.map((part) => `${campaignId}\0${part}`);
}

/** The same of one issuance. */
export function knownVerdict(issuance: Issuance, rows: readonly Issuance[]): SaveVerdict | null {
  const { campaignId, id, userId, grant, serial, code } = issuance;
  const inWay = { id: null, grant: null, serial: null, code: null } as Record<string, Issuance | null>;
  for (const row of rows) {
    if (row.campaignId !== campaignId) continue;
    if (row.id === id) {
      // A coupon that was revoked is not issued by a repeat of its save.
      if (row.serial === serial && row.code === code && row.life?.state !== 'revoked') return SAVED;
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
