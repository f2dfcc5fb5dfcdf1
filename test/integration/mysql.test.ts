import type mysql from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Issuance, NotSavedError } from '../../src/index.js';
import { mintId } from '../../src/model/issuance.js';
import { type MysqlLike, MysqlPersistence } from '../../src/persistence/mysql/index.js';
import { until } from '../support/checks/until.js';
import { errorOf, issuance } from '../support/scenes/issuances.js';
import { Mariadb, rowsOf } from '../support/servers/mariadb.js';
import { ownPort } from '../support/servers/port.js';
import { IS_MARIADB } from '../support/servers/programs.js';

let server: Mariadb;
beforeAll(async () => {
  server = await Mariadb.start();
  await new MysqlPersistence(server.pool).createTable();
});
afterAll(() => server.stop());

function save(client: MysqlLike, issuances: Issuance[], table?: string) {
  const persistence = new MysqlPersistence(client, table ? { table } : {});
  return persistence.save(issuances, { signal: new AbortController().signal });
}

/** Puts a row in as somebody else does. */
async function insert(client: mysql.Connection, one: Issuance): Promise<void> {
  const { campaignId, serial, userId, grant, id, code, epoch } = one;
  await client.query(
    `INSERT INTO coupon_issuances (campaign_id, serial, user_id, grant_no, id, code, epoch, issued_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, UTC_TIMESTAMP(3))`,
    [campaignId, serial, userId, grant, id, code, epoch],
  );
}

/** Resolves once a transaction waits for a lock. */
async function untilOneWaits(): Promise<void> {
  await until(async () => (await server.statusOf('Innodb_row_lock_current_waits')) === 1);
}

async function threadOf(client: mysql.Connection): Promise<number> {
  const [rows] = await client.query<mysql.RowDataPacket[]>('SELECT CONNECTION_ID() AS id');
  return rows[0]!.id;
}

describe('it is certain that nothing is stored', () => {
  test('when one row breaks a check: its neighbours are not stored either', async () => {
    const table = 'shop.checked';
    await new MysqlPersistence(server.pool, { table }).createTable();
    await server.pool.query(`ALTER TABLE ${table} ADD CONSTRAINT adults CHECK (user_id <> 'child')`);
    const good = issuance();
    const poison = issuance({ campaignId: good.campaignId, userId: 'child', serial: 2 });
    const error = await errorOf(save(server.pool, [good, poison], table));
    expect(error).toBeInstanceOf(NotSavedError);
    expect(error).toMatchObject({ wholeBatch: false, cause: { errno: IS_MARIADB ? 4025 : 3819 } });
    expect(await rowsOf(server, good.campaignId, table)).toEqual([]);
  });

  test('when a trigger objects', async () => {
    const table = 'shop.guarded';
    await new MysqlPersistence(server.pool, { table }).createTable();
    await server.pool.query(`CREATE TRIGGER guard AFTER INSERT ON ${table} FOR EACH ROW SIGNAL SQLSTATE '45000'`);
    const one = issuance();
    const error = await errorOf(save(server.pool, [one], table));
    expect(error).toBeInstanceOf(NotSavedError);
    expect(error).toMatchObject({ wholeBatch: false, cause: { errno: 1644 } });
    expect(await rowsOf(server, one.campaignId, table)).toEqual([]);
  });

  test('when text is too long, also where the session would cut it', async () => {
    const lax = await server.connect();
    await lax.query(`SET sql_mode = ''`);
    const [kept, long] = [issuance({ userId: 'u'.repeat(128) }), issuance({ userId: 'u'.repeat(129) })];
    expect(await errorOf(save(lax, [kept, { ...long, campaignId: kept.campaignId }]))).toBeInstanceOf(NotSavedError);
    expect(await rowsOf(server, kept.campaignId)).toEqual([]);
    expect(await save(lax, [kept])).toEqual([{ verdict: 'saved' }]);
  });

  test('when the batch is larger than a packet may be, unless the connection ends before it says so; halves are stored and known again', async () => {
    await server.pool.query('SET GLOBAL max_allowed_packet = 1048576');
    const pool = server.createPool();
    try {
      const { campaignId } = issuance();
      const batch = Array.from({ length: 8000 }, (_, i) => issuance({ campaignId, serial: i + 1 }));
      const error = await errorOf(save(pool, batch));
      // The server closes the connection without reading on: a reset may overtake its words.
      const told = error instanceof NotSavedError && { wholeBatch: error.wholeBatch, cause: error.cause };
      if (told) expect(told).toMatchObject({ wholeBatch: false, cause: { errno: 1153 } });
      else expect(['ECONNRESET', 'EPIPE', 'PROTOCOL_CONNECTION_LOST']).toContain((error as { code?: string }).code);
      expect(await rowsOf(server, campaignId)).toEqual([]);
      const half = batch.slice(0, 4000);
      const saved = half.map(() => ({ verdict: 'saved' }));
      expect(await save(pool, half)).toEqual(saved);
      expect(await save(pool, half)).toEqual(saved);
      expect(await rowsOf(server, campaignId)).toHaveLength(4000);
    } finally {
      await server.pool.query('SET GLOBAL max_allowed_packet = 16777216');
    }
  });

  test('when a lock was waited for too long, and nothing is stored later', async () => {
    const [holder, waiter] = [await server.connect(), await server.connect()];
    await waiter.query('SET innodb_lock_wait_timeout = 1');
    const one = issuance();
    await holder.query('BEGIN');
    await insert(holder, { ...one, id: mintId(), userId: 'holder' });
    const error = await errorOf(save(waiter, [issuance({ campaignId: one.campaignId, serial: 2 }), one]));
    expect(error).toBeInstanceOf(NotSavedError);
    expect(error).toMatchObject({ wholeBatch: true, cause: { errno: 1205 } });
    await holder.query('ROLLBACK');
    expect(await rowsOf(server, one.campaignId)).toEqual([]);
  });

  test('when there is no such table, database or server', async () => {
    const nobody = { host: '127.0.0.1', port: await ownPort() };
    const refusals: [MysqlLike, string, object][] = [
      [server.pool, 'nowhere', { errno: 1146 }],
      [server.createPool({ database: 'nowhere' }), 'coupon_issuances', { errno: 1049 }],
      [server.createPool(nobody), 'coupon_issuances', { code: 'ECONNREFUSED' }],
      [server.createPool({ ...nobody, host: 'localhost' }), 'coupon_issuances', { code: 'ECONNREFUSED' }],
    ];
    for (const [client, table, cause] of refusals) {
      const error = await errorOf(save(client, [issuance()], table));
      expect(error).toBeInstanceOf(NotSavedError);
      expect(error).toMatchObject({ wholeBatch: true, cause });
    }
  });
});

