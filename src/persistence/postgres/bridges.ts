import {
  assertFits,
  causeInPrisma,
  type DrizzleLike,
  has,
  type KyselyLike,
  type PrismaLike,
  runnerOf,
  sendByDrizzle,
  sendByKysely,
  sendByRunner,
  sendByTypeorm,
  type TypeormLike,
  type TypeormResult,
  type TypeormTransactionLike,
  wanted,
  wantedWithin,
} from '../foreign-clients.js';
import type { PostgresLike, PostgresResult } from './client.js';
import type { PostgresTransaction } from './within.js';

export type {
  DrizzleLike,
  KyselyLike,
  KyselyQuery,
  KyselyResult,
  PrismaLike,
  TypeormLike,
  TypeormResult,
  TypeormRunner,
  TypeormTransactionLike,
} from '../foreign-clients.js';

/** The `sql` of postgres.js, or that of its transaction. */
export interface PostgresJsLike {
  unsafe(text: string, values?: never[]): PromiseLike<PostgresJsRows>;
}

/** The rows of postgres.js, which tell their number too. */
export type PostgresJsRows = readonly unknown[] & { readonly count: number | null };

type SendSql = PostgresLike['query'];

/**
 * A client for `PostgresPersistence` from the `sql` of postgres.js. Its statements are committed one by one, so a batch
 * costs one. Throws `InvalidArgumentError` for the `sql` of a transaction or of a reserved connection, and for one whose
 * `transform` changes the rows.
 *
 * @example
 * ```javascript
 * const persistence = new PostgresPersistence(fromPostgresJs(sql));
 * ```
 */
export function fromPostgresJs(sql: PostgresJsLike): PostgresLike {
  assertFits(
    has(sql, 'unsafe') && has(sql, 'begin') && !has(sql, 'release'),
    wanted('fromPostgresJs', 'the sql that postgres() returns', 'postgresJsTransaction(sql)'),
  );
  assertRowsAsTheyAre(sql);
  return { autocommit: true, query: byPostgresJs(sql) };
}

/** The same of an open transaction, for `within`: the `sql` that `begin` gives to its function. */
export function postgresJsTransaction(sql: PostgresJsLike): PostgresTransaction {
  assertFits(
    has(sql, 'unsafe') && has(sql, 'savepoint'),
    wantedWithin('postgresJsTransaction', 'the sql that begin() of postgres.js gives to its function'),
  );
  return { query: byPostgresJs(sql) };
}

/**
 * A client for `PostgresPersistence` from a `Kysely` on PostgreSQL. Its plugins are left out. Its statements are
 * committed one by one, so a batch costs one: give it none that `connection()` bound to one connection. A Pool of `pg`
 * under Kysely needs `pool.on('connect', (client) => client.on('error', …))`: a connection that breaks during a
 * statement ends the process otherwise. Throws `InvalidArgumentError` for a `Transaction`.
 *
 * @example
 * ```javascript
 * const persistence = new PostgresPersistence(fromKysely(db));
 * ```
 */
export function fromKysely(db: KyselyLike): PostgresLike {
  assertFits(
    has(db, 'executeQuery') && db.isTransaction === false,
    wanted('fromKysely', 'the Kysely of your pool', 'kyselyTransaction(trx)'),
  );
  return { autocommit: true, query: byKysely(db) };
}

/** The same of an open transaction, for `within`: the `trx` of Kysely. Throws `InvalidArgumentError`. */
export function kyselyTransaction(trx: KyselyLike): PostgresTransaction {
  assertFits(
    has(trx, 'executeQuery') && trx.isTransaction === true,
    wantedWithin('kyselyTransaction', 'the trx of a transaction of Kysely'),
  );
  return { query: byKysely(trx) };
}

/**
 * A client for `PostgresPersistence` from a `DataSource` of TypeORM on PostgreSQL. Each statement takes a connection of
 * its pool and is committed by itself, so a batch costs one. Throws `InvalidArgumentError` for an `EntityManager` or a
 * `QueryRunner`, which may be in a transaction.
 *
 * @example
 * ```javascript
 * const persistence = new PostgresPersistence(fromTypeorm(dataSource));
 * ```
 */
export function fromTypeorm(dataSource: TypeormLike): PostgresLike {
  assertFits(
    has(dataSource, 'createQueryRunner'),
    wanted('fromTypeorm', 'the DataSource', 'typeormTransaction(manager)'),
  );
  return { autocommit: true, query: async (text, values) => ofTypeorm(await sendByTypeorm(dataSource, text, values)) };
}

/**
 * The same of an open transaction, for `within`: the `EntityManager` of TypeORM's `transaction()`, or a `QueryRunner`
 * after `startTransaction()`. Throws `InvalidArgumentError`.
 */
export function typeormTransaction(client: TypeormTransactionLike): PostgresTransaction {
  const runner = runnerOf(client);
  assertFits(
    runner?.isTransactionActive === true,
    wantedWithin('typeormTransaction', 'the manager of a transaction of TypeORM'),
  );
  return { query: async (text, values) => ofTypeorm(await sendByRunner(runner!, text, values)) };
}

