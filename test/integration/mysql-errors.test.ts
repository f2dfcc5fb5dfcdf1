import { once } from 'node:events';
import { createServer } from 'node:net';
import { createConnection as createCallbackConnection, createPool as createCallbackPool } from 'mysql2';
import { createPool, type PoolOptions } from 'mysql2/promise';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { monotonicMs } from '../../src/flow/deadline.js';
import { InvalidArgumentError, type Issuance, MisconfiguredError, NotSavedError } from '../../src/index.js';
import { batchedSaves } from '../../src/issue/save.js';
import { createTableSql, type MysqlLike, MysqlPersistence, notSavedError } from '../../src/persistence/mysql/index.js';
import { errorOf, issuance } from '../support/scenes/issuances.js';
import { Mariadb, rowsOf } from '../support/servers/mariadb.js';
import { ownPort } from '../support/servers/port.js';
import { aReserved } from '../unit/support.js';

let server: Mariadb;
let logging: Mariadb;
const ends: (() => unknown)[] = [];
beforeAll(async () => {
  const log = ['--log-bin', '--server-id=1', '--binlog-format=STATEMENT', '--transaction-isolation=READ-COMMITTED'];
  [server, logging] = await Promise.all([Mariadb.start(), Mariadb.start(log)]);
  await new MysqlPersistence(server.pool).createTable();
  // createTable() writes a row, which this server takes from nobody.
  await logging.pool.query(
    createTableSql()
      .split(/(?<=;\n)/)
      .at(-1)!,
  );
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
afterAll(() => Promise.all([server.stop(), logging.stop()]));

const save = (client: MysqlLike, one: Issuance = issuance(), table?: string) =>
  new MysqlPersistence(client, table ? { table } : {}).save([one], { signal: new AbortController().signal });

describe('one user whom a trigger refuses takes no neighbour along:', () => {
  test.each([
    ['the usual code', `SIGNAL SQLSTATE '45000'`],
    ['a code of its own', `SIGNAL SQLSTATE 'SH001'`],
    ['the code of a lost connection', `SIGNAL SQLSTATE '08S01'`],
    ['the code of a statement that was killed', `SIGNAL SQLSTATE '70100'`],
    ['the code of all that has none', `SIGNAL SQLSTATE 'HY000'`],
    ['a number of its own', `SIGNAL SQLSTATE 'SH001' SET MYSQL_ERRNO = 30001`],
    ['a function that is missing', 'SET @x = nowhere.f(NEW.user_id)'],
  ])('%s', async (_, statement) => {
    const table = `barred_${Math.random().toString(36).slice(2, 8)}`;
    const persistence = new MysqlPersistence(server.pool, { table });
    await persistence.createTable();
    const body = `BEGIN IF NEW.user_id = 'barred' THEN ${statement}; END IF; END`;
    await server.pool.query(`CREATE TRIGGER ${table}_bar BEFORE INSERT ON ${table} FOR EACH ROW ${body}`);
    const { campaignId } = issuance();
    const users = ['ann', 'bob', 'barred', 'cho', 'dan'];
    const saves = batchedSaves(persistence, { maxBatch: 10, maxInFlight: 1, emit: () => {} });
    const deadlineAt = monotonicMs() + 60_000;
    const outcomes = await Promise.all(
      users.map((userId, i) =>
        saves.add({ reserved: aReserved(issuance({ campaignId, userId, serial: i + 1 })), perUser: 1, deadlineAt }),
      ),
    );
    const refused = { verdict: 'not_saved', refusal: 'yes' };
    expect(outcomes).toMatchObject(users.map((user) => (user === 'barred' ? refused : { verdict: 'saved' })));
    expect(await rowsOf(server, campaignId, table)).toHaveLength(4);
  });
});

test('one user whom a unique key of its own leaves out takes no neighbour along', async () => {
  const table = `left_out_${Math.random().toString(36).slice(2, 8)}`;
  const persistence = new MysqlPersistence(server.pool, { table });
  await persistence.createTable();
  await server.pool.query(`ALTER TABLE ${table} ADD UNIQUE KEY one_per_user (user_id)`);
  const { signal } = new AbortController();
  await persistence.save([issuance({ userId: 'barred' })], { signal });
  const { campaignId } = issuance();
  const users = ['ann', 'bob', 'barred', 'cho', 'dan'];
  const batch = users.map((userId, i) => issuance({ campaignId, userId, serial: i + 1 }));
  const refused = { verdict: 'refused', reason: 'skipped_by_database' };
  expect(await persistence.save(batch, { signal }).catch(String)).toEqual(
    users.map((user) => (user === 'barred' ? refused : { verdict: 'saved' })),
  );
  expect(await persistence.save([batch[2]!], { signal })).toEqual([refused]);
  expect(await rowsOf(server, campaignId, table)).toHaveLength(4);
});

test('a binary log that cannot take the statement (1665) is certain, and the error names it', async () => {
  const error = await errorOf(save(logging.pool));
  expect(error).toBeInstanceOf(NotSavedError);
  expect(error).toMatchObject({ wholeBatch: true, cause: { errno: 1665 }, message: expect.stringContaining('1665') });
  const [[count]] = (await logging.pool.query('SELECT COUNT(*) AS n FROM coupon_issuances')) as unknown as [[object]];
  expect(count).toEqual({ n: 0 });
});

describe('what refuses the table as a whole is not looked for in its rows:', () => {
  test.each([
    [1146, 'the table is missing', 'DROP TABLE whole'],
    [1054, 'a column is missing', 'ALTER TABLE whole DROP COLUMN epoch'],
    [1142, 'the right to insert is missing', 'REVOKE INSERT ON whole FROM whole'],
    [
      1471,
      'the table is a view that takes no rows',
      'RENAME TABLE whole TO other; CREATE VIEW whole AS SELECT DISTINCT * FROM other',
    ],
  ])('%i, %s', async (errno, _, sql) => {
    await server.pool.query(`CREATE USER whole`);
    ends.push(() => server.pool.query('DROP USER whole'));
    for (const name of ['VIEW IF EXISTS whole', 'TABLE IF EXISTS whole', 'TABLE IF EXISTS other']) {
      await server.pool.query(`DROP ${name}`).catch(() => {});
    }
    await new MysqlPersistence(server.pool, { table: 'whole' }).createTable();
    await server.pool.query('GRANT SELECT, INSERT, UPDATE ON whole TO whole');
    for (const statement of sql.split('; ')) await server.pool.query(statement);
    const error = await errorOf(save(server.createPool({ user: 'whole' }), issuance(), 'whole'));
    expect(error).toBeInstanceOf(NotSavedError);
    expect(error).toMatchObject({ wholeBatch: true, permanent: false, cause: { errno } });
  });
});

describe('a connection that was never granted is certain:', () => {
  const poolOf = (options: PoolOptions) => server.createPool(options);
  const listening = async (talk: Parameters<typeof createServer>[1]) => {
    const fake = createServer(talk).listen(0, '127.0.0.1');
    await once(fake, 'listening');
    ends.push(() => fake.close());
    return (fake.address() as { port: number }).port;
  };
  const cases: [string, () => Promise<MysqlLike>][] = [
    [
      'the pool has none left',
      async () => {
        const pool = poolOf({ connectionLimit: 1, waitForConnections: false });
        const lent = await pool.getConnection();
        ends.push(() => lent.release());
        return pool;
      },
    ],
    [
      'the queue of the pool is full',
      async () => {
        const pool = poolOf({ connectionLimit: 1, queueLimit: 1 });
        const lent = await pool.getConnection();
        const queued = pool.getConnection().then((connection) => connection.release());
        ends.push(() => queued);
        ends.push(() => lent.release());
        return pool;
      },
    ],
    [
      'the pool was ended',
      async () => {
        const pool = poolOf({});
        await pool.end();
        return pool;
      },
    ],
    ['the server has no TLS', async () => poolOf({ ssl: {} })],
    ['the port is closed', async () => poolOf({ port: await ownPort() })],
    ['the socket is not there', async () => poolOf({ socketPath: '/nonexistent' })],
    ['the password is wrong', async () => poolOf({ user: 'nobody', password: 'wrong' })],
    ['there is no such database', async () => poolOf({ database: 'nowhere' })],
    ['the server hangs up', async () => poolOf({ port: await listening((socket) => socket.end()) })],
    [
      'the server does not answer in time',
      async () => {
        const port = await listening((socket) => {
          socket.on('error', () => {});
          ends.push(() => socket.destroy());
        });
        return poolOf({ port, connectTimeout: 50 });
      },
    ],
    [
      'the connection was closed before',
      async () => {
        const connection = await server.connect();
        await connection.end();
        return connection;
      },
    ],
  ];

  test.each(cases)('%s', async (_, make) => {
    const error = await errorOf(save(await make()));
    expect(error).toBeInstanceOf(NotSavedError);
    expect(error).toMatchObject({ wholeBatch: true, permanent: false });
  });

  /** As an adapter of one's own meets it. */
  test.each(cases.filter(([name]) => name !== 'the server hangs up'))('by its error alone: %s', async (_, make) => {
    const client = await make();
    const asked = client.query({ sql: 'SELECT 1', values: [], rowsAsArray: false });
    expect(notSavedError(await errorOf(asked))).toMatchObject({ wholeBatch: true });
  });
});

test('a pool lends a connection again after a save, and after a save that failed', async () => {
  const pool = server.createPool({ connectionLimit: 1 });
  expect(await save(pool)).toEqual([{ verdict: 'saved' }]);
  expect(await errorOf(save(pool, issuance(), 'nowhere'))).toBeInstanceOf(NotSavedError);
  expect(await save(pool)).toEqual([{ verdict: 'saved' }]);
});

describe('the wrong half of a driver is named', () => {
  test('where the client is made for callbacks, a pool and a connection', async () => {
    const pool = createCallbackPool(server.url);
    const connection = createCallbackConnection(server.url);
    // A goodbye that is heard: the server may be gone before it comes.
    for (const client of [pool, connection])
      ends.push(() => new Promise<void>((resolve) => client.end(() => resolve())));
    connection.on('error', () => {});
    for (const client of [pool, connection]) {
      const make = () => new MysqlPersistence(client as unknown as MysqlLike);
      expect(make).toThrow(InvalidArgumentError);
      expect(make).toThrow('mysql2/promise');
    }
    expect(await save(pool.promise() as unknown as MysqlLike)).toEqual([{ verdict: 'saved' }]);
  });

  test('where it is of another database, or none', () => {
    for (const client of [new pg.Pool(), new pg.Client(), undefined, null, {}, createPool, () => {}]) {
      expect(() => new MysqlPersistence(client as unknown as MysqlLike)).toThrow(InvalidArgumentError);
    }
  });

  test.each<[string, unknown]>([
    ['no promise', { query: () => ({}) }],
    ['the rows alone', { query: async () => ({ affectedRows: 0, insertId: 0n, warningStatus: 0 }) }],
  ])('where its query() returns %s', async (_, client) => {
    const persistence = new MysqlPersistence(client as MysqlLike);
    const error = await errorOf(persistence.save([issuance()], { signal: new AbortController().signal }));
    expect(error).toMatchObject({ name: 'NotSavedError', message: expect.stringContaining('mysql2/promise') });
    const listing = persistence.list('launch', { afterSerial: 0, limit: 1 });
    expect(await errorOf(listing)).toBeInstanceOf(MisconfiguredError);
  });
});
