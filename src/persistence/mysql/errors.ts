import type { NotSavedError } from '../../model/errors.js';
import { CONNECTING, type Failure, failureOf, notSavedBy, type Rule } from '../proof.js';

/**
 * Words of `mysql2` for a connection that was never granted. "The server closed the connection" is not among them: it
 * is told in the middle of a statement too.
 */
const NO_CONNECTION = [
  'No connections available.',
  'Queue limit reached.',
  'Pool is closed.',
  "Can't add new command when connection is in closed state",
];
const NO_CONNECTION_CODES = [
  'HANDSHAKE_NO_SSL_SUPPORT',
  'HANDSHAKE_SSL_ERROR',
  'HANDSHAKE_UNKNOWN_ERROR',
  'AUTH_SWITCH_PLUGIN_ERROR',
  'MYSQL_CLEAR_PASSWORD_NOT_ENABLED',
  'POOL_NOEXIST',
  'POOL_NONEONLINE',
];
/**
 * Too many connections, a blocked host, a wrong password, no such database, an account that is locked, TLS required, an
 * idle session that was ended.
 */
const NOT_GRANTED = [1040, 1043, 1044, 1045, 1049, 1129, 1130, 1203, 1251, 1698, 1862, 3118, 3159, 4031, 4151];
/** SIGNAL and RESIGNAL in a trigger. */
const SIGNALS = [1644, 1645];
/** A statement that was killed or ran out of time, a shutdown, a commit that failed, a write to the log that failed. */
const IN_DOUBT = [1026, 1053, 1180, 1317, 1927, 1969, 3024, 3100];
/** No partition, a check, a trigger's table in use, a packet or a transaction that is too large. */
const ROW_NUMBERS = [1153, 1197, 1442, 1526, 3819];
/** No such table or column; no right; a limit of the account; bad syntax. */
const STATEMENT_NUMBERS = [1054, 1064, 1142, 1143, 1146, 1226];
/** A lock that took too long, a deadlock's kin, no more locks. */
const LOCK_NUMBERS = [1020, 1205, 1206];
/**
 * A node that is not ready; a table or server that is full, locked or read only. An expired password, a lost definer,
 * a binary log that cannot take the statement.
 */
const SERVER_NUMBERS = [
  ...[1036, 1047, 1099, 1100, 1114, 1223, 1288, 1290, 1356, 1364, 1412, 1449, 1471, 1615, 1836],
  ...[1598, 1661, 1662, 1663, 1664, 1665, 1666, 1667, 1668, 1820],
];
/**
 * A deadlock, and its kin under MariaDB's snapshot isolation: the transaction is rolled back, and may be tried again.
 */
const DEADLOCKS = [1213, 1020];

const numbered = (numbers: readonly number[]) => {
  return ({ errno }: Failure) => numbers.includes(errno);
};
const inClass = (...classes: string[]) => {
  return ({ sqlState }: Failure) => classes.includes(sqlState.slice(0, 2));
};
const listed = (numbers: readonly number[]) => numbers.map((number) => `\`${number}\``).join(', ');

/**
 * The proof in each error of MySQL and MariaDB, for an INSERT in autocommit on InnoDB. The first that matches decides.
 */
