import type mysql from 'mysql2/promise';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { MisconfiguredError } from '../../src/index.js';
import { firstRedeem } from '../../src/model/life.js';
import { createTableSql, type MysqlLike, MysqlPersistence } from '../../src/persistence/mysql/index.js';
import { cureAsPrinted } from '../support/checks/cures.js';
import { issuance } from '../support/scenes/issuances.js';
import { Mariadb } from '../support/servers/mariadb.js';
import { IS_MARIADB, NO_PAD } from '../support/servers/programs.js';

let server: Mariadb;
let pool: mysql.Pool;
let persistence: MysqlPersistence;
beforeAll(async () => {
  server = await Mariadb.start(['--log-bin', '--binlog-format=STATEMENT', '--server-id=1']);
  pool = server.pool;
});
afterAll(() => server.stop());
beforeEach(async () => {
  await pool.query('DROP DATABASE IF EXISTS shop');
  await pool.query('CREATE DATABASE shop');
  pool = server.createPool();
  persistence = new MysqlPersistence(pool);
});

const save = (adapter: MysqlPersistence, one = issuance()) =>
  adapter.save([one], { signal: new AbortController().signal });

async function uniqueKeysOf(table = 'coupon_issuances'): Promise<string[]> {
  const [rows] = await pool.query<mysql.RowDataPacket[]>(
    `SELECT GROUP_CONCAT(column_name ORDER BY seq_in_index) AS columns FROM information_schema.statistics
     WHERE table_schema = 'shop' AND table_name = ? AND non_unique = 0 GROUP BY index_name ORDER BY 1`,
    [table],
  );
  return rows.map(({ columns }) => columns);
}

const ALL_KEYS = ['campaign_id,code', 'campaign_id,id', 'campaign_id,serial', 'campaign_id,user_id,grant_no'];

const RELEASE_0_1 = `CREATE TABLE coupon_issuances (campaign_id varbinary(64) NOT NULL, serial bigint NOT NULL, user_id varbinary(128) NOT NULL,
  grant_no int NOT NULL, id varbinary(64) NOT NULL, code varbinary(128), issued_at datetime(3) NOT NULL, epoch varbinary(64) NOT NULL,
  PRIMARY KEY (campaign_id, serial), UNIQUE KEY by_user (campaign_id, user_id, grant_no), UNIQUE KEY by_id (campaign_id, id),
  UNIQUE KEY by_code (campaign_id, code)) ENGINE=InnoDB`;

test('processes that start at once on an empty database all get the table, its keys and one identity', async () => {
  for (let round = 0; round < 5; round++) {
    const adapters = Array.from({ length: 8 }, () => new MysqlPersistence(pool));
    const made = await Promise.allSettled(adapters.map((adapter) => adapter.createTable()));
    expect(made).toEqual(adapters.map(() => ({ status: 'fulfilled', value: { format: 1 } })));
    expect(await uniqueKeysOf()).toEqual(ALL_KEYS);
    const identities = await Promise.all(adapters.map((adapter) => adapter.identity()));
    expect(new Set(identities).size).toBe(1);
    expect(identities[0]).toMatch(/^[0-9a-f]{32}$/);
    await pool.query('DROP TABLE coupon_issuances, coupon_issuances_store');
  }
});

test('a table that was renamed leaves the next one all its unique keys', async () => {
  for (const year of [2025, 2026]) {
    await persistence.createTable();
    expect(await uniqueKeysOf()).toEqual(ALL_KEYS);
    await pool.query(`RENAME TABLE coupon_issuances TO coupon_issuances_${year}`);
  }
});

