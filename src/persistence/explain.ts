import type { Issuance } from '../issuance.js';
import type { SaveVerdict } from './adapter.js';

/** The verdict on an issuance, by the stored rows of its campaign that share its id, its grant, its serial or its code. */
export function explain(issuance: Issuance, rows: readonly Issuance[]): SaveVerdict {
  const { id, serial, code, userId, grant } = issuance;
  if (rows.some((row) => row.id === id && row.serial === serial && row.code === code)) return { verdict: 'saved' };
  const existing =
    rows.find((row) => row.id === id) ?? rows.find((row) => row.userId === userId && row.grant === grant);
  if (existing) return { verdict: 'user_conflict', existing };
  if (rows.some((row) => row.serial === serial)) return { verdict: 'serial_conflict' };
  if (code !== null && rows.some((row) => row.code === code)) return { verdict: 'code_conflict' };
  throw new Error('a row was skipped, yet nothing stands in its way: rows of a live campaign must not be deleted');
}
