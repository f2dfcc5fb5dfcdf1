import { assertObject, assertOnlyKeys } from '../model/check.js';
import { invalid } from '../model/errors.js';
import type { Issuance } from '../model/issuance.js';

/** The type of the column `user_id`. */
export type UserIdType = 'text' | 'bigint' | 'integer' | 'uuid';

/** The column `user_id`, as your users have their ids. */
export interface UserIdColumn {
  /**
   * Default `'text'`. Ids stay strings: of a number or a UUID only the spelling that the database prints is one, as `String(BigInt(id))`. Each call refuses
   * another spelling with `InvalidArgumentError` before any I/O.
   */
  readonly type: UserIdType;
  /**
   * The table and the column of your users, as `users(id)` or `shop.users(id)`: a foreign key. A user who is not there is refused alone: `issue()` answers
   * `not_eligible` with the reason `unknown_user`. A user with a coupon cannot be deleted.
   */
  readonly references?: string | undefined;
}

/** A column of your own, filled from the `data` of a call. */
export interface OwnColumn {
  /** A value of `data` of another type, or none, is NULL. `bigint`: whole numbers up to 2^53 − 1. */
  readonly type: 'text' | 'bigint' | 'boolean';
  /** The property of `data`; default: the name of the column. */
  readonly from?: string | undefined;
}

/** The parts of a table that follow your own schema. */
export interface OwnTableOptions {
  readonly userId?: UserIdColumn | undefined;
  /** By their names; at most 32. They may be NULL. */
  readonly columns?: Readonly<Record<string, OwnColumn>> | undefined;
}

/** The users that a table refers to. */
export interface UsersTable {
  readonly schema: string | null;
  readonly name: string;
  readonly column: string;
}

/** The checked form of `OwnTableOptions`. */
export interface TableShape {
  readonly userId: UserIdType;
  readonly users: UsersTable | null;
  readonly columns: readonly (Required<OwnColumn> & { readonly name: string; readonly from: string })[];
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/;
const REFERENCE = /^(?:([A-Za-z_]\w{0,62})\.)?([A-Za-z_]\w{0,62})\(([A-Za-z_]\w{0,62})\)$/;
const TYPES: readonly unknown[] = ['text', 'bigint', 'integer', 'uuid'];
const OWN_TYPES: readonly unknown[] = ['text', 'bigint', 'boolean'];
const MOST_COLUMNS = 32;
/** Of the library, in both databases. */
const TAKEN = [
  ...[
    'campaign_id',
    'serial',
    'user_id',
    'grant_no',
    'id',
    'code',
    'issued_at',
    'epoch',
    'data',
    'expires_at',
    'state',
  ],
  ...['state_at', 'state_by', 'undone', 'version', 'unit_returned'],
];

/** Throws `InvalidArgumentError`. */
export function shapeOf({ userId, columns }: OwnTableOptions): TableShape {
  return { ...userIdOf(userId), columns: columnsOf(columns) };
}

function userIdOf(given: UserIdColumn | undefined): Pick<TableShape, 'userId' | 'users'> {
  if (given === undefined) return { userId: 'text', users: null };
  assertObject('userId', given);
  assertOnlyKeys('userId', given, ['type', 'references']);
  const { type, references } = given;
  if (!TYPES.includes(type)) throw invalid('userId.type', "must be 'text', 'bigint', 'integer' or 'uuid'");
  if (references === undefined) return { userId: type, users: null };
  // An array of one text would be taken for that text.
  const [, schema = null, name, column] = (typeof references === 'string' && REFERENCE.exec(references)) || [];
  if (!name || !column) throw invalid('userId.references', 'must be [schema.]table(column) of letters, digits and _');
  return { userId: type, users: { schema, name, column } };
}

function columnsOf(given: OwnTableOptions['columns'] = {}): TableShape['columns'] {
  assertObject('columns', given);
  const entries = Object.entries(given);
  if (entries.length > MOST_COLUMNS) throw invalid('columns', `must be at most ${MOST_COLUMNS}`);
  return entries.map(([name, column]) => {
    const argument = `columns.${name.slice(0, 64)}`;
    if (!NAME.test(name)) throw invalid(argument, 'must be a name of letters, digits and _, at most 63');
    if (TAKEN.includes(name.toLowerCase())) throw invalid(argument, 'must be another name than those of the library');
    assertObject(argument, column);
    assertOnlyKeys(argument, column, ['type', 'from']);
    const { type, from = name } = column;
    if (!OWN_TYPES.includes(type)) throw invalid(`${argument}.type`, "must be 'text', 'bigint' or 'boolean'");
    if (typeof from !== 'string' || from === '') throw invalid(`${argument}.from`, 'must be a property of data');
    return { name, type, from };
  });
}

/** `userId` as an option is written, for a column that is there; `null` if `references` has a name that no option takes. */
export function userIdOption(type: string, references?: string): string | null {
  if (references === undefined) return `the option userId: { ${type} }`;
  return REFERENCE.test(references) ? `the option userId: { ${type}, references: '${references}' }` : null;
}

/** The value of a column in the row of an issuance: the same for each save of it. */
export function ownValue(
  { type, from }: TableShape['columns'][number],
  { data }: Issuance,
): string | number | boolean | null {
  const value = data !== undefined && Object.hasOwn(data, from) ? data[from] : undefined;
  if (type === 'text') return typeof value === 'string' ? value : null;
  if (type === 'boolean') return typeof value === 'boolean' ? value : null;
  return Number.isSafeInteger(value) ? (value as number) : null;
}

const NUMBER = /^(0|-?[1-9]\d{0,19})$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whole numbers of a column. */
export interface Range {
  readonly least: bigint;
  readonly most: bigint;
}

/** Judges the spelling of a user id: only the one that the database prints is an id. */
export function userIdJudge(
  type: UserIdType,
  ranges: Readonly<Record<'integer' | 'bigint', Range>>,
): (userId: string) => string | null {
  if (type === 'text') return () => null;
  if (type === 'uuid') {
    return (userId) =>
      UUID.test(userId) ? null : 'must be a UUID in lower case with dashes, as the database prints it';
  }
  const { least, most } = ranges[type];
  const fault = `must be a whole number from ${least} to ${most}, as the database prints it`;
  const isInRange = (value: bigint) => value >= least && value <= most;
  return (userId) => (NUMBER.test(userId) && isInRange(BigInt(userId)) ? null : fault);
}
