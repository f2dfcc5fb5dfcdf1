import { PGlite } from '@electric-sql/pglite';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { MisconfiguredError } from '../../src/index.js';
import { mintId } from '../../src/model/issuance.js';
import { firstRedeem } from '../../src/model/life.js';
import { createTableSql, PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { cureAsPrinted } from '../support/checks/cures.js';
import { issuance } from '../support/scenes/issuances.js';
import { Database } from '../support/servers/database.js';

let database: Database;
/** A schema of each test's own, in which all clients work. */
let schema: string;
let clients: pg.Client[];
beforeAll(async () => {
  database = await Database.create();
});
afterAll(() => database.stop());
beforeEach(async () => {
  schema = `test_${mintId().toLowerCase().replaceAll('-', '_')}`;
  clients = [];
  await database.pool.query(`CREATE SCHEMA ${schema}`);
  return async () => {
    await Promise.all(clients.map((client) => client.end()));
    await database.pool.query(`DROP SCHEMA ${schema} CASCADE`);
  };
});

async function connect(config: pg.ClientConfig = {}): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database.url, options: `-c search_path=${schema}`, ...config });
  clients.push(client);
  await client.connect();
  return client;
}

/** An adapter on a connection of its own, and the connection. */
async function prepared(): Promise<{ client: pg.Client; persistence: PostgresPersistence }> {
  const client = await connect();
  return { client, persistence: new PostgresPersistence(client) };
}

async function uniqueKeysOf(client: pg.Client, table = 'coupon_issuances'): Promise<string[]> {
  const { rows } = await client.query(
    `SELECT (SELECT string_agg(a.attname, ',' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = i.indexrelid) AS columns
     FROM pg_index i WHERE i.indrelid = $1::regclass AND i.indisunique ORDER BY 1`,
    [table],
  );
  return rows.map(({ columns }) => columns);
}

const ALL_KEYS = ['campaign_id,code', 'campaign_id,serial', 'campaign_id,user_id,grant_no'];
const RELEASE_0_1 = `CREATE TABLE coupon_issuances (campaign_id text COLLATE "C" NOT NULL, serial bigint NOT NULL, user_id text COLLATE "C" NOT NULL,
  grant_no integer NOT NULL, id text COLLATE "C" NOT NULL, code text COLLATE "C", issued_at timestamptz(3) NOT NULL, epoch text COLLATE "C" NOT NULL,
  PRIMARY KEY (campaign_id, serial))`;
const KEYS_0_1 = `CREATE UNIQUE INDEX coupon_issuances_user ON coupon_issuances (campaign_id, user_id, grant_no);
  CREATE UNIQUE INDEX coupon_issuances_code ON coupon_issuances (campaign_id, code) WHERE code IS NOT NULL`;

test('a table that was renamed keeps its indexes, and the next one gets unique keys of its own', async () => {
  const { client, persistence } = await prepared();
  for (const year of [2024, 2025, 2026]) {
    expect(await persistence.createTable().catch((error: unknown) => error)).toEqual({ format: 1 });
    expect(await uniqueKeysOf(client)).toEqual(ALL_KEYS);
    await client.query(`ALTER TABLE coupon_issuances RENAME TO coupon_issuances_${year}`);
  }
});

test('processes that start at once on an empty database all get the table', async () => {
  const all = await Promise.all(Array.from({ length: 8 }, prepared));
  for (let round = 0; round < 5; round++) {
    const made = await Promise.allSettled(all.map(({ persistence }) => persistence.createTable()));
    expect(made).toEqual(all.map(() => ({ status: 'fulfilled', value: { format: 1 } })));
    expect(await uniqueKeysOf(all[0]!.client)).toEqual(ALL_KEYS);
    await all[0]!.client.query('DROP TABLE coupon_issuances');
  }
});

test('a table that another made while this process was about to is judged like any other', async () => {
  const { client, persistence } = await prepared();
  const query = async (text: string, values?: unknown[]) => {
    // A migration, which takes no lock.
    if (text.startsWith('DO')) await client.query(createTableSql());
    const result = await client.query(text, values);
    if (text.startsWith('DO')) throw Object.assign(new Error('already there'), { code: '42P07' });
    return result;
  };
  const made = await new PostgresPersistence({ query }).createTable().catch((error: unknown) => error);
  expect(made).toEqual({ format: 1 });
  await client.query('DROP TABLE coupon_issuances');
  const failing = (text: string, values?: unknown[]) =>
    text.startsWith('DO') ? Promise.reject(new Error('no right to create')) : client.query(text, values);
  await expect(new PostgresPersistence({ query: failing }).createTable()).rejects.toThrow('no right to create');
  expect(await persistence.createTable()).toEqual({ format: 1 });
});

