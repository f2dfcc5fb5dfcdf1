import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { monotonicMs } from '../../src/flow/deadline.js';
import { type Issuance, MisconfiguredError, NotSavedError } from '../../src/index.js';
import { batchedSaves } from '../../src/issue/save.js';
import { notSavedError, type PostgresLike, PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { until } from '../support/checks/until.js';
import { errorOf, issuance } from '../support/scenes/issuances.js';
import { Database, rowsOf } from '../support/servers/database.js';
import { FakePostgres, type Saying } from '../support/servers/fake-postgres.js';
import { ownPort } from '../support/servers/port.js';
import { aReserved, isPending } from '../unit/support.js';

let database: Database;
const ends: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  database = await Database.create();
  await new PostgresPersistence(database.pool).createTable();
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
afterAll(() => database.stop());

const save = (client: PostgresLike, ...issuances: Issuance[]) =>
  new PostgresPersistence(client).save(issuances.length > 0 ? issuances : [issuance()]);

function poolOf(config: pg.PoolConfig): pg.Pool {
  const pool = new pg.Pool({ connectionString: 'port' in config ? undefined : database.url, ...config });
  pool.on('error', () => {});
  ends.push(() => pool.end().catch(() => {}));
  return pool;
}

async function clientOf(config: pg.ClientConfig = {}): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database.url, ...config });
  client.on('error', () => {});
  await client.connect();
  ends.push(() => client.end().catch(() => {}));
  return client;
}

async function fake(making: Promise<FakePostgres>): Promise<FakePostgres> {
  const server = await making;
  ends.push(() => server.stop());
  return server;
}

