import { assertInteger, assertText, MAX_PER_USER, ownCopy } from '../model/check.js';
import { InvalidArgumentError, invalid } from '../model/errors.js';
import { type Instant, instantMs } from '../model/instants.js';
import type { RuleChange } from '../redis/update.js';

/** A change of a running campaign. An absent rule stays as it is; at least one rule is given. */
export interface CampaignUpdate {
  /**
   * Moves the opening, until the campaign has opened. `null`: it opens at once. With `drawAtOpen` it moves until the
   * draw began, and is never `null`.
   */
  readonly opensAt?: Instant | null | undefined;
  /**
   * Moves the end. `null`: open until `closeForGood`. A past instant closes the campaign; a later one opens it again.
   */
  readonly closesAt?: Instant | null | undefined;
  /** How many coupons one user may have: the present number or more, up to 100. */
  readonly perUser?: number | undefined;
  /** 1–128 bytes. The change is made once under this id. */
  readonly requestId: string;
}

/** Throws `InvalidArgumentError`. */
export function checkedUpdate(change: CampaignUpdate): { requestId: string; changes: RuleChange[] } {
  const own = ownCopy('the argument of update()', change, ['opensAt', 'closesAt', 'perUser', 'requestId']);
  assertText('requestId', own.requestId);
  const opensAt = checkedBound('opensAt', own.opensAt);
  const closesAt = checkedBound('closesAt', own.closesAt);
  if (own.perUser !== undefined) assertInteger('perUser', own.perUser, 1, MAX_PER_USER);
  if (opensAt && closesAt && Number(opensAt) >= Number(closesAt)) {
    throw invalid('closesAt', 'must be after opensAt');
  }
  const changes: RuleChange[] = [];
  if (opensAt !== undefined) changes.push({ name: 'opensAt', value: opensAt });
  if (closesAt !== undefined) changes.push({ name: 'closesAt', value: closesAt });
  if (own.perUser !== undefined) changes.push({ name: 'perUser', value: String(own.perUser) });
  if (changes.length === 0) {
    throw new InvalidArgumentError('the argument of update() must have opensAt, closesAt or perUser');
  }
  return { requestId: own.requestId, changes };
}

/** In ms; empty to remove it. */
function checkedBound(name: string, given: Instant | null | undefined): string | undefined {
  if (given === undefined) return undefined;
  return given === null ? '' : String(instantMs(name, given));
}