test('a user who may only SELECT, INSERT and UPDATE calls createTable and saves, once the table is there', async () => {
  await persistence.createTable();
  await pool.query(`CREATE USER IF NOT EXISTS clerk@'%'`);
  const clerk = new MysqlPersistence(server.createPool({ user: 'clerk', database: 'information_schema' }), {
    table: 'shop.coupon_issuances',
  });
  await expect(clerk.createTable()).rejects.toThrow();
  await pool.query(`GRANT SELECT ON shop.coupon_issuances TO clerk@'%'`);
  await expect(clerk.createTable()).rejects.toThrow('may not INSERT and UPDATE (cure: GRANT INSERT, UPDATE ON');
  await pool.query(`GRANT INSERT, UPDATE ON shop.coupon_issuances TO clerk@'%'`);
  expect(await clerk.createTable()).toEqual({ format: 1 });
  expect(await save(clerk)).toEqual([{ verdict: 'saved' }]);
  expect(await clerk.identity()).toBeNull();
  await pool.query(`GRANT SELECT ON shop.coupon_issuances_store TO clerk@'%'`);
  expect(await clerk.identity()).toBe(await persistence.identity());
});

test('a migration makes all that createTable() makes, and leaves the parts that are there', async () => {
  const migrate = async () => {
    for (const one of createTableSql().split(/(?<=;\n)/)) await pool.query(one);
  };
  await migrate();
  expect(await persistence.checkTable()).toEqual({ format: 1 });
  const made = await persistence.identity();
  expect(made).not.toBeNull();
  expect(made).toMatch(/^[0-9a-f]{32}$/);
  const form = async () => (await pool.query('SHOW CREATE TABLE coupon_issuances'))[0];
  const byMigration = await form();
  await migrate();
  expect(await persistence.identity()).toBe(made);
  await pool.query('DROP TABLE coupon_issuances, coupon_issuances_store');
  await persistence.createTable();
  expect(await form()).toEqual(byMigration);
});

test('a table of a migration without its store is fit, and has no identity until it is upgraded', async () => {
  await pool.query(
    createTableSql()
      .split(/(?<=;\n)/)
      .at(-1)!,
  );
  expect(await persistence.createTable()).toEqual({ format: 1 });
  expect(await persistence.identity()).toBeNull();
  expect(await persistence.upgradeTable()).toEqual({ format: 1 });
  expect(await persistence.identity()).toMatch(/^[0-9a-f]{32}$/);
});

test('a table of release 0.1 keeps its rows in the upgrade: they were never changed, are redeemed, and free their grant', async () => {
  await pool.query(RELEASE_0_1);
  const stored = issuance({ code: 'CODE-1', state: 'issued' });
  const { campaignId, serial, userId, grant, id, code, epoch, issuedAt } = stored;
  const at = issuedAt.toISOString().slice(0, -1);
  const values = [campaignId, serial, userId, grant, id, code, at, epoch];
  await pool.query('INSERT INTO coupon_issuances VALUES (?, ?, ?, ?, ?, ?, ?, ?)', values);
  await expect(persistence.checkTable()).rejects.toThrow('it has no column data (cure: ALTER TABLE');
  await expect(persistence.checkTable()).rejects.toThrow(
    /grant_no must have a value .*; upgradeTable\(\) adds each part that is missing$/,
  );
  await expect(persistence.upgradeTable()).resolves.toEqual({ format: 1 });
  const ref = { campaignId, code: 'CODE-1' };
  expect(await persistence.look([ref])).toEqual([stored]);
  expect(await persistence.list(campaignId, { afterSerial: 0, limit: 9 })).toEqual([stored]);
  expect(await persistence.change([{ ref, ...firstRedeem('A') }])).toMatchObject([
    { changed: true, row: { ...stored, life: { version: 1, state: 'redeemed', by: 'A' } } },
  ]);
  expect(await persistence.change([{ ref, version: 1, unexpired: false, freesGrant: true }])).toMatchObject([
    { changed: true, row: { grant: 0 } },
  ]);
  const next = issuance({ campaignId, userId, serial: 2, data: { source: 'app' } });
  expect(await save(persistence, next)).toEqual([{ verdict: 'saved' }]);
});

