import {
  assertFits,
  causeInPrisma,
  type DrizzleLike,
  has,
  type KyselyLike,
  type PrismaCause,
  type PrismaLike,
  runnerOf,
  sendByDrizzle,
  sendByKysely,
  sendByRunner,
  sendByTypeorm,
  type TypeormLike,
  type TypeormTransactionLike,
  wanted,
  wantedWithin,
} from '../foreign-clients.js';
import type { MysqlLike } from './client.js';
import { AUTOCOMMIT, IN_TRANSACTION } from './client.js';
import { inlined } from './inlined.js';
import type { MysqlTransaction } from './within.js';

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

type SendSql = MysqlLike['query'];

/**
 * A client for `MysqlPersistence` from a `Kysely` on MySQL. Its plugins are left out. Each statement takes a connection
 * of its pool: give it none that `connection()` bound to one connection. Throws `InvalidArgumentError` for a
 * `Transaction`.
 *
 * @example
 * ```javascript
 * const persistence = new MysqlPersistence(fromKysely(db));
 * ```
 */
export function fromKysely(db: KyselyLike): MysqlLike {
  assertFits(
    has(db, 'executeQuery') && db.isTransaction === false,
    wanted('fromKysely', 'the Kysely of your pool', 'kyselyTransaction(trx)'),
  );
  return { autocommit: true, query: byKysely(db, AUTOCOMMIT) };
}

/** The same of an open transaction, for `within`: the `trx` of Kysely. Throws `InvalidArgumentError`. */
export function kyselyTransaction(trx: KyselyLike): MysqlTransaction {
  assertFits(
    has(trx, 'executeQuery') && trx.isTransaction === true,
    wantedWithin('kyselyTransaction', 'the trx of a transaction of Kysely'),
  );
  return { query: byKysely(trx, IN_TRANSACTION) };
}

/**
 * A client for `MysqlPersistence` from a `DataSource` of TypeORM on MySQL or MariaDB. Each statement takes a connection
 * of its pool. Throws `InvalidArgumentError` for an `EntityManager` or a `QueryRunner`, which may be in a transaction.
 *
 * @example
 * ```javascript
 * const persistence = new MysqlPersistence(fromTypeorm(dataSource));
 * ```
 */
export function fromTypeorm(dataSource: TypeormLike): MysqlLike {
  assertFits(
    has(dataSource, 'createQueryRunner'),
    wanted('fromTypeorm', 'the DataSource', 'typeormTransaction(manager)'),
  );
  return {
    autocommit: true,
    query: async ({ sql, values }) => [(await sendByTypeorm(dataSource, sql, values)).raw, undefined],
  };
}

/**
 * The same of an open transaction, for `within`: the `EntityManager` of TypeORM's `transaction()`, or a `QueryRunner`
 * after `startTransaction()`. Throws `InvalidArgumentError`.
 */
export function typeormTransaction(client: TypeormTransactionLike): MysqlTransaction {
  const runner = runnerOf(client);
  assertFits(
    runner?.isTransactionActive === true,
    wantedWithin('typeormTransaction', 'the manager of a transaction of TypeORM'),
  );
  return { query: async ({ sql, values }) => [(await sendByRunner(runner!, sql, values)).raw, undefined] };
}

/**
 * A client for `MysqlPersistence` from the `db` of Drizzle on `mysql2`. On a pool each statement takes a connection of
 * it; on a single connection each batch is checked for a transaction, which costs a round trip. Throws
 * `InvalidArgumentError` for the `tx` of a transaction.
 *
 * @example
 * ```javascript
 * const persistence = new MysqlPersistence(fromDrizzle(db));
 * ```
 */
export function fromDrizzle(db: DrizzleLike): MysqlLike {
  assertFits(
    has(db, 'execute') && !has(db, 'rollback'),
    wanted('fromDrizzle', 'the db that drizzle() returns', 'drizzleTransaction(tx)'),
  );
  const { $client: client } = db as { $client?: unknown };
  return { ...(has(client, 'getConnection') && { autocommit: true }), query: byDrizzle(db) };
}

