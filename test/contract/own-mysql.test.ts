import type mysql from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Issuance, JsonObject } from '../../src/index.js';
import { mintId } from '../../src/model/issuance.js';
import {
  createTableSql,
  type MysqlLike,
  MysqlPersistence,
  type MysqlTableOptions,
} from '../../src/persistence/mysql/index.js';
import { persistenceContract, type UserIds } from '../../src/testing/index.js';
import { cureAsPrinted } from '../support/checks/cures.js';
import { issuance } from '../support/scenes/issuances.js';
import { Mariadb, rowsOf } from '../support/servers/mariadb.js';
import { IS_MARIADB, NO_PAD } from '../support/servers/programs.js';

const UNKNOWN = 'a0000000-0000-4000-8000-000000000404';
const NUMBERS = {
  table: 'own.coupons',
  userId: { type: 'bigint', unsigned: true, references: 'users(id)' },
  columns: { source: { type: 'text' }, order: { type: 'bigint', from: 'orderNumber' }, isGift: { type: 'boolean' } },
} as const satisfies MysqlTableOptions;
interface Own {
  readonly what: string;
  readonly options: MysqlTableOptions;
  /** The column of the users. */
  readonly users: string;
  readonly userIds: UserIds;
  readonly refusedUserId?: string;
}
const ALL_TABLES: Own[] = [
  {
    what: 'unsigned numbers as ids, a foreign key and columns of the shop in a schema',
    options: NUMBERS,
    users: 'own.users (id)',
    userIds: 'bigint',
    refusedUserId: '404',
  },
  {
    what: 'texts as ids and a foreign key under a collation that pads',
    options: { table: 'text_coupons', userId: { type: 'text', references: 'members(name)' } },
    users: 'members (name)',
    userIds: 'text',
    refusedUserId: 'nobody',
  },
  {
    what: 'UUIDs as ids and a foreign key under a collation that ignores case',
    options: { table: 'uuid_coupons', userId: { type: 'uuid', references: 'people(id)' } },
    users: 'people (id)',
    userIds: 'uuid',
    refusedUserId: UNKNOWN,
  },
  {
    what: 'UUIDs of the type of MariaDB as ids and a foreign key',
    options: { table: 'typed_coupons', userId: { type: 'uuid', references: 'typed(id)' } },
    users: 'typed (id)',
    userIds: 'uuid',
    refusedUserId: UNKNOWN,
  },
  {
    what: 'integers as ids without a foreign key',
    options: { table: 'int_coupons', userId: { type: 'integer' } },
    users: '',
    userIds: 'integer',
  },
];

const TABLES = ALL_TABLES.filter(({ options }) => IS_MARIADB || options.table !== 'typed_coupons');

let server: Mariadb;
let pool: mysql.Pool;
beforeAll(async () => {
  server = await Mariadb.start();
  pool = server.pool;
  for (const sql of [
    'CREATE DATABASE own',
    'CREATE TABLE own.users (id bigint unsigned PRIMARY KEY)',
    'CREATE TABLE members (name varchar(128) COLLATE utf8mb4_bin PRIMARY KEY)',
    'CREATE TABLE people (id char(36) COLLATE utf8mb4_unicode_ci PRIMARY KEY)',
    ...(IS_MARIADB ? ['CREATE TABLE typed (id uuid PRIMARY KEY)'] : []),
  ])
    await pool.query(sql);
  for (const { options } of TABLES) {
    await expect(new MysqlPersistence(pool, options).createTable()).resolves.toEqual({ format: 1 });
  }
});
afterAll(() => server.stop());

const save = (adapter: MysqlPersistence, rows: readonly Issuance[]) =>
  adapter.save(rows, { signal: new AbortController().signal });
const queried = async (sql: string, values: unknown[] = []) =>
  (await pool.query<mysql.RowDataPacket[]>(sql, values))[0];
const addUsers = (users: string, ids: readonly string[]) =>
  pool.query(`INSERT IGNORE INTO ${users} VALUES ?`, [ids.map((id) => [id])]);

describe.each(TABLES)(
  'MysqlPersistence over $what keeps the contract',
  ({ options, users, userIds, refusedUserId }) => {
    const contract = persistenceContract({
      keepsData: true,
      createAdapter: async ({ send }) => {
        const query: MysqlLike['query'] = (asked) => send(() => pool.query(asked));
        return new MysqlPersistence(Object.assign(Object.create(pool) as MysqlLike, { query }), options);
      },
      oracle: (campaignId) => rowsOf(server, campaignId, options.table),
      userIds,
      refusedUserId,
      ...(users && {
        prepare: (issuances) =>
          addUsers(
            users,
            issuances.map(({ userId }) => userId),
          ),
      }),
    });
    // Ten thousand rows at a time take seconds. One table, which has all that a table may have, is enough for them.
    for (const { name, run } of contract) if (options === NUMBERS || !name.includes('10,000')) test(name, run);
  },
);

