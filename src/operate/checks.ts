import { assertBoolean, assertInteger, assertText, MAX_TOTAL, ownCopy } from '../model/check.js';
import { assertNewCode } from '../model/new-code.js';

const TEN_YEARS_MS = 10 * 365 * 86_400_000;

/** A code of the pool, and the one to give out in its place. */
export interface CodeReplacement {
  readonly campaignId: string;
  /** As it was loaded. */
  readonly code: string;
  readonly replacement: string;
  /** Takes a replacement that `loadCodes` would refuse without the same option. */
  readonly asTheyAre?: boolean | undefined;
}

/** What an operator may ask to be changed, checked; each throws `InvalidArgumentError`. Campaign ids are checked by whoever uses them. */
export function checkedReplacement(change: CodeReplacement): CodeReplacement {
  const own = ownCopy('the change', change, ['campaignId', 'code', 'replacement', 'asTheyAre']);
  assertBoolean('asTheyAre', own.asTheyAre);
  // The code that is replaced is taken as it is: it may be the bad one.
  assertText('code', own.code);
  assertNewCode('replacement', own.replacement, own.asTheyAre === true);
  return own;
}

export function checkedClose(options: { id: string; retainMs?: number | undefined }) {
  const own = ownCopy('options', options, ['id', 'retainMs']);
  if (own.retainMs !== undefined) assertInteger('retainMs', own.retainMs, 0, TEN_YEARS_MS);
  return own;
}

export function checkedRestock(change: { id: string; add: number; requestId: string }) {
  const own = ownCopy('the change', change, ['id', 'add', 'requestId']);
  assertInteger('add', own.add, -MAX_TOTAL, MAX_TOTAL);
  assertText('requestId', own.requestId);
  return own;
}
