import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JsonObject } from '../../src/index.js';
import { mintId } from '../../src/model/issuance.js';
import { createTableSql, type PostgresOptions, PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { persistenceContract, type UserIds } from '../../src/testing/index.js';
import { cureAsPrinted } from '../support/checks/cures.js';
import { issuance } from '../support/scenes/issuances.js';
import { Database } from '../support/servers/database.js';

const UNKNOWN = 'a0000000-0000-4000-8000-000000000404';
const NUMBERS = {
  table: 'shop.coupons',
  userId: { type: 'bigint', references: 'shop.users(id)' },
  columns: { source: { type: 'text' }, order: { type: 'bigint', from: 'orderNumber' }, isGift: { type: 'boolean' } },
} as const satisfies PostgresOptions;
const UUIDS = {
  table: 'uuid_coupons',
  userId: { type: 'uuid', references: 'people(id)' },
} as const satisfies PostgresOptions;
const TEXTS = {
  table: 'text_coupons',
  userId: { type: 'text', references: 'members(name)' },
} as const satisfies PostgresOptions;
const TABLES: { what: string; options: PostgresOptions; users: string; userIds: UserIds; refusedUserId?: string }[] = [
  {
    what: 'numbers as ids, a foreign key and columns of the shop in a schema',
    options: NUMBERS,
    users: 'shop.users (id) SELECT DISTINCT unnest($1::bigint[])',
    userIds: 'bigint',
    refusedUserId: '404',
  },
  {
    what: 'UUIDs as ids and a foreign key',
    options: UUIDS,
    users: 'people (id) SELECT DISTINCT unnest($1::uuid[])',
    userIds: 'uuid',
    refusedUserId: UNKNOWN,
  },
  {
    what: 'texts as ids and a foreign key',
    options: TEXTS,
    users: 'members (name) SELECT DISTINCT unnest($1::text[])',
    userIds: 'text',
    refusedUserId: 'nobody',
  },
  {
    what: 'integers as ids without a foreign key',
    options: { table: 'int_coupons', userId: { type: 'integer' } },
    users: '',
    userIds: 'integer',
  },
];

let database: Database;
beforeAll(async () => {
  database = await Database.create();
  await database.pool.query(`CREATE SCHEMA shop; CREATE TABLE shop.users (id bigint PRIMARY KEY);
    CREATE TABLE people (id uuid PRIMARY KEY); CREATE TABLE members (name varchar(128) PRIMARY KEY)`);
  for (const { options } of TABLES) await new PostgresPersistence(database.pool, options).createTable();
});
afterAll(() => database.stop());

describe.each(TABLES)(
  'PostgresPersistence over $what keeps the contract',
  ({ options, users, userIds, refusedUserId }) => {
    const contract = persistenceContract({
      keepsData: true,
      createAdapter: async ({ send }) => {
        const { pool } = database;
        const query = (...args: Parameters<typeof pool.query>) => send(() => pool.query(...args));
        return new PostgresPersistence(Object.assign(Object.create(pool) as typeof pool, { query }), options);
      },
      oracle: async (campaignId) => {
        const columns = 'serial, user_id::text AS "userId", grant_no AS "grant", id, code';
        return (
          await database.pool.query(`SELECT ${columns} FROM ${options.table} WHERE campaign_id = $1`, [campaignId])
        ).rows;
      },
      userIds,
      refusedUserId,
      ...(users && {
        prepare: (issuances) =>
          database.pool.query(`INSERT INTO ${users} ON CONFLICT DO NOTHING`, [issuances.map(({ userId }) => userId)]),
      }),
    });
    // Ten thousand rows at a time take seconds. One table, which has all that a table may have, is enough for them.
    for (const { name, run } of contract) if (options === NUMBERS || !name.includes('10,000')) test(name, run);
  },
);

test('a number of a user is read as the text that the database prints', async () => {
  const campaignId = mintId();
  const userId = String(2n ** 53n + 1n);
  const persistence = new PostgresPersistence(database.pool, { table: 'plain', userId: { type: 'bigint' } });
  await persistence.createTable();
  await persistence.save([{ ...issuance({ campaignId, serial: 1 }), userId }]);
  await expect(persistence.list(campaignId, { afterSerial: 0, limit: 1 })).resolves.toMatchObject([{ userId }]);
});

describe('columns of the shop', () => {
  const persistence = () => new PostgresPersistence(database.pool, NUMBERS);
  const ownOf = async (campaignId: string) => {
    const text = 'SELECT source, "order", "isGift" FROM shop.coupons WHERE campaign_id = $1 ORDER BY serial';
    return (await database.pool.query(text, [campaignId])).rows;
  };
  beforeAll(() =>
    database.pool.query('INSERT INTO shop.users (id) SELECT generate_series(1, 20) ON CONFLICT DO NOTHING'),
  );

  test('hold the properties of data that have their type, and NULL for the others', async () => {
    const campaignId = mintId();
    const given: (JsonObject | undefined)[] = [
      { source: "a'; DROP TABLE users; --", orderNumber: 2 ** 53 - 1, isGift: true },
      { source: 5, orderNumber: '7', isGift: 'true' },
      { source: null, orderNumber: 1.5, isGift: 0, toString: 'own' },
      undefined,
    ];
    const rows = given.map((data, i) => ({
      ...issuance({ campaignId, serial: i + 1 }),
      userId: String(i + 1),
      ...(data && { data }),
    }));
    expect(await persistence().save(rows)).toEqual(rows.map(() => ({ verdict: 'saved' })));
    expect(await ownOf(campaignId)).toEqual([
      { source: "a'; DROP TABLE users; --", order: '9007199254740991', isGift: true },
      ...[1, 2, 3].map(() => ({ source: null, order: null, isGift: null })),
    ]);
  });

  test('are the same in a batch of one, and stay as they are when the row is saved again', async () => {
    const campaignId = mintId();
    const row = { ...issuance({ campaignId, serial: 1 }), userId: '1', data: { source: 'mail' } };
    for (const one of [row, { ...row, data: { source: 'other' } }]) {
      expect(await persistence().save([one])).toEqual([{ verdict: 'saved' }]);
    }
    expect(await ownOf(campaignId)).toEqual([{ source: 'mail', order: null, isGift: null }]);
  });
});

describe('users who are not there', () => {
  test('are refused alone, all of a batch in one look, and come again once they are there', async () => {
    const campaignId = mintId();
    let statements = 0;
    const query = (...args: [string, unknown[]?]) => {
      statements++;
      return database.pool.query(...args);
    };
    const persistence = new PostgresPersistence(
      Object.assign(Object.create(database.pool) as pg.Pool, { query }),
      NUMBERS,
    );
    await database.pool.query('INSERT INTO shop.users (id) SELECT generate_series(1, 60) ON CONFLICT DO NOTHING');
    const rows = Array.from({ length: 100 }, (_, i) => {
      return { ...issuance({ campaignId, serial: i + 1 }), userId: String(i % 2 === 0 ? i / 2 + 1 : 900_000 + i) };
    });
    const words = async () => (await persistence.save(rows)).map((one) => ('reason' in one ? one.reason : one.verdict));
    await expect(words()).resolves.toEqual(rows.map((_, i) => (i % 2 === 0 ? 'saved' : 'unknown_user')));
    expect(statements).toBe(3);
    await database.pool.query('INSERT INTO shop.users (id) VALUES (900001)');
    expect(await persistence.save([rows[1]!])).toEqual([{ verdict: 'saved' }]);
  });

  test('are not the ones to blame for a foreign key of the shop, which refuses its row alone', async () => {
    await database.pool.query(`CREATE TABLE sources (name text PRIMARY KEY); INSERT INTO sources VALUES ('mail');
      CREATE TABLE users_2 (id bigint PRIMARY KEY); INSERT INTO users_2 VALUES (1), (2)`);
    const options = {
      table: 'sourced',
      userId: { type: 'bigint', references: 'users_2(id)' },
      columns: { source: { type: 'text' } },
    } as const;
    const persistence = new PostgresPersistence(database.pool, options);
    await persistence.createTable();
    await database.pool.query('ALTER TABLE sourced ADD FOREIGN KEY (source) REFERENCES sources (name)');
    const campaignId = mintId();
    const row = (serial: number, source: string) => ({
      ...issuance({ campaignId, serial }),
      userId: String(serial),
      data: { source },
    });
    const save = persistence.save([row(1, 'mail'), row(2, 'radio')]);
    await expect(save).rejects.toMatchObject({ name: 'NotSavedError', wholeBatch: false });
    expect(await persistence.save([row(1, 'mail')])).toEqual([{ verdict: 'saved' }]);
  });
});

describe('checkTable', () => {
  const check = (options: PostgresOptions) => new PostgresPersistence(database.pool, options).checkTable();
  /** Makes the table, changes it, and checks it. */
  async function checked(sql: string, options: PostgresOptions = {}): Promise<unknown> {
    const own = {
      table: `t_${mintId().toLowerCase().replace(/\W/g, '_')}`,
      userId: { type: 'bigint', references: 'shop.users(id)' },
      ...options,
    } as const;
    await new PostgresPersistence(database.pool, own).createTable();
    await database.pool.query(sql.replaceAll('$t', own.table ?? ''));
    return check(own).then(() => 'fit', String);
  }

  test.each([
    [
      'a user id of another type',
      'ALTER TABLE $t DROP CONSTRAINT $t_user_id_fkey, ALTER user_id TYPE text',
      'user_id (text) cannot hold',
    ],
    ['no foreign key', 'ALTER TABLE $t DROP CONSTRAINT $t_user_id_fkey', 'does not refer to "shop"."users" ("id")'],
    [
      'a foreign key to another table',
      'CREATE TABLE u$t (id bigint PRIMARY KEY); ALTER TABLE $t DROP CONSTRAINT $t_user_id_fkey, ADD FOREIGN KEY (user_id) REFERENCES u$t',
      'does not refer to "shop"."users" ("id")',
    ],
    ...['ON DELETE CASCADE', 'ON DELETE SET NULL', 'ON UPDATE CASCADE'].map((action) => [
      `a foreign key ${action}`,
      `ALTER TABLE $t DROP CONSTRAINT $t_user_id_fkey, ADD FOREIGN KEY (user_id) REFERENCES shop.users (id) ${action}`,
      'deletes or changes coupons',
    ]),
  ] as string[][])('refuses %s', async (_, sql = '', words = '') => {
    expect(await checked(sql)).toContain(words);
  });

  test('refuses a foreign key of the shop that deletes coupons, and takes one that sets a column of the shop to NULL', async () => {
    await database.pool.query('CREATE TABLE orders (id bigint PRIMARY KEY)');
    const key = 'ALTER TABLE $t ADD FOREIGN KEY ("order") REFERENCES orders (id) ON DELETE';
    const options = { columns: { order: { type: 'bigint' } } } as const;
    expect(await checked(`${key} CASCADE`, options)).toContain('deletes or changes coupons');
    expect(await checked(`${key} SET NULL`, options)).toBe('fit');
  });

  test('takes the actions of SQL that keep coupons', async () => {
    const key = 'ADD FOREIGN KEY (user_id) REFERENCES shop.users (id) ON DELETE RESTRICT ON UPDATE NO ACTION';
    expect(await checked(`ALTER TABLE $t DROP CONSTRAINT $t_user_id_fkey, ${key}`)).toBe('fit');
  });

  test('refuses a cascade that nobody named in the options', async () => {
    const sql = 'ALTER TABLE $t ADD FOREIGN KEY (user_id) REFERENCES shop.users (id) ON DELETE CASCADE';
    expect(await checked(sql, { userId: { type: 'bigint' } })).toContain('deletes or changes coupons');
  });

  test('refuses users whose ids two texts share, users that are not there, and a column of the shop that must have a value', async () => {
    await database.pool.query(`CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
      CREATE TABLE folded_users (id text COLLATE folded PRIMARY KEY)`);
    const columns = { source: { type: 'text' } } as const;
    await database.pool.query(createTableSql({ table: 'odd', columns }));
    await database.pool.query('ALTER TABLE odd ALTER source SET NOT NULL');
    const options = { table: 'odd', columns };
    await expect(check({ ...options, userId: { type: 'text', references: 'folded_users(id)' } })).rejects.toThrow(
      'takes two users for one',
    );
    await expect(check({ ...options, userId: { type: 'text', references: 'nowhere(id)' } })).rejects.toThrow(
      'there is no "nowhere" ("id")',
    );
    await expect(check(options)).rejects.toThrow('its column source must have a value');
    await expect(check({ table: 'odd', columns: { ...columns, more: { type: 'boolean' } } })).rejects.toThrow(
      'it has no column "more"',
    );
  });

  test('names the option for a foreign key on user_id that the options leave out', async () => {
    const words = async (table: string, options: PostgresOptions) =>
      check({ table, ...options }).then(() => 'fit', String);
    const option = "the option userId: { type: 'bigint', references: 'shop.users(id)' }";
    expect(await words('shop.coupons', { ...NUMBERS, userId: { type: 'bigint' } })).toContain(
      `(cure: ${option}, or ALTER`,
    );
    expect(await words('text_coupons', {})).toContain("{ type: 'text', references: 'members(name)' }");
    await database.pool.query(`CREATE TABLE "odd-users" (id bigint PRIMARY KEY)`);
    const key = 'ALTER TABLE $t ADD CONSTRAINT odd FOREIGN KEY (user_id) REFERENCES';
    const odd = await checked(`${key} "odd-users" (id)`);
    expect(odd).toContain('(cure: ALTER TABLE');
    expect(odd).toContain('DROP CONSTRAINT "odd"');
  });

  test('refuses a foreign key that is not enforced, and names no option for it', async ({ skip }) => {
    const { rows } = await database.pool.query('SHOW server_version_num');
    skip(Number(rows[0].server_version_num) < 180_000, 'PostgreSQL 18 has such keys first');
    const key = 'ADD FOREIGN KEY (user_id) REFERENCES shop.users (id) NOT ENFORCED';
    const refused = await checked(`ALTER TABLE $t DROP CONSTRAINT $t_user_id_fkey, ${key}`);
    expect(refused).toContain('does not refer to "shop"."users" ("id")');
    expect(await checked(`ALTER TABLE $t ${key}`, { userId: { type: 'bigint' } })).toBe('fit');
  });

  test('names the option for ids that are no texts, and no statement that makes them texts', async () => {
    for (const { options, userIds } of TABLES.filter(({ userIds }) => userIds !== 'text')) {
      const words = String(await check({ ...options, userId: undefined }).catch(String));
      expect(words).toContain(`(cure: the option userId: { type: '${userIds}' })`);
      expect(words).not.toContain('TYPE text');
    }
  });

  test('refuses a store without a row, which the cure fills, and none that is missing or unreadable', async () => {
    const persistence = new PostgresPersistence(database.pool, { table: 'empty' });
    await persistence.createTable();
    await database.pool.query('DELETE FROM empty_store');
    const words = String(await persistence.checkTable().catch(String));
    expect(words).toContain('the table "empty_store" has no row');
    const clerk = `clerk_${mintId().toLowerCase().replace(/\W/g, '_')}`;
    await database.pool.query(`CREATE ROLE ${clerk}; GRANT SELECT, INSERT, UPDATE ON empty TO ${clerk}`);
    const client = await database.pool.connect();
    try {
      await client.query(`SET ROLE ${clerk}`);
      const blind = new PostgresPersistence(client, { table: 'empty' });
      await expect(blind.checkTable()).rejects.toThrow('has no row');
      await database.pool.query('ALTER TABLE empty_store ENABLE ROW LEVEL SECURITY');
      await expect(blind.checkTable()).resolves.toEqual({ format: 1 });
      await database.pool.query('REVOKE SELECT ON empty_store FROM PUBLIC');
      await expect(blind.checkTable()).resolves.toEqual({ format: 1 });
    } finally {
      client.release(true);
    }
    await database.pool.query(/INSERT INTO .* DO NOTHING/.exec(words)![0]);
    await expect(persistence.checkTable()).resolves.toEqual({ format: 1 });
    await expect(persistence.identity()).resolves.toMatch(/^[0-9a-f]{32}$/);
    await database.pool.query('DROP TABLE empty_store');
    await expect(persistence.checkTable()).resolves.toEqual({ format: 1 });
  });

  test('asks for the right to look for users', async () => {
    // Roles belong to the server, which several runs may share.
    const clerk = `clerk_${mintId().toLowerCase().replace(/\W/g, '_')}`;
    await database.pool.query(`CREATE ROLE ${clerk}; GRANT SELECT, INSERT, UPDATE ON shop.coupons TO ${clerk};
      GRANT USAGE ON SCHEMA shop TO ${clerk}`);
    const client = await database.pool.connect();
    try {
      await client.query(`SET ROLE ${clerk}`);
      const persistence = new PostgresPersistence(client, NUMBERS);
      await expect(persistence.checkTable()).rejects.toThrow(`${clerk} may not SELECT "shop"."users" ("id")`);
      await database.pool.query(`REVOKE INSERT ON shop.coupons FROM ${clerk}`);
      await cureAsPrinted(persistence, (sql) => database.pool.query(sql));
    } finally {
      client.release(true);
    }
  });
});

describe('an upgrade', () => {
  test('adds the columns and the foreign key to a table of before, once', async () => {
    const table = 'before';
    await new PostgresPersistence(database.pool, { table, userId: { type: 'bigint' } }).createTable();
    const persistence = new PostgresPersistence(database.pool, { ...NUMBERS, table });
    await expect(persistence.checkTable()).rejects.toThrow('upgradeTable() adds');
    for (let time = 0; time < 2; time++) expect(await persistence.upgradeTable()).toEqual({ format: 1 });
    const { rows } = await database.pool.query(
      `SELECT count(*) FROM pg_constraint WHERE conrelid = 'before'::regclass AND contype = 'f'`,
    );
    expect(rows).toEqual([{ count: '1' }]);
  });

  test('alters nothing where rows are of users who are not there', async () => {
    const table = 'orphans';
    const before = new PostgresPersistence(database.pool, { table, userId: { type: 'bigint' } });
    await before.createTable();
    await before.save([{ ...issuance({ campaignId: 'launch' }), userId: '777777' }]);
    const persistence = new PostgresPersistence(database.pool, { ...NUMBERS, table });
    const error = await persistence.upgradeTable().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      name: 'MisconfiguredError',
      message: expect.stringContaining('users that are not in'),
    });
    expect(String(error)).not.toContain('777777');
    await expect(before.checkTable()).resolves.toEqual({ format: 1 });
  });
});