test('an upgrade lets a column be NULL and keeps its type, which the owner made wider', async () => {
  await persistence.createTable();
  await pool.query(
    `ALTER TABLE coupon_issuances MODIFY grant_no bigint NOT NULL,
     MODIFY code varchar(200) CHARACTER SET utf8mb4 COLLATE ${NO_PAD.binary} NOT NULL`,
  );
  await expect(persistence.upgradeTable()).resolves.toEqual({ format: 1 });
  const [rows] = await pool.query<mysql.RowDataPacket[]>(
    `SELECT column_name AS name, column_type AS type, collation_name AS collation FROM information_schema.columns
     WHERE table_schema = 'shop' AND table_name = 'coupon_issuances' AND column_name IN ('grant_no', 'code') ORDER BY 1`,
  );
  expect(rows).toEqual([
    { name: 'code', type: 'varchar(200)', collation: NO_PAD.binary },
    { name: 'grant_no', type: IS_MARIADB ? 'bigint(20)' : 'bigint', collation: null },
  ]);
});

test.each([
  [`MODIFY user_id varchar(128) CHARACTER SET utf8mb4 COLLATE ${NO_PAD.binary} NOT NULL`],
  ['MODIFY id varbinary(200) NOT NULL, MODIFY grant_no tinyint, MODIFY issued_at datetime(6) NOT NULL'],
  ['ADD note text, ADD shop int NOT NULL DEFAULT 1'],
  ['DROP PRIMARY KEY, ADD number bigint AUTO_INCREMENT PRIMARY KEY, ADD UNIQUE KEY (serial, campaign_id)'],
  ['DROP PRIMARY KEY, ADD PRIMARY KEY (campaign_id, serial) PARTITION BY KEY (campaign_id) PARTITIONS 4'],
])('a table is fit after %s, and saves and finds', async (how) => {
  await persistence.createTable();
  await pool.query(`ALTER TABLE coupon_issuances ${how}`);
  expect(await persistence.createTable()).toEqual({ format: 1 });
  const [kim, other] = [issuance({ userId: 'kim' }), issuance({ userId: 'Kim ' })];
  for (const one of [kim, other])
    expect(await save(persistence, { ...one, campaignId: 'c', serial: one === kim ? 1 : 2 })).toEqual([
      { verdict: 'saved' },
    ]);
  expect(await persistence.list('c', { afterSerial: 0, limit: 9 })).toMatchObject([
    { userId: 'kim' },
    { userId: 'Kim ' },
  ]);
});

