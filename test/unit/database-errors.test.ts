import RedisMock from 'ioredis-mock';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import {
  CouponIssuer,
  InvalidArgumentError,
  MemoryPersistence,
  MisconfiguredError,
  NotSavedError,
} from '../../src/index.js';
import { listRows } from '../../src/persistence/list-rows.js';
import * as mysql from '../../src/persistence/mysql/index.js';
import {
  type PostgresLike,
  PostgresPersistence,
  notSavedError as postgresError,
} from '../../src/persistence/postgres/index.js';
import { errorOf } from '../support/scenes/issuances.js';

const errorWith = (fields: object, message = 'the server said no') => Object.assign(new Error(message), fields);
const UNKNOWN = null;
const WHOLE = { wholeBatch: true, permanent: false };
const ROW = { wholeBatch: false, permanent: false };
const FOR_GOOD = { wholeBatch: false, permanent: true };

describe('an error of PostgreSQL', () => {
  test.each([
    // Told by Node while it connects.
    [{ code: 'ECONNREFUSED' }, WHOLE],
    [{ code: 'ENOENT', syscall: 'connect' }, WHOLE],
    [{ code: 'ETIMEDOUT', syscall: 'connect' }, WHOLE],
    [{ code: 'EHOSTUNREACH', syscall: 'connect' }, WHOLE],
    [{ code: 'EAI_AGAIN', syscall: 'getaddrinfo' }, WHOLE],
    [{ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }, WHOLE],
    [{ code: 'ERR_TLS_CERT_ALTNAME_INVALID' }, WHOLE],
    // Told of a connection that was there.
    [{ code: 'ECONNRESET', syscall: 'read' }, UNKNOWN],
    [{ code: 'ETIMEDOUT', syscall: 'read' }, UNKNOWN],
    [{ code: 'EHOSTUNREACH', syscall: 'read' }, UNKNOWN],
    [{ code: 'EPIPE', syscall: 'write' }, UNKNOWN],
    [{ code: 'EPROTO', syscall: 'write' }, UNKNOWN],
    // Of the server, of a pooler, or of another library.
    [{ code: '57P03', severity: 'FATAL' }, WHOLE],
    [{ code: '57P01', severity: 'FATAL' }, UNKNOWN],
    [{ code: '57P01', severity: '치명적오류' }, UNKNOWN],
    [{ code: '25P04', severity: 'FATAL' }, UNKNOWN],
    [{ code: '40001', severity: 'FATAL' }, UNKNOWN],
    [{ code: 'ABCDE', severity: 'PANIC' }, UNKNOWN],
    [{ code: '08P01', severity: 'FATAL' }, UNKNOWN],
    [{ code: 'HV000', severity: 'ERROR' }, UNKNOWN],
    [{ code: 'SH001', severity: 'ERROR' }, ROW],
    [{ code: 'SH001', severity: 'FEHLER' }, ROW],
    [{ code: 'SH001' }, UNKNOWN],
    [{ code: 'P1017' }, UNKNOWN],
    [{ code: '22003', severity: 'ERROR' }, FOR_GOOD],
    [{ code: '22003', severity: 'ERROR', routine: 'exec_stmt_raise' }, ROW],
    [{ code: '54000', severity: 'ERROR' }, ROW],
    [{ code: '42501', severity: 'ERROR', routine: 'aclcheck_error' }, WHOLE],
    [{ code: '42501', severity: 'ERROR', routine: 'ExecWithCheckOptions' }, ROW],
    [{ code: '42P01', severity: 'ERROR', where: 'PL/pgSQL function bar() line 1 at SQL statement' }, ROW],
    [{ code: '42P01', severity: 'ERROR' }, WHOLE],
    [{ code: '40P01', severity: 'ERROR', where: 'while inserting index tuple' }, WHOLE],
    [{ code: 'CONNECT_TIMEOUT' }, WHOLE],
    [{ code: 'CONNECTION_CLOSED' }, UNKNOWN],
    [{}, UNKNOWN],
  ])('%j proves %j', (fields, proof) => {
    const proven = postgresError(errorWith(fields));
    if (proof) expect(proven).toMatchObject(proof);
    else expect(proven).toBeNull();
  });

  test.each([
    ['Connection terminated due to connection timeout', true],
    ['Connection terminated unexpectedly', false],
    ['Connection terminated', false],
    ['Query read timeout', false],
    ['timeout exceeded when trying to connect', true],
    ['SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string', true],
  ])('that says "%s": that nothing is stored is %s', (message, certain) => {
    expect(postgresError(new Error(message)) instanceof NotSavedError).toBe(certain);
  });

  test.each([
    ['no more connections allowed (max_client_conn)', true],
    ['pgbouncer cannot connect to server', true],
    ['server login has been failing, try again later (server_login_retry)', true],
    ['client_login_timeout (server down)', true],
    ['database "shop" is disabled', true],
    ['"trust" authentication failed', true],
    ['password authentication failed', true],
    ['server conn crashed?', false],
    ['query timeout', false],
    ['pooler error: server closed', false],
  ])('of PgBouncer that says "%s": that nothing is stored is %s', (message, certain) => {
    const error = errorWith({ code: '08P01', severity: 'FATAL' }, message);
    expect(postgresError(error) instanceof NotSavedError).toBe(certain);
  });
});