test('a role that may only SELECT and INSERT calls createTable and saves, once the table is there', async () => {
  const { client, persistence } = await prepared();
  await client.query(
    `CREATE ROLE seller_${schema} LOGIN PASSWORD 'secret'; GRANT USAGE ON SCHEMA ${schema} TO seller_${schema}`,
  );
  const seller = await connect({
    user: `seller_${schema}`,
    password: 'secret',
    connectionString: undefined,
    ...addressOf(database.url),
  });
  const selling = new PostgresPersistence(seller);
  await expect(selling.createTable()).rejects.toMatchObject({ code: '42501' });
  await persistence.createTable();
  await expect(selling.createTable()).rejects.toThrow(`seller_${schema} may not SELECT and INSERT (cure: GRANT`);
  await client.query(`GRANT SELECT, INSERT ON coupon_issuances TO seller_${schema}`);
  expect(await selling.createTable()).toEqual({ format: 1 });
  expect(await selling.save([issuance()])).toEqual([{ verdict: 'saved' }]);
  await client.query(`DROP OWNED BY seller_${schema}`);
});

function addressOf(url: string): pg.ClientConfig {
  const { hostname, port, pathname } = new URL(url);
  return { host: hostname, port: Number(port), database: pathname.slice(1) };
}

test("a unique index of the table on an expression alone is nobody else's key, and no reason to refuse the table", async () => {
  const { client, persistence } = await prepared();
  await persistence.createTable();
  await client.query('CREATE UNIQUE INDEX ON coupon_issuances ((campaign_id || lower(user_id)))');
  expect(await persistence.checkTable().catch(String)).toEqual({ format: 1 });
  expect(await persistence.upgradeTable()).toEqual({ format: 1 });
});

test('a driver that does not parse JSON is judged by its table all the same', async () => {
  const { client, persistence } = await prepared();
  await client.query(createTableSql());
  expect(await persistence.checkTable().catch(String)).toEqual({ format: 1 });
  const JSON_TYPES = [pg.types.builtins.JSON, pg.types.builtins.JSONB] as number[];
  const getTypeParser = (type: number) => (JSON_TYPES.includes(type) ? String : pg.types.getTypeParser(type));
  const query = (text: string, values?: unknown[]) =>
    client.query({ text, values: values ?? [], types: { getTypeParser } as pg.CustomTypesConfig });
  expect((await query('SELECT to_jsonb(1) AS json')).rows).toEqual([{ json: '1' }]);
  expect(await new PostgresPersistence({ query }).checkTable().catch(String)).toEqual({ format: 1 });
});

test('createTable never alters a table that is there', async () => {
  const { client, persistence } = await prepared();
  await client.query(RELEASE_0_1);
  await expect(persistence.createTable()).rejects.toThrow(MisconfiguredError);
  expect(await uniqueKeysOf(client)).toEqual(['campaign_id,serial']);
});

test.each([
  {
    what: 'a partitioned table',
    sql: `CREATE TABLE coupon_issuances (LIKE made INCLUDING ALL) PARTITION BY HASH (campaign_id);
      CREATE TABLE p0 PARTITION OF coupon_issuances FOR VALUES WITH (MODULUS 2, REMAINDER 0);
      CREATE TABLE p1 PARTITION OF coupon_issuances FOR VALUES WITH (MODULUS 2, REMAINDER 1)`,
  },
  {
    what: 'a table with columns, keys and types of its owner',
    sql: `CREATE DOMAIN user_name AS varchar(200); CREATE TABLE coupon_issuances (LIKE made INCLUDING DEFAULTS, note text, number bigserial PRIMARY KEY,
      UNIQUE (serial, campaign_id), UNIQUE (campaign_id, grant_no, user_id), UNIQUE (campaign_id, code) INCLUDE (id), UNIQUE (campaign_id, id));
      ALTER TABLE coupon_issuances ALTER user_id TYPE user_name COLLATE "C", ALTER code TYPE varchar(128), ALTER grant_no TYPE smallint, ALTER issued_at TYPE timestamptz`,
  },
])('$what is fit', async ({ sql }) => {
  const { client } = await prepared();
  await new PostgresPersistence(client, { table: 'made' }).createTable();
  await client.query(sql);
  const persistence = new PostgresPersistence(client);
  expect(await persistence.createTable()).toEqual({ format: 1 });
  expect(await persistence.save([issuance()])).toEqual([{ verdict: 'saved' }]);
});

