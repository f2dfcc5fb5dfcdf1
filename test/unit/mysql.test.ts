import { describe, expect, test } from 'vitest';
import { NotSavedError } from '../../src/index.js';
import { createTableSql, type MysqlLike, MysqlPersistence } from '../../src/persistence/mysql/index.js';
import { errorOf, issuance } from '../support/scenes/issuances.js';

const ISSUANCE = issuance();
const IN_AUTOCOMMIT = { insertId: 0, serverStatus: 2 };
const IN_TRANSACTION = { insertId: 0, serverStatus: 3 };
const WITHOUT_AUTOCOMMIT = { insertId: 0, serverStatus: 0 };

type Answer = object | Error;

/** A client that answers statement by statement, and keeps what it was asked. The last answer is for all that follow. */
class Scripted implements MysqlLike {
  readonly asked: string[] = [];
  readonly #answers: Answer[];

  constructor(...answers: Answer[]) {
    this.#answers = answers;
  }

  async query({ sql }: { sql: string }): Promise<[unknown, unknown]> {
    this.asked.push(sql.match(/\w+/)![0]);
    const answer = this.#answers.length > 1 ? this.#answers.shift() : this.#answers[0];
    if (answer instanceof Error) throw answer;
    return [answer, undefined];
  }
}

const errorWith = (fields: object) => Object.assign(new Error('the server said no'), fields);
const deadlock = () => errorWith({ errno: 1213, sqlState: '40001', code: 'ER_LOCK_DEADLOCK' });

const save = (client: MysqlLike, issuance = ISSUANCE, signal = new AbortController().signal) =>
  new MysqlPersistence(client).save([issuance], { signal });

describe('an error of the insert proves that nothing is stored:', () => {
  test.each([
    { what: 'a lock wait that took too long', errno: 1205, sqlState: 'HY000' },
    { what: 'a missing table', errno: 1146, sqlState: '42S02' },
    { what: 'a password that is wrong', errno: 1045, sqlState: '28000' },
    { what: 'too many connections', errno: 1040, sqlState: '08004' },
    { what: 'a server that is read only', errno: 1290, sqlState: 'HY000' },
    { what: 'a read-only transaction', errno: 1792, sqlState: '25006' },
    { what: 'a refused connection', errno: -111, code: 'ECONNREFUSED', syscall: 'connect' },
    { what: 'a connection refused by each address of a name', code: 'ECONNREFUSED' },
    { what: 'a connection that took too long', code: 'ETIMEDOUT', syscall: 'connect' },
    { what: 'a name without an address', errno: -3008, code: 'ENOTFOUND', syscall: 'getaddrinfo' },
  ])('$what, for reasons outside the rows', async ({ what, ...fields }) => {
    const error = await errorOf(save(new Scripted(IN_AUTOCOMMIT, errorWith(fields))));
    expect(error).toBeInstanceOf(NotSavedError);
    expect(error).toMatchObject({ wholeBatch: true, permanent: false, cause: fields });
  });

  test.each([
    { what: 'a value out of range', errno: 1264, sqlState: '22003', permanent: true },
    { what: 'a value that is none', errno: 1366, sqlState: 'HY000', permanent: true },
    { what: 'a check of the table', errno: 3819, sqlState: 'HY000', permanent: false },
    { what: 'a foreign key', errno: 1452, sqlState: '23000', permanent: false },
    { what: 'a trigger that objects', errno: 1644, sqlState: '45000', permanent: false },
    { what: 'a packet that is too large', errno: 1153, sqlState: '08S01', permanent: false },
  ])('$what, which may be due to one row', async ({ what, permanent, ...fields }) => {
    const error = await errorOf(save(new Scripted(IN_AUTOCOMMIT, errorWith(fields))));
    expect(error).toBeInstanceOf(NotSavedError);
    expect(error).toMatchObject({ wholeBatch: false, permanent, cause: fields });
  });
});

test.each([
  { what: 'a lost connection', code: 'PROTOCOL_CONNECTION_LOST' },
  { what: 'a connection that was reset', errno: -104, code: 'ECONNRESET', syscall: 'read' },
  { what: 'a write to a closed connection', errno: -32, code: 'EPIPE', syscall: 'write' },
  { what: 'a connection that went silent', errno: -110, code: 'ETIMEDOUT', syscall: 'read' },
  { what: 'the time-out of the client', code: 'PROTOCOL_SEQUENCE_TIMEOUT' },
  { what: 'a statement that was killed', errno: 1317, sqlState: '70100' },
  { what: 'a statement that ran out of time', errno: 1969, sqlState: '70100' },
  { what: 'a shutdown', errno: 1053, sqlState: '08S01' },
  { what: 'a commit that failed', errno: 1180, sqlState: 'HY000' },
  { what: 'an error of which nothing is said' },
])('$what leaves the outcome unknown, and is thrown as it is', async ({ what, ...fields }) => {
  const thrown = errorWith(fields);
  expect(await errorOf(save(new Scripted(IN_AUTOCOMMIT, thrown)))).toBe(thrown);
});

test('a thrown value that is no error is thrown as it is', async () => {
  const client: MysqlLike = { query: () => Promise.reject(undefined) };
  expect(await errorOf(save(client))).toBe(undefined);
});