describe('a number of a user', () => {
  test('is read and found as the text that the database prints', async () => {
    const [campaignId, userId] = [mintId(), String(2n ** 63n + 1n)];
    const options = { table: 'plain', userId: { type: 'bigint', unsigned: true } } as const;
    const persistence = new MysqlPersistence(pool, options);
    await persistence.createTable();
    const [row, neighbour] = [
      { ...issuance({ campaignId, serial: 1 }), userId },
      { ...issuance({ campaignId, serial: 2 }), userId: String(2n ** 63n) },
    ];
    await save(persistence, [row, neighbour]);
    await expect(persistence.list(campaignId, { afterSerial: 0, limit: 1 })).resolves.toMatchObject([{ userId }]);
    const found = persistence.listByUser([userId], { campaignIds: [campaignId], limit: 9 });
    await expect(found).resolves.toMatchObject([{ userId }]);
    const refs = [row, neighbour].map(({ id }) => ({ campaignId, id, userId }));
    expect(await persistence.look(refs)).toMatchObject([{ id: row.id, userId }, null]);
  });

  test.each([
    ['bigint', undefined, -(2n ** 63n), 2n ** 63n - 1n],
    ['bigint', true, 0n, 2n ** 64n - 1n],
    ['integer', false, -(2n ** 31n), 2n ** 31n - 1n],
    ['integer', true, 0n, 2n ** 32n - 1n],
  ] as const)('of the type %s, unsigned %s, is from %s to %s', (type, unsigned, least, most) => {
    const { userIdFault } = MysqlPersistence.prototype;
    const persistence = new MysqlPersistence(pool, { userId: { type, unsigned } });
    const faults = [least, most, least - 1n, most + 1n].map((id) => userIdFault.call(persistence, String(id)));
    const fault = `must be a whole number from ${least} to ${most}, as the database prints it`;
    expect(faults).toEqual([null, null, fault, fault]);
  });
});

describe('options that are wrong', () => {
  test.each([
    ['userId', 'text'],
    ['userId', null],
    ['userId.unsigned', { type: 'text', unsigned: true }],
    ['userId.unsigned', { type: 'bigint', unsigned: 'yes' }],
    ['userId.references', { type: 'bigint', references: 'users' }],
  ])('are named: %s of %j', (argument, userId) => {
    const options = { userId } as unknown as MysqlTableOptions;
    expect(() => new MysqlPersistence(pool, options)).toThrow(expect.objectContaining({ argument }));
  });

  test('are columns whose names the server takes for one', () => {
    const columns = { source: { type: 'text' }, Source: { type: 'text' } } as const;
    expect(() => createTableSql({ columns })).toThrow(expect.objectContaining({ argument: 'columns' }));
  });

  test('are users whose type a statement without a look cannot know', () => {
    for (const type of ['text', 'uuid'] as const) {
      const options = { userId: { type, references: 'users(id)' } };
      expect(() => createTableSql(options)).toThrow('upgradeTableSql() looks it up');
    }
  });
});

describe('columns of the shop', () => {
  const ownOf = (campaignId: string) =>
    queried('SELECT source, `order`, isGift FROM own.coupons WHERE campaign_id = ? ORDER BY serial', [campaignId]);
  beforeAll(() => addUsers('own.users (id)', ['1', '2', '3', '4']));

  test('hold the properties of data that have their type, and NULL for the others', async () => {
    const campaignId = mintId();
    const given: (JsonObject | undefined)[] = [
      { source: "a'; DROP TABLE users; -- \u{1f381}", orderNumber: -(2 ** 53 - 1), isGift: true },
      { source: 5, orderNumber: '7', isGift: 'true' },
      { source: null, orderNumber: 1.5, isGift: 0, toString: 'own' },
      undefined,
    ];
    const rows = given.map((data, i) => {
      return { ...issuance({ campaignId, serial: i + 1 }), userId: String(i + 1), ...(data && { data }) };
    });
    expect(await save(new MysqlPersistence(pool, NUMBERS), rows)).toEqual(rows.map(() => ({ verdict: 'saved' })));
    expect(await ownOf(campaignId)).toEqual([
      { source: "a'; DROP TABLE users; -- \u{1f381}", order: -9007199254740991, isGift: 1 },
      ...[1, 2, 3].map(() => ({ source: null, order: null, isGift: null })),
    ]);
  });

  test('hold the longest text of data whole, in any mode of the session', async () => {
    const lax = server.createPool();
    lax.on('connection', (connection) => void connection.query(`SET sql_mode = ''`));
    const [campaignId, source] = [mintId(), 'é'.repeat(500)];
    const row = { ...issuance({ campaignId }), userId: '1', data: { source } };
    expect(await save(new MysqlPersistence(lax, NUMBERS), [row])).toEqual([{ verdict: 'saved' }]);
    expect(await ownOf(campaignId)).toMatchObject([{ source }]);
  });

  test('stay as they are when the row is saved again', async () => {
    const campaignId = mintId();
    const row = { ...issuance({ campaignId, serial: 1 }), userId: '1', data: { source: 'mail' } };
    for (const one of [row, { ...row, data: { source: 'other' } }]) {
      expect(await save(new MysqlPersistence(pool, NUMBERS), [one])).toEqual([{ verdict: 'saved' }]);
    }
    expect(await ownOf(campaignId)).toEqual([{ source: 'mail', order: null, isGift: null }]);
  });
});

