import { InvalidArgumentError, MisconfiguredError } from '../../model/errors.js';
import { isThenable } from '../../model/foreign.js';
import { assertNoBridge } from '../foreign-clients.js';
import { ClientProof, failureOf } from '../proof.js';
import { MYSQL_RULES } from './errors.js';

/**
 * The required parts of a MySQL client. Pool, PoolConnection and Connection of `mysql2/promise` fit. Other clients have
 * a bridge, as `fromKysely(db)`.
 */
export interface MysqlLike {
  /**
   * `true`: no statement is in a transaction of somebody else, because each takes a connection of a pool. Then one batch
   * alone is checked for autocommit. A Pool of `mysql2/promise` needs no word.
   */
  readonly autocommit?: boolean | undefined;
  query(options: { sql: string; values: unknown[]; rowsAsArray: boolean }): Promise<[result: unknown, fields: unknown]>;
}

type Asked = Parameters<MysqlLike['query']>[0];
type Answer = Awaited<ReturnType<MysqlLike['query']>>;

/** A pool of `mysql2/promise`. */
interface Pool {
  getConnection(): Promise<Lent>;
}

/** A connection that a pool lends. */
interface Lent extends MysqlLike {
  release(): void;
  destroy(): void;
}

/** The reply of the server to a statement without rows. */
export interface Outcome {
  /** Missing where the client does not tell it. */
  readonly insertId: number | string | undefined;
  readonly serverStatus: number;
  readonly affectedRows?: number;
}

/** Flags of the server's status. */
export const IN_TRANSACTION = 1;
export const AUTOCOMMIT = 2;

/** After a fail-over a connection may be left on a server that is read only by now. The pool does not lend it again. */
const READ_ONLY = [1290, 1792, 1836];

interface MysqlClientOptions {
  /** It is that of a transaction of the caller. */
  readonly isWithin?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * A client of MySQL as the adapter asks it: on a pool it tells a statement that failed from a connection that was never
 * granted.
 */
export class MysqlClient {
  /** Nobody's transaction is on the connections that a pool lends. A bridge to one says so. */
  readonly isPool: boolean;
  /** A bridge may not tell the status of the server. */
  readonly isBridge: boolean;
  readonly proof = new ClientProof(MYSQL_RULES);
  readonly #client: MysqlLike;
  readonly #pool: Pool | null;
  readonly #signal: AbortSignal | undefined;

  /** Throws `InvalidArgumentError`. */
  constructor(client: MysqlLike, { isWithin = false, signal }: MysqlClientOptions = {}) {
    assertClient(client, isWithin);
    this.#signal = signal;
    this.#client = client;
    this.isBridge = client.autocommit === true;
    this.isPool = 'getConnection' in client || this.isBridge;
    this.#pool = isUntouched(client) ? client : null;
  }

  /**
   * Returns rows as objects, or the outcome of a statement without rows. Once the signal is aborted, nothing is sent any
   * more: the transaction of the caller may be over.
   */
  async query(sql: string, values: unknown[] = []): Promise<unknown> {
    this.#signal?.throwIfAborted();
    const asked = { sql, values, rowsAsArray: false };
    const answer = this.#pool ? await this.#onLent(this.#pool, asked) : await this.#ask(asked);
    if (Array.isArray(answer) && answer.length >= 2) return answer[0];
    throw misfit('resolve to [result, fields]');
  }

  #ask(asked: Asked): Promise<Answer> {
    const answer: unknown = this.#client.query(asked);
    if (!isThenable(answer)) throw misfit('return a promise');
    return answer as Promise<Answer>;
  }

  async #onLent(pool: Pool, asked: Asked): Promise<Answer> {
    const lent = await this.proof.granted(pool.getConnection());
    try {
      return await lent.query(asked);
    } catch (error) {
      if (READ_ONLY.includes(failureOf(error).errno)) lent.destroy();
      throw error;
    } finally {
      lent.release();
    }
  }
}

/** A method of its own or of a proxy may do more than that of the pool, so it is the one to call. */
function isUntouched(client: MysqlLike): client is MysqlLike & Pool {
  const { query, getConnection } = (Object.getPrototypeOf(client) ?? {}) as Partial<MysqlLike & Pool>;
  const own = client as Partial<Pool>;
  return typeof getConnection === 'function' && client.query === query && own.getConnection === getConnection;
}

function misfit(must: string): MisconfiguredError {
  return new MisconfiguredError(
    `the client does not fit: its query() must ${must}, as that of a pool of \`mysql2/promise\` does`,
  );
}

function assertClient(client: unknown, isWithin: boolean): void {
  const wanted = isWithin
    ? 'within needs the client of your transaction: a PoolConnection of `mysql2/promise`'
    : 'MysqlPersistence needs a client of `mysql2/promise`: a pool, as createPool(…)';
  assertNoBridge(client, wanted, isWithin, ['postgres.js', 'Knex']);
  if (typeof (client as Partial<MysqlLike> | null | undefined)?.query !== 'function') {
    throw new InvalidArgumentError(wanted);
  }
  if (typeof (client as { promise?: unknown }).promise === 'function') {
    throw new InvalidArgumentError(
      `${wanted}; this one is of \`mysql2\`, whose answers are no promises: give its .promise()`,
    );
  }
  if ('totalCount' in (client as object) || 'connectionParameters' in (client as object)) {
    throw new InvalidArgumentError(`${wanted}; this one is of PostgreSQL`);
  }
}