test.each([
  { what: 'statement', kill: 'KILL QUERY', error: { errno: 1317 } },
  { what: 'connection', kill: 'KILL', error: { fatal: true } },
])('a $what that is killed leaves the outcome unknown', async ({ kill, error: expected }) => {
  const [holder, waiter] = [await server.connect(), await server.connect()];
  const one = issuance();
  const thread = await threadOf(waiter);
  await holder.query('BEGIN');
  await insert(holder, { ...one, id: mintId(), userId: 'holder' });
  const saving = errorOf(save(waiter, [one]));
  await untilOneWaits();
  await server.pool.query(`${kill} ${thread}`);
  const error = await saving;
  await holder.query('ROLLBACK');
  expect(error).not.toBeInstanceOf(NotSavedError);
  expect(error).toMatchObject(expected);
});

describe('a client that would not commit is refused, and nothing is stored:', () => {
  test.each(['BEGIN', 'SET autocommit = 0'])('a connection after %s; in autocommit it saves', async (statement) => {
    const client = await server.connect();
    const one = issuance();
    await client.query(statement);
    const error = await errorOf(save(client, [one]));
    expect(error).toBeInstanceOf(NotSavedError);
    expect(error).toMatchObject({ wholeBatch: true });
    await client.query('COMMIT');
    expect(await rowsOf(server, one.campaignId)).toEqual([]);
    await client.query('SET autocommit = 1');
    expect(await save(client, [one])).toEqual([{ verdict: 'saved' }]);
    expect(await rowsOf(server, one.campaignId)).toMatchObject([{ id: one.id }]);
  });

  test('a connection lent by a pool, inside a transaction', async () => {
    const lent = await server.pool.getConnection();
    try {
      const one = issuance();
      await lent.beginTransaction();
      expect(await errorOf(save(lent, [one]))).toBeInstanceOf(NotSavedError);
      await lent.commit();
      expect(await rowsOf(server, one.campaignId)).toEqual([]);
    } finally {
      lent.release();
    }
  });

  test('a pool whose connections have autocommit off', async () => {
    const pool = server.createPool();
    pool.on('connection', (connection) => void connection.query('SET autocommit = 0'));
    expect(await errorOf(save(pool, [issuance()]))).toBeInstanceOf(NotSavedError);
  });
});

test('rows that a pool left in a transaction are not told saved', async () => {
  const pool = server.createPool({ connectionLimit: 1 });
  const persistence = new MysqlPersistence(pool);
  const { signal } = new AbortController();
  const [one, other] = [issuance(), issuance()];
  expect(await persistence.save([one], { signal })).toEqual([{ verdict: 'saved' }]);
  await pool.query('BEGIN');
  expect(await errorOf(persistence.save([other], { signal }))).toMatchObject({
    message: expect.stringContaining('in an open transaction'),
  });
  expect(await rowsOf(server, other.campaignId)).toEqual([]);
});

