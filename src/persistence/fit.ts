import { MisconfiguredError } from '../model/errors.js';

/** The result of `checkTable()`. */
export interface TableFormat {
  /** The number of the format of the table: 1. */
  readonly format: number;
}

/** A part of a table that cannot keep the promises, and the statement that cures it. */
export interface Flaw {
  readonly what: string;
  readonly cure: string;
}

/** The format of a table that has all columns and keys of this version. */
const FORMAT = 1;

/**
 * A table of which a key is missing would store a coupon twice, and nobody would notice: it is refused with all that it
 * lacks.
 */
export function formatOf(table: string, flaws: readonly Flaw[]): TableFormat {
  if (flaws.length === 0) return { format: FORMAT };
  const lacks = flaws.map(({ what, cure }) => `${what} (cure: ${cure})`).join('; ');
  throw new MisconfiguredError(`the table ${table} is not fit for coupons, so nothing is saved in it: ${lacks}`);
}

/** Whether two lists of columns are the same set. */
export function sameColumns(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((name) => others.includes(name));
}
