import { assertBoolean, assertInteger, assertText, MAX_TOTAL, ownCopy } from '../model/check.js';
import { assertNewCode } from '../model/new-code.js';

const TEN_YEARS_MS = 10 * 365 * 86_400_000;

/** A code of the pool, and the one to give out in its place. */
export interface CodeReplacement {
  /** As it was loaded. */
  readonly code: string;
  readonly replacement: string;
  /** Takes a replacement that `loadCodes` would refuse without the same option. */
  readonly asTheyAre?: boolean | undefined;
}

/** Checks the changes of an operator. Each throws `InvalidArgumentError`. */
export function checkedReplacement(change: CodeReplacement): CodeReplacement {
  const own = ownCopy('the argument of replaceCode()', change, ['code', 'replacement', 'asTheyAre']);
  assertBoolean('asTheyAre', own.asTheyAre);
  // The code that is replaced is taken as it is: it may be the bad one.
  assertText('code', own.code);
  assertNewCode('replacement', own.replacement, own.asTheyAre === true);
  return own;
}

export function checkedClose(options: { retainMs?: number | undefined }): number | null {
  const { retainMs } = ownCopy('the argument of closeForGood()', options, ['retainMs']);
  if (retainMs !== undefined) assertInteger('retainMs', retainMs, 0, TEN_YEARS_MS);
  return retainMs ?? null;
}

export function checkedRestock(change: { add: number; requestId: string }) {
  const own = ownCopy('the argument of restock()', change, ['add', 'requestId']);
  assertInteger('add', own.add, -MAX_TOTAL, MAX_TOTAL);
  assertText('requestId', own.requestId);
  return own;
}