describe('a table of release 0.1', () => {
  /** Its client and adapter, and a row as that release stored it. */
  async function old() {
    const { client, persistence } = await prepared();
    await client.query(`${RELEASE_0_1}; ${KEYS_0_1}`);
    const stored = issuance({ code: 'CODE-1', state: 'issued' });
    const { campaignId, serial, userId, grant, id, code, issuedAt, epoch } = stored;
    const values = [campaignId, serial, userId, grant, id, code, issuedAt, epoch];
    await client.query('INSERT INTO coupon_issuances VALUES ($1, $2, $3, $4, $5, $6, $7, $8)', values);
    return { client, persistence, stored };
  }

  test('is refused, and fit once it is upgraded, and then keeps data', async () => {
    const { persistence } = await old();
    await expect(persistence.checkTable()).rejects.toThrow('it has no column data (cure: ALTER TABLE');
    await expect(persistence.checkTable()).rejects.toThrow(
      /grant_no must have a value .*; upgradeTable\(\) adds each part that is missing$/,
    );
    expect(await persistence.upgradeTable()).toEqual({ format: 1 });
    const one = issuance({ data: { source: 'app' } });
    expect(await persistence.save([one])).toEqual([{ verdict: 'saved' }]);
    expect(await persistence.find([one])).toMatchObject([{ data: { source: 'app' } }]);
  });

  test('keeps its rows in the upgrade: they were never changed, are redeemed, and free their grant', async () => {
    const { persistence, stored } = await old();
    await expect(persistence.upgradeTable()).resolves.toEqual({ format: 1 });
    const ref = { campaignId: stored.campaignId, code: 'CODE-1' };
    expect(await persistence.look([ref])).toEqual([stored]);
    expect(await persistence.list(stored.campaignId, { afterSerial: 0, limit: 9 })).toEqual([stored]);
    expect(await persistence.change([{ ref, ...firstRedeem('A') }])).toMatchObject([
      { changed: true, row: { ...stored, life: { version: 1, state: 'redeemed', by: 'A' } } },
    ]);
    expect(await persistence.change([{ ref, version: 1, unexpired: false, freesGrant: true }])).toMatchObject([
      { changed: true, row: { grant: 0 } },
    ]);
    const { campaignId, userId } = stored;
    expect(await persistence.save([issuance({ campaignId, userId, serial: 2 })])).toEqual([{ verdict: 'saved' }]);
  });
});

test('a column whose values the server does not keep is refused without a statement', async ({ skip }) => {
  const { client, persistence } = await prepared();
  const { rows } = await client.query('SHOW server_version_num');
  skip(Number(rows[0].server_version_num) < 180_000, 'PostgreSQL 18 has such columns first');
  await persistence.createTable();
  await client.query(
    'ALTER TABLE coupon_issuances DROP COLUMN undone, ADD undone text GENERATED ALWAYS AS (campaign_id) VIRTUAL',
  );
  await expect(persistence.checkTable()).rejects.toThrow('undone is generated (cure: store its values');
});