/**
 * A client for `PostgresPersistence` from the `db` of Drizzle, on a Pool of `pg` or on postgres.js. There each
 * statement is committed by itself, so a batch costs one; on other clients each batch is checked for a transaction,
 * and costs three. Throws `InvalidArgumentError` for the `tx` of a transaction.
 *
 * @example
 * ```javascript
 * const persistence = new PostgresPersistence(fromDrizzle(db));
 * ```
 */
export function fromDrizzle(db: DrizzleLike): PostgresLike {
  assertFits(
    has(db, 'execute') && !has(db, 'rollback'),
    wanted('fromDrizzle', 'the db that drizzle() returns', 'drizzleTransaction(tx)'),
  );
  const { $client: client } = db as { $client?: unknown };
  const lends = has(client, 'begin') || (has(client, 'connect') && 'totalCount' in (client as object));
  return { ...(lends && { autocommit: true }), query: byDrizzle(db) };
}

/** The same of an open transaction, for `within`: the `tx` of Drizzle. Throws `InvalidArgumentError`. */
export function drizzleTransaction(tx: DrizzleLike): PostgresTransaction {
  assertFits(
    has(tx, 'execute') && has(tx, 'rollback'),
    wantedWithin('drizzleTransaction', 'the tx of a transaction of Drizzle'),
  );
  return { query: byDrizzle(tx) };
}

/**
 * A client for `PostgresPersistence` from a `PrismaClient` with a driver adapter for PostgreSQL, as
 * `@prisma/adapter-pg`. Its statements are committed one by one, so a batch costs one. Errors get their SQLSTATE back.
 * Throws `InvalidArgumentError` for the client of an interactive transaction.
 *
 * @example
 * ```javascript
 * const persistence = new PostgresPersistence(fromPrisma(prisma));
 * ```
 */
export function fromPrisma(prisma: PrismaLike): PostgresLike {
  assertFits(
    has(prisma, '$queryRawUnsafe') && has(prisma, '$connect'),
    wanted('fromPrisma', 'the PrismaClient', 'prismaTransaction(tx)'),
  );
  return { autocommit: true, query: byPrisma(prisma) };
}

/** The same of an open transaction, for `within`: the `tx` of `prisma.$transaction()`. Throws `InvalidArgumentError`. */
export function prismaTransaction(tx: PrismaLike): PostgresTransaction {
  assertFits(
    has(tx, '$queryRawUnsafe') && !has(tx, '$connect'),
    wantedWithin('prismaTransaction', 'the tx of an interactive transaction of Prisma'),
  );
  return { query: byPrisma(tx) };
}

/** Rows with other names or values could not be read. */
function assertRowsAsTheyAre(sql: object): void {
  const { options } = sql as { options?: { transform?: Readonly<Record<string, { from?: unknown } | undefined>> } };
  const changed = ['column', 'value', 'row'].filter((part) => options?.transform?.[part]?.from);
  assertFits(
    changed.length === 0,
    `fromPostgresJs needs a client that leaves rows as they are: transform.${changed[0]} of this one changes them. Nothing was sent`,
  );
}

function byPostgresJs(sql: PostgresJsLike): SendSql {
  return async (text, values) => {
    const rows = await sql.unsafe(text, values as never[]);
    return { rows: [...rows], rowCount: rows.count };
  };
}

function byKysely(db: KyselyLike): SendSql {
  return async (text, values = []) => {
    const { rows, numAffectedRows } = await sendByKysely(db, text, values);
    return { rows, rowCount: numAffectedRows === undefined ? null : Number(numAffectedRows) };
  };
}

function ofTypeorm({ records, affected }: TypeormResult): PostgresResult {
  return { rows: records, rowCount: affected };
}

/** The result is the one of the driver. */
function byDrizzle(db: DrizzleLike): SendSql {
  return async (text, values = []) => {
    const result = (await sendByDrizzle(db, text, values)) as PostgresResult | PostgresJsRows;
    return 'count' in result ? { rows: [...result], rowCount: result.count } : result;
  };
}

/** Of an INSERT the count is needed, and of all else the rows: Prisma has a method for each. */
function byPrisma(prisma: PrismaLike): SendSql {
  return async (text, values = []) => {
    try {
      if (text.startsWith('INSERT ')) return { rows: [], rowCount: await prisma.$executeRawUnsafe(text, ...values) };
      return { rows: (await prisma.$queryRawUnsafe(text, ...values)) as unknown[] };
    } catch (error) {
      throw errorInPrisma(error);
    }
  };
}

/**
 * The code of Prisma is one for all failures. Its adapter keeps the SQLSTATE, which only the server gives. In its place
 * it has a kind for `ECONNREFUSED` and `ENOTFOUND`, and of an established connection neither is told.
 */
function errorInPrisma(error: unknown): unknown {
  const { kind, originalCode, originalMessage, severity } = causeInPrisma(error) ?? {};
  if (kind === 'DatabaseNotReachable') return told('the server was not reached', error, { code: 'ECONNREFUSED' });
  if (typeof originalCode !== 'string') return error;
  return told(String(originalMessage), error, { code: originalCode, severity });
}

function told(message: string, cause: unknown, parts: { code: string; severity?: unknown }): Error {
  return Object.assign(new Error(message, { cause }), parts);
}
