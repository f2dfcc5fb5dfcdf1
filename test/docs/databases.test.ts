import type mysql from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MYSQL_RULES } from '../../src/persistence/mysql/errors.js';
import { MysqlPersistence } from '../../src/persistence/mysql/index.js';
import { POSTGRES_RULES } from '../../src/persistence/postgres/errors.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import type { Proof } from '../../src/persistence/proof.js';
import { issuance } from '../support/scenes/issuances.js';
import { Database } from '../support/servers/database.js';
import { Mariadb } from '../support/servers/mariadb.js';
import { blocksOf, read, tableOf, ticked } from './markdown.js';

const PAGE = 'docs/databases.md';
let postgres: Database;
let mariadb: Mariadb;
beforeAll(async () => {
  [postgres, mariadb] = await Promise.all([Database.create(), Mariadb.start()]);
  await new PostgresPersistence(postgres.pool).createTable();
  await new MysqlPersistence(mariadb.pool).createTable();
});
afterAll(() => Promise.all([postgres.stop(), mariadb.stop()]));

/** The unique keys that the page names in a column of its table, with their columns. */
function keysOnPage(column: number): Record<string, string> {
  const rows = tableOf(PAGE, 'columns').filter((cells) => ticked(cells[column]!).length > 0);
  return Object.fromEntries(rows.map((cells) => [ticked(cells[column]!)[0], ticked(cells[0]!)[0]]));
}

test('the page names the unique keys of the table in PostgreSQL', async () => {
  const { rows } = await postgres.pool.query(
    `SELECT c.relname AS name, string_agg(a.attname, ', ' ORDER BY a.attnum) AS columns
     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_attribute a ON a.attrelid = c.oid
     WHERE i.indrelid = 'coupon_issuances'::regclass AND i.indisunique GROUP BY c.relname`,
  );
  expect(Object.fromEntries(rows.map(({ name, columns }) => [name, columns]))).toEqual(keysOnPage(1));
});

test('the page names the unique keys of the table in MariaDB', async () => {
  const [rows] = await mariadb.pool.query<mysql.RowDataPacket[]>(
    `SELECT index_name AS name, GROUP_CONCAT(column_name ORDER BY seq_in_index SEPARATOR ', ') AS columns
     FROM information_schema.statistics WHERE table_name = 'coupon_issuances' AND non_unique = 0 GROUP BY index_name`,
  );
  expect(Object.fromEntries(rows.map(({ name, columns }) => [name, columns]))).toEqual(keysOnPage(2));
});

const PROOFS: Record<Proof, string> = {
  whole_batch: 'nothing is stored, whatever the rows',
  perhaps_one_row: 'nothing is stored, perhaps because of one row',
  row_for_good: 'nothing is stored, because of one row and for good',
  unknown: 'unknown',
};

test.each([
  ['PostgreSQL', POSTGRES_RULES],
  ['MySQL, MariaDB', MYSQL_RULES],
] as const)('the page tells what each error of %s proves, in the order of the rules', (name, rules) => {
  const told = rules.map((rule) => [rule.on, rule.told, PROOFS[rule.proves], rule.why]);
  expect(tableOf(PAGE, `error of ${name}`)).toEqual(told);
});

test('the SQL on the page reads text as text', async () => {
  const one = issuance({ campaignId: 'launch', userId: 'kim 선착순', code: 'CODE-1' });
  await new MysqlPersistence(mariadb.pool).save([one], { signal: new AbortController().signal });
  const sql = blocksOf(PAGE).filter(({ language }) => language === 'sql');
  expect(sql).toHaveLength(1);
  const [rows] = await mariadb.pool.query(sql[0]!.text.replace(';', ''));
  expect(rows).toMatchObject([{ serial: 1, user_id: 'kim 선착순', code: 'CODE-1' }]);
});

test('the rights that the page asks for are enough', async () => {
  const [, said] = read(PAGE).match(/the user of the database needs ([^.]*)\./)!;
  const rights = ticked(said!).join(', ');
  await mariadb.pool.query(`CREATE USER seller@'%'`);
  await mariadb.pool.query(`GRANT ${rights} ON shop.coupon_issuances TO seller@'%'`);
  const persistence = new MysqlPersistence(mariadb.createPool({ user: 'seller' }));
  const [one, options] = [issuance(), { signal: new AbortController().signal }];
  for (let i = 0; i < 2; i++) expect(await persistence.save([one], options)).toEqual([{ verdict: 'saved' }]);
});