/** How a table with a row was spoiled, and what the error says of it. */
const SPOILED = [
  ['DROP CONSTRAINT coupon_issuances_pkey', 'no unique key on (campaign_id, serial)'],
  [
    'DROP CONSTRAINT coupon_issuances_campaign_id_user_id_grant_no_key',
    'no unique key on (campaign_id, user_id, grant_no)',
  ],
  [
    'ALTER campaign_id TYPE text; DROP INDEX coupon_issuances_campaign_id_code_idx',
    'no unique key on (campaign_id, code)',
  ],
  ['DROP COLUMN code', 'no column code'],
  ['ALTER user_id TYPE text COLLATE nobody', 'collation of its column user_id'],
  ['ALTER code TYPE text COLLATE nobody', 'collation of its column code'],
  ['ALTER user_id TYPE varchar(100)', 'user_id (character varying(100)) cannot hold'],
  ['ALTER code TYPE char(128)', 'code (character(128)) cannot hold'],
  ['ALTER serial TYPE integer', 'serial (integer) cannot hold'],
  ['ALTER issued_at TYPE timestamptz(0)', 'issued_at (timestamp(0) with time zone) cannot hold'],
  ['ALTER issued_at TYPE timestamp', 'issued_at (timestamp without time zone) cannot hold'],
  ['ALTER code SET NOT NULL', 'code must have a value'],
  ['ALTER grant_no SET NOT NULL', 'grant_no must have a value'],
  ['ALTER version DROP DEFAULT', 'version may be without a value'],
  ['ALTER version DROP NOT NULL', 'version may be without a value'],
  ['ALTER state TYPE varchar(6)', 'state (character varying(6)) cannot hold'],
  ['DROP COLUMN state_by, DROP COLUMN unit_returned', 'no column state_by'],
  ['ALTER serial TYPE text', 'serial (text) cannot hold'],
  ['ALTER serial TYPE integer, ALTER serial ADD GENERATED ALWAYS AS IDENTITY', 'serial is generated'],
  ['ALTER grant_no TYPE text', 'grant_no (text) cannot hold'],
  ['ALTER grant_no SET NOT NULL, ALTER grant_no ADD GENERATED BY DEFAULT AS IDENTITY', 'grant_no is generated'],
  ['ALTER issued_at TYPE text', 'issued_at (text) cannot hold'],
  ['ALTER expires_at TYPE varchar(40)', 'expires_at (character varying(40)) cannot hold'],
  ['ALTER data TYPE text', 'data (text) cannot hold'],
  ['ALTER version DROP DEFAULT, ALTER version TYPE text', 'version (text) cannot hold'],
  ["ALTER version TYPE text, ALTER version SET DEFAULT 'x'", 'version (text) cannot hold'],
  [
    'ALTER unit_returned DROP DEFAULT, ALTER unit_returned TYPE integer USING 0, ALTER unit_returned SET DEFAULT 0',
    'unit_returned (integer) cannot hold',
  ],
  [
    'ALTER unit_returned DROP DEFAULT, ALTER unit_returned TYPE smallint USING 0',
    'unit_returned (smallint) cannot hold',
  ],
  ["ALTER id TYPE bytea USING decode(md5(id), 'hex')", 'id (bytea) cannot hold'],
  ['DROP COLUMN undone, ADD undone text GENERATED ALWAYS AS (campaign_id) STORED', 'undone is generated'],
  [
    'DROP CONSTRAINT coupon_issuances_pkey, ADD PRIMARY KEY (campaign_id, user_id, grant_no)',
    'grant_no must have a value',
  ],
  ['DROP CONSTRAINT coupon_issuances_pkey, ADD PRIMARY KEY (code, grant_no)', 'code must have a value'],
  [
    'ADD shop integer NOT NULL DEFAULT 1, ADD CONSTRAINT "in shop" UNIQUE (shop, serial); ALTER TABLE coupon_issuances ALTER shop DROP DEFAULT',
    'column shop has neither',
  ],
  [
    'ALTER version DROP NOT NULL, ALTER version DROP DEFAULT; UPDATE coupon_issuances SET version = NULL',
    'version may be without a value',
  ],
  [
    'ADD FOREIGN KEY (grant_no) REFERENCES "Grants" (n) ON DELETE SET NULL (grant_no) ON UPDATE CASCADE',
    'deletes or changes coupons',
  ],
  [
    'ADD CONSTRAINT "of the shop" FOREIGN KEY (campaign_id) REFERENCES shops ON DELETE CASCADE NOT VALID',
    'deletes or changes coupons',
  ],
  ['ADD FOREIGN KEY (user_id) REFERENCES shops', 'which userId.references does not name'],
  [
    'SET (fillfactor = 80); CREATE TABLE more () INHERITS (coupon_issuances); CREATE TABLE "Most" () INHERITS (coupon_issuances)',
    'inherit',
  ],
  ['SET UNLOGGED', 'unlogged'],
] as const;
/** The same where no row can be: the server would refuse it, or the cure. */
const SPOILED_EMPTY = [
  ['DROP COLUMN epoch', 'no column epoch'],
  ['ALTER issued_at TYPE bigint USING 0', 'issued_at (bigint) cannot hold'],
  ['DROP COLUMN campaign_id, DROP COLUMN issued_at', 'no column issued_at'],
  ['ADD shop integer NOT NULL', 'column shop has neither'],
] as const;

