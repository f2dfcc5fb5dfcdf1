import { secretsOf } from '../model/caller-data.js';
import { isReason } from '../model/check.js';
import { type Issuance, ownRow } from '../model/issuance.js';
import { Redaction } from '../model/redact.js';
import type { SaveVerdict } from '../persistence/adapter.js';
import type { SaveRequest } from './save.js';

const FIND = 'find must resolve to the row of each id, or null, in order';
const SAVED: SaveVerdict = Object.freeze({ verdict: 'saved' });
const SERIAL_CONFLICT: SaveVerdict = Object.freeze({ verdict: 'serial_conflict' });
const CODE_CONFLICT: SaveVerdict = Object.freeze({ verdict: 'code_conflict' });

/**
 * Own copies of the verdicts that an adapter gave, each checked before anything is made of it. Throws `TypeError`,
 * which quotes none of them.
 */
export function ownVerdicts(given: unknown, asked: readonly SaveRequest[]): SaveVerdict[] {
  if (!Array.isArray(given) || given.length !== asked.length) {
    throw new TypeError('save must resolve to one verdict for each issuance');
  }
  return asked.map((one, i) => {
    const verdict = ownVerdict(given[i], one);
    if (typeof verdict !== 'string') return verdict;
    throw new TypeError(`save must resolve to one verdict for each issuance; verdict ${i + 1} ${verdict}`);
  });
}

/** The verdict, or its fault. */
function ownVerdict(given: unknown, asked: SaveRequest): SaveVerdict | string {
  const { verdict, existing, reason } = (given ?? {}) as { verdict?: unknown; existing?: unknown; reason?: unknown };
  switch (verdict) {
    case 'saved':
      return SAVED;
    case 'serial_conflict':
      return SERIAL_CONFLICT;
    case 'code_conflict':
      return CODE_CONFLICT;
    case 'user_conflict': {
      const row = ownRow(existing);
      if (!row) return 'has no row as existing, or one that no campaign can have';
      return standsInTheWay(row, asked) ? { verdict, existing: row } : 'has a row as existing that is not in the way';
    }
    case 'refused':
      // Clients get it, and the code goes to another user.
      if (isReason(reason)) return { verdict, reason: new Redaction(secretsOf(asked.reserved.issuance)).of(reason) };
      return 'has no reason, or one that is not 1–128 bytes of text without control characters';
    default:
      return 'has an unknown word';
  }
}

/** Written to Redis, any other row would give one user the coupon of another, or break the books of the campaign. */
function standsInTheWay(row: Issuance, { reserved: { issuance }, perUser }: SaveRequest): boolean {
  if (row.campaignId !== issuance.campaignId || row.userId !== issuance.userId) return false;
  if (row.grant > perUser) return false;
  // A grant that is freed is in nobody's way but that of a repeat under its own id.
  return row.id === issuance.id || (row.grant > 0 && row.grant === issuance.grant);
}

/**
 * Own copies of the rows that `find` gave: of each issuance the row with its id, or `null`. Throws `TypeError`, which
 * quotes none of them.
 */
export function ownFound(given: unknown, asked: readonly Issuance[]): (Issuance | null)[] {
  if (!Array.isArray(given) || given.length !== asked.length) throw new TypeError(FIND);
  return asked.map(({ id, campaignId, userId }, i) => {
    const one: unknown = given[i];
    if (one === null || one === undefined) return null;
    const row = ownRow(one);
    if (row?.id !== id || row.campaignId !== campaignId || row.userId !== userId) throw new TypeError(FIND);
    return row;
  });
}