const UUID = 'a0000000-0000-4000-8000-000000000007';
/** Columns, keys and rows, and whether there is a store. */
async function formOf(table: string): Promise<unknown> {
  const { rows } = await database.pool.query(
    `SELECT to_regclass($1) AS made, to_regclass($1 || '_store') AS store,
      (SELECT jsonb_agg(jsonb_build_array(attname, atttypid::regtype, attnotnull) ORDER BY attnum) FROM pg_attribute WHERE attrelid = to_regclass($1)) AS columns,
      (SELECT jsonb_agg(pg_get_constraintdef(oid) ORDER BY oid) FROM pg_constraint WHERE conrelid = to_regclass($1)) AS keys,
      (SELECT jsonb_agg(indexrelid ORDER BY indexrelid) FROM pg_index WHERE indrelid = to_regclass($1)) AS indexes`,
    [table],
  );
  return rows[0];
}
const someName = () => mintId().toLowerCase().replace(/\W/g, '_');

describe('a type of user ids that was chosen anew', () => {
  test.each([
    ['text', 'integer', 'integer', '7'],
    ['text', 'bigint', 'bigint', '7'],
    ['text', 'uuid', 'uuid', UUID],
    ['integer', 'bigint', 'bigint', '7'],
    ['bigint', 'text', 'varchar(128)', '7'],
    ['uuid', 'text', 'text', UUID],
  ] as const)(
    'from %s to %s is refused with nothing altered, and what the error names keeps the rows',
    async (from, type, users, id) => {
      const name = someName();
      const table = `anew_${name}`;
      const before = new PostgresPersistence(database.pool, { table, userId: { type: from } });
      await before.createTable();
      const row = { ...issuance({ campaignId: 'launch' }), userId: id };
      await before.save([row]);
      await database.pool.query(`CREATE TABLE users_${name} (id ${users} PRIMARY KEY)`);
      await database.pool.query(`INSERT INTO users_${name} VALUES ($1)`, [id]);
      const persistence = new PostgresPersistence(database.pool, {
        table,
        userId: { type, references: `users_${name}(id)` },
      });
      const form = await formOf(table);
      for (const made of [() => persistence.createTable(), () => persistence.upgradeTable()]) {
        await expect(made()).rejects.toMatchObject({
          name: 'MisconfiguredError',
          message: expect.stringContaining(`user_id (${from}) cannot hold`),
        });
      }
      await expect(persistence.upgradeTable()).rejects.toThrow('so nothing was altered');
      expect(await formOf(table)).toEqual(form);
      const printed = await cureAsPrinted(persistence, (sql) => database.pool.query(sql));
      expect(printed).toEqual([expect.stringContaining(' TYPE '), expect.stringContaining('ADD FOREIGN KEY')]);
      expect(await persistence.find([row])).toMatchObject([{ userId: id }]);
    },
  );

  test('is refused by the database where a row has no value of it, and the rows stay', async () => {
    const table = `anew_${someName()}`;
    const before = new PostgresPersistence(database.pool, { table });
    await before.createTable();
    const row = issuance({ userId: 'ann' });
    await before.save([row]);
    const persistence = new PostgresPersistence(database.pool, { table, userId: { type: 'integer' } });
    const words = String(await persistence.checkTable().catch(String));
    const [cure = ''] = /ALTER TABLE [^)]*/.exec(words) ?? [];
    expect(cure).toContain('USING user_id::text::integer');
    await expect(database.pool.query(cure)).rejects.toMatchObject({ code: '22P02' });
    expect(await before.find([row])).toMatchObject([{ userId: 'ann' }]);
  });
});