test.each([...SPOILED, ...SPOILED_EMPTY])(
  'after %s the table is refused, and the statement that the error names cures it',
  async (how, says) => {
    const { client, persistence } = await prepared();
    await persistence.createTable();
    await client.query(`CREATE COLLATION nobody (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
      CREATE TABLE "Grants" (n integer PRIMARY KEY); INSERT INTO "Grants" VALUES (1), (2); CREATE TABLE shops (name text PRIMARY KEY)`);
    const one = issuance({ code: 'CODE-1', data: { source: 'app' } });
    await client.query('INSERT INTO shops VALUES ($1), ($2)', [one.userId, one.campaignId]);
    const isEmpty = SPOILED_EMPTY.some(([empty]) => empty === how);
    if (!isEmpty) await persistence.save([one]);
    await client.query(`ALTER TABLE coupon_issuances ${how}`);
    await expect(persistence.checkTable()).rejects.toThrow(says);
    await cureAsPrinted(persistence, (sql) => client.query(sql));
    const { rows } = await client.query('SELECT serial::int, version, state FROM coupon_issuances');
    expect(rows).toEqual(isEmpty ? [] : [{ serial: 1, version: 0, state: 'issued' }]);
    const next = { ...issuance({ campaignId: one.campaignId, serial: 2 }), userId: one.userId, grant: 2 };
    expect(await persistence.save([next])).toEqual([{ verdict: 'saved' }]);
  },
);

test('a primary key of the owner stays: a column in it gets a default of the owner’s choice', async () => {
  const { client, persistence } = await prepared();
  await persistence.createTable();
  await client.query(`ALTER TABLE coupon_issuances DROP CONSTRAINT coupon_issuances_pkey,
    ADD shop integer, ADD PRIMARY KEY (shop, campaign_id, serial, grant_no)`);
  const words = String(await persistence.checkTable().catch(String));
  expect(words).toContain('its column shop has neither a default nor may it be NULL (cure: give it a default of your');
  expect(words).toContain('grant_no must have a value (cure: give the table a primary key without this column');
  expect(words).not.toContain('DROP CONSTRAINT');
  await client.query(`ALTER TABLE coupon_issuances DROP CONSTRAINT coupon_issuances_pkey, ALTER grant_no DROP NOT NULL,
    ALTER shop SET DEFAULT 7, ADD PRIMARY KEY (shop, campaign_id, serial)`);
  await cureAsPrinted(persistence, (sql) => client.query(sql));
  expect(await persistence.save([issuance()])).toEqual([{ verdict: 'saved' }]);
});

test.each([
  ['CREATE UNIQUE INDEX ON coupon_issuances (campaign_id, user_id, grant_no) WHERE code IS NOT NULL', 'is partial'],
  ['CREATE UNIQUE INDEX ON coupon_issuances (campaign_id, user_id, grant_no) WHERE grant_no <> 0', 'is partial'],
  ['CREATE UNIQUE INDEX ON coupon_issuances (campaign_id, user_id COLLATE nobody, grant_no)', 'has a collation'],
  ['ALTER TABLE coupon_issuances ADD UNIQUE (campaign_id, user_id, grant_no) DEFERRABLE', 'is deferrable'],
  ['ALTER TABLE coupon_issuances ADD UNIQUE NULLS NOT DISTINCT (campaign_id, user_id, grant_no)', 'NULLS NOT DISTINCT'],
  ['CREATE UNIQUE INDEX ON coupon_issuances (campaign_id, user_id, grant_no, id)', 'it has no'],
  ['CREATE UNIQUE INDEX ON coupon_issuances (campaign_id, user_id) INCLUDE (grant_no)', 'it has no'],
  ['CREATE UNIQUE INDEX ON coupon_issuances (campaign_id, lower(user_id), grant_no)', 'it has no'],
  ['CREATE INDEX ON coupon_issuances (campaign_id, user_id, grant_no)', 'it has no'],
])('%s is no unique key of users and grants', async (sql, says) => {
  const { client, persistence } = await prepared();
  await persistence.createTable();
  await client.query(`CREATE COLLATION nobody (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`);
  await client.query('ALTER TABLE coupon_issuances DROP CONSTRAINT coupon_issuances_campaign_id_user_id_grant_no_key');
  await client.query(sql);
  const refused = expect(persistence.checkTable()).rejects;
  await refused.toThrow('no unique key on (campaign_id, user_id, grant_no)');
  await expect(persistence.checkTable()).rejects.toThrow(says);
});