describe('users who are not there', () => {
  test('are refused alone, all of a batch in one look, and come again once they are there', async () => {
    const campaignId = mintId();
    let statements = 0;
    const query: MysqlLike['query'] = (asked) => {
      statements++;
      return pool.query(asked);
    };
    const persistence = new MysqlPersistence({ autocommit: true, query }, NUMBERS);
    const known = Array.from({ length: 50 }, (_, i) => String(i + 1));
    await addUsers('own.users (id)', known);
    const rows = Array.from({ length: 100 }, (_, i) => {
      return { ...issuance({ campaignId, serial: i + 1 }), userId: i % 2 ? String(900_000 + i) : known[i / 2]! };
    });
    const words = async () =>
      (await save(persistence, rows)).map((one) => ('reason' in one ? one.reason : one.verdict));
    await expect(words()).resolves.toEqual(rows.map((_, i) => (i % 2 ? 'unknown_user' : 'saved')));
    // The first asks for autocommit.
    expect(statements).toBe(4);
    await addUsers('own.users (id)', ['900001']);
    expect(await save(persistence, [rows[1]!])).toEqual([{ verdict: 'saved' }]);
  });

  test('are there though their table has a UUID in capitals', async () => {
    const options = { table: 'uuid_coupons', userId: { type: 'uuid', references: 'people(id)' } } as const;
    const campaignId = mintId();
    const userId = 'beef0000-0000-4000-8000-000000000001';
    await addUsers('people (id)', [userId.toUpperCase()]);
    const rows = [userId, UNKNOWN].map((one, i) => ({ ...issuance({ campaignId, serial: i + 1 }), userId: one }));
    expect(await save(new MysqlPersistence(pool, options), rows)).toEqual([
      { verdict: 'saved' },
      { verdict: 'refused', reason: 'unknown_user' },
    ]);
  });

  test('are not the ones to blame for a foreign key of the shop, which refuses its row alone', async () => {
    await pool.query('CREATE TABLE orders (id bigint PRIMARY KEY)');
    await addUsers('orders (id)', ['7']);
    await addUsers('own.users (id)', ['1', '2']);
    const options = {
      table: 'ordered',
      userId: { type: 'bigint', unsigned: true, references: 'own.users(id)' },
      columns: { order: { type: 'bigint' } },
    } as const;
    const persistence = new MysqlPersistence(pool, options);
    await persistence.createTable();
    await pool.query('ALTER TABLE ordered ADD FOREIGN KEY (`order`) REFERENCES orders (id)');
    const campaignId = mintId();
    const row = (serial: number, order: number) => {
      return { ...issuance({ campaignId, serial }), userId: String(serial), data: { order } };
    };
    const saved = save(persistence, [row(1, 7), row(2, 8)]);
    await expect(saved).rejects.toMatchObject({ name: 'NotSavedError', wholeBatch: false });
    expect(await save(persistence, [row(1, 7)])).toEqual([{ verdict: 'saved' }]);
  });
});

describe('a user whose row a transaction of the shop holds', () => {
  test('is waited for: the save ends once that transaction does, or the server ends the wait and nothing is stored', async () => {
    const campaignId = mintId();
    await addUsers('own.users (id)', ['1', '2']);
    const impatient = server.createPool();
    impatient.on('connection', (connection) => void connection.query('SET innodb_lock_wait_timeout = 1'));
    const shop = await server.connect();
    await shop.beginTransaction();
    await shop.query('SELECT id FROM own.users WHERE id = 2 FOR UPDATE');
    const rows = [1, 2].map((serial) => ({ ...issuance({ campaignId, serial }), userId: String(serial) }));
    const refused = save(new MysqlPersistence(impatient, NUMBERS), rows);
    await expect(refused).rejects.toMatchObject({ name: 'NotSavedError', wholeBatch: true, cause: { errno: 1205 } });
    const waiting = save(new MysqlPersistence(pool, NUMBERS), rows);
    while (!(await server.statusOf('Innodb_row_lock_current_waits'))) await rowsOf(server, campaignId, NUMBERS.table);
    expect(await rowsOf(server, campaignId, NUMBERS.table)).toEqual([]);
    await shop.commit();
    expect(await waiting).toEqual([{ verdict: 'saved' }, { verdict: 'saved' }]);
  });
});

