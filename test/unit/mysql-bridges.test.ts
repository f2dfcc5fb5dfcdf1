import { expect, test } from 'vitest';
import { InvalidArgumentError, NotSavedError } from '../../src/index.js';
import * as bridges from '../../src/persistence/mysql/index.js';
import { MysqlPersistence } from '../../src/persistence/mysql/index.js';
import { issuance } from '../support/scenes/issuances.js';

// The real libraries are in examples/clients-mysql. Here each has the shape that a bridge reads, and fails as it does.

const signal = new AbortController().signal;
const failing = (cause: object): bridges.PrismaLike & { $connect(): void } => ({
  $connect: () => {},
  $queryRawUnsafe: async () => [{ autocommit: 1n }],
  $executeRawUnsafe: async () => {
    throw Object.assign(new Error('Raw query failed'), { code: 'P2010', meta: { driverAdapterError: { cause } } });
  },
});
const saveBy = (prisma: bridges.PrismaLike) =>
  new MysqlPersistence(bridges.fromPrisma(prisma)).save([issuance()], { signal });

test('a value that is too long is proof through Prisma, which leaves out its SQLSTATE', async () => {
  const saved = saveBy(failing({ kind: 'LengthMismatch', originalCode: '1406', originalMessage: 'Data too long' }));
  await expect(saved).rejects.toMatchObject({ name: 'NotSavedError', permanent: true });
});

test('an error of the driver under Prisma is no proof, whatever SQLSTATE it made up', async () => {
  const cause = { kind: 'mysql', originalCode: '45025', originalMessage: 'expected EOF packet', state: '42000' };
  await expect(saveBy(failing(cause))).rejects.not.toBeInstanceOf(NotSavedError);
});

test('a batch through Prisma is not saved before its rows were seen', async () => {
  const sent: string[] = [];
  const prisma = {
    ...failing({}),
    $executeRawUnsafe: async () => 1,
    $queryRawUnsafe: async (text: string) => {
      sent.push(text);
      return text.includes('@@autocommit') ? [{ autocommit: 1n }] : [];
    },
  };
  await saveBy(prisma).catch(() => {});
  expect(sent.length).toBeGreaterThan(1);
});

test('a bridge to a pool without autocommit saves nothing', async () => {
  const prisma = {
    ...failing({}),
    $executeRawUnsafe: async () => 1,
    $queryRawUnsafe: async () => [{ autocommit: 0n }],
  };
  await expect(saveBy(prisma)).rejects.toMatchObject({ name: 'NotSavedError', wholeBatch: true });
});

test('the client of a transaction of Kysely is for within alone', () => {
  const kysely = (isTransaction: boolean): bridges.KyselyLike => ({
    isTransaction,
    withoutPlugins: () => kysely(isTransaction),
    executeQuery: async () => ({ rows: [] }),
  });
  expect(() => bridges.fromKysely(kysely(true))).toThrow(InvalidArgumentError);
  expect(() => bridges.kyselyTransaction(kysely(false))).toThrow(InvalidArgumentError);
});

test('a client without its bridge is refused, and the error names the bridge', async () => {
  const raw = failing({}) as unknown as bridges.MysqlLike;
  const wanted = (bridge: string) => `; this one is of Prisma: give ${bridge}. Nothing was sent`;
  expect(() => new MysqlPersistence(raw)).toThrow(`a pool, as createPool(…)${wanted('fromPrisma(prisma)')}`);
  const persistence = new MysqlPersistence({ autocommit: true, query: async () => [[], []] });
  const asked = persistence.within(raw as bridges.MysqlTransaction);
  await expect(asked).rejects.toThrow(`a PoolConnection of \`mysql2/promise\`${wanted('prismaTransaction(tx)')}`);
  const knex = Object.assign(() => {}, { raw: () => {}, transaction: () => {} }) as unknown as bridges.MysqlLike;
  expect(() => new MysqlPersistence(knex)).toThrow(/createPool\(…\)$/);
});