test('an index that could not be built concurrently is there, and is no unique key', async () => {
  const { client, persistence } = await prepared();
  await persistence.createTable();
  await client.query('DROP INDEX coupon_issuances_campaign_id_code_idx');
  const one = issuance({ code: 'CODE-1' });
  const twin = issuance({ campaignId: one.campaignId, serial: 2, code: 'CODE-1' });
  await persistence.save([one, twin]);
  const concurrently = client.query('CREATE UNIQUE INDEX CONCURRENTLY late ON coupon_issuances (campaign_id, code)');
  await expect(concurrently).rejects.toMatchObject({ code: '23505' });
  await expect(persistence.checkTable()).rejects.toThrow('for late is invalid');
});

test.each([
  ['CREATE VIEW coupon_issuances AS SELECT * FROM made', 'it is not a table'],
  ['CREATE TEMPORARY TABLE coupon_issuances (LIKE made INCLUDING ALL)', 'it is temporary'],
  [
    'CREATE TABLE coupon_issuances (LIKE made INCLUDING ALL); CREATE TABLE more () INHERITS (coupon_issuances)',
    'inherit',
  ],
  ['ALTER TABLE made RENAME TO other', 'it does not exist'],
])('%s: the table is refused', async (sql, says) => {
  const { client, persistence } = await prepared();
  await new PostgresPersistence(client, { table: 'made' }).createTable();
  await client.query(sql);
  await expect(persistence.checkTable()).rejects.toThrow(says);
});

test('upgradeTable adds what is missing, whoever does so at the same time, and nothing twice', async () => {
  const all = await Promise.all(Array.from({ length: 4 }, prepared));
  const { client } = all[0]!;
  await client.query(`${RELEASE_0_1}; ALTER TABLE coupon_issuances DROP COLUMN code`);
  for (let round = 0; round < 2; round++) {
    const upgraded = await Promise.allSettled(all.map(({ persistence }) => persistence.upgradeTable()));
    expect(upgraded).toEqual(all.map(() => ({ status: 'fulfilled', value: { format: 1 } })));
    expect(await uniqueKeysOf(client)).toEqual(ALL_KEYS);
  }
});

test('upgradeTable alters nothing where rows forbid a key, and quotes none of them', async () => {
  const { client, persistence } = await prepared();
  await client.query(`${RELEASE_0_1}; ALTER TABLE coupon_issuances DROP COLUMN epoch`);
  const row = (serial: number) =>
    client.query(`INSERT INTO coupon_issuances VALUES ('c', ${serial}, 'u${serial}', 1, '${serial}', 'SECRET', now())`);
  await row(1);
  await row(2);
  await client.query('ALTER TABLE coupon_issuances ADD epoch text');
  const error = await persistence.upgradeTable().catch((error: unknown) => error as Error);
  expect(error).toBeInstanceOf(MisconfiguredError);
  expect(JSON.stringify([error, (error as Error).message, (error as Error).cause])).not.toContain('SECRET');
  expect(await uniqueKeysOf(client)).toEqual(['campaign_id,serial']);
});