describe('one user whom the table refuses takes no neighbour along:', () => {
  const raise = (state: string) => `RAISE EXCEPTION 'barred' USING ERRCODE = '${state}'`;
  const trigger = (table: string, statement: string, kind = 'TRIGGER', when = 'BEFORE', end = '') =>
    `CREATE FUNCTION ${table}_bar() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN IF NEW.user_id LIKE 'barred%' THEN ${statement}; END IF; RETURN NEW; END $$;
     CREATE ${kind} bar ${when} INSERT ON ${table} ${end} FOR EACH ROW EXECUTE FUNCTION ${table}_bar()`;
  const deferred = ['CONSTRAINT TRIGGER', 'AFTER', 'DEFERRABLE INITIALLY DEFERRED'] as const;

  test.each<[string, string, (table: string) => string]>([
    ['a code of its own', 'SH001', (table) => trigger(table, raise('SH001'))],
    ['a code without digits', 'ABCDE', (table) => trigger(table, raise('ABCDE'))],
    ['the code of a shutdown', '57P01', (table) => trigger(table, raise('57P01'))],
    ['the code of a lost connection', '08006', (table) => trigger(table, raise('08006'))],
    ['the code of a failure within the server', 'XX000', (table) => trigger(table, raise('XX000'))],
    ['the code of a missing table', '42P01', (table) => trigger(table, raise('42P01'))],
    ['a table of its own that is missing', '42P01', (table) => trigger(table, 'INSERT INTO nowhere VALUES (1)')],
    ['a right that is missing there', '42501', (table) => trigger(table, 'PERFORM pg_read_file(NEW.user_id)')],
    ['an error at the end of the transaction', 'SH002', (table) => trigger(table, raise('SH002'), ...deferred)],
  ])('a trigger with %s (%s)', async (_, code, sql) => {
    const table = `barred_${code.toLowerCase()}_${Math.random().toString(36).slice(2, 8)}`;
    await new PostgresPersistence(database.pool, { table }).createTable();
    await database.pool.query(sql(table));
    const role = `seller_${table}`;
    await database.pool.query(`CREATE ROLE ${role}; GRANT SELECT, INSERT ON ${table} TO ${role}`);
    ends.push(() => database.pool.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`));
    await assertOneRefused(new PostgresPersistence(poolOf({ options: `-c role=${role}` }), { table }), table, code);
  });

  test('a policy (42501), where the table as a whole is not refused', async () => {
    const table = 'policed';
    await new PostgresPersistence(database.pool, { table }).createTable();
    await database.pool.query(`CREATE ROLE policed; GRANT SELECT, INSERT ON ${table} TO policed;
      ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY;
      CREATE POLICY reading ON ${table} FOR SELECT USING (true);
      CREATE POLICY writing ON ${table} FOR INSERT WITH CHECK (user_id NOT LIKE 'barred%')`);
    ends.push(() => database.pool.query(`DROP OWNED BY policed; DROP ROLE policed`));
    await assertOneRefused(new PostgresPersistence(poolOf({ options: '-c role=policed' }), { table }), table, '42501');
  });

  async function assertOneRefused(persistence: PostgresPersistence, table: string, code: string): Promise<void> {
    const { campaignId } = issuance();
    const users = ['ann', 'bob', 'barred', 'cho', 'dan'];
    const batch = users.map((userId, i) => issuance({ campaignId, userId, serial: i + 1 }));
    expect(await errorOf(persistence.save([batch[2]!]))).toMatchObject({ wholeBatch: false, cause: { code } });
    const saves = batchedSaves(persistence, { maxBatch: 10, maxInFlight: 1, emit: () => {} });
    const deadlineAt = monotonicMs() + 60_000;
    const outcomes = await Promise.all(
      batch.map((one) => saves.add({ reserved: aReserved(one), perUser: 1, deadlineAt })),
    );
    const refused = { verdict: 'not_saved', refusal: 'yes' };
    const expected = users.map((user) => (user === 'barred' ? refused : { verdict: 'saved' }));
    expect(outcomes).toMatchObject(expected);
    expect((await rowsOf(database, campaignId, table)).map(({ userId }) => userId)).toEqual(
      users.filter((user) => user !== 'barred'),
    );
  }
});

describe('one user whose row the table leaves out without an error takes no neighbour along:', () => {
  const leavesOut = (user: string) => `IF NEW.user_id LIKE '${user}%' THEN RETURN NULL; END IF; RETURN NEW;`;
  const OBSTACLES: Record<string, string> = {
    'a trigger that takes the row out': `CREATE FUNCTION TABLE_out() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${leavesOut('barred')} END $$;
      CREATE TRIGGER taken_out BEFORE INSERT ON TABLE FOR EACH ROW EXECUTE FUNCTION TABLE_out()`,
    'a rule': `CREATE RULE barred AS ON INSERT TO TABLE WHERE NEW.user_id LIKE 'barred%' DO INSTEAD NOTHING`,
    'a unique key of its own, on one coupon per user of all campaigns': `CREATE UNIQUE INDEX ON TABLE (left(user_id, 6));
      INSERT INTO TABLE VALUES ('last-year', 1, 'barred', 1, 'an-id', NULL, now(), 'an-epoch')`,
  };
  const prepared = async (sql: string) => {
    const table = `left_out_${Math.random().toString(36).slice(2, 8)}`;
    const persistence = new PostgresPersistence(database.pool, { table });
    await persistence.createTable();
    await database.pool.query(sql.replaceAll('TABLE', table));
    return { table, persistence };
  };

  test.each(Object.entries(OBSTACLES))('%s', async (_, sql) => {
    const { table, persistence } = await prepared(sql);
    const { campaignId } = issuance();
    const users = ['ann', 'bob', 'barred', 'cho', 'dan'];
    const batch = users.map((userId, i) => issuance({ campaignId, userId, serial: i + 1 }));
    const refused = { verdict: 'refused', reason: 'skipped_by_database' };
    const expected = users.map((user) => (user === 'barred' ? refused : { verdict: 'saved' }));
    expect(await persistence.save(batch).catch(String)).toEqual(expected);
    expect(await persistence.save([batch[2]!])).toEqual([refused]);
    expect(await rowsOf(database, campaignId, table)).toHaveLength(4);
  });

  test('of many such rows in one batch nobody knows how it ended, so that it ends in time', async () => {
    const { persistence } = await prepared(OBSTACLES['a rule']!);
    const { campaignId } = issuance();
    const batch = (count: number) =>
      Array.from({ length: count }, (_, i) => issuance({ campaignId, userId: `barred-${i}`, serial: i + 1 }));
    expect(await persistence.save(batch(16))).toHaveLength(16);
    const error = await errorOf(persistence.save(batch(17)));
    expect(error).toMatchObject({ message: expect.stringContaining('nothing stands in its way') });
    expect(error).not.toBeInstanceOf(NotSavedError);
  });

  test('a client that does not tell how many rows were written proves nothing', async () => {
    const { persistence, table } = await prepared(OBSTACLES['a rule']!);
    const query = async (text: string, values?: unknown[]) => ({
      rows: (await database.pool.query(text, values)).rows,
    });
    const silent = new PostgresPersistence({ query }, { table });
    const barred = issuance({ userId: 'barred' });
    expect(await errorOf(silent.save([barred]))).toMatchObject({ message: expect.stringContaining('was skipped') });
    expect(await persistence.save([barred])).toMatchObject([{ verdict: 'refused' }]);
  });
});

describe('what refuses the table as a whole is not looked for in its rows:', () => {
  test.each([
    ['42501', 'the right to insert', `REVOKE INSERT ON whole FROM whole`],
    ['42501', 'the right to the schema', `REVOKE USAGE ON SCHEMA whole FROM whole`],
    ['42703', 'a column', `ALTER TABLE whole DROP COLUMN epoch`],
    ['42P01', 'the table', `DROP TABLE whole`],
  ])('%s, %s is missing', async (code, _, sql) => {
    await database.pool.query('CREATE SCHEMA whole; CREATE ROLE whole; GRANT USAGE ON SCHEMA whole TO whole');
    ends.push(() => database.pool.query('DROP SCHEMA whole CASCADE; DROP OWNED BY whole; DROP ROLE whole'));
    await new PostgresPersistence(database.pool, { table: 'whole.whole' }).createTable();
    await database.pool.query(
      `GRANT SELECT, INSERT ON whole.whole TO whole; SET search_path = whole; ${sql}; RESET search_path`,
    );
    const persistence = new PostgresPersistence(poolOf({ options: '-c role=whole' }), { table: 'whole.whole' });
    const error = await errorOf(persistence.save([issuance()]));
    expect(error).toBeInstanceOf(NotSavedError);
    expect(error).toMatchObject({ wholeBatch: true, permanent: false, cause: { code } });
  });
});

describe('a connection that was never granted is certain:', () => {
  const STARTING: Saying = { code: '57P03', message: 'the database system is starting up' };
  const cases: [string, () => Promise<pg.Pool>][] = [
    [
      'the pool has none free in time',
      async () => {
        const pool = poolOf({ max: 1 });
        const lent = await pool.connect();
        // The first connection may take its time. Nobody else waits longer than this for it.
        pool.options.connectionTimeoutMillis = 50;
        ends.push(async () => lent.release());
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
    ['the server is starting up', async () => poolOf((await fake(FakePostgres.refusing(STARTING))).address)],
    ['the server hangs up', async () => poolOf((await fake(FakePostgres.refusing(null))).address)],
    [
      'the server does not answer in time',
      async () => poolOf({ ...(await fake(FakePostgres.silent())).address, connectionTimeoutMillis: 50 }),
    ],
    [
      'a pooler lets nobody in',
      async () =>
        poolOf(
          (await fake(FakePostgres.refusing({ code: 'XX000', message: 'Max client connections reached' }))).address,
        ),
    ],
    ['the server has no TLS', async () => poolOf({ ssl: true })],
    ['the socket is not there', async () => poolOf({ host: '/nonexistent', port: 5432, user: 'app' })],
    ['the port is closed', async () => poolOf({ host: '127.0.0.1', port: await ownPort() })],
    ['the name has no address', async () => poolOf({ host: 'nowhere.invalid', port: 5432 })],
    ['the password is wrong', async () => poolOf(differing('password', 'wrong'))],
    ['there is no such database', async () => poolOf(differing('pathname', 'nowhere'))],
    [
      'the password cannot be fetched',
      async () => {
        const password = () => Promise.reject(new TypeError('the vault is sealed'));
        return poolOf({ ...parts(), password });
      },
    ],
    [
      'the user has too many',
      async () => {
        await database.pool.query(`CREATE ROLE crowded LOGIN PASSWORD 'crowded' CONNECTION LIMIT 0`);
        ends.push(() => database.pool.query('DROP ROLE crowded'));
        return poolOf({ ...parts(), user: 'crowded', password: 'crowded' });
      },
    ],
  ];

  test.each(cases)('%s', async (_, make) => {
    const error = await errorOf(save(await make()));
    expect(error).toBeInstanceOf(NotSavedError);
    expect(error).toMatchObject({ wholeBatch: true, permanent: false });
  });

  /** As an adapter of one's own meets it: by the error alone. */
  const silent = ['the server hangs up', 'the password cannot be fetched', 'a pooler lets nobody in'];
  test.each(cases.filter(([name]) => !silent.includes(name)))('by its error alone: %s', async (_, make) => {
    const pool = await make();
    expect(notSavedError(await errorOf(pool.query('SELECT 1')))).toMatchObject({ wholeBatch: true });
  });

  test.each([
    ['query_wait_timeout', true],
    ['server login failed: FATAL password authentication failed for user "app"', true],
    ['server conn crashed?', false],
    ['query_timeout', false],
  ])('PgBouncer refuses a statement with "%s": that nothing is stored is %s', async (message, certain) => {
    const server = await fake(FakePostgres.refusingStatements({ code: '08P01', message }));
    expect((await errorOf(save(poolOf(server.address)))) instanceof NotSavedError).toBe(certain);
  });

  test('a connection that was granted and then lost proves nothing', async () => {
    const server = await fake(FakePostgres.refusingStatements(null));
    expect(await errorOf(save(poolOf(server.address)))).not.toBeInstanceOf(NotSavedError);
  });

  function parts() {
    const { hostname, port, pathname, username, password } = new URL(database.url);
    return { host: hostname, port: Number(port), database: pathname.slice(1), user: username, password };
  }

  function differing(part: 'password' | 'pathname', value: string): pg.PoolConfig {
    const url = new URL(database.url);
    url[part] = value;
    return { connectionString: url.href };
  }
});

describe('a session that is ended while its statement waits for a lock', () => {
  test.each(['a pool', 'a Client'])('of %s leaves the outcome unknown, and the process lives', async (kind) => {
    const one = issuance();
    const holder = await clientOf();
    await holder.query('BEGIN; LOCK TABLE coupon_issuances IN EXCLUSIVE MODE');
    const named = { application_name: `ended_${kind.length}` };
    const saving = errorOf(save(kind === 'a pool' ? poolOf(named) : await clientOf(named), one));
    const waiting = `FROM pg_stat_activity WHERE application_name = '${named.application_name}' AND wait_event_type = 'Lock'`;
    await until(async () => (await database.pool.query(`SELECT pid ${waiting}`)).rows.length === 1);
    await database.pool.query(`SELECT pg_terminate_backend(pid) ${waiting}`);
    expect(await saving).not.toBeInstanceOf(NotSavedError);
    await holder.query('ROLLBACK');
  });
});

test('a pool lends a connection again after a save, and after a save that failed', async () => {
  const pool = poolOf({ max: 1 });
  const [one, other] = [issuance(), issuance()];
  expect(await save(pool, one)).toEqual([{ verdict: 'saved' }]);
  expect(await errorOf(new PostgresPersistence(pool, { table: 'nowhere' }).save([one]))).toBeInstanceOf(NotSavedError);
  expect(pool.totalCount - pool.idleCount).toBe(0);
  expect(await save(pool, other)).toEqual([{ verdict: 'saved' }]);
  expect(pool.waitingCount).toBe(0);
  const lent = await pool.connect();
  expect(lent.listenerCount('error')).toBe(0);
  lent.release();
});

describe('a Client', () => {
  test('is asked one thing at a time, also by several adapters, so that pg does not warn', async () => {
    const warnings: Error[] = [];
    const note = (warning: Error) => warnings.push(warning);
    process.on('warning', note);
    const client = await clientOf();
    const adapters = [new PostgresPersistence(client), new PostgresPersistence(client)];
    const saving = Array.from({ length: 20 }, (_, i) => adapters[i % 2]!.save([issuance()]));
    expect((await Promise.all(saving)).flat()).toEqual(Array(20).fill({ verdict: 'saved' }));
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', note);
    expect(warnings).toEqual([]);
  });

  test('goes on after a statement that failed', async () => {
    const client = await clientOf();
    const failing = new PostgresPersistence(client, { table: 'nowhere' }).save([issuance()]);
    const saving = save(client);
    expect(await errorOf(failing)).toBeInstanceOf(NotSavedError);
    expect(await saving).toEqual([{ verdict: 'saved' }]);
  });

  test('that was ended, or whose connection broke before, has sent nothing', async () => {
    const [ended, broken] = [await clientOf(), await clientOf({ application_name: 'broken' })];
    await ended.end();
    const gone = new Promise((resolve) => broken.once('end', resolve));
    await database.pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'broken'`,
    );
    await gone;
    for (const client of [ended, broken]) {
      expect(await errorOf(save(client))).toMatchObject({ name: 'NotSavedError', wholeBatch: true });
    }
  });

  test('that was never connected is named, instead of waited for', async () => {
    const client = new pg.Client({ connectionString: database.url });
    const persistence = new PostgresPersistence(client);
    const saving = errorOf(persistence.save([issuance()]));
    expect(await isPending(saving)).toBe(false);
    const error = await saving;
    expect(error).toBeInstanceOf(NotSavedError);
    expect((error as Error).message).toContain('not connected');
    const listing = errorOf(persistence.list('launch', { afterSerial: 0, limit: 1 }));
    expect(await listing).toBeInstanceOf(MisconfiguredError);
    await client.connect();
    ends.push(() => client.end());
    expect(await persistence.save([issuance()])).toEqual([{ verdict: 'saved' }]);
  });
});

test('a client whose answers are none of PostgreSQL is named before anything is stored', async () => {
  const asked: string[] = [];
  const client = {
    query: async (text: string) => {
      asked.push(text);
      return [[], []];
    },
  };
  const persistence = new PostgresPersistence(client as unknown as PostgresLike);
  const error = await errorOf(persistence.save([issuance()]));
  expect(error).toMatchObject({ name: 'NotSavedError', message: expect.stringContaining('must resolve to { rows }') });
  expect(asked.filter((text) => text.startsWith('INSERT'))).toEqual([]);
});