test.each([
  ['text', 'domain_of_text', 'ann'],
  ['text', 'bpchar', 'ann'],
  ['text', 'name', 'ann'],
  ['bigint', 'domain_of_bigint', '7'],
  ['bigint', 'double precision', '7'],
] as const)('for %s a foreign key that PostgreSQL made is taken for ids of %s', async (type, users, userId) => {
  await database.pool.query(`DROP DOMAIN IF EXISTS domain_of_text, domain_of_bigint, some_text, some_bigint CASCADE;
    CREATE DOMAIN some_text AS text; CREATE DOMAIN domain_of_text AS some_text;
    CREATE DOMAIN some_bigint AS bigint; CREATE DOMAIN domain_of_bigint AS some_bigint`);
  const name = someName();
  const table = `c_${name}`;
  await new PostgresPersistence(database.pool, { table, userId: { type } }).createTable();
  await database.pool.query(`CREATE TABLE u_${name} (id ${users} PRIMARY KEY); INSERT INTO u_${name} VALUES ('${userId}');
    ALTER TABLE ${table} ADD FOREIGN KEY (user_id) REFERENCES u_${name} (id)`);
  const persistence = new PostgresPersistence(database.pool, { table, userId: { type, references: `u_${name}(id)` } });
  for (const made of [() => persistence.checkTable(), () => persistence.upgradeTable()])
    await expect(made()).resolves.toEqual({ format: 1 });
  const rows = [userId, '404'].map((one, i) => ({ ...issuance({ campaignId: name, serial: i + 1 }), userId: one }));
  expect(await persistence.save(rows)).toEqual([{ verdict: 'saved' }, { verdict: 'refused', reason: 'unknown_user' }]);
});