/** How a table with a row was spoiled, and what the error says of it. */
const SPOILED = [
  ['DROP PRIMARY KEY', 'no unique key on (campaign_id, serial)'],
  ['DROP KEY by_user', 'no unique key on (campaign_id, user_id, grant_no)'],
  ['DROP KEY by_id', 'no unique key on (campaign_id, id)'],
  ['DROP KEY by_code', 'no unique key on (campaign_id, code)'],
  ['DROP KEY by_code, ADD UNIQUE KEY by_code (campaign_id, code(20))', 'for by_code is on the beginning of a column'],
  [IS_MARIADB ? 'ALTER INDEX by_code IGNORED' : 'ALTER INDEX by_code INVISIBLE', 'for by_code is hidden from queries'],
  [
    'DROP KEY by_user, ADD KEY by_user (campaign_id, user_id, grant_no)',
    'no unique key on (campaign_id, user_id, grant_no)',
  ],
  [
    'DROP KEY by_user, ADD UNIQUE KEY by_user (campaign_id, user_id, grant_no, id)',
    'no unique key on (campaign_id, user_id, grant_no)',
  ],
  ['DROP COLUMN code, DROP KEY by_code', 'no column code'],
  [
    'MODIFY user_id varchar(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL',
    'user_id (varchar(128) utf8mb4_general_ci)',
  ],
  [
    'MODIFY user_id varchar(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL',
    'user_id (varchar(128) utf8mb4_bin)',
  ],
  ['MODIFY code varbinary(100)', 'code (varbinary(100))'],
  ['MODIFY code binary(128)', 'code (binary(128))'],
  ['MODIFY serial int NOT NULL', 'serial (int)'],
  ['MODIFY issued_at datetime NOT NULL', 'issued_at (datetime)'],
  ['MODIFY issued_at timestamp(3) NOT NULL', 'issued_at (timestamp)'],
  ['MODIFY code varbinary(128) NOT NULL', 'code must have a value'],
  ['MODIFY grant_no bigint NOT NULL', 'grant_no must have a value'],
  ['MODIFY version int NOT NULL', 'version may be without a value'],
  ['MODIFY version int DEFAULT 0', 'version may be without a value'],
  ['ALTER state DROP DEFAULT', 'state may be without a value'],
  ["MODIFY state varbinary(7) NOT NULL DEFAULT 'x'", 'state (varbinary(7))'],
  ['DROP state_by, DROP unit_returned', 'no column state_by'],
  ['ENGINE = MyISAM', 'its engine is MyISAM'],
  ['ADD shop int NOT NULL', 'column shop has neither'],
  ['ADD `In Shop` varchar(9) COLLATE utf8mb4_bin NOT NULL', 'column In Shop has neither'],
  ['MODIFY serial varchar(20) NOT NULL', 'serial (varchar(20)'],
  ['MODIFY grant_no varchar(20)', 'grant_no (varchar(20)'],
  ['MODIFY issued_at varchar(40) NOT NULL', 'issued_at (varchar(40)'],
  ['MODIFY expires_at bigint', 'expires_at (bigint)'],
  ['MODIFY version varchar(9)', 'version (varchar(9)'],
  ['MODIFY version smallint; UPDATE coupon_issuances SET version = NULL', 'version (smallint)'],
  ['MODIFY version int; UPDATE coupon_issuances SET version = NULL', 'version may be without a value'],
  ['MODIFY state varbinary(8); UPDATE coupon_issuances SET state = NULL', 'state may be without a value'],
  ['MODIFY unit_returned bigint NOT NULL DEFAULT 0', 'unit_returned (bigint)'],
  ['MODIFY data varchar(1023) CHARACTER SET utf8mb4', 'data (varchar(1023)'],
  ['MODIFY data longblob', 'data (longblob'],
  ['MODIFY id text NOT NULL, DROP KEY by_id, ADD UNIQUE KEY by_id (campaign_id, id(20))', 'id (text'],
  ['MODIFY undone varbinary(176) GENERATED ALWAYS AS (NULL) STORED', 'undone is generated'],
  [
    'DROP PRIMARY KEY, ADD PRIMARY KEY (campaign_id, user_id, grant_no), DROP KEY by_user',
    'grant_no must have a value',
  ],
  ['DROP PRIMARY KEY, ADD PRIMARY KEY (code, serial), DROP KEY by_code', 'code must have a value'],
  ['DROP PRIMARY KEY, ADD PRIMARY KEY (code, grant_no), DROP KEY by_code', 'that drops the primary key for'],
  [
    'ADD CONSTRAINT `of grants` FOREIGN KEY (grant_no) REFERENCES `Grants` (n) ON DELETE SET NULL ON UPDATE CASCADE',
    'deletes or changes coupons',
  ],
  [
    'ADD shop int DEFAULT 1, ADD FOREIGN KEY (shop) REFERENCES `Grants` (n) ON DELETE CASCADE',
    'deletes or changes coupons',
  ],
  ['ADD FOREIGN KEY (user_id) REFERENCES people (name) ON UPDATE CASCADE', 'which userId.references does not name'],
] as const;

