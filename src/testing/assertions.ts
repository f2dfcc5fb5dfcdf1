import assert from 'node:assert/strict';
import { isDeepStrictEqual, types } from 'node:util';
import type { Issuance } from '../model/issuance.js';
import type { SaveVerdict } from '../persistence/adapter.js';

/**
 * The columns that an oracle returns for one issuance. Numbers may be strings, as some drivers return them for 64-bit
 * columns.
 */
export interface StoredRow {
  readonly serial: number | string | bigint;
  readonly userId: string;
  readonly grant: number | string | bigint;
  readonly id: string;
  readonly code: string | null;
}

/** As many as a message can show, and a comparison of all pairs can bear. */
const SHOWN = 20;

/**
 * Two lists are equal. Of long ones the message shows where they part: the difference of ten thousand rows takes
 * minutes to print.
 */
export function assertSame(what: string, actual: readonly unknown[], expected: readonly unknown[]): void {
  const longest = Math.max(actual.length, expected.length);
  let from = 0;
  while (longest > SHOWN && from < longest && isDeepStrictEqual(actual[from], expected[from])) from++;
  const shown = (list: readonly unknown[]) => ({ count: list.length, from, [what]: list.slice(from, from + SHOWN) });
  assert.deepEqual(shown(actual), shown(expected));
}

export function wordsOf(verdicts: readonly SaveVerdict[]): SaveVerdict['verdict'][] {
  return verdicts.map(({ verdict }) => verdict);
}

/** The verdict is `user_conflict` and carries that row. */
export function assertUserConflict(verdict: SaveVerdict | undefined, row: Issuance): void {
  assert.equal(verdict?.verdict, 'user_conflict');
  assertIssuance((verdict as { existing?: Issuance }).existing, row);
}

/** Every field of the stored issuance came back as it went in, and its state is `issued`, or `revoked` by its life. */
export function assertIssuance(actual: Issuance | null | undefined, expected: Issuance): void {
  assert.ok(actual, 'the stored issuance is given');
  assert.ok(types.isDate(actual.issuedAt), 'issuedAt is a Date');
  const { id, campaignId, userId, grant, serial, code, issuedAt, epoch, state } = actual;
  const { expiresAt: _end, life: _life, ...stored } = expected;
  // The life of a revoked row says so: an adapter of before may still write `issued` beside it.
  const isRevoked = actual.life?.state === 'revoked' && state === 'revoked';
  assert.deepEqual(
    { id, campaignId, userId, grant, serial, code, issuedAt: issuedAt.getTime(), epoch, state },
    { ...stored, issuedAt: expected.issuedAt.getTime(), state: isRevoked ? 'revoked' : 'issued' },
  );
}

/** These issuances, in this order. */
export function assertIssuances(actual: readonly (Issuance | null)[], expected: readonly Issuance[]): void {
  assert.equal(actual.length, expected.length);
  for (const [i, one] of expected.entries()) assertIssuance(actual[i], one);
}

/** In one shape and order, from any source. */
export function rowsOf(rows: readonly StoredRow[]) {
  return rows
    .map(({ serial, userId, grant, id, code }) => ({ serial: Number(serial), userId, grant: Number(grant), id, code }))
    .sort((a, b) => a.serial - b.serial);
}