describe('the statement of an upgrade', () => {
  async function oldTable() {
    const { client, persistence } = await prepared();
    await client.query(`${RELEASE_0_1}; ${KEYS_0_1}`);
    return { client, persistence };
  }

  /** Columns, keys, storage and identity, as the catalogs have them. */
  async function formOf(client: pg.Client): Promise<unknown> {
    const { rows } = await client.query(
      `SELECT c.reloptions, to_regclass('coupon_issuances_store') AS store,
        (SELECT jsonb_agg(jsonb_build_array(a.attname, a.attnotnull, a.atttypid, a.atttypmod) ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0) AS columns,
        (SELECT jsonb_agg(jsonb_build_array(i.indexrelid, i.indkey, i.indpred) ORDER BY i.indexrelid) FROM pg_index i WHERE i.indrelid = c.oid) AS keys
       FROM pg_class c WHERE c.oid = 'coupon_issuances'::regclass`,
    );
    return rows[0];
  }

  test('is the one that upgradeTable sends, and makes the table fit by itself', async () => {
    const { client } = await oldTable();
    const sent: string[] = [];
    const query = (text: string, values?: unknown[]) => {
      sent.push(text);
      return client.query(text, values);
    };
    const persistence = new PostgresPersistence({ query });
    const text = await persistence.upgradeTableSql();
    expect(sent).toEqual([]);
    await client.query('BEGIN');
    await client.query(text);
    expect(await new PostgresPersistence(client).checkTable()).toEqual({ format: 1 });
    expect(await new PostgresPersistence(client).identity()).toMatch(/^[0-9a-f]{32}$/);
    await client.query('ROLLBACK');
    await persistence.upgradeTable();
    expect(sent.filter((one) => !one.startsWith('SELECT'))).toEqual([text]);
  });

  test('changes nothing the second time, and nothing in a new table but its rest', async () => {
    const { client, persistence } = await oldTable();
    const text = await persistence.upgradeTableSql();
    await client.query(text);
    const [form, identity] = [await formOf(client), await persistence.identity()];
    await client.query(text);
    expect([await formOf(client), await persistence.identity()]).toEqual([form, identity]);
    await client.query('DROP TABLE coupon_issuances');
    await persistence.createTable();
    const made = await formOf(client);
    await client.query(text);
    expect(await formOf(client)).toEqual(made);
  });

  test('gives each database an identity of its own', async () => {
    const { client, persistence } = await prepared();
    const text = await persistence.upgradeTableSql();
    const identities = [];
    for (let i = 0; i < 3; i++) {
      await client.query(text);
      identities.push(await persistence.identity());
      await client.query('DROP TABLE coupon_issuances, coupon_issuances_store');
    }
    expect(new Set(identities).size).toBe(3);
  });

  test('killed after any of its steps has altered nothing, and ends right when it comes again', async () => {
    const { client, persistence } = await oldTable();
    await client.query("INSERT INTO coupon_issuances VALUES ('c', 1, 'kim', 1, 'id-1', NULL, now(), '1-a')");
    const before = await formOf(client);
    // A sequence counts on when its transaction ends.
    await client.query(`CREATE SEQUENCE step; CREATE TABLE deadly (step int);
      CREATE FUNCTION kill() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('${schema}.step') = (SELECT step FROM ${schema}.deadly) THEN PERFORM pg_terminate_backend(pg_backend_pid()), pg_sleep(60); END IF;
      END $$; CREATE EVENT TRIGGER kill_${schema} ON ddl_command_end EXECUTE FUNCTION kill()`);
    const text = await persistence.upgradeTableSql();
    const upgradeKilledAt = async (step: number) => {
      const victim = await connect();
      victim.on('error', () => {});
      await client.query(`SELECT setval('step', 1, false); TRUNCATE deadly; INSERT INTO deadly VALUES (${step})`);
      return victim.query(text).then(
        () => null,
        ({ code }: { code?: string }) => code,
      );
    };
    let killed = 0;
    try {
      for (let code = await upgradeKilledAt(1); code; code = await upgradeKilledAt(killed + 1)) {
        killed++;
        expect([code, await formOf(client)]).toEqual(['57P01', before]);
      }
    } finally {
      await client.query(`DROP EVENT TRIGGER kill_${schema}`);
    }
    expect(killed).toBe(6);
    expect(await persistence.checkTable()).toEqual({ format: 1 });
    expect(await persistence.list('c', { afterSerial: 0, limit: 9 })).toMatchObject([{ userId: 'kim' }]);
  });
});

test.each([
  ['made anew', (persistence: PostgresPersistence) => persistence.createTable()],
  ['by a migration', (_: PostgresPersistence, client: pg.Client) => client.query(createTableSql())],
  [
    'that lost its key of codes, and is upgraded',
    async (persistence: PostgresPersistence, client: pg.Client) => {
      await persistence.createTable();
      await client.query('DROP INDEX coupon_issuances_campaign_id_code_idx');
      await persistence.upgradeTable();
    },
  ],
] as const)('a table %s has no entry for a coupon without a code, and refuses a code twice', async (_, make) => {
  const { client, persistence } = await prepared();
  await make(persistence, client);
  expect(await persistence.checkTable()).toEqual({ format: 1 });
  const { rows } = await client.query(
    `SELECT pg_get_expr(indpred, indrelid) AS wanted FROM pg_index WHERE indrelid = 'coupon_issuances'::regclass AND indpred IS NOT NULL AND indisunique`,
  );
  expect(rows).toEqual([{ wanted: '(code IS NOT NULL)' }]);
  const [one, other] = [1, 2].map((serial) => issuance({ campaignId: 'c', serial }));
  expect(await persistence.save([one!, other!])).toEqual([{ verdict: 'saved' }, { verdict: 'saved' }]);
  const twins = [3, 4].map((serial) => issuance({ campaignId: 'c', serial, code: 'CODE-1' }));
  expect((await persistence.save(twins)).map(({ verdict }) => verdict)).toEqual(['saved', 'code_conflict']);
});