describe('checkTable', () => {
  const check = (options: MysqlTableOptions) => new MysqlPersistence(pool, options).checkTable();
  /** Makes the table, changes it, and checks it. */
  async function checked(sql: readonly string[], options: Omit<MysqlTableOptions, 'table'> = {}): Promise<unknown> {
    const own = { ...NUMBERS, table: `own.t_${mintId().toLowerCase().replace(/\W/g, '_')}`, ...options };
    await new MysqlPersistence(pool, own).createTable();
    const name = own.table.split('.')[1]!;
    for (const one of sql) await pool.query(one.replaceAll('$t', own.table).replaceAll('$n', name));
    return check(own).then(() => 'fit', String);
  }
  const KEY = 'ALTER TABLE $t ADD FOREIGN KEY (user_id) REFERENCES own.users (id)';
  const NONE = 'ALTER TABLE $t DROP FOREIGN KEY $n_ibfk_1';

  test.each([
    [
      'a user id of another type',
      [NONE, 'ALTER TABLE $t MODIFY user_id varbinary(128) NOT NULL'],
      'user_id (varbinary(128)) cannot hold',
    ],
    [
      'a user id of another sign',
      [NONE, 'ALTER TABLE $t MODIFY user_id bigint NOT NULL'],
      'user_id (bigint) cannot hold',
    ],
    ['no foreign key', [NONE], 'does not refer to `own`.`users` (`id`)'],
    [
      'a foreign key to another table',
      [
        NONE,
        'CREATE TABLE own.u$n (id bigint unsigned PRIMARY KEY)',
        'ALTER TABLE $t ADD FOREIGN KEY (user_id) REFERENCES own.u$n (id)',
      ],
      'does not refer to `own`.`users` (`id`)',
    ],
    [
      'a foreign key to a table of that name in another schema',
      [
        NONE,
        'CREATE TABLE IF NOT EXISTS users (id bigint unsigned PRIMARY KEY)',
        'ALTER TABLE $t ADD FOREIGN KEY (user_id) REFERENCES shop.users (id)',
      ],
      'does not refer to `own`.`users` (`id`)',
    ],
    ...['ON DELETE CASCADE', 'ON UPDATE CASCADE'].map(
      (action) => [`a foreign key ${action}`, [NONE, `${KEY} ${action}`], 'deletes or changes coupons'] as const,
    ),
    [
      'a foreign key of the shop that deletes coupons',
      [
        'CREATE TABLE IF NOT EXISTS own.orders (id bigint PRIMARY KEY)',
        'ALTER TABLE $t ADD FOREIGN KEY (`order`) REFERENCES own.orders (id) ON DELETE CASCADE',
      ],
      'deletes or changes coupons',
    ],
    [
      'a foreign key that sets a column of coupons to NULL',
      [
        'CREATE TABLE IF NOT EXISTS own.grants (n int PRIMARY KEY)',
        'ALTER TABLE $t ADD FOREIGN KEY (grant_no) REFERENCES own.grants (n) ON DELETE SET NULL',
      ],
      'deletes or changes coupons',
    ],
    [
      'a column of the shop that is too short',
      ['ALTER TABLE $t MODIFY source varchar(1000) CHARACTER SET utf8mb4'],
      'source (varchar(1000) utf8mb4',
    ],
    [
      'a column of the shop that must have a value',
      ['ALTER TABLE $t MODIFY isGift boolean NOT NULL'],
      'isGift must have',
    ],
    [
      'a column of the shop that takes no number below 0',
      ['ALTER TABLE $t MODIFY `order` bigint unsigned'],
      'column order (bigint',
    ],
    ['no column of the shop', ['ALTER TABLE $t DROP isGift'], 'it has no column `isGift`'],
  ] as [string, string[], string][])('refuses %s', async (_, sql, words) => {
    expect(await checked(sql)).toContain(words);
  });

  test.each([
    ['actions of SQL that keep coupons', [NONE, `${KEY} ON DELETE RESTRICT ON UPDATE NO ACTION`]],
    [
      'an action that only sets a column of the shop to NULL, and names in capitals',
      [
        'CREATE TABLE IF NOT EXISTS own.orders (id bigint PRIMARY KEY)',
        'ALTER TABLE $t ADD FOREIGN KEY (`order`) REFERENCES own.orders (id) ON DELETE SET NULL',
        'ALTER TABLE $t CHANGE source SOURCE longtext CHARACTER SET utf8mb4',
      ],
    ],
    [
      'a word of a foreign key in a comment',
      ["ALTER TABLE $t COMMENT 'x\n  CONSTRAINT a FOREIGN KEY (user_id) REFERENCES b (c) ON DELETE CASCADE'"],
    ],
  ])('takes %s', async (_, sql) => {
    expect(await checked(sql)).toBe('fit');
  });

  test('reads foreign keys in any mode of the session', async () => {
    const odd = server.createPool();
    odd.on('connection', (one) => void one.query(`SET sql_mode = 'ANSI_QUOTES', sql_quote_show_create = 0`));
    await expect(new MysqlPersistence(odd, NUMBERS).checkTable()).resolves.toEqual({ format: 1 });
  });

  test('refuses sessions that check no foreign key', async () => {
    const off = server.createPool();
    off.on('connection', (one) => void one.query('SET foreign_key_checks = 0'));
    await expect(new MysqlPersistence(off, NUMBERS).checkTable()).rejects.toThrow('foreign_key_checks is off');
  });

  test('refuses a cascade that nobody named in the options', async () => {
    expect(await checked([`${KEY} ON DELETE CASCADE`], { userId: { type: 'bigint', unsigned: true } })).toContain(
      'deletes or changes coupons',
    );
  });

  test('names the option for a foreign key on user_id that the options leave out', async () => {
    const signed = { type: 'bigint', unsigned: true } as const;
    const words = String(await check({ ...NUMBERS, userId: signed }).catch(String));
    const option = "the option userId: { type: 'bigint', unsigned: true, references: 'users(id)' }";
    expect(words).toContain(`(cure: ${option}, or ALTER TABLE`);
    await expect(check({ ...NUMBERS, userId: { ...signed, references: 'users(id)' } })).resolves.toEqual({ format: 1 });
    await pool.query('CREATE TABLE own.`odd-users` (id bigint unsigned PRIMARY KEY)');
    const odd = 'ALTER TABLE $t ADD CONSTRAINT odd FOREIGN KEY (user_id) REFERENCES own.`odd-users` (id)';
    expect(await checked([odd])).toMatch(/\(cure: ALTER TABLE \S+ DROP FOREIGN KEY `odd`\)/);
  });

  test('names the option for ids that are no texts, and no statement that makes them texts', async () => {
    const ids = [
      ['bigint', "type: 'bigint'"],
      ['int unsigned', "type: 'integer', unsigned: true"],
      ['char(36) COLLATE ascii_bin', "type: 'uuid'"],
    ];
    for (const [type, option] of ids) {
      const words = await checked([`ALTER TABLE $t MODIFY user_id ${type} NOT NULL`], { userId: undefined });
      expect(words).toContain(`(cure: the option userId: { ${option} })`);
      expect(words).not.toContain('MODIFY user_id');
    }
  });

  test('refuses a store without a row, which the cure fills, and none that is missing', async () => {
    const persistence = new MysqlPersistence(pool, { table: 'own.emptied' });
    await persistence.createTable();
    await pool.query('DELETE FROM own.emptied_store');
    const words = String(await persistence.checkTable().catch(String));
    expect(words).toContain('the table `own`.`emptied_store` has no row');
    await pool.query(/INSERT IGNORE .*32\)\)/.exec(words)![0]);
    await expect(persistence.checkTable()).resolves.toEqual({ format: 1 });
    await expect(persistence.identity()).resolves.toMatch(/^[0-9a-f]{32}$/);
    await pool.query('DROP TABLE own.emptied_store');
    await expect(persistence.checkTable()).resolves.toEqual({ format: 1 });
  });

  test('asks for the right to look for users', async () => {
    await pool.query(`CREATE USER clerk@'%'`);
    await pool.query(`GRANT SELECT, INSERT, UPDATE ON own.coupons TO clerk@'%'`);
    const clerk = server.createPool({ user: 'clerk', database: 'information_schema' });
    const persistence = new MysqlPersistence(clerk, NUMBERS);
    await expect(persistence.checkTable()).rejects.toThrow('let this user SELECT that column');
    await pool.query(`GRANT INSERT (id) ON own.users TO clerk@'%'`);
    await expect(persistence.checkTable()).rejects.toThrow('may not SELECT `own`.`users` (`id`)');
    await pool.query(`REVOKE UPDATE ON own.coupons FROM clerk@'%'`);
    const granted = await cureAsPrinted(persistence, (sql) => pool.query(sql));
    expect(granted).toEqual([
      "GRANT UPDATE ON `own`.`coupons` TO 'clerk'@'%'",
      "GRANT SELECT (`id`) ON `own`.`users` TO 'clerk'@'%'",
    ]);
    await addUsers('own.users (id)', ['1']);
    const [row, strange] = ['1', '404'].map((userId, i) => ({
      ...issuance({ campaignId: 'clerk', serial: i + 1 }),
      userId,
    }));
    expect(await save(persistence, [row!, strange!])).toEqual([
      { verdict: 'saved' },
      { verdict: 'refused', reason: 'unknown_user' },
    ]);
    await pool.query(`REVOKE SELECT, INSERT, UPDATE ON own.coupons FROM clerk@'%'`);
    await pool.query(`GRANT SELECT (serial, user_id), INSERT (serial) ON own.coupons TO clerk@'%'`);
    await expect(persistence.checkTable()).rejects.toThrow('may not see its foreign keys');
    await cureAsPrinted(persistence, (sql) => pool.query(sql));
  });
});