describe('a deadlock', () => {
  test.each([deadlock(), errorWith({ errno: 1020, sqlState: 'HY000' })])(
    'is tried again, because nothing of it is stored (%#)',
    async (error) => {
      const client = new Scripted(IN_AUTOCOMMIT, error, error, IN_AUTOCOMMIT);
      expect(await save(client)).toEqual([{ verdict: 'saved' }]);
      expect(client.asked).toEqual(['DO', 'INSERT', 'INSERT', 'INSERT']);
    },
  );

  test('that comes three times is a NotSavedError about the whole batch', async () => {
    const client = new Scripted(IN_AUTOCOMMIT, deadlock());
    const error = await errorOf(save(client));
    expect(error).toBeInstanceOf(NotSavedError);
    expect(error).toMatchObject({ wholeBatch: true, cause: { errno: 1213 } });
    expect(client.asked).toEqual(['DO', 'INSERT', 'INSERT', 'INSERT']);
  });

  test('is not tried again once nobody waits for the answer', async () => {
    const client = new Scripted(IN_AUTOCOMMIT, deadlock());
    expect(await errorOf(save(client, ISSUANCE, AbortSignal.abort()))).toBeInstanceOf(NotSavedError);
    expect(client.asked).toEqual(['DO', 'INSERT']);
  });

  test('followed by a lost connection leaves the outcome unknown', async () => {
    const lost = errorWith({ code: 'PROTOCOL_CONNECTION_LOST' });
    expect(await errorOf(save(new Scripted(IN_AUTOCOMMIT, deadlock(), lost)))).toBe(lost);
  });
});

test('any error of the look-up leaves the outcome unknown, for rows of the batch are stored', async () => {
  for (const thrown of [deadlock(), errorWith({ code: 'ECONNREFUSED', syscall: 'connect' })]) {
    const client = new Scripted(IN_AUTOCOMMIT, { ...IN_AUTOCOMMIT, insertId: 7 }, thrown);
    expect(await errorOf(save(client))).toBe(thrown);
    expect(client.asked).toEqual(['DO', 'INSERT', 'SELECT']);
  }
});

test('a row that was refused although no row stands in its way is an error, not a verdict', async () => {
  const client = new Scripted(IN_AUTOCOMMIT, { ...IN_AUTOCOMMIT, insertId: 7 }, []);
  expect(await errorOf(save(client))).toMatchObject({ message: expect.stringContaining('nothing stands in its way') });
});

describe('before anything is inserted', () => {
  test.each([
    { what: 'inside an open transaction', status: IN_TRANSACTION },
    { what: 'without autocommit', status: WITHOUT_AUTOCOMMIT },
    { what: 'that does not tell', status: {} },
  ])('a client $what is refused', async ({ status }) => {
    const client = new Scripted(status);
    const error = await errorOf(save(client));
    expect(error).toBeInstanceOf(NotSavedError);
    expect(error).toMatchObject({ wholeBatch: true });
    expect(client.asked).toEqual(['DO']);
  });

  test('a client that cannot be reached is a NotSavedError, and one that is lost is unknown', async () => {
    const refused = errorWith({ code: 'ECONNREFUSED', syscall: 'connect' });
    expect(await errorOf(save(new Scripted(refused)))).toBeInstanceOf(NotSavedError);
    const lost = errorWith({ code: 'PROTOCOL_CONNECTION_LOST' });
    expect(await errorOf(save(new Scripted(lost)))).toBe(lost);
  });

  test('a connection is asked with each batch, a pool until it has said yes', async () => {
    const connection = new Scripted(IN_AUTOCOMMIT);
    const pool = Object.assign(new Scripted(WITHOUT_AUTOCOMMIT, IN_AUTOCOMMIT), { getConnection() {} });
    for (const client of [connection, pool]) {
      const persistence = new MysqlPersistence(client);
      const signal = new AbortController().signal;
      for (let i = 0; i < 4; i++) await persistence.save([ISSUANCE], { signal }).catch(() => {});
    }
    expect(connection.asked.join(' ')).toBe('DO INSERT DO INSERT DO INSERT DO INSERT');
    expect(pool.asked.join(' ')).toBe('DO DO INSERT INSERT INSERT');
  });

  test('an empty batch asks nothing', async () => {
    const client = new Scripted(IN_AUTOCOMMIT);
    const persistence = new MysqlPersistence(client);
    expect(await persistence.save([], { signal: new AbortController().signal })).toEqual([]);
    expect(await persistence.find([])).toEqual([]);
    expect(client.asked).toEqual([]);
  });

  test.each([
    { userId: 'é'.repeat(65) },
    { campaignId: 'c'.repeat(65) },
    { code: 'x'.repeat(129) },
    { id: 'i'.repeat(65) },
    { epoch: '1'.repeat(65) },
  ])('text that is longer than its column is refused for good (%#)', async (given) => {
    const client = new Scripted(IN_AUTOCOMMIT);
    const error = await errorOf(save(client, { ...ISSUANCE, ...given }));
    expect(error).toBeInstanceOf(NotSavedError);
    expect(error).toMatchObject({ wholeBatch: false, permanent: true });
    expect(client.asked).toEqual(['DO']);
  });
});

test('rows that turn out to be in an open transaction are never told saved', async () => {
  const error = await errorOf(save(new Scripted(IN_AUTOCOMMIT, IN_TRANSACTION)));
  expect(error).not.toBeInstanceOf(NotSavedError);
  expect(error).toMatchObject({ message: expect.stringContaining('open transaction') });
});

test('a table is named with its schema or without, in quotes', () => {
  expect(createTableSql()).toMatch(/;\nCREATE TABLE IF NOT EXISTS `coupon_issuances` \(\n/);
  expect(createTableSql({ table: 'shop.order' })).toMatch(/;\nCREATE TABLE IF NOT EXISTS `shop`\.`order` \(\n/);
});

test.each(['Coupons', 'a b', 'x; DROP TABLE y', '`quoted`', 'a.b.c', '', '1st', 'x'.repeat(59), null as never])(
  'the table name %j is refused',
  (table) => {
    const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT', argument: 'table' });
    expect(() => createTableSql({ table })).toThrow(refused);
    expect(() => new MysqlPersistence(new Scripted({}), { table })).toThrow(refused);
  },
);