test.each(SPOILED)('after %s the table is refused, and what the error names cures it', async (how, says) => {
  await persistence.createTable();
  await pool.query('CREATE TABLE `Grants` (n int PRIMARY KEY)');
  await pool.query('INSERT INTO `Grants` VALUES (1)');
  await pool.query('CREATE TABLE people (name varbinary(128) PRIMARY KEY)');
  const one = issuance({ code: 'CODE-1', data: { source: 'app' } });
  await pool.query('INSERT INTO people VALUES (?)', [one.userId]);
  await save(persistence, one);
  for (const sql of `ALTER TABLE coupon_issuances ${how}`.split('; ')) await pool.query(sql);
  await expect(persistence.checkTable()).rejects.toThrow(says);
  await cureAsPrinted(persistence, (sql) => pool.query(sql));
  const [rows] = await pool.query('SELECT serial, version, CAST(state AS CHAR) AS state FROM coupon_issuances');
  expect(rows).toEqual([{ serial: 1, version: 0, state: 'issued' }]);
  const next = { ...issuance({ campaignId: one.campaignId, serial: 2 }), userId: 'other' };
  expect(await save(persistence, next)).toEqual([{ verdict: 'saved' }]);
});

test.each([
  ['ADD shop int NOT NULL, ADD PRIMARY KEY (shop, campaign_id, serial)', ['shop']],
  ['ADD shop int NOT NULL, ADD desk int NOT NULL, ADD PRIMARY KEY (shop, campaign_id, serial, desk)', ['shop', 'desk']],
])('a primary key of the owner stays after %s, which gets a default of the owner’s choice', async (how, names) => {
  await persistence.createTable();
  await pool.query(`ALTER TABLE coupon_issuances DROP PRIMARY KEY, ${how}`);
  const words = String(await persistence.checkTable().catch(String));
  for (const name of names)
    expect(words).toContain(
      `its column ${name} has neither a default nor may it be NULL (cure: give it a default of your choice`,
    );
  expect(words).not.toMatch(/DROP PRIMARY KEY|MODIFY/);
  for (const name of names) await pool.query(`ALTER TABLE coupon_issuances ALTER ${name} SET DEFAULT 7`);
  await cureAsPrinted(persistence, (sql) => pool.query(sql));
  expect(await save(persistence, issuance())).toEqual([{ verdict: 'saved' }]);
});

test.each([
  'ADD shop int NOT NULL DEFAULT 1, ADD PRIMARY KEY (shop, grant_no)',
  'ADD n bigint NOT NULL AUTO_INCREMENT, ADD PRIMARY KEY (n, grant_no)',
  'MODIFY serial bigint NOT NULL AUTO_INCREMENT, ADD PRIMARY KEY (serial, grant_no)',
])('no statement drops the primary key of the owner after %s', async (how) => {
  await persistence.createTable();
  await pool.query(`ALTER TABLE coupon_issuances DROP PRIMARY KEY, ${how}`);
  const words = String(await persistence.checkTable().catch(String));
  expect(words).toContain('grant_no must have a value (cure: give the table a primary key without this column');
  expect(words).not.toContain('DROP PRIMARY KEY');
});

test('a column whose values the server does not keep is refused without a statement', async () => {
  await persistence.createTable();
  await pool.query('ALTER TABLE coupon_issuances DROP undone, ADD undone varbinary(176) AS (NULL) VIRTUAL');
  for (const made of [() => persistence.checkTable(), () => persistence.upgradeTable()])
    await expect(made()).rejects.toThrow('undone is generated (cure: store its values');
});

test('a view is refused, and so is a table that is missing', async () => {
  await expect(persistence.checkTable()).rejects.toThrow('does not exist');
  await new MysqlPersistence(pool, { table: 'made' }).createTable();
  await pool.query('CREATE VIEW coupon_issuances AS SELECT * FROM made');
  await expect(persistence.createTable()).rejects.toThrow('it is not a table');
});

test('upgradeTable adds what is missing, whoever does so at the same time, and nothing twice', async () => {
  await persistence.createTable();
  await pool.query(
    'ALTER TABLE coupon_issuances DROP PRIMARY KEY, DROP KEY by_user, DROP KEY by_code, DROP COLUMN code',
  );
  for (let round = 0; round < 2; round++) {
    const upgraded = await Promise.allSettled(
      Array.from({ length: 4 }, () => new MysqlPersistence(pool).upgradeTable()),
    );
    expect(upgraded).toEqual(Array(4).fill({ status: 'fulfilled', value: { format: 1 } }));
    expect(await uniqueKeysOf()).toEqual(ALL_KEYS);
  }
});