describe('users that a foreign key does not fit', () => {
  test.each([
    [
      'of another sign',
      'bigint PRIMARY KEY',
      { type: 'bigint', unsigned: true },
      "bigint unsigned (cure: userId: { type: 'bigint', … }",
    ],
    ['without a sign', 'int unsigned PRIMARY KEY', { type: 'integer' }, "type: 'integer', unsigned: true, … }"],
    ['of another size', 'int PRIMARY KEY', { type: 'bigint' }, "userId: { type: 'integer', … }"],
    [
      'of 16 bytes',
      'binary(16) PRIMARY KEY',
      { type: 'uuid' },
      'is binary(16), and userId.type is uuid (cure: leave out',
    ],
    ...['utf8mb4_general_ci', NO_PAD.ignoringCase, 'latin1_bin'].map(
      (collation) =>
        [
          `under ${collation}`,
          `varchar(99) COLLATE ${collation} PRIMARY KEY`,
          { type: 'text' },
          'takes two users for one',
        ] as const,
    ),
    [
      'of a char that is not padded',
      `char(99) CHARACTER SET utf8mb4 COLLATE ${NO_PAD.binary} PRIMARY KEY`,
      { type: 'text' },
      'lets a foreign key find only ids of the full length',
    ],
    ['that are missing', '', { type: 'text' }, 'there is no `users_'],
    ['without a key', 'int', { type: 'integer' }, '(`id`) has no unique key'],
  ] as [string, string, { type: 'text' }, string][])(
    '%s are told before a table is made or altered',
    async (_, column, type, words) => {
      const name = mintId().toLowerCase().replace(/\W/g, '_');
      const [table, users] = [`c_${name}`, `users_${name}`];
      if (column) await pool.query(`CREATE TABLE ${users} (id ${column})`);
      const persistence = new MysqlPersistence(pool, { table, userId: { ...type, references: `${users}(id)` } });
      for (const made of [() => persistence.createTable(), () => persistence.upgradeTableSql()]) {
        await expect(made()).rejects.toMatchObject({
          name: 'MisconfiguredError',
          message: expect.stringContaining(words),
        });
      }
      expect(await queried('SHOW TABLES LIKE ?', [`${table}%`])).toEqual([]);
      await new MysqlPersistence(pool, { table }).createTable();
      await expect(persistence.checkTable()).rejects.toThrow(words);
      await expect(persistence.upgradeTable()).rejects.toThrow(words);
    },
  );

  test.each([
    ['of another engine', 'id int PRIMARY KEY) ENGINE=MyISAM'],
    ['whose key begins with another column', 'id int, name int, PRIMARY KEY (name, id)) ENGINE=InnoDB'],
  ])('%s are told in words of the library, and no table of coupons is made or altered', async (_, columns) => {
    const name = mintId().toLowerCase().replace(/\W/g, '_');
    const table = `c_${name}`;
    await pool.query(`CREATE TABLE users_${name} (${columns}`);
    const userId = { type: 'integer', references: `users_${name}(id)` } as const;
    const persistence = new MysqlPersistence(pool, { table, userId });
    const refused = {
      name: 'MisconfiguredError',
      message: expect.stringMatching(
        `the server makes no foreign key of the table ${table} to .*, so that table was neither made nor altered`,
      ),
    };
    for (const made of [() => persistence.createTable(), () => persistence.upgradeTable()])
      await expect(made()).rejects.toMatchObject(refused);
    expect(await queried('SHOW TABLES LIKE ?', [table])).toEqual([]);
    await new MysqlPersistence(pool, { table, userId: { type: 'integer' } }).createTable();
    await pool.query(`ALTER TABLE ${table} DROP KEY by_code, DROP COLUMN data`);
    const form = await queried(`SHOW CREATE TABLE ${table}`);
    await expect(persistence.upgradeTable()).rejects.toMatchObject(refused);
    expect(await queried(`SHOW CREATE TABLE ${table}`)).toEqual(form);
  });

  test('that are missing are the reason why the table was not made', async () => {
    const userId = { type: 'text', references: 'nowhere(id)' } as const;
    const persistence = new MysqlPersistence(pool, { table: 'not_made', userId });
    await expect(persistence.createTable()).rejects.toThrow('the table not_made was not made: there is no `nowhere`');
  });

  test('are told by any number that a server gives for them', async () => {
    const userId = { type: 'bigint', unsigned: true, references: 'own.users(id)' } as const;
    for (const errno of [1215, 1822, 1824, 3780, 6125]) {
      const query: MysqlLike['query'] = (asked) =>
        /FOREIGN KEY/.test(asked.sql) ? Promise.reject(Object.assign(new Error('no'), { errno })) : pool.query(asked);
      const persistence = new MysqlPersistence({ query }, { table: 'refused_by_number', userId });
      await expect(persistence.createTable()).rejects.toThrow('the server makes no foreign key of the table');
    }
  });

  test('are no users of an id that ends with a space', () => {
    const persistence = new MysqlPersistence(pool, { userId: { type: 'text', references: 'members(name)' } });
    expect(persistence.userIdFault('kim ')).toContain('must not end with a space');
    expect(new MysqlPersistence(pool).userIdFault('kim ')).toBeNull();
  });
});

