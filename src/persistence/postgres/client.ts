import { InvalidArgumentError, MisconfiguredError } from '../../model/errors.js';
import { assertNoBridge } from '../foreign-clients.js';
import { ClientProof } from '../proof.js';
import { POSTGRES_RULES } from './errors.js';

/**
 * The required parts of a PostgreSQL client. `pg`'s Pool and Client and PGlite fit. Its errors should carry the
 * SQLSTATE as `code`: without it they prove nothing.
 */
export interface PostgresLike {
  /**
   * `true`: no statement is in a transaction of somebody else, because each takes a connection of a pool. Then batches
   * are not checked for one, which saves two statements each. A Pool of `pg` needs no word.
   */
  readonly autocommit?: boolean | undefined;
  query(text: string, values?: unknown[]): Promise<PostgresResult>;
}

/** The result of a statement. A client that gives neither count is asked once more for each batch. */
export interface PostgresResult {
  readonly rows: unknown[];
  /** As `pg` tells it. */
  readonly rowCount?: number | null | undefined;
  /** As PGlite tells it. */
  readonly affectedRows?: number | undefined;
}

type Asked = Parameters<PostgresLike['query']> | [statement: { name: string; text: string; values: unknown[] }];

/** A Pool of `pg`. */
interface Pool {
  connect(): Promise<Lent>;
}

/** A connection that a pool lends. */
interface Lent {
  query(...asked: Asked): Promise<PostgresResult>;
  on(event: 'error', listener: () => void): unknown;
  removeListener(event: 'error', listener: () => void): unknown;
  release(failure?: unknown): void;
}

/** The last statement of each Client of `pg`, from any caller. */
const turns = new WeakMap<PostgresLike, Promise<unknown>>();
const ignore = () => {};

interface PostgresClientOptions {
  /** It is that of a transaction of the caller. */
  readonly isWithin?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * A client of PostgreSQL as the adapter asks it: on a pool it tells a statement that failed from a connection that was
 * never granted.
 */
export class PostgresClient {
  /** Nobody's transaction is on the connections that a pool lends. A bridge to one says so. */
  readonly isPool: boolean;
  /** A statement may have a name. `pg` alone takes one. */
  readonly takesNames: boolean;
  readonly proof = new ClientProof(POSTGRES_RULES);
  readonly #client: PostgresLike;
  readonly #pool: Pool | null;
  readonly #signal: AbortSignal | undefined;

  /** Throws `InvalidArgumentError`. */
  constructor(client: PostgresLike, { isWithin = false, signal }: PostgresClientOptions = {}) {
    assertClient(client, isWithin);
    this.#signal = signal;
    this.#client = client;
    this.isPool = 'totalCount' in client || client.autocommit === true;
    this.takesNames = 'totalCount' in client || 'connectionParameters' in client;
    this.#pool = isUntouched(client) ? client : null;
  }

  /** Once the signal is aborted, nothing is sent any more: the transaction of the caller may be over. */
  async query(...asked: Asked): Promise<PostgresResult> {
    const result = await this.#send(asked);
    if (Array.isArray((result as Partial<PostgresResult> | null | undefined)?.rows)) return result;
    throw new MisconfiguredError(
      'the client is none of PostgreSQL: its query() must resolve to { rows }, as that of a Pool of `pg` does',
    );
  }

  #send(asked: Asked): Promise<PostgresResult> {
    if (this.#pool) return this.#onLent(this.#pool, asked);
    if ('connectionParameters' in this.#client) return this.#inTurn(asked);
    return this.#ask(asked);
  }

  async #onLent(pool: Pool, asked: Asked): Promise<PostgresResult> {
    const lent = await this.proof.granted(pool.connect());
    // If the connection breaks, the statement fails. Without a listener the process would end as well.
    lent.on('error', ignore);
    try {
      const result = await lent.query(...asked);
      lent.release();
      return result;
    } catch (error) {
      lent.release(error ?? true);
      throw error;
    } finally {
      lent.removeListener('error', ignore);
    }
  }

  /** `pg` deprecates a Client that is asked before it has answered, and will refuse it. */
  #inTurn(asked: Asked): Promise<PostgresResult> {
    assertConnected(this.#client);
    const before = turns.get(this.#client) ?? Promise.resolve();
    const answer = before.then(() => this.#ask(asked));
    turns.set(this.#client, answer.catch(ignore));
    return answer;
  }

  async #ask(asked: Asked): Promise<PostgresResult> {
    this.#signal?.throwIfAborted();
    return (this.#client as { query(...asked: Asked): Promise<PostgresResult> }).query(...asked);
  }
}

/** A method of its own or of a proxy may do more than that of the pool, so it is the one to call. */
function isUntouched(client: PostgresLike): client is PostgresLike & Pool {
  const made = (Object.getPrototypeOf(client) ?? {}) as Partial<PostgresLike & Pool>;
  const isPool = 'totalCount' in made && typeof made.connect === 'function';
  return isPool && client.query === made.query && (client as Partial<Pool>).connect === made.connect;
}

function assertClient(client: unknown, isWithin: boolean): void {
  const wanted = isWithin
    ? 'within needs the client of your transaction: a PoolClient of `pg`'
    : 'PostgresPersistence needs a client with query(text, values): a Pool of `pg`, as new Pool(…)';
  assertNoBridge(client, wanted, isWithin);
  if (typeof (client as Partial<PostgresLike> | null | undefined)?.query !== 'function') {
    const isFunction = typeof client === 'function';
    throw new InvalidArgumentError(
      `${wanted}${isFunction ? ', not its class and not the function of another driver' : ''}`,
    );
  }
  if ('getConnection' in (client as object)) throw new InvalidArgumentError(`${wanted}; this one is of MySQL`);
}

/** A Client keeps statements until it is connected, for ever if need be. */
function assertConnected(client: PostgresLike): void {
  const { _connected, _connecting } = client as { _connected?: unknown; _connecting?: unknown };
  if (_connected !== false || _connecting !== false) return;
  throw new MisconfiguredError('the Client of `pg` is not connected: call its connect() first, or give a Pool');
}