test('what another upgrade added first is no error of the second', async () => {
  await persistence.createTable();
  await pool.query('ALTER TABLE coupon_issuances DROP KEY by_user, DROP KEY by_code, DROP COLUMN code');
  let altered = false;
  const query = async (options: Parameters<MysqlLike['query']>[0]) => {
    const first = options.sql.startsWith('ALTER') && !altered;
    altered ||= first;
    if (first) await persistence.upgradeTable();
    return pool.query(options) as ReturnType<MysqlLike['query']>;
  };
  const upgraded = await new MysqlPersistence({ query }).upgradeTable().catch((error: unknown) => error);
  expect([upgraded, altered]).toEqual([{ format: 1 }, true]);
  expect(await uniqueKeysOf()).toEqual(ALL_KEYS);
});

test('upgradeTable alters nothing where rows forbid a key, and quotes none of them', async () => {
  await persistence.createTable();
  await pool.query('ALTER TABLE coupon_issuances DROP KEY by_code, DROP KEY by_user');
  const one = issuance({ code: 'SECRET' });
  const row = (serial: number) => [one.campaignId, serial, `u${serial}`, 1, `i${serial}`, 'SECRET', '1-a'];
  for (const serial of [1, 2])
    await pool.query(
      `INSERT INTO coupon_issuances (campaign_id, serial, user_id, grant_no, id, code, epoch, issued_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, NOW(3))`,
      row(serial),
    );
  const error = await persistence.upgradeTable().catch((error: unknown) => error as Error);
  expect(error).toBeInstanceOf(MisconfiguredError);
  expect(JSON.stringify([error, (error as Error).message, (error as Error).cause])).not.toContain('SECRET');
  expect(await uniqueKeysOf()).toEqual(['campaign_id,id', 'campaign_id,serial']);
});

/** What an adapter sends, but for its questions. After `dies` of them the process is gone. */
function recording(dies = Number.POSITIVE_INFINITY) {
  const sent: string[] = [];
  const query = async (options: Parameters<MysqlLike['query']>[0]) => {
    const isQuestion = /^(SELECT|SHOW)/.test(options.sql);
    if (sent.length >= dies) throw new Error('the process died');
    const answer = await (pool.query(options) as ReturnType<MysqlLike['query']>);
    if (!isQuestion) sent.push(options.sql);
    return answer;
  };
  return { sent, adapter: new MysqlPersistence({ query }) };
}

const formOf = async () => (await pool.query<mysql.RowDataPacket[]>('SHOW CREATE TABLE coupon_issuances'))[0];

test('the statements of an upgrade are those that upgradeTable sends, and there are none for a table that has all', async () => {
  await pool.query(RELEASE_0_1);
  const { sent, adapter } = recording();
  const text = await adapter.upgradeTableSql();
  expect(sent).toEqual([]);
  await adapter.upgradeTable();
  expect(sent.join('')).toBe(text);
  const [form, identity] = [await formOf(), await persistence.identity()];
  const next = await adapter.upgradeTableSql();
  expect([text.match(/^ALTER/gm), next.match(/^ALTER/gm)]).toEqual([['ALTER', 'ALTER'], null]);
  await adapter.upgradeTable();
  expect([await formOf(), await persistence.identity()]).toEqual([form, identity]);
});

test('the statements of an upgrade make a table fit by themselves, and a table that is missing', async () => {
  for (const sql of [RELEASE_0_1, 'DROP TABLE coupon_issuances, coupon_issuances_store']) {
    await pool.query(sql);
    const text = await persistence.upgradeTableSql();
    for (const one of text.split(/(?<=;\n)/)) await pool.query(one);
    expect(await persistence.checkTable()).toEqual({ format: 1 });
    expect(await persistence.identity()).toMatch(/^[0-9a-f]{32}$/);
  }
});