describe('an upgrade', () => {
  const keysOf = async (table: string) => {
    const [row] = await queried(`SHOW CREATE TABLE ${table}`);
    return String(row?.['Create Table']).match(/CONSTRAINT.*/g) ?? [];
  };

  test('adds the columns and the foreign key to a table of before, once, whoever does so at the same time', async () => {
    const table = 'own.before';
    const { type, unsigned } = NUMBERS.userId;
    await new MysqlPersistence(pool, { table, userId: { type, unsigned } }).createTable();
    const persistence = new MysqlPersistence(pool, { ...NUMBERS, table });
    await expect(persistence.checkTable()).rejects.toThrow('upgradeTable() adds');
    const upgrades = () => Promise.allSettled(Array.from({ length: 4 }, () => persistence.upgradeTable()));
    for (let time = 0; time < 2; time++) {
      expect(await upgrades()).toEqual(Array(4).fill({ status: 'fulfilled', value: { format: 1 } }));
    }
    expect(await keysOf(table)).toEqual([
      'CONSTRAINT `before_ibfk_1` FOREIGN KEY (`user_id`) REFERENCES `users` (`id`)',
    ]);
  });

  test('names its foreign key as the server does, so that a table that was renamed is in nobody’s way', async () => {
    const table = 'own.yearly';
    const { type, unsigned } = NUMBERS.userId;
    for (const year of [2025, 2026]) {
      await new MysqlPersistence(pool, { table, userId: { type, unsigned } }).createTable();
      await expect(new MysqlPersistence(pool, { ...NUMBERS, table }).upgradeTable()).resolves.toEqual({ format: 1 });
      await pool.query(`RENAME TABLE ${table} TO ${table}_${year}`);
    }
  });

  test('alters nothing where rows are of users who are not there, and quotes none', async () => {
    const table = 'own.orphans';
    const { type, unsigned } = NUMBERS.userId;
    const before = new MysqlPersistence(pool, { table, userId: { type, unsigned } });
    await before.createTable();
    await save(before, [{ ...issuance({ campaignId: 'launch' }), userId: '777777' }]);
    const form = await queried(`SHOW CREATE TABLE ${table}`);
    const error = await new MysqlPersistence(pool, { ...NUMBERS, table })
      .upgradeTable()
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      name: 'MisconfiguredError',
      message: expect.stringContaining('users that are not in `own`.`users` (`id`)'),
    });
    expect(String(error)).not.toContain('777777');
    expect(await queried(`SHOW CREATE TABLE ${table}`)).toEqual(form);
  });

  test.each([
    ['varchar(20)', NO_PAD.binary],
    ['char(20)', 'utf8mb4_bin'],
    ['varchar(20)', 'utf8mb4_bin'],
  ])(
    'makes a column of texts as users of %s under %s have theirs, where the table is missing',
    async (type, collation) => {
      const name = mintId().toLowerCase().replace(/\W/g, '_');
      await pool.query(
        `CREATE TABLE names_${name} (name ${type} CHARACTER SET utf8mb4 COLLATE ${collation} PRIMARY KEY)`,
      );
      await pool.query(`INSERT INTO names_${name} VALUES ('ann')`);
      const options = { table: `named_${name}`, userId: { type: 'text', references: `names_${name}(name)` } } as const;
      const persistence = new MysqlPersistence(pool, options);
      for (const one of (await persistence.upgradeTableSql()).split(/(?<=;\n)/)) {
        await expect(pool.query(one)).resolves.toBeDefined();
      }
      await expect(persistence.checkTable()).resolves.toEqual({ format: 1 });
      const saved = await save(persistence, [{ ...issuance({ campaignId: 'launch' }), userId: 'ann' }]);
      expect(saved).toEqual([{ verdict: 'saved' }]);
    },
  );
});

