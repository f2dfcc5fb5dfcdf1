import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { CouponIssuer } from 'coupon-issuer';
import { MysqlPersistence } from 'coupon-issuer/mysql';
import RedisMock from 'ioredis-mock';
import mysql from 'mysql2/promise';
import ts from 'typescript';

// No instant may depend on the zone of the process.
process.env.TZ = 'Asia/Seoul';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const PAGE = readFileSync(new URL('../../docs/schemas-mysql.md', import.meta.url), 'utf8');

/** The blocks under a heading of the page, without their fences. */
export function blocksUnder(heading) {
  const [, section] = PAGE.split(`\n## ${heading}\n`);
  const blocks = [...section.split('\n## ')[0].matchAll(/^```\w+\n([\s\S]*?)^```$/gm)].map(([, text]) => text);
  assert.ok(blocks.length > 0, `nothing to paste under ${heading}`);
  return blocks;
}

/** Puts other lines in the place of some, which have to be there. */
export function exchanged(text, found, lines) {
  const result = text.replace(found, () => lines);
  assert.notEqual(result, text, `there is no ${found}`);
  return result;
}

/** The definition for the unsigned ids of users, by the table of the page. */
export function unsigned(tool, text) {
  const [, signed, other] = PAGE.match(new RegExp(`^\\| ${tool} \\| \`(.*)\` \\| \`(.*)\` \\|$`, 'm'));
  return exchanged(text, signed, other);
}

