import { InvalidArgumentError } from '../model/errors.js';
import { read } from '../model/foreign.js';

// The clients of other libraries, as the bridges of both databases see them. Their shapes are enough, so none is
// imported.

/** A `Kysely`, or a `Transaction` of one. */
export interface KyselyLike {
  readonly isTransaction: boolean;
  withoutPlugins(): KyselyLike;
  executeQuery(query: KyselyQuery): Promise<KyselyResult>;
}

/** As `CompiledQuery.raw` makes it. */
export interface KyselyQuery {
  readonly sql: string;
  readonly parameters: readonly unknown[];
  readonly query: { readonly kind: 'RawNode'; readonly sqlFragments: readonly string[]; readonly parameters: [] };
  readonly queryId: { readonly queryId: string };
}

export interface KyselyResult {
  readonly rows: unknown[];
  readonly numAffectedRows?: bigint | undefined;
  readonly insertId?: bigint | undefined;
}

/** A `DataSource` of TypeORM. */
export interface TypeormLike {
  createQueryRunner(): TypeormRunner & { release(): Promise<void> };
}

/** A `QueryRunner` of TypeORM. */
export interface TypeormRunner {
  readonly isTransactionActive: boolean;
  query(text: string, values: unknown[] | undefined, structured: true): Promise<TypeormResult>;
}

export interface TypeormResult {
  readonly raw: unknown;
  readonly records: unknown[];
  readonly affected?: number | undefined;
}

/** The `EntityManager` that a transaction of TypeORM hands out, or its `QueryRunner`. */
export type TypeormTransactionLike = TypeormRunner | { readonly queryRunner?: TypeormRunner | undefined };

/** The database that `drizzle()` makes, or the `tx` of its transaction. */
export interface DrizzleLike {
  execute(query: never): PromiseLike<unknown>;
}

/** A `PrismaClient`, or the `tx` of its interactive transaction. */
export interface PrismaLike {
  $executeRawUnsafe(text: string, ...values: unknown[]): PromiseLike<number>;
  $queryRawUnsafe(text: string, ...values: unknown[]): PromiseLike<unknown>;
}

/** Sends SQL through Kysely as it is. Plugins would rename the columns of the rows. */
export function sendByKysely(db: KyselyLike, sql: string, parameters: readonly unknown[]): Promise<KyselyResult> {
  const query: KyselyQuery['query'] = { kind: 'RawNode', sqlFragments: [sql], parameters: [] };
  return db.withoutPlugins().executeQuery({ sql, parameters, query, queryId: { queryId: 'coupon-issuer' } });
}

/** A connection of its own for one statement, as `DataSource.query` takes it; that one drops the count. */
export async function sendByTypeorm(source: TypeormLike, text: string, values?: unknown[]): Promise<TypeormResult> {
  const runner = source.createQueryRunner();
  try {
    return await sendByRunner(runner, text, values);
  } finally {
    await runner.release();
  }
}

/** The error of TypeORM has all parameters of the statement, coupon codes among them; that of the driver has none. */
export async function sendByRunner(runner: TypeormRunner, text: string, values?: unknown[]): Promise<TypeormResult> {
  try {
    return await runner.query(text, values, true);
  } catch (error) {
    throw read(() => (error as { driverError?: unknown }).driverError) ?? error;
  }
}

export function runnerOf(client: TypeormTransactionLike): TypeormRunner | undefined {
  return read(() => ('isTransactionActive' in client ? client : client.queryRunner));
}

/**
 * Sends SQL that is ready: a template of `sql` would number its parameters anew. The error of Drizzle has all
 * parameters in its message, so the one of the driver is thrown.
 */
export async function sendByDrizzle(db: DrizzleLike, sql: string, params: readonly unknown[]): Promise<unknown> {
  const query = { toQuery: () => ({ sql, params }) };
  try {
    return await db.execute({ getSQL: () => query } as never);
  } catch (error) {
    throw read(() => 'params' in (error as object) && (error as { cause?: unknown }).cause) || error;
  }
}

/** The error of the database, where Prisma has a driver adapter. */
export function causeInPrisma(error: unknown): PrismaCause | undefined {
  return read(() => (error as { meta: { driverAdapterError: { cause: PrismaCause } } }).meta.driverAdapterError.cause);
}

/** The parts that are read of such an error. */
export interface PrismaCause {
  readonly kind?: unknown;
  readonly originalCode?: unknown;
  readonly originalMessage?: unknown;
  readonly severity?: unknown;
}

/** Whether a client has a method. The transaction of a client lacks some that the client has. */
export function has(client: unknown, method: string): boolean {
  return typeof read(() => (client as Readonly<Record<string, unknown>>)[method]) === 'function';
}

interface ForeignClient {
  readonly of: string;
  /** The bridges as they are called. */
  readonly toPool: string;
  readonly toTransaction: string;
  fits(client: unknown): boolean;
}

const OWN_QUERY = 'an object with query(text, values), as docs/databases.md shows it';

/** The clients of a library, pools and transactions alike, by their shape. */
const FOREIGN: readonly ForeignClient[] = [
  {
    ...{ of: 'Prisma', toPool: 'fromPrisma(prisma)', toTransaction: 'prismaTransaction(tx)' },
    fits: (client) => has(client, '$queryRawUnsafe'),
  },
  {
    ...{ of: 'Kysely', toPool: 'fromKysely(db)', toTransaction: 'kyselyTransaction(trx)' },
    fits: (client) => has(client, 'withoutPlugins') && has(client, 'executeQuery'),
  },
  {
    ...{ of: 'TypeORM', toPool: 'fromTypeorm(dataSource)', toTransaction: 'typeormTransaction(manager)' },
    fits: (client) =>
      has(client, 'createQueryRunner') || has(client, 'getTreeRepository') || has(client, 'startTransaction'),
  },
  {
    ...{ of: 'Drizzle', toPool: 'fromDrizzle(db)', toTransaction: 'drizzleTransaction(tx)' },
    fits: (client) => has(client, 'execute') && has(client, 'selectDistinct'),
  },
  {
    ...{ of: 'postgres.js', toPool: 'fromPostgresJs(sql)', toTransaction: 'postgresJsTransaction(sql)' },
    fits: (client) => has(client, 'unsafe'),
  },
  {
    ...{ of: 'Knex', toPool: OWN_QUERY, toTransaction: OWN_QUERY },
    fits: (client) => has(client, 'raw') && has(client, 'transaction'),
  },
];

/**
 * Throws `InvalidArgumentError` for the client of another library, and names its bridge. `wanted`: the words before.
 * `without`: the libraries that have none to this database.
 */
export function assertNoBridge(
  client: unknown,
  wanted: string,
  isWithin: boolean,
  without: readonly string[] = [],
): void {
  const bridge = FOREIGN.find(({ of, fits }) => !without.includes(of) && fits(client));
  if (!bridge) return;
  const give = isWithin ? bridge.toTransaction : bridge.toPool;
  throw new InvalidArgumentError(`${wanted}; this one is of ${bridge.of}: give ${give}. Nothing was sent`);
}

/** Throws `InvalidArgumentError`. */
export function assertFits(fits: boolean, wanted: string): void {
  if (!fits) throw new InvalidArgumentError(wanted);
}

/** The words for a client that a bridge to a pool does not take. */
export function wanted(bridge: string, client: string, within: string): string {
  return `${bridge} needs ${client}. That of a transaction is for within: ${within}. Nothing was sent`;
}

/** The words for a client that is in no transaction. */
export function wantedWithin(bridge: string, client: string): string {
  return `${bridge} needs ${client}. Nothing was sent`;
}
