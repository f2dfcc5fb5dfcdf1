import { type Issuance, ownRow } from '../model/issuance.js';
import { UNTOUCHED } from '../model/life.js';
import { type ChangeVerdict, type CouponChange, type CouponRef, isNamedBy } from '../persistence/coupon-change.js';

/** Own copies of the rows that `look` gave. Throws `TypeError`, which quotes none of them. */
export function ownLooked(given: unknown, refs: readonly CouponRef[]): (Issuance | null)[] {
  assertOneEach('look', given, refs.length);
  return refs.map((ref, i) => ownRowOf('look', given[i], ref));
}

/** Own copies of the verdicts that `change` gave. Throws `TypeError`, which quotes none of them: whether the changes were made is not known then. */
export function ownChangeVerdicts(given: unknown, changes: readonly CouponChange[]): ChangeVerdict[] {
  assertOneEach('change', given, changes.length);
  return changes.map(({ ref, version }, i) => {
    const { changed, row, held } = (given[i] ?? {}) as Partial<ChangeVerdict>;
    if (held === true) {
      if (changed === false && changes.length > 1) return { changed, row: null, held };
      throw new TypeError('change may leave out a row as held only in a batch of several');
    }
    if (typeof changed !== 'boolean') throw new TypeError('change must resolve to { changed, row } for each change');
    const own = ownRowOf('change', row, ref);
    if (changed && (own?.life ?? UNTOUCHED).version <= version) {
      throw new TypeError('change must give the row as it is after the change, with its version counted up');
    }
    return { changed, row: own };
  });
}

function assertOneEach(method: string, given: unknown, count: number): asserts given is readonly unknown[] {
  if (Array.isArray(given) && given.length === count) return;
  throw new TypeError(`${method} must resolve to one answer each, in order`);
}

function ownRowOf(method: string, given: unknown, ref: CouponRef): Issuance | null {
  if (given === null || given === undefined) return null;
  const row = ownRow(given);
  if (row && isNamedBy(ref, row)) return row;
  throw new TypeError(`${method} gave a row that is another one, or that no campaign can have`);
}
