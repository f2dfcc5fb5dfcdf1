import { NotSavedError } from '../model/errors.js';
import { isError, isErrorNamed, messageOf, read } from '../model/foreign.js';

/**
 * The proof in the error of a statement in autocommit.
 *
 * - `whole_batch`: nothing is stored, for a reason outside the rows.
 * - `perhaps_one_row`: nothing is stored, and one row of the batch may be the reason.
 * - `row_for_good`: the same, and that row will never be stored.
 * - `unknown`: the rows may be stored.
 */
export type Proof = 'whole_batch' | 'perhaps_one_row' | 'row_for_good' | 'unknown';

/**
 * One entry of a database's table. The first rule that matches an error decides; an error that no rule matches is
 * `unknown`.
 */
export interface Rule {
  /** The event, in the words of the error message. */
  readonly on: string;
  /** How the error tells it. This and the rest are the row of the rule in docs/databases.md. */
  readonly told: string;
  readonly matches: (failure: Failure) => boolean;
  readonly proves: Proof;
  readonly why: string;
}

/** The parts of an error that are read. A client that tells less leaves the empty string, or 0. */
export interface Failure {
  /** The SQLSTATE in PostgreSQL, the name of the error in MySQL, or a word of the client or of Node. */
  readonly code: string;
  readonly message: string;
  /** MySQL's number of the error. The number of a system error is negative. */
  readonly errno: number;
  /** MySQL's SQLSTATE. */
  readonly sqlState: string;
  /** In PostgreSQL: ERROR, FATAL or PANIC, in the language of the server. Only an answer of the server has it. */
  readonly severity: string;
  /** In PostgreSQL: the function of the server's source that raised the error. */
  readonly routine: string;
  /** In PostgreSQL: the functions and triggers in which it was raised. */
  readonly where: string;
  /** The system call that failed, of an error of Node. */
  readonly syscall: string;
  /** The failures of all addresses that were tried. */
  readonly attempts: readonly Failure[];
}

/**
 * The error that an adapter throws, by the first rule that matches; `null`: nobody knows whether the rows are stored.
 */
export function notSavedBy(rules: readonly Rule[], error: unknown): NotSavedError | null {
  const failure = failureOf(error);
  const rule = rules.find(({ matches }) => matches(failure));
  if (!rule || rule.proves === 'unknown') return null;
  const { code, errno } = failure;
  const name = [code, errno > 0 ? errno : ''].filter(Boolean).join(' ');
  return new NotSavedError(`nothing was saved: ${rule.on}${name && ` (${name})`}`, {
    cause: error,
    wholeBatch: rule.proves === 'whole_batch',
    permanent: rule.proves === 'row_for_good',
  });
}

export function failureOf(error: unknown): Failure {
  const part = (name: string): unknown => read(() => (error as Readonly<Record<string, unknown>>)[name]);
  const text = (name: string): string => {
    const value = part(name);
    return typeof value === 'string' ? value : '';
  };
  const [errno, errors] = [part('errno'), part('errors')];
  return {
    code: text('code'),
    message: text('message'),
    errno: typeof errno === 'number' ? errno : 0,
    sqlState: text('sqlState'),
    severity: text('severity'),
    routine: text('routine'),
    where: text('where'),
    syscall: text('syscall'),
    attempts: Array.isArray(errors) && isError(error) ? errors.filter(isError).map(failureOf) : [],
  };
}

const CONNECTING_CALLS = ['connect', 'getaddrinfo'];
/** Node tells these of connecting alone. */
const CONNECTING_CODES = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN'];
/** Verdicts of OpenSSL on a certificate, by their names in Node. */
const CERTIFICATE = /^(UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|CERT_|HOSTNAME_MISMATCH$|INVALID_CA$|ERR_TLS_CERT_)/;

function isUnreached(failure: Failure): boolean {
  const { code, syscall, attempts } = failure;
  if (attempts.length > 0) return attempts.every(isUnreached);
  return CONNECTING_CALLS.includes(syscall) || CONNECTING_CODES.includes(code);
}

/** Errors of Node, the same for every database. */
export const CONNECTING: readonly Rule[] = [
  {
    on: 'the server was not reached',
    told: '`ECONNREFUSED`, `ENOTFOUND`, `EAI_AGAIN`, or any failure of the calls `connect` and `getaddrinfo`',
    matches: isUnreached,
    proves: 'whole_batch',
    why: 'no connection was made; of an established one these calls are not told',
  },
  {
    on: 'the certificate of the server was not trusted',
    told: 'the names that Node has for it, as `CERT_HAS_EXPIRED`',
    matches: ({ code }) => CERTIFICATE.test(code),
    proves: 'whole_batch',
    why: 'certificates are checked before the first statement',
  },
];

/** The proof in the failed statements of one client. */
export class ClientProof {
  readonly #rules: readonly Rule[];
  /** The errors with which a pool lent no connection. Whatever they say, no statement was sent. */
  readonly #refusals = new WeakSet<object>();

  constructor(rules: readonly Rule[]) {
    this.#rules = rules;
  }

  /** The connection that a pool lends. */
  async granted<T>(lending: Promise<T>): Promise<T> {
    try {
      return await lending;
    } catch (error) {
      const refusal = isError(error) ? error : new Error('the pool granted no connection', { cause: error });
      this.#refusals.add(refusal);
      throw refusal;
    }
  }

  /** The error to throw from `save` after a statement that stores rows; `null`: it may have stored them. */
  notSaved(error: unknown): NotSavedError | null {
    if (!isError(error) || !this.#refusals.has(error)) return notSavedBy(this.#rules, error);
    const { code } = failureOf(error);
    return wholeBatch(`no connection was granted${code && ` (${code})`}`, error);
  }

  /** The same of a statement that stores no row: there a client that does not fit is proof too. */
  notBegun(error: unknown): NotSavedError | null {
    if (isErrorNamed(error, 'MisconfiguredError')) return wholeBatch(messageOf(error), error);
    return this.notSaved(error);
  }
}

function wholeBatch(why: string, cause: unknown): NotSavedError {
  return new NotSavedError(`nothing was saved: ${why}`, { cause, wholeBatch: true });
}
