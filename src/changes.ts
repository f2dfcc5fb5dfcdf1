import { assertInteger, assertText, MAX_TOTAL, ownCopy } from './limits.js';

const TEN_YEARS_MS = 10 * 365 * 86_400_000;

/** What an operator may ask to be changed, checked; each throws `InvalidArgumentError`. Campaign ids are checked by whoever uses them. */
export function checkedReplacement(change: { campaignId: string; code: string; replacement: string }) {
  const own = ownCopy('the change', change, ['campaignId', 'code', 'replacement']);
  assertText('code', own.code);
  assertText('replacement', own.replacement);
  return own;
}

export function checkedClose(options: { id: string; retainMs?: number }) {
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
