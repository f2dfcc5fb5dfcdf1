import { invalid, MisconfiguredError } from '../model/errors.js';

/** The table of an adapter that was given no name. */
export const DEFAULT_TABLE = 'coupon_issuances';

/** Throws `InvalidArgumentError`. `longest`: for the name, so that names with a suffix fit too; null is no default. */
export function assertTable(table: unknown, { schema, longest }: { schema: number; longest: number }): void {
  const form = new RegExp(`^([a-z_][a-z0-9_]{0,${schema - 1}}\\.)?[a-z_][a-z0-9_]{0,${longest - 1}}$`);
  if (typeof table === 'string' && form.test(table)) return;
  throw invalid(
    'table',
    `must be [schema.]name, each of lower case letters, digits and _ and not beginning with a digit, with a name of at most ${longest} characters`,
  );
}

/** The result of `checkTable()`. */
export interface TableFormat {
  /** The number of the format of the table: 1. */
  readonly format: number;
}

/** A part of a table that cannot keep the promises, and the statement that cures it. */
export interface Flaw {
  readonly what: string;
  readonly cure: string;
  /** `upgradeTable()` cures it as well. */
  readonly upgradable?: true;
}

const told = ({ what, cure }: Flaw) => `${what} (cure: ${cure})`;

/** The format of a table that has all columns and keys of this version. */
const FORMAT = 1;

/**
 * A table of which a key is missing would store a coupon twice, and nobody would notice: it is refused with all that it
 * lacks.
 */
export function formatOf(table: string, flaws: readonly Flaw[]): TableFormat {
  if (flaws.length === 0) return { format: FORMAT };
  const lacks = flaws.map(told).join('; ');
  const upgrade = flaws.some(({ upgradable }) => upgradable) ? '; upgradeTable() adds each part that is missing' : '';
  throw new MisconfiguredError(
    `the table ${table} is not fit for coupons, so nothing is saved in it: ${lacks}${upgrade}`,
  );
}

/** Throws `MisconfiguredError` for a table that is missing and cannot be made. */
export function assertMakeable(table: string, flaws: readonly Flaw[]): void {
  if (flaws.length === 0) return;
  const lacks = flaws.map(told).join('; ');
  throw new MisconfiguredError(`the table ${table} was not made: ${lacks}; cure that, and then call again`);
}

/** Throws `MisconfiguredError` for a table that an upgrade would leave unfit, before anything of it is altered. */
export function assertUpgradable(table: string, flaws: readonly Flaw[]): void {
  const lasting = flaws.filter(({ upgradable }) => !upgradable).map(told);
  if (lasting.length === 0) return;
  throw new MisconfiguredError(
    `the table ${table} is not fit for coupons in a way that an upgrade does not cure, so nothing was altered: ${lasting.join('; ')}; cure that, and then upgrade again`,
  );
}

/** Rows of the table forbid a key. The error of the server quotes the row, so it is not told. */
export function sameRows(table: string, keys: readonly (readonly string[])[]): MisconfiguredError {
  const listed = keys.map((columns) => `(${columns.join(', ')})`).join(' or ');
  return new MisconfiguredError(
    `the table ${table} has rows that are the same under ${listed}, so nothing was altered: look for them, and then upgrade again`,
  );
}

/** Rows of the table are of users who are not there. */
export function strangeUsers(table: string, users: string): MisconfiguredError {
  return new MisconfiguredError(
    `the table ${table} has coupons of users that are not in ${users}, so nothing was altered: add these users, and then upgrade again`,
  );
}

/** The flaw of a table without one of the columns. */
export function missingColumn({ name, made }: { readonly name: string; readonly made: string }, quoted: string): Flaw {
  const cure = `ALTER TABLE ${quoted} ADD COLUMN ${name} ${made}`;
  return { what: `it has no column ${name}`, cure, upgradable: true };
}

/** A primary key with a column of the owner may be one that the owner needs, so no statement drops it. */
export const OTHER_PRIMARY_KEY =
  'give the table a primary key without this column: it has no value in some coupons, and a column of a primary key always has one';

/** The flaw of a column of the owner that stands in the way of each insert. `freed`: the statement that lets it be NULL. */
export function strangeColumn(name: string, freed: string | null): Flaw {
  const what = `its column ${name} has neither a default nor may it be NULL`;
  const choose =
    'give it a default of your choice, which each coupon then has there, or take it out of the primary key';
  return { what, cure: freed ?? choose };
}

/** The flaw of a foreign key on `user_id` that the options do not name: nothing would tell that its user is not there. */
export function unnamedUsers(name: string, references: string, option: string | null, drop: string): Flaw {
  const what = `its column user_id refers to ${references} by the foreign key ${name}, which userId.references does not name, so a user who is not there is tried again for ever`;
  return { what, cure: option ? `${option}, or ${drop}` : drop };
}

/** The flaw of a table that should say which database this is, and is empty. */
export function emptyStore(store: string, cure: string): Flaw {
  const what = `the table ${store} has no row, so another database is not told from this one`;
  return { what, cure, upgradable: true };
}

/** Whether two lists of columns are the same set. */
export function sameColumns(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((name) => others.includes(name));
}
