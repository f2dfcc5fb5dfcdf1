import { invalid } from '../../model/errors.js';
import {
  type OwnTableOptions,
  type Range,
  shapeOf,
  type TableShape,
  type UserIdColumn,
  userIdJudge,
} from '../own-table.js';

/** The column `user_id` in MySQL and MariaDB. */
export interface MysqlUserIdColumn extends UserIdColumn {
  /** Of `bigint` and `integer`, as `bigint unsigned`. A foreign key needs the very type of the users. Default `false`. */
  readonly unsigned?: boolean | undefined;
}

/** The table in MySQL and MariaDB, and the parts of it that follow your own schema. */
export interface MysqlTableOptions extends Omit<OwnTableOptions, 'userId'> {
  /** `[schema.]name` in lower case; default `coupon_issuances`. A schema is a database. */
  readonly table?: string | undefined;
  readonly userId?: MysqlUserIdColumn | undefined;
}

/** The checked form of `MysqlTableOptions`. */
export interface MysqlShape extends TableShape {
  readonly unsigned: boolean;
}

/** Users without a schema are in the one of the table, as the server understands it. Throws `InvalidArgumentError`. */
export function mysqlShapeOf({ userId, columns, table = '' }: MysqlTableOptions): MysqlShape {
  const { unsigned = false, ...common } = Object(userId) as Partial<MysqlUserIdColumn>;
  const shape = shapeOf({ userId: isPlain(userId) ? (common as UserIdColumn) : userId, columns });
  const isNumber = shape.userId === 'bigint' || shape.userId === 'integer';
  if (unsigned !== false && !(unsigned === true && isNumber)) {
    throw invalid('userId.unsigned', "must be true or false, and only with 'bigint' or 'integer'");
  }
  const names = shape.columns.map(({ name }) => name.toLowerCase());
  if (new Set(names).size < names.length) throw invalid('columns', 'must differ by more than the case of letters');
  const [schema = null] = table.split('.').slice(0, -1);
  return { ...shape, unsigned, users: shape.users && { ...shape.users, schema: shape.users.schema ?? schema } };
}

function isPlain(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A user id as statements take it. */
type Sent = Buffer | string | number | bigint;

/** The user ids of a table, as statements write and read them. */
export interface UserIdForm {
  /** Why the column cannot hold this spelling, or `null`. */
  readonly fault: (userId: string) => string | null;
  /** Throws `InvalidArgumentError`. */
  readonly sent: (userId: string) => Sent;
  /** The text of a column of user ids, with the bytes that `userId` has. */
  readonly textOf: (column: string) => string;
}

const bits = (size: bigint): { signed: Range; unsigned: Range } => ({
  signed: { least: -(2n ** (size - 1n)), most: 2n ** (size - 1n) - 1n },
  unsigned: { least: 0n, most: 2n ** size - 1n },
});
const RANGES = { integer: bits(32n), bigint: bits(64n) };

export function userIdsOf({ userId: type, users, unsigned }: MysqlShape): UserIdForm {
  const sign = unsigned ? 'unsigned' : 'signed';
  const judge = userIdJudge(type, { integer: RANGES.integer[sign], bigint: RANGES.bigint[sign] });
  const fault = type === 'text' && users ? spaceFault : judge;
  const sentOf = SENT[type];
  const sent = (userId: string) => {
    const words = fault(userId);
    if (words !== null) throw invalid('userId', words);
    return sentOf(userId);
  };
  return { fault, sent, textOf: type === 'text' && users ? (column) => `CAST(${column} AS BINARY)` : TEXTS[type] };
}

/** Most collations of a text pad: they take a text and the same text with spaces at the end for one. */
function spaceFault(userId: string): string | null {
  return userId.endsWith(' ') ? 'must not end with a space, which the column of the users may not tell apart' : null;
}

/**
 * Texts go as bytes, which no character set or SQL mode of a session changes on the way. A number in quotes may be
 * compared as a floating-point one. A UUID has letters that every character set has.
 */
const SENT: Readonly<Record<TableShape['userId'], (userId: string) => Sent>> = {
  text: (userId) => Buffer.from(userId),
  bigint: numberOf,
  integer: numberOf,
  uuid: (userId) => userId,
};

/** Older drivers do not write a `bigint`. */
function numberOf(userId: string): number | bigint {
  const number = Number(userId);
  return Number.isSafeInteger(number) ? number : BigInt(userId);
}

const converted = (column: string) => `CONVERT(${column} USING utf8mb4)`;
const TEXTS: Readonly<Record<TableShape['userId'], UserIdForm['textOf']>> = {
  text: (column) => column,
  bigint: converted,
  integer: converted,
  // A row of the shop's own may have it in capitals, where the collation does not care.
  uuid: (column) => `LOWER(${converted(column)})`,
};