test('an insert that waits for a concurrent transaction tells what that one committed', async () => {
  const { campaignId } = issuance();
  const [again, grant, serial, code, fresh] = [1, 2, 3, 4, 5].map((n) =>
    issuance({ campaignId, serial: n, code: `CODE-${n}` }),
  ) as [Issuance, Issuance, Issuance, Issuance, Issuance];
  const otherId = { ...grant, id: mintId(), serial: 12, code: null };
  const otherUser = { ...serial, id: mintId(), userId: 'other', code: null };
  const otherSerial = { ...code, id: mintId(), userId: 'another', serial: 14 };
  const rival = await server.connect();
  await rival.query('BEGIN');
  for (const row of [again, otherId, otherUser, otherSerial]) await insert(rival, row);
  const saving = save(server.pool, [again, grant, serial, code, fresh]);
  await untilOneWaits();
  await rival.query('COMMIT');
  expect(await saving).toMatchObject([
    { verdict: 'saved' },
    { verdict: 'user_conflict', existing: { id: otherId.id, serial: 12, code: null, state: 'issued' } },
    { verdict: 'serial_conflict' },
    { verdict: 'code_conflict' },
    { verdict: 'saved' },
  ]);
  expect((await rowsOf(server, campaignId)).map((row) => row.serial)).toEqual([1, 3, 5, 12, 14]);
});

test('an insert that waits for a concurrent transaction is stored when that one is rolled back', async () => {
  const one = issuance();
  const rival = await server.connect();
  await rival.query('BEGIN');
  await insert(rival, { ...one, id: mintId(), userId: 'rival' });
  const saving = save(server.pool, [one]);
  await untilOneWaits();
  await rival.query('ROLLBACK');
  expect(await saving).toEqual([{ verdict: 'saved' }]);
  expect(await rowsOf(server, one.campaignId)).toMatchObject([{ id: one.id, userId: one.userId }]);
});

test('an id that is stored under a later grant of the user is a user_conflict with that row', async () => {
  const stored = issuance({ grant: 2, serial: 7 });
  await save(server.pool, [stored]);
  const again = { ...stored, grant: 1, serial: 8 };
  expect(await save(server.pool, [again])).toEqual([
    { verdict: 'user_conflict', existing: { ...stored, state: 'issued' } },
  ]);
  expect(await rowsOf(server, stored.campaignId)).toHaveLength(1);
});

test('rows that the first look-up does not show yet are found by a look-up with locks', async () => {
  const { campaignId } = issuance();
  const [stored, taken] = [1, 2].map((serial) => issuance({ campaignId, serial })) as [Issuance, Issuance];
  await save(server.pool, [stored, taken]);
  const lookUps: string[] = [];
  const forgetful: MysqlLike = {
    query: async (options) => {
      if (!options.sql.includes('SELECT')) return server.pool.query(options);
      lookUps.push(options.sql);
      const [rows, fields] = await server.pool.query<mysql.RowDataPacket[]>(options);
      return [lookUps.length === 1 ? rows.filter(({ serial }) => serial === stored.serial) : rows, fields];
    },
  };
  const rival = issuance({ campaignId, serial: taken.serial });
  expect(await save(forgetful, [stored, rival])).toEqual([{ verdict: 'saved' }, { verdict: 'serial_conflict' }]);
  expect(lookUps).toHaveLength(2);
  expect(lookUps.map((sql) => sql.includes('LOCK IN SHARE MODE'))).toEqual([false, true]);
});

test('ten thousand issuances are saved in one batch, found, and known again', async () => {
  const persistence = new MysqlPersistence(server.pool);
  const { signal } = new AbortController();
  const { campaignId } = issuance();
  const batch = Array.from({ length: 10_000 }, (_, i) => issuance({ campaignId, serial: i + 1, code: `CODE-${i}` }));
  const saved = batch.map(() => ({ verdict: 'saved' }));
  expect(await persistence.save(batch, { signal })).toEqual(saved);
  expect(await persistence.save(batch.toReversed(), { signal })).toEqual(saved);
  expect(await persistence.find(batch)).toEqual(batch.map((one) => ({ ...one, state: 'issued' })));
  expect(await rowsOf(server, campaignId)).toHaveLength(10_000);
});

test('a thousand issuances of the longest texts are saved in one batch, and known again, by a server of small packets', async () => {
  await server.pool.query('SET GLOBAL max_allowed_packet = 2097152');
  try {
    const pool = server.createPool();
    const long = (length: number) => mintId().padEnd(length, '.');
    const campaignId = long(64);
    const batch = Array.from({ length: 1000 }, (_, i) =>
      issuance({ campaignId, serial: i + 1, userId: long(128), code: long(128) }),
    );
    const saved = batch.map(() => ({ verdict: 'saved' }));
    expect(await save(pool, batch)).toEqual(saved);
    expect(await save(pool, batch)).toEqual(saved);
  } finally {
    await server.pool.query('SET GLOBAL max_allowed_packet = 16777216');
  }
});

test('creating the table twice keeps what it holds', async () => {
  await server.pool.query('CREATE DATABASE other');
  const table = 'other.order';
  const persistence = new MysqlPersistence(server.pool, { table });
  await persistence.createTable();
  const one = issuance();
  await save(server.pool, [one], table);
  await persistence.createTable();
  expect(await rowsOf(server, one.campaignId, '`other`.`order`')).toMatchObject([{ id: one.id }]);
});
