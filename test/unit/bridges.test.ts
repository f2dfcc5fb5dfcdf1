import { describe, expect, test } from 'vitest';
import { InvalidArgumentError } from '../../src/index.js';
import * as bridges from '../../src/persistence/postgres/index.js';
import { notSavedError, PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { issuance } from '../support/scenes/issuances.js';

// The real libraries are in examples/clients. Here each has the shape that a bridge reads, and fails as it does.

const CODE = 'S3CR3T-C0DE';
const rows = [{ one: 1 }];
const asyncRows = async () => Object.assign([...rows], { count: 1 });

const sql = { unsafe: asyncRows, begin: async () => {}, options: { transform: { column: { from: undefined } } } };
const kysely = (isTransaction: boolean): bridges.KyselyLike => ({
  isTransaction,
  withoutPlugins: () => ({ ...kysely(isTransaction), executeQuery: async () => ({ rows, numAffectedRows: 1n }) }),
  executeQuery: async () => ({ rows: [{ One: 1 }] }),
});
const runner = (isTransactionActive: boolean) => ({
  isTransactionActive,
  query: async () => ({ raw: rows, records: rows, affected: 1 }),
  release: async () => {},
});
const drizzle = { execute: async () => ({ rows, rowCount: 1 }) };
const prisma = { $queryRawUnsafe: async () => rows, $executeRawUnsafe: async () => 1 };

const CLIENTS = [
  {
    bridge: bridges.fromPostgresJs,
    transaction: bridges.postgresJsTransaction,
    client: sql,
    open: [{ unsafe: asyncRows, savepoint: () => {} }],
    others: [
      { ...sql, release: () => {} },
      { ...sql, options: { transform: { column: { from: () => '' } } } },
    ],
  },
  {
    bridge: bridges.fromKysely,
    transaction: bridges.kyselyTransaction,
    client: kysely(false),
    open: [kysely(true)],
    others: [],
  },
  {
    bridge: bridges.fromTypeorm,
    transaction: bridges.typeormTransaction,
    client: { createQueryRunner: () => runner(false) },
    open: [runner(true), { queryRunner: runner(true) }],
    others: [runner(false), { queryRunner: undefined }],
  },
  {
    bridge: bridges.fromDrizzle,
    transaction: bridges.drizzleTransaction,
    client: { ...drizzle, $client: { totalCount: 0, connect: async () => {} } },
    open: [{ ...drizzle, rollback: () => {} }],
    others: [],
  },
  {
    bridge: bridges.fromPrisma,
    transaction: bridges.prismaTransaction,
    client: { ...prisma, $connect: async () => {} },
    // A transaction of Prisma can be nested, so it has this one too.
    open: [{ ...prisma, $transaction: async () => {} }],
    others: [],
  },
].map((one) => ({ ...one, name: one.bridge.name }));

type Bridge = (client: object) => bridges.PostgresLike;

describe.each(CLIENTS)('$name', ({ bridge, transaction, client, open, others }) => {
  const from = bridge as Bridge;
  const within = transaction as Bridge;

  test('takes the client of a pool, which commits each statement', async () => {
    const made = from(client);
    expect(made.autocommit).toBe(true);
    expect((await made.query('SELECT 1 AS one', [])).rows).toEqual(rows);
  });

  test('refuses the client of a transaction, and others that it cannot take', () => {
    for (const other of [...open, ...others, {}, undefined, null, () => {}]) {
      expect(() => from(other as object)).toThrow(InvalidArgumentError);
      expect(() => from(other as object)).toThrow(`${from.name} needs `);
    }
  });

  test('has its like for a transaction, which refuses the client of a pool', async () => {
    for (const one of open) expect((await within(one).query('SELECT 1 AS one')).rows).toEqual(rows);
    for (const other of [client, ...others, {}, undefined]) {
      expect(() => within(other as object)).toThrow(InvalidArgumentError);
    }
  });

  test('tells how many rows an INSERT has stored', async () => {
    const { rowCount } = await from(client).query('INSERT INTO t VALUES ($1)', [1]);
    expect(rowCount).toBe(1);
  });
});

const fn = () => {};
const RAW = [
  { of: 'Prisma', client: prisma, pool: 'fromPrisma(prisma)', within: 'prismaTransaction(tx)' },
  { of: 'Kysely', client: kysely(true), pool: 'fromKysely(db)', within: 'kyselyTransaction(trx)' },
  ...[{ createQueryRunner: fn }, { getTreeRepository: fn }, { startTransaction: fn }].map((client) => ({
    ...{ of: 'TypeORM', client: { ...client, query: fn } },
    ...{ pool: 'fromTypeorm(dataSource)', within: 'typeormTransaction(manager)' },
  })),
  {
    ...{ of: 'Drizzle', client: { ...drizzle, selectDistinct: fn, query: {} } },
    ...{ pool: 'fromDrizzle(db)', within: 'drizzleTransaction(tx)' },
  },
  {
    ...{ of: 'postgres.js', client: Object.assign(fn.bind(null), { unsafe: fn }) },
    ...{ pool: 'fromPostgresJs(sql)', within: 'postgresJsTransaction(sql)' },
  },
  {
    ...{ of: 'Knex', client: Object.assign(fn.bind(null), { raw: fn, transaction: fn }) },
    ...{ pool: 'an object with query(text, values)', within: 'an object with query(text, values)' },
  },
];

describe.each(RAW)('a client of $of without its bridge ($#)', ({ of, client, pool, within }) => {
  const given = client as unknown as bridges.PostgresLike;

  test('is refused as a pool, and the error names the bridge', () => {
    const make = () => new PostgresPersistence(given);
    expect(make).toThrow(InvalidArgumentError);
    expect(make).toThrow(`a Pool of \`pg\`, as new Pool(…); this one is of ${of}: give ${pool}`);
  });

  test('is refused as a transaction, and the error names the bridge', async () => {
    const persistence = new PostgresPersistence({ autocommit: true, query: async () => ({ rows: [] }) });
    const asked = persistence.within(given as bridges.PostgresTransaction);
    await expect(asked).rejects.toThrow(InvalidArgumentError);
    await expect(asked).rejects.toThrow(`a PoolClient of \`pg\`; this one is of ${of}: give ${within}`);
  });
});

test('on a lone connection Drizzle does not say that each statement is committed', () => {
  expect(bridges.fromDrizzle({ ...drizzle, $client: { query: () => {}, connect: () => {} } } as never).autocommit).toBe(
    undefined,
  );
});

test('a batch on a bridge is one statement', async () => {
  const texts: string[] = [];
  const query = async (text: string) => {
    texts.push(text);
    return { rows: [], rowCount: 1 };
  };
  const saved = new PostgresPersistence({ autocommit: true, query }).save([issuance({})]);
  await expect(saved).resolves.toEqual([{ verdict: 'saved' }]);
  expect(texts).toHaveLength(1);
  await new PostgresPersistence({ query }).save([issuance({})]).catch(() => {});
  expect(texts.length).toBeGreaterThan(2);
});

test('a condition is sent as a boolean: a client that knows the type would take any text for false', async () => {
  const sent: unknown[][] = [];
  const query = async (_: string, values: unknown[] = []) => {
    sent.push(values);
    return { rows: [] };
  };
  const { campaignId, id, userId } = issuance({});
  const change = { ref: { campaignId, id, userId }, version: 0, unexpired: true };
  await new PostgresPersistence({ autocommit: true, query }).change([change]);
  expect(sent[0]!.slice(3)).toEqual([0, true, null, null, null, null, false, false]);
});

describe('the error of a client', () => {
  const unique = Object.assign(new Error('duplicate key'), { code: '23505', severity: 'ERROR' });
  const failing = (error: Error) => async () => Promise.reject(error);
  const wrapped = (parts: object) => Object.assign(new Error(`Failed query\nparams: ${CODE}`), parts);

  test('of TypeORM and Drizzle is that of the driver, because theirs has the parameters', async () => {
    const query = failing(wrapped({ driverError: unique, parameters: [CODE] }));
    const typeorm = bridges.fromTypeorm({ createQueryRunner: () => ({ ...runner(false), query }) });
    await expect(typeorm.query('INSERT ', [CODE])).rejects.toBe(unique);
    const execute = failing(wrapped({ cause: unique, params: [CODE] }));
    await expect(bridges.fromDrizzle({ execute }).query('INSERT ', [CODE])).rejects.toBe(unique);
  });

  test('of Drizzle keeps its own cause, if it is that of the driver already', async () => {
    const timeout = new Error('Connection terminated due to connection timeout', { cause: new Error('closed') });
    await expect(bridges.fromDrizzle({ execute: failing(timeout) }).query('')).rejects.toBe(timeout);
  });

  test('of Prisma gets the SQLSTATE back that its adapter was told, and proves what that proves', async () => {
    const cause = { originalCode: '23505', originalMessage: 'duplicate key', kind: 'UniqueConstraintViolation' };
    const error = Object.assign(new Error('Raw query failed'), {
      code: 'P2010',
      meta: { driverAdapterError: { cause } },
    });
    const client = { ...prisma, $connect: () => {}, $executeRawUnsafe: failing(error) };
    const told = await bridges
      .fromPrisma(client)
      .query('INSERT ')
      .catch((failure: unknown) => failure);
    expect(told).toMatchObject({ code: '23505', message: 'duplicate key', cause: error });
    expect(notSavedError(told)).toMatchObject({ wholeBatch: false });
  });

  test('of Prisma proves that nothing was stored, if the server was not reached', async () => {
    const meta = { driverAdapterError: { cause: { kind: 'DatabaseNotReachable', host: '127.0.0.1', port: 5432 } } };
    const error = Object.assign(new Error('down'), { code: 'P2010', meta });
    const client = { ...prisma, $connect: () => {}, $executeRawUnsafe: failing(error) };
    const told = await bridges
      .fromPrisma(client)
      .query('INSERT ')
      .catch((failure: unknown) => failure);
    expect(notSavedError(told)).toMatchObject({ wholeBatch: true });
  });

  test('of Prisma without an SQLSTATE stays as it is, and proves nothing', async () => {
    const meta = { driverAdapterError: { cause: { kind: 'ConnectionClosed' } } };
    const error = Object.assign(new Error('closed'), { code: 'P1017', meta });
    const client = { ...prisma, $connect: () => {}, $queryRawUnsafe: failing(error) };
    await expect(bridges.fromPrisma(client).query('SELECT 1')).rejects.toBe(error);
    expect(notSavedError(error)).toBeNull();
  });
});

test('TypeORM gives its connection back, whatever becomes of the statement', async () => {
  let lent = 0;
  const query = async () => Promise.reject(new Error('down'));
  const createQueryRunner = () => {
    lent++;
    return { ...runner(false), query, release: async () => void lent-- };
  };
  await expect(bridges.fromTypeorm({ createQueryRunner }).query('SELECT 1')).rejects.toThrow('down');
  expect(lent).toBe(0);
});

test('a name for a statement is refused on a bridge, which passes text on', () => {
  const onBridge = () => new PostgresPersistence(bridges.fromKysely(kysely(false)), { prepare: true });
  expect(onBridge).toThrow(InvalidArgumentError);
  expect(onBridge).toThrow('prepare must be false');
});