test('the server adds the columns of an upgrade at once, and takes writes while it builds the rest', async () => {
  await pool.query(RELEASE_0_1);
  const [added, nullable, ...more] = (await persistence.upgradeTableSql()).match(/^ALTER[^;]*/gm) ?? [];
  expect([added, nullable, more]).toEqual([expect.stringMatching('ADD COLUMN'), expect.stringMatching('MODIFY'), []]);
  await pool.query(`${added}, ALGORITHM=INSTANT`);
  await pool.query(`${nullable}, ALGORITHM=INPLACE, LOCK=NONE`);
  expect(await persistence.checkTable()).toEqual({ format: 1 });
});

test('an upgrade that is killed after any of its statements ends right when it comes again, and keeps the rows', async () => {
  let killed = 0;
  for (let isWhole = false; !isWhole; ) {
    await pool.query('DROP TABLE IF EXISTS coupon_issuances, coupon_issuances_store');
    await pool.query(RELEASE_0_1);
    await pool.query('ALTER TABLE coupon_issuances DROP KEY by_code');
    await pool.query(`INSERT INTO coupon_issuances VALUES ('c', 1, 'kim', 1, 'id-1', 'CODE-1', NOW(3), '1-a')`);
    const { sent, adapter } = recording(killed + 1);
    const outcome = await adapter.upgradeTable().catch((error: Error) => error.message);
    isWhole = outcome !== 'the process died';
    if (!isWhole) killed = sent.length;
    expect(await persistence.upgradeTable()).toEqual({ format: 1 });
    expect(await uniqueKeysOf()).toEqual(ALL_KEYS);
    expect(await persistence.list('c', { afterSerial: 0, limit: 9 })).toMatchObject([
      { userId: 'kim', code: 'CODE-1' },
    ]);
  }
  expect(killed).toBe(5);
});

test('an upgrade alters nothing where rows forbid a key, though columns are missing too', async () => {
  await pool.query(RELEASE_0_1);
  await pool.query('ALTER TABLE coupon_issuances DROP KEY by_code');
  for (const n of [1, 2])
    await pool.query(`INSERT INTO coupon_issuances VALUES ('c', ${n}, 'u${n}', 1, 'id-${n}', 'SAME', NOW(3), '1-a')`);
  const form = await formOf();
  await expect(persistence.upgradeTable()).rejects.toThrow('so nothing was altered');
  expect(await formOf()).toEqual(form);
});

test('a binary log of statements is refused where the isolation does not go with it, before a row is', async () => {
  await persistence.createTable();
  expect(await save(persistence)).toEqual([{ verdict: 'saved' }]);
  const committed = server.createPool();
  committed.on(
    'connection',
    (connection) => void connection.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED'),
  );
  const reading = new MysqlPersistence(committed);
  await expect(reading.checkTable()).rejects.toThrow('binlog_format STATEMENT and isolation READ-COMMITTED');
  await expect(save(reading)).rejects.toThrow('BINLOG');
});

test('without strict mode no text is cut, because a column that is too narrow is refused', async () => {
  const lax = server.createPool();
  lax.on('connection', (connection) => void connection.query(`SET sql_mode = ''`));
  const adapter = new MysqlPersistence(lax);
  await adapter.createTable();
  const one = issuance({ userId: 'u'.repeat(128), code: 'c'.repeat(128), campaignId: 'c'.repeat(64) });
  expect(await save(adapter, one)).toEqual([{ verdict: 'saved' }]);
  expect(await adapter.find([one])).toMatchObject([{ userId: one.userId, code: one.code }]);
  await pool.query('DELETE FROM coupon_issuances');
  await pool.query('ALTER TABLE coupon_issuances MODIFY code varbinary(20), ADD shop int NOT NULL');
  // The value of the owner's column is made up by the server.
  await expect(adapter.checkTable()).rejects.toThrow(/^(?!.*shop).*code \(varbinary\(20\)\)/);
});