describe('an error of MySQL', () => {
  test.each([
    [{ code: 'HANDSHAKE_NO_SSL_SUPPORT' }, WHOLE],
    [{ code: 'POOL_NONEONLINE' }, WHOLE],
    [{ code: 'PROTOCOL_CONNECTION_LOST' }, UNKNOWN],
    [{ errno: 1040, sqlState: '' }, WHOLE],
    [{ errno: 1203, sqlState: '42000' }, WHOLE],
    [{ errno: 4031, sqlState: 'HY000' }, WHOLE],
    [{ errno: 1665, sqlState: 'HY000' }, WHOLE],
    [{ errno: 1644, sqlState: '08S01' }, ROW],
    [{ errno: 1317, sqlState: '45000' }, ROW],
    [{ errno: 30_001, sqlState: 'SH001' }, ROW],
    [{ errno: 1305, sqlState: '42000' }, ROW],
    [{ errno: 1180, sqlState: 'HY000' }, UNKNOWN],
    [{ errno: 3100, sqlState: 'HY000' }, UNKNOWN],
    [{ errno: 1105, sqlState: 'HY000' }, UNKNOWN],
    [{ errno: 1159, sqlState: '08S01' }, UNKNOWN],
    [{ errno: -32, code: 'EPIPE', syscall: 'write' }, UNKNOWN],
    [{}, UNKNOWN],
  ])('%j proves %j', (fields, proof) => {
    const proven = mysql.notSavedError(errorWith(fields));
    if (proof) expect(proven).toMatchObject(proof);
    else expect(proven).toBeNull();
  });
});

test('each address of a name has to be unreached', () => {
  const refused = errorWith({ code: 'ECONNREFUSED', syscall: 'connect' });
  const reset = errorWith({ code: 'ECONNRESET', syscall: 'read' });
  for (const notSavedError of [postgresError, mysql.notSavedError]) {
    expect(notSavedError(new AggregateError([refused, refused]))).toMatchObject(WHOLE);
    expect(notSavedError(new AggregateError([refused, reset]))).toBeNull();
    expect(notSavedError(new AggregateError([]))).toBeNull();
  }
});

test('what is no error, or cannot be read, proves nothing', () => {
  const touch = () => {
    throw new Error('touched');
  };
  const proxy = new Proxy(new Error('x'), { get: touch, getPrototypeOf: touch });
  for (const thrown of [undefined, null, 'ECONNREFUSED', 42, [], proxy]) {
    expect(postgresError(thrown)).toBeNull();
    expect(mysql.notSavedError(thrown)).toBeNull();
  }
});

test('the message says what happened and the code, and nothing that the database said', () => {
  const error = errorWith({ code: '23514', severity: 'ERROR', detail: 'SECRET' }, 'row SECRET is bad');
  expect(postgresError(error)?.message).toMatch(/^nothing was saved: .* \(23514\)$/);
  expect(postgresError(error)?.message).not.toContain('SECRET');
});

test('what is wrong with the client reaches the operator who opens a campaign, and any other error only by its kind', async () => {
  const page = { campaignId: 'launch', afterSerial: 0, limit: 1, timeoutMs: 1_000, otherwise: 'it does not serve' };
  const failing = (error: Error) => errorOf(listRows(() => Promise.reject(error), page));
  const misfit = await failing(new MisconfiguredError('the client is not connected'));
  expect(misfit).toMatchObject({ code: 'MISCONFIGURED', message: 'the client is not connected; it does not serve' });
  const other = await failing(new Error('row SECRET'));
  expect(other).toMatchObject({ code: 'HOOK', message: expect.not.stringContaining('SECRET') });
});

test('a database that is down is told as such to a probe, and not as a hook of the shop', async () => {
  const check = () => Promise.reject(Object.assign(new Error('connect to SECRET'), { code: 'ECONNREFUSED' }));
  const persistence = Object.assign(new MemoryPersistence(), { check });
  const issuer = new CouponIssuer({ redis: new RedisMock(), persistence });
  const error = await errorOf(issuer.check());
  const message = "the adapter's check failed (Error ECONNREFUSED); nothing was changed; ask again";
  expect(error).toMatchObject({ code: 'PERSISTENCE', outcome: 'not_applied', message });
  await issuer.close();
});

test('what cannot be a client of PostgreSQL is refused by name', () => {
  const sql = () => {};
  for (const client of [pg.Pool, sql, undefined, null, {}, { query: {} }, { query() {}, getConnection() {} }]) {
    const make = () => new PostgresPersistence(client as unknown as PostgresLike);
    expect(make).toThrow(InvalidArgumentError);
    expect(make).toThrow('a Pool of `pg`');
  }
});