describe('a type of user ids that was chosen anew', () => {
  const UUID = 'a0000000-0000-4000-8000-000000000007';
  const formOf = async (table: string) => [
    await queried(`SHOW CREATE TABLE ${table}`),
    await queried(`SELECT * FROM ${table}`),
  ];
  const someName = () => mintId().toLowerCase().replace(/\W/g, '_');
  test.each([
    ['text', { type: 'integer' }, 'int', '7'],
    ['text', { type: 'bigint', unsigned: true }, 'bigint unsigned', '7'],
    ['text', { type: 'text' }, 'varchar(128) COLLATE utf8mb4_bin', 'ann'],
    ['text', { type: 'uuid' }, 'char(36) COLLATE utf8mb4_unicode_ci', UUID],
    ...(IS_MARIADB
      ? ([
          ['text', { type: 'uuid' }, 'uuid', UUID],
          ['uuid', { type: 'uuid' }, 'uuid', UUID],
        ] as const)
      : []),
    ['integer', { type: 'bigint' }, 'bigint', '7'],
    ['bigint', { type: 'bigint', unsigned: true }, 'bigint unsigned', '7'],
    ['bigint', { type: 'text' }, 'varbinary(128)', '7'],
    ['uuid', { type: 'text' }, 'varchar(40) COLLATE utf8mb4_bin', UUID],
  ] as const)(
    'from %s to %j of users with %s is refused with nothing altered, and what the error names keeps the rows',
    async (from, to, users, id) => {
      const name = someName();
      const table = `anew_${name}`;
      const before = new MysqlPersistence(pool, { table, userId: { type: from } });
      await before.createTable();
      const row = { ...issuance({ campaignId: 'launch' }), userId: id };
      await save(before, [row]);
      await pool.query(`CREATE TABLE users_${name} (id ${users} PRIMARY KEY)`);
      await pool.query(`INSERT INTO users_${name} VALUES (?)`, [id]);
      const persistence = new MysqlPersistence(pool, { table, userId: { ...to, references: `users_${name}(id)` } });
      const form = await formOf(table);
      for (const made of [() => persistence.createTable(), () => persistence.upgradeTable()])
        await expect(made()).rejects.toMatchObject({
          name: 'MisconfiguredError',
          message: expect.stringContaining('its column user_id ('),
        });
      await expect(persistence.upgradeTable()).rejects.toThrow('so nothing was altered');
      expect(await formOf(table)).toEqual(form);
      const printed = await cureAsPrinted(persistence, (sql) => pool.query(sql));
      expect(printed).toEqual([
        ...(users === 'uuid' && from === 'text' ? [expect.stringContaining(' MODIFY user_id varchar(128)')] : []),
        expect.stringContaining(' MODIFY '),
        expect.stringContaining('ADD FOREIGN KEY'),
      ]);
      expect(await persistence.find([row])).toMatchObject([{ userId: id }]);
    },
  );

  test('is refused by the database where a row has no value of it, and the rows stay', async () => {
    const table = `anew_${someName()}`;
    const before = new MysqlPersistence(pool, { table });
    await before.createTable();
    await save(before, [{ ...issuance({ campaignId: 'launch' }), userId: 'ann' }]);
    const form = await formOf(table);
    const persistence = new MysqlPersistence(pool, { table, userId: { type: 'integer' } });
    const words = String(await persistence.checkTable().catch(String));
    const [cure = ''] = /ALTER TABLE [^)]*/.exec(words) ?? [];
    await expect(pool.query(cure)).rejects.toMatchObject({ errno: IS_MARIADB ? 1292 : 1366 });
    expect(await formOf(table)).toEqual(form);
  });

  test.each([
    ['a unique key', 'varbinary(128)', 'varbinary(128)'],
    ['an exact collation', 'varchar(99) COLLATE utf8mb4_general_ci PRIMARY KEY', 'varbinary(128)'],
    [
      'an exact collation under a foreign key',
      'varchar(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci PRIMARY KEY',
      'varchar(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci',
    ],
    [
      'a longer column under a foreign key',
      'varchar(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY',
      'varchar(99) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin',
    ],
  ])('gets %s by the statements that the error names', async (what, users, own) => {
    const name = someName();
    const [table, to] = [`anew_${name}`, `users_${name} (id)`];
    await pool.query(`CREATE TABLE users_${name} (id ${users})`);
    await new MysqlPersistence(pool, { table }).createTable();
    await pool.query(`ALTER TABLE ${table} MODIFY user_id ${own} NOT NULL`);
    if (what.includes('foreign')) await pool.query(`ALTER TABLE ${table} ADD FOREIGN KEY (user_id) REFERENCES ${to}`);
    const userId = { type: 'text', references: to.replace(' ', '') } as const;
    await cureAsPrinted(new MysqlPersistence(pool, { table, userId }), (cure) => pool.query(cure));
  });

  test('is the one that the error names, and the column is not changed to the wrong one', async () => {
    const name = someName();
    const table = `anew_${name}`;
    await pool.query(`CREATE TABLE users_${name} (id bigint PRIMARY KEY)`);
    await new MysqlPersistence(pool, { table, userId: { type: 'bigint' } }).createTable();
    const userId = { type: 'text', references: `users_${name}(id)` } as const;
    const words = String(await new MysqlPersistence(pool, { table, userId }).checkTable().catch(String));
    expect(words).toContain("userId: { type: 'bigint', … }");
    expect(words).not.toContain('ALTER TABLE');
  });
});