export const MYSQL_RULES: readonly Rule[] = [
  ...CONNECTING,
  {
    on: 'no connection was granted',
    told: 'the words of `mysql2` for a pool that is full or closed, a handshake that failed, a connection that was closed before',
    matches: ({ code, message }) =>
      NO_CONNECTION_CODES.includes(code) || (code === '' && NO_CONNECTION.includes(message)),
    proves: 'whole_batch',
    why: 'the client says so before it has a connection to send the statement on',
  },
  {
    on: 'the server granted no connection',
    told: `${listed(NOT_GRANTED)}`,
    matches: numbered(NOT_GRANTED),
    proves: 'whole_batch',
    why: 'the server says so instead of reading a statement; `4031` ends a session that was idle',
  },
  {
    on: 'a trigger raised an error',
    told: `\`SIGNAL\`, under any SQLSTATE: ${listed(SIGNALS)}, class \`45\``,
    matches: (failure) => numbered(SIGNALS)(failure) || inClass('45')(failure),
    proves: 'perhaps_one_row',
    why: 'it is raised while the statement runs, so the statement is undone; the SQLSTATE is the choice of its author',
  },
  {
    on: 'a statement that was killed or ran out of time, a shutdown, a commit or a log that failed',
    told: `${listed(IN_DOUBT)}`,
    matches: numbered(IN_DOUBT),
    proves: 'unknown',
    why: 'these may come after the commit',
  },
  {
    on: 'a value that its column cannot hold',
    told: 'class `22`, `1366`',
    matches: (failure) => inClass('22')(failure) || numbered([1366])(failure),
    proves: 'row_for_good',
    why: 'the statement is undone, and the value stays what it is',
  },
  {
    on: 'a constraint, a partition, a packet that is too large',
    told: `class \`23\`, ${listed(ROW_NUMBERS)}`,
    matches: (failure) => inClass('23')(failure) || numbered(ROW_NUMBERS)(failure),
    proves: 'perhaps_one_row',
    why: 'the statement is undone; the constraint may be of the row alone, and halves of a packet may fit',
  },
  {
    on: 'the statement, the right to it, its table or its transaction',
    told: `classes \`21\`, \`25\`, \`28\`, \`3D\`, ${listed(STATEMENT_NUMBERS)}`,
    matches: (failure) => inClass('21', '25', '28', '3D')(failure) || numbered(STATEMENT_NUMBERS)(failure),
    proves: 'whole_batch',
    why: 'the statement is undone, or was never begun',
  },
  {
    on: 'a deadlock, or a lock that took too long',
    told: `class \`40\`, ${listed(LOCK_NUMBERS)}`,
    matches: (failure) => inClass('40')(failure) || numbered(LOCK_NUMBERS)(failure),
    proves: 'whole_batch',
    why: 'the statement is undone, or its whole transaction is',
  },
  {
    on: 'the server or the table cannot take it as they are',
    told: `${listed(SERVER_NUMBERS)}`,
    matches: numbered(SERVER_NUMBERS),
    proves: 'whole_batch',
    why: 'the server refuses before it writes, or undoes the statement',
  },
  {
    on: 'the connection failed, or a general error that is not named here',
    told: 'classes `08`, `70`, `HY`',
    matches: inClass('08', '70', 'HY'),
    proves: 'unknown',
    why: 'these may come after the commit',
  },
  {
    on: 'the server refused it',
    told: 'any other SQLSTATE that the server raised',
    matches: ({ errno, sqlState }) => errno > 0 && /^[0-9A-Z]{5}$/.test(sqlState),
    proves: 'perhaps_one_row',
    why: 'an error that the server raises for a statement undoes it; such codes are those of triggers',
  },
];

export function isDeadlock(error: unknown): boolean {
  return DEADLOCKS.includes(failureOf(error).errno);
}

/** The second number is the one for a user who may not see the other table. */
export function isForeignKey(error: unknown): boolean {
  return [1452, 1216].includes(failureOf(error).errno);
}

export function isDuplicate(error: unknown): boolean {
  return failureOf(error).errno === 1062;
}

/**
 * Judges an error of MySQL or MariaDB from an INSERT in autocommit into an InnoDB table. Returns a `NotSavedError` to
 * throw from `save`, with `wholeBatch` and `permanent` set. Returns `null` if the rows may be stored; then throw the
 * original error. Give it the error of the driver, `cause` of an ORM's own error. It is right only if nothing that
 * could store a row was sent before. Pure; never throws.
 *
 * @example
 * ```ts
 * import { notSavedError } from 'coupon-issuer/mysql';
 *
 * const mysqlPool = createPool('mysql://shop@127.0.0.1/shop');
 * const insert = (sql: string, rows: unknown[]) =>
 *   mysqlPool.query(sql, [rows]).catch((error: unknown) => {
 *     throw notSavedError(error) ?? error;
 *   });
 * ```
 */
export function notSavedError(error: unknown): NotSavedError | null {
  return notSavedBy(MYSQL_RULES, error);
}