describe('users that a foreign key cannot refer to', () => {
  test.each([
    ['that are missing', '', 'text', 'there is no "$u" ("id") for its users'],
    ['without that column', 'CREATE TABLE $u (name text PRIMARY KEY)', 'text', 'there is no "$u" ("id") for its users'],
    ['that are a view', 'CREATE VIEW $u AS SELECT 1 AS id', 'integer', 'there is no "$u" ("id") for its users'],
    [
      'of numbers, for texts',
      'CREATE TABLE $u (id bigint PRIMARY KEY)',
      'text',
      `is bigint, and userId.type is text (cure: userId: { type: 'bigint', … }`,
    ],
    [
      'of texts, for numbers',
      'CREATE TABLE $u (id varchar(40) PRIMARY KEY)',
      'bigint',
      `is character varying(40), and userId.type is bigint (cure: userId: { type: 'text', … }`,
    ],
    ['of bytes', 'CREATE TABLE $u (id bytea PRIMARY KEY)', 'uuid', 'userId.type is uuid (cure: leave out'],
    ['without a unique key', 'CREATE TABLE $u (id text, UNIQUE (id) DEFERRABLE)', 'text', '("id") has no unique key'],
    [
      'whose key leaves rows out',
      'CREATE TABLE $u (id text, name text, UNIQUE (id, name)); CREATE UNIQUE INDEX ON $u (id) WHERE name IS NULL',
      'text',
      '("id") has no unique key',
    ],
    [
      'whose ids two texts share',
      `CREATE COLLATION f$u (provider = icu, locale = 'und-u-ks-level2', deterministic = false); CREATE TABLE $u (id text COLLATE f$u PRIMARY KEY)`,
      'text',
      'takes two users for one',
    ],
    ['that a crash empties', 'CREATE UNLOGGED TABLE $u (id text PRIMARY KEY)', 'text', 'PostgreSQL refused'],
  ] as [string, string, 'text' | 'bigint', string][])(
    '%s are told before a table is made or altered',
    async (_, sql, type, words) => {
      const name = someName();
      const [table, users] = [`c_${name}`, `u_${name}`];
      await database.pool.query(sql.replaceAll('$u', users));
      const persistence = new PostgresPersistence(database.pool, {
        table,
        userId: { type, references: `${users}(id)` },
      });
      const refused = { name: 'MisconfiguredError', message: expect.stringContaining(words.replace('$u', users)) };
      for (const made of [() => persistence.createTable(), () => persistence.upgradeTable()]) {
        await expect(made()).rejects.toMatchObject(refused);
        expect(await formOf(table)).toMatchObject({ made: null, store: null });
      }
      await new PostgresPersistence(database.pool, { table, userId: { type } }).createTable();
      await database.pool.query(`DROP TABLE ${table}_store; DROP INDEX ${table}_campaign_id_code_idx`);
      const form = await formOf(table);
      await expect(persistence.upgradeTable()).rejects.toMatchObject(refused);
      expect(await formOf(table)).toEqual(form);
    },
  );

  test.each([
    ['a unique key', 'CREATE TABLE $u (id varchar(128))'],
    [
      'an exact collation',
      `CREATE COLLATION f$u (provider = icu, locale = 'und-u-ks-level2', deterministic = false); CREATE TABLE $u (id text COLLATE f$u PRIMARY KEY)`,
    ],
  ])('get %s by the statement that the error names', async (_, sql) => {
    const name = someName();
    const [table, users] = [`c_${name}`, `u_${name}`];
    await database.pool.query(sql.replaceAll('$u', users));
    await new PostgresPersistence(database.pool, { table }).createTable();
    const userId = { type: 'text', references: `${users}(id)` } as const;
    await cureAsPrinted(new PostgresPersistence(database.pool, { table, userId }), (cure) => database.pool.query(cure));
  });

  test('that are missing are the reason why the table was not made', async () => {
    const userId = { type: 'text', references: 'nowhere(id)' } as const;
    const persistence = new PostgresPersistence(database.pool, { table: 'not_made', userId });
    for (const made of [() => persistence.createTable(), () => persistence.upgradeTable()])
      await expect(made()).rejects.toThrow('the table not_made was not made: there is no "nowhere"');
  });

  test('have ids of the type that the error names, and their column is not changed to the wrong one', async () => {
    const table = `c_${someName()}`;
    await new PostgresPersistence(database.pool, { table, userId: { type: 'bigint' } }).createTable();
    const words = String(await asked(table, 'text').catch(String));
    expect(words).toContain(`userId: { type: 'bigint', … }`);
    expect(words).not.toContain('ALTER TABLE');
    await expect(asked(table, 'bigint')).rejects.toThrow('ADD FOREIGN KEY');
  });

  test('are of the type that the error names also under a foreign key', async () => {
    const words = String(await asked('shop.coupons', 'text').catch(String));
    expect(words).toContain(`userId: { type: 'bigint', … }`);
    expect(words).not.toContain('ALTER TABLE');
  });
  const asked = (table: string, type: 'text' | 'bigint') =>
    new PostgresPersistence(database.pool, { table, userId: { type, references: 'shop.users(id)' } }).checkTable();
});

test('a schema that is missing, and a column that rows lack, are told in words of the library with nothing altered', async () => {
  const nowhere = new PostgresPersistence(database.pool, { table: 'nowhere.coupons' });
  for (const made of [() => nowhere.createTable(), () => nowhere.upgradeTable()])
    await expect(made()).rejects.toMatchObject({
      name: 'MisconfiguredError',
      message: expect.stringContaining('so nothing was altered: schema "nowhere" does not exist'),
    });
  const table = `c_${someName()}`;
  const persistence = new PostgresPersistence(database.pool, { table });
  await persistence.createTable();
  await persistence.save([issuance({ code: 'SECRET' })]);
  await database.pool.query(`ALTER TABLE ${table} DROP COLUMN epoch, DROP COLUMN data`);
  const form = await formOf(table);
  const error = await persistence.upgradeTable().catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ name: 'MisconfiguredError', message: expect.stringContaining('column "epoch"') });
  expect(JSON.stringify([error, String(error), String((error as Error).cause)])).not.toContain('SECRET');
  expect(await formOf(table)).toEqual(form);
});
