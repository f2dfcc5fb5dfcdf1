import type { NotSavedError } from '../../model/errors.js';
import { CONNECTING, type Failure, notSavedBy, type Rule } from '../proof.js';

/**
 * Words of `pg`, `pg-pool` and `postgres` for a connection that was never granted. "Connection terminated" is not among
 * them: it is told in the middle of a statement too.
 */
const NO_CONNECTION = [
  'timeout exceeded when trying to connect',
  'Connection terminated due to connection timeout',
  'timeout expired',
  'Cannot use a pool after calling end on the pool',
  'The server does not support SSL connections',
  'There was an error establishing an SSL connection',
];
const NOT_SENT = [
  'Client was closed and is not queryable',
  'Client has encountered a connection error and is not queryable',
];
/**
 * Messages of PgBouncer, under 08P01, before it hands a statement on. Not among them: "server conn crashed?" and
 * "query_timeout".
 */
const POOLER = [
  'no more connections allowed',
  'pgbouncer cannot connect to server',
  'server login failed',
  'server login has been failing',
  'query_wait_timeout',
  'client_login_timeout',
  'no such database',
  'no such user',
  'SSL required',
];
const POOLER_END = /^(database ".*" is disabled|([\w"]+ )?authentication failed)/;
const STATE = /^[0-9A-Z]{5}$/;

const inClass = (...classes: string[]) => {
  return ({ code }: Failure) => STATE.test(code) && classes.includes(code.slice(0, 2));
};
const withCode = (...codes: string[]) => {
  return ({ code }: Failure) => codes.includes(code);
};

/** The proof in each error of PostgreSQL, for an INSERT in autocommit. The first that matches decides. */
export const POSTGRES_RULES: readonly Rule[] = [
  ...CONNECTING,
  {
    on: 'no connection was granted',
    told: 'the words of `pg` for a pool that is full or ended, a connection that takes too long, TLS and passwords that do not fit; `CONNECT_TIMEOUT`',
    matches: ({ code, message }) =>
      (code === '' && (NO_CONNECTION.includes(message) || message.startsWith('SASL: '))) || code === 'CONNECT_TIMEOUT',
    proves: 'whole_batch',
    why: 'the client says so before it has a connection to send the statement on',
  },
  {
    on: 'the client was closed or broken before',
    told: 'the words of `pg` for it',
    matches: ({ code, message }) => code === '' && NOT_SENT.includes(message),
    proves: 'whole_batch',
    why: 'such a client refuses the statement instead of sending it',
  },
  {
    on: 'the server granted no connection',
    told: 'class `28`, `3D000`, `53300`, `57P03`, `57P05`',
    matches: (failure) => inClass('28')(failure) || withCode('3D000', '53300', '57P03', '57P05')(failure),
    proves: 'whole_batch',
    why: 'the server says so instead of reading a statement; `57P05` ends a session that was idle',
  },
  {
    on: 'PgBouncer granted no connection',
    told: '`08P01` with its words for that',
    matches: ({ code, message }) =>
      code === '08P01' && (POOLER.some((words) => message.startsWith(words)) || POOLER_END.test(message)),
    proves: 'whole_batch',
    why: 'it had no server to hand the statement to; its other words may follow a statement that was handed on',
  },
  {
    on: 'a trigger or function raised an error',
    told: '`RAISE` in PL/pgSQL, under any SQLSTATE',
    matches: ({ routine }) => routine === 'exec_stmt_raise',
    proves: 'perhaps_one_row',
    why: 'it is raised while the statement runs, deferred triggers included, so the statement is undone; the code is the choice of its author',
  },
  {
    on: 'the connection, the server or the disk failed',
    told: 'classes `08`, `58`, `F0`, `XX`, and `40003`, `57P01`, `57P02`, `57P04`, `25P03`, `25P04`',
    matches: (failure) =>
      inClass('08', '58', 'F0', 'XX')(failure) ||
      withCode('40003', '57P01', '57P02', '57P04', '25P03', '25P04')(failure),
    proves: 'unknown',
    why: 'these may come after the commit',
  },
  {
    on: 'a foreign server failed',
    told: 'class `HV`',
    matches: inClass('HV'),
    proves: 'unknown',
    why: 'the rows may be committed there',
  },
  {
    on: 'the session was ended',
    told: 'severity `FATAL` or `PANIC`, with a code that is not named here',
    matches: ({ severity }) => severity === 'FATAL' || severity === 'PANIC',
    proves: 'unknown',
    why: 'a session may end after the commit',
  },
  {
    on: 'a value that its column cannot hold',
    told: 'class `22`',
    matches: inClass('22'),
    proves: 'row_for_good',
    why: 'the statement is undone, and the value stays what it is',
  },
  {
    on: 'a constraint, a check option, or a value too large for an index',
    told: 'classes `23`, `44`, `54`, `P0`',
    matches: inClass('23', '44', '54', 'P0'),
    proves: 'perhaps_one_row',
    why: 'the statement is undone; the constraint may be of the row alone',
  },
  {
    on: 'a policy of the table refused it',
    told: '`42501` that is not about a table or schema as a whole',
    matches: ({ code, routine }) => code === '42501' && routine !== 'aclcheck_error',
    proves: 'perhaps_one_row',
    why: 'the statement is undone; a policy judges each row',
  },
  {
    on: 'a trigger or function failed',
    told: 'classes `0A`, `3F` and `42`, with the function in which it happened',
    matches: (failure) => inClass('0A', '3F', '42')(failure) && failure.where !== '',
    proves: 'perhaps_one_row',
    why: 'the statement is undone; a trigger may go that way for one row alone',
  },
  {
    on: 'the statement, the right to it, its table or its transaction',
    told: 'classes `0A`, `25`, `26`, `3D`, `3F`, `42`',
    matches: inClass('0A', '25', '26', '3D', '3F', '42'),
    proves: 'whole_batch',
    why: 'the statement is undone, or was never begun',
  },
  {
    on: 'a lock, a deadlock, a limit of time or of means',
    told: 'classes `40`, `53`, `55`, and `57014`',
    matches: (failure) => inClass('40', '53', '55')(failure) || withCode('57014')(failure),
    proves: 'whole_batch',
    why: 'the statement is undone; a cancelled wait for a replica is a warning, not an error',
  },
  {
    on: 'the server refused it',
    told: 'any other SQLSTATE that the server raised',
    // A word of five letters may be of Node (`EPIPE`) or of another library (`P1017`). Only the server's own answer has
    // a severity.
    matches: ({ code, severity }) => STATE.test(code) && severity !== '',
    proves: 'perhaps_one_row',
    why: 'an error that the server raises for a statement undoes it; such codes are those of triggers',
  },
];

/** The other side of these is over once they are told. */
export const MOMENTARY = ['40P01', '40001'];

/**
 * Judges an error of PostgreSQL from an INSERT in autocommit. Returns a `NotSavedError` to throw from `save`, with
 * `wholeBatch` and `permanent` set. Returns `null` if the rows may be stored; then throw the original error. Give it
 * the error of the driver, `cause` of an ORM's own error. It is right only if nothing that could store a row was sent
 * before. Pure; never throws.
 *
 * @example
 * ```ts
 * import { notSavedError } from 'coupon-issuer/postgres';
 *
 * const insert = (sql: string, values: unknown[]) =>
 *   pool.query(sql, values).catch((error: unknown) => {
 *     throw notSavedError(error) ?? error;
 *   });
 * ```
 */
export function notSavedError(error: unknown): NotSavedError | null {
  return notSavedBy(POSTGRES_RULES, error);
}

/** The SQLSTATE; an empty string where the client tells none. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown | undefined } | null)?.code;
  return typeof code === 'string' ? code : '';
}