/** A folder in which the packages of this example are found. */
export function folder() {
  const dir = mkdtempSync(join(HERE, 'node_modules', '.schema-'));
  process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Writes a definition as a file of TypeScript, which has to compile, and imports it. */
export async function compiled(text) {
  const dir = folder();
  const file = join(dir, 'schema.ts');
  writeFileSync(join(dir, 'package.json'), '{ "type": "module" }');
  writeFileSync(file, text);
  const { ModuleKind, ModuleResolutionKind, ScriptTarget } = ts;
  const program = ts.createProgram([file], {
    target: ScriptTarget.ES2022,
    module: ModuleKind.NodeNext,
    moduleResolution: ModuleResolutionKind.NodeNext,
    types: ['node'],
    strict: true,
    skipLibCheck: true,
    experimentalDecorators: true,
    useDefineForClassFields: false,
  });
  const { diagnostics } = program.emit();
  const faults = [...ts.getPreEmitDiagnostics(program), ...diagnostics];
  assert.deepEqual(
    faults.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n')),
    [],
  );
  return import(pathToFileURL(join(dir, 'schema.js')));
}

const own = (id) => ({
  options: {
    userId: { type: 'bigint', references: 'users(id)', ...id },
    columns: { source: { type: 'text' } },
  },
  userIds: ['7', '8'],
});
const SHOPS = {
  default: { options: {}, userIds: ['kim', 'lee'] },
  'own users': own({}),
  'unsigned users': own({ unsigned: true }),
};

/**
 * The checks of a definition: the table that it makes is that of `createTable()`, and over that one its tool has nothing
 * to do.
 *
 * @param {string} name of the tool
 * @param {object} tool
 * @param {(shop: keyof typeof SHOPS) => Promise<object>} tool.define the definition from the page, with that of `users`
 * @param {(definition: object, database: { url: string, pool: mysql.Pool }) => Promise<unknown>} [tool.make] makes all of its tables
 * @param {boolean} [tool.isWhole] it is SQL: no lines are left to write by hand
 * @param {(definition: object, database: { url: string, pool: mysql.Pool }) => Promise<readonly string[]>} [tool.changes]
 *   differences that it finds in this database
 * @param {(definition: object, url: string) => Promise<readonly object[]>} [tool.rows] of coupons, by its model
 */
export function schema(name, { define, make, isWhole = false, changes, rows }) {
  for (const [shop, { options, userIds }] of Object.entries(SHOPS)) {
    describe(`${name}, ${shop}`, () => {
      let definition;
      let ours;
      let theirs;
      before(async () => {
        definition = await define(shop);
        [ours, theirs] = [await database(), await database()];
        await ours.pool.query(`CREATE TABLE users (id ${idOf(shop)} PRIMARY KEY)`);
        await ours.pool.query('INSERT INTO users VALUES (7), (8)');
        await new MysqlPersistence(ours.pool, options).createTable();
      });
      after(() => Promise.all([ours?.pool.end(), theirs?.pool.end()]));

      if (make) {
        test('makes the table of createTable()', async () => {
          await make(definition, theirs);
          if (!isWhole) await theirs.pool.query(linesByHand(shop));
          assert.deepEqual(await catalogOf(theirs.pool), await catalogOf(ours.pool));
          const persistence = new MysqlPersistence(theirs.pool, options);
          assert.deepEqual(await persistence.checkTable(), { format: 1 });
          assert.match(await persistence.identity(), /^[0-9a-f]{32}$/);
        });
      }

      if (changes) {
        test('finds nothing to change in the table of createTable()', async () => {
          assert.deepEqual(await changes(definition, ours), []);
        });
      }

      if (rows) {
        test('reads coupons by its model', async () => {
          const coupons = await sold(new MysqlPersistence(ours.pool, options), userIds);
          const byModel = (await rows(definition, ours.url)).map(plainRow);
          const wanted = coupons.map((coupon, i) => ({
            ...{ ...coupon, grantNo: 1, data: DATA, expiresAt: null, undone: null, unitReturned: 0 },
            ...(i === 0
              ? { state: 'issued', stateAt: false, stateBy: null, version: 0 }
              : { state: 'redeemed', stateAt: true, stateBy: 'order-1', version: 1 }),
            ...(shop !== 'default' && DATA),
          }));
          assert.deepEqual(
            byModel.toSorted((a, b) => a.serial - b.serial),
            wanted,
          );
        });
      }
    });
  }
}

/** The type of the ids of users. */
export function idOf(shop) {
  return shop === 'unsigned users' ? 'bigint unsigned' : 'bigint';
}

const DATA = { source: 'mail 🎁' };

/** Bytes as text, numbers of any size as numbers. */
function plainRow(row) {
  const texts = Object.entries(row).map(([name, value]) => [
    name,
    value instanceof Uint8Array ? Buffer.from(value).toString() : value,
  ]);
  const plain = Object.fromEntries(texts);
  return {
    ...plain,
    userId: String(plain.userId),
    serial: Number(plain.serial),
    data: JSON.parse(plain.data),
    stateAt: plain.stateAt instanceof Date,
  };
}

/** Issues a coupon to each user, and redeems the last one. */
async function sold(persistence, userIds) {
  const issuer = new CouponIssuer({ redis: new RedisMock(), persistence, prefix: await persistence.identity() });
  const launch = issuer.campaign('launch');
  await launch.open({ stock: { kind: 'counted', total: userIds.length, generateCodes: true } });
  const coupons = [];
  for (const userId of userIds) {
    const { issuance } = await launch.issue({ userId, data: DATA });
    const { campaignId, serial, id, code, issuedAt, epoch } = issuance;
    coupons.push({ campaignId, userId, serial, id, code, issuedAt, epoch });
  }
  const { userId, code } = coupons.at(-1);
  assert.equal((await launch.redeem({ userId, code, redemptionId: 'order-1' })).status, 'redeemed');
  await issuer.close();
  return coupons;
}

function linesByHand(shop) {
  const [lines, ofOwnColumn] = blocksUnder('Lines that no tool writes');
  return shop === 'default' ? lines : `${lines}${ofOwnColumn}`;
}

let made = 0;

/** A database of its own, of the character set of the server; it goes with the server of the tests. */
export async function database() {
  const name = `schema_${process.pid}_${++made}`;
  const admin = await mysql.createConnection(process.env.MYSQL_URL);
  await admin.query(`CREATE DATABASE ${name}`);
  await admin.end();
  const url = new URL(process.env.MYSQL_URL);
  url.pathname = `/${name}`;
  return { url: url.href, pool: mysql.createPool({ uri: url.href, multipleStatements: true }) };
}

/** All that the catalogs say of the tables, but for the order of the columns. */
export async function catalogOf(pool) {
  const linesOf = async (columns, table) => {
    const parts = columns.split(', ').map((column) => `COALESCE(${column}, 'NULL')`);
    const sql = `SELECT CONCAT_WS(' ', ${parts.join(', ')}) AS line FROM information_schema.${table}
      AND TABLE_NAME LIKE 'coupon%' ORDER BY 1`;
    return (await pool.query(sql))[0].map(({ line }) => line);
  };
  const here = (schema) => `WHERE ${schema} = DATABASE()`;
  return {
    tables: await linesOf('TABLE_NAME, ENGINE, TABLE_COLLATION', `TABLES ${here('TABLE_SCHEMA')}`),
    columns: await linesOf(
      'TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, COLLATION_NAME, EXTRA',
      `COLUMNS ${here('TABLE_SCHEMA')}`,
    ),
    keys: await linesOf(
      'TABLE_NAME, INDEX_NAME, NON_UNIQUE, SEQ_IN_INDEX, COLUMN_NAME, SUB_PART, INDEX_TYPE',
      `STATISTICS ${here('TABLE_SCHEMA')}`,
    ),
    references: await linesOf(
      'TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME, DELETE_RULE, UPDATE_RULE',
      `KEY_COLUMN_USAGE JOIN information_schema.REFERENTIAL_CONSTRAINTS
        USING (CONSTRAINT_SCHEMA, CONSTRAINT_NAME, TABLE_NAME, REFERENCED_TABLE_NAME) ${here('CONSTRAINT_SCHEMA')}`,
    ),
    checks: await linesOf(
      'TABLE_NAME, CONSTRAINT_NAME, CHECK_CLAUSE',
      `CHECK_CONSTRAINTS ${here('CONSTRAINT_SCHEMA')}`,
    ),
  };
}