/** The same of an open transaction, for `within`: the `tx` of Drizzle. Throws `InvalidArgumentError`. */
export function drizzleTransaction(tx: DrizzleLike): MysqlTransaction {
  assertFits(
    has(tx, 'execute') && has(tx, 'rollback'),
    wantedWithin('drizzleTransaction', 'the tx of a transaction of Drizzle'),
  );
  return { query: byDrizzle(tx) };
}

/**
 * A client for `MysqlPersistence` from a `PrismaClient` with the driver adapter `@prisma/adapter-mariadb`. Errors get
 * their number and SQLSTATE back. Prisma does not tell the id of an INSERT, so the rows of each batch are looked up
 * after it. Values stand in the text of the statements, so a log of Prisma's queries has codes and data in it. Throws
 * `InvalidArgumentError` for the client of an interactive transaction.
 *
 * @example
 * ```javascript
 * const persistence = new MysqlPersistence(fromPrisma(prisma));
 * ```
 */
export function fromPrisma(prisma: PrismaLike): MysqlLike {
  assertFits(
    has(prisma, '$queryRawUnsafe') && has(prisma, '$connect'),
    wanted('fromPrisma', 'the PrismaClient', 'prismaTransaction(tx)'),
  );
  return { autocommit: true, query: byPrisma(prisma, AUTOCOMMIT) };
}

/** The same of an open transaction, for `within`: the `tx` of `prisma.$transaction()`. Throws `InvalidArgumentError`. */
export function prismaTransaction(tx: PrismaLike): MysqlTransaction {
  assertFits(
    has(tx, '$queryRawUnsafe') && !has(tx, '$connect'),
    wantedWithin('prismaTransaction', 'the tx of an interactive transaction of Prisma'),
  );
  return { query: byPrisma(tx, IN_TRANSACTION) };
}

/** Kysely leaves out the status of the server, and an id that is 0. A transaction that is over sends nothing. */
function byKysely(db: KyselyLike, serverStatus: number): SendSql {
  return async ({ sql, values }) => {
    const { rows, numAffectedRows, insertId } = await sendByKysely(db, sql, values);
    if (numAffectedRows === undefined) return [rows, undefined];
    return [{ affectedRows: Number(numAffectedRows), insertId: Number(insertId ?? 0), serverStatus }, undefined];
  };
}

/** The result is the one of the driver. */
function byDrizzle(db: DrizzleLike): SendSql {
  return async ({ sql, values }) => (await sendByDrizzle(db, sql, values)) as [unknown, unknown];
}

/** Prisma has a method for rows and one for the count. It takes no arrays, and no more than 65,535 values. */
function byPrisma(prisma: PrismaLike, serverStatus: number): SendSql {
  return async ({ sql, values }) => {
    const text = inlined(sql, values);
    try {
      if (/^\(*(SELECT|SHOW)\b/.test(text)) return [await prisma.$queryRawUnsafe(text), undefined];
      return [{ affectedRows: await prisma.$executeRawUnsafe(text), insertId: undefined, serverStatus }, undefined];
    } catch (error) {
      throw errorInPrisma(error);
    }
  };
}

/** From here on the numbers are those of the driver, which may fail after the commit. */
const FIRST_OF_DRIVER = 45000;
/** The SQLSTATE of errors that Prisma has a word of its own for, and then leaves it out. */
const STATES: Readonly<Record<number, string>> = {
  1048: '23000',
  1062: '23000',
  1216: '23000',
  1263: '22004',
  1264: '22003',
  1406: '22001',
  1451: '23000',
  1452: '23000',
};

interface MysqlCause extends PrismaCause {
  readonly state?: unknown;
}

/** The code of Prisma is one for all failures. Its adapter keeps the number of the server, and of most the SQLSTATE. */
function errorInPrisma(error: unknown): unknown {
  const cause: MysqlCause = causeInPrisma(error) ?? {};
  const { originalCode, originalMessage, state } = cause;
  const errno = Number(originalCode);
  if (!(errno > 0 && errno < FIRST_OF_DRIVER)) return error;
  const sqlState = state ?? STATES[errno] ?? '';
  return Object.assign(new Error(String(originalMessage), { cause: error }), { errno, sqlState });
}