test('a migration is the statement that createTable sends, and gives its database an identity', async () => {
  const { client } = await prepared();
  const sent: string[] = [];
  const query = (text: string, values?: unknown[]) => {
    sent.push(text);
    return client.query(text, values);
  };
  const persistence = new PostgresPersistence({ query });
  await persistence.createTable();
  expect(sent.filter((one) => !one.startsWith('SELECT'))).toEqual([createTableSql()]);
  await client.query('DROP TABLE coupon_issuances, coupon_issuances_store');
  await client.query(createTableSql());
  expect(await persistence.checkTable()).toEqual({ format: 1 });
  const made = await persistence.identity();
  expect(made).toMatch(/^[0-9a-f]{32}$/);
  await client.query(createTableSql());
  expect(await persistence.identity()).toBe(made);
});

test('a migration that runs twice makes one table, and leaves the one that is there', async () => {
  const { client, persistence } = await prepared();
  await client.query(createTableSql());
  await persistence.save([issuance()]);
  expect(await client.query(createTableSql()).then(() => 'no error', String)).toBe('no error');
  expect(await uniqueKeysOf(client)).toEqual(ALL_KEYS);
  const { rows } = await client.query('SELECT count(*)::int AS count FROM coupon_issuances');
  expect(rows).toEqual([{ count: 1 }]);
});

test.each([
  ['a new table', '', ['fillfactor=80']],
  ['a table that had none', 'ALTER TABLE coupon_issuances RESET (fillfactor)', ['fillfactor=80']],
  [
    'a table whose owner chose another value',
    'ALTER TABLE coupon_issuances SET (fillfactor = 65, toast_tuple_target = 2000)',
    ['fillfactor=65', 'toast_tuple_target=2000'],
  ],
])('%s leaves room in its pages for rows that change', async (_, before, options) => {
  const { client, persistence } = await prepared();
  await persistence.createTable();
  await client.query(before);
  if (before) await persistence.upgradeTable();
  const { rows } = await client.query(`SELECT reloptions FROM pg_class WHERE oid = 'coupon_issuances'::regclass`);
  expect(rows).toEqual([{ reloptions: options }]);
});

test('a partitioned table is upgraded, and its partitions keep their storage', async () => {
  const { client, persistence } = await prepared();
  await new PostgresPersistence(client, { table: 'made' }).createTable();
  await client.query(`CREATE TABLE coupon_issuances (LIKE made INCLUDING ALL) PARTITION BY HASH (campaign_id);
    CREATE TABLE p0 PARTITION OF coupon_issuances FOR VALUES WITH (MODULUS 1, REMAINDER 0);
    ALTER TABLE coupon_issuances DROP COLUMN undone, DROP COLUMN data`);
  expect(await persistence.upgradeTable().catch(String)).toEqual({ format: 1 });
});

test('a table whose name is a word of SQL, in a schema that is not on the path, is made, judged and used', async () => {
  const { client } = await prepared();
  await client.query(`CREATE SCHEMA "order_${schema}"`);
  const persistence = new PostgresPersistence(await connect(), { table: `order_${schema}.user` });
  expect(await persistence.createTable()).toEqual({ format: 1 });
  const one = issuance();
  expect(await persistence.save([one])).toEqual([{ verdict: 'saved' }]);
  expect(await persistence.find([one])).toMatchObject([{ id: one.id }]);
  await client.query(`DROP SCHEMA "order_${schema}" CASCADE`);
});

test('PGlite gets the table as well', async () => {
  const pglite = await PGlite.create();
  try {
    const persistence = new PostgresPersistence(pglite);
    expect(await Promise.all([persistence.createTable(), persistence.createTable()])).toHaveLength(2);
    await pglite.query('DROP INDEX coupon_issuances_campaign_id_code_idx');
    await expect(persistence.checkTable()).rejects.toThrow(
      'CREATE UNIQUE INDEX ON "coupon_issuances" (campaign_id, code) WHERE code IS NOT NULL',
    );
    expect(await persistence.upgradeTable()).toEqual({ format: 1 });
  } finally {
    await pglite.close();
  }
});
