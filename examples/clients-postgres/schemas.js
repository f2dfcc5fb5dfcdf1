import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { CouponIssuer } from 'coupon-issuer';
import { PostgresPersistence } from 'coupon-issuer/postgres';
import RedisMock from 'ioredis-mock';
import pg from 'pg';
import ts from 'typescript';

const HERE = fileURLToPath(new URL('.', import.meta.url));
export const PAGE = readFileSync(new URL('../../docs/schemas.md', import.meta.url), 'utf8');

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
    types: [],
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
  return { file, exported: await import(pathToFileURL(join(dir, 'schema.js'))) };
}

const SHOPS = {
  default: { options: {}, userIds: ['kim', 'lee'] },
  'own users': {
    options: { userId: { type: 'bigint', references: 'users(id)' }, columns: { source: { type: 'text' } } },
    userIds: ['7', '8'],
  },
};

/**
 * The checks of a definition: the table that it makes is that of `createTable()`, and over that one its tool has nothing
 * to do.
 *
 * @param {string} name of the tool
 * @param {object} tool
 * @param {(shop: 'default' | 'own users') => Promise<object>} tool.define the definition from the page, with that of `users`
 * @param {(definition: object, database: { url: string, pool: pg.Pool }) => Promise<void>} tool.make makes all of its tables
 * @param {boolean} [tool.isWhole] it is SQL: no lines are left to write by hand, and it has neither migrations nor models
 * @param {(definition: object, url: string) => Promise<readonly string[]>} tool.changes statements that it would send to this database
 * @param {(definition: object, url: string) => Promise<readonly object[]>} tool.rows of coupons, by its model
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
        await ours.pool.query('CREATE TABLE users (id bigint CONSTRAINT users_pkey PRIMARY KEY)');
        await new PostgresPersistence(ours.pool, options).createTable();
        await make(definition, theirs);
        if (!isWhole) await theirs.pool.query(linesByHand(shop));
      });
      after(() => Promise.all([ours?.pool.end(), theirs?.pool.end()]));

      test('makes the table of createTable()', async () => {
        assert.deepEqual(await catalogOf(theirs.pool), await catalogOf(ours.pool));
        const persistence = new PostgresPersistence(theirs.pool, options);
        assert.deepEqual(await persistence.checkTable(), { format: 1 });
        assert.match(await persistence.identity(), /^[0-9a-f]{32}$/);
      });

      if (isWhole) return;

      test('finds nothing to change in the table of createTable()', async () => {
        assert.deepEqual(await changes(definition, ours.url), []);
        await ours.pool.query('ALTER TABLE coupon_issuances ALTER COLUMN epoch DROP NOT NULL');
        assert.notDeepEqual(await changes(definition, ours.url), [], 'a difference has to be seen');
        await ours.pool.query('ALTER TABLE coupon_issuances ALTER COLUMN epoch SET NOT NULL');
      });

      test('reads the coupons that were issued and redeemed', async () => {
        await theirs.pool.query('INSERT INTO users VALUES (7), (8)');
        const coupons = await sold(new PostgresPersistence(theirs.pool, options), userIds);
        const byModel = (await rows(definition, theirs.url)).map((row) => ({
          ...row,
          userId: String(row.userId),
          serial: Number(row.serial),
          stateAt: row.stateAt instanceof Date,
        }));
        const wanted = coupons.map((coupon, i) => ({
          ...{ ...coupon, grantNo: 1, data: DATA, expiresAt: null, undone: null, unitReturned: false },
          ...(i === 0
            ? { state: 'issued', stateAt: false, stateBy: null, version: 0 }
            : { state: 'redeemed', stateAt: true, stateBy: 'order-1', version: 1 }),
          ...(shop === 'own users' && DATA),
        }));
        assert.deepEqual(
          byModel.toSorted((a, b) => a.serial - b.serial),
          wanted,
        );
      });
    });
  }
}

const DATA = { source: 'mail' };

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
  const [lines, ofTextIds] = blocksUnder('Lines that no tool writes');
  return shop === 'default' ? `${lines}${ofTextIds}` : lines;
}

let made = 0;

/** A database of its own, which goes with the server of the tests. */
export async function database() {
  const name = `schema_${process.pid}_${++made}`;
  const admin = new pg.Client({ connectionString: process.env.DATABASE_URL });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${name}`);
  await admin.end();
  const url = new URL(process.env.DATABASE_URL);
  url.pathname = `/${name}`;
  return { url: url.href, pool: new pg.Pool({ connectionString: url.href }) };
}

/** All that the catalogs say of the tables, but for the order of the columns. */
async function catalogOf(pool) {
  const rowsOf = async (sql) => (await pool.query(`${sql} ORDER BY 1`)).rows.map(({ line }) => line);
  return {
    columns:
      await rowsOf(`SELECT concat_ws(' ', attrelid::regclass, attname, format_type(atttypid, atttypmod), 'not null: ' || attnotnull,
        'default: ' || pg_get_expr(adbin, adrelid), 'collation: ' || collname) AS line
      FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum LEFT JOIN pg_collation l ON l.oid = attcollation
      WHERE attrelid IN (SELECT oid FROM pg_class WHERE relkind = 'r' AND relname LIKE 'coupon%') AND attnum > 0`),
    keys: await rowsOf(`SELECT indexdef AS line FROM pg_indexes WHERE tablename LIKE 'coupon%'`),
    constraints: await rowsOf(`SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid)) AS line
      FROM pg_constraint WHERE conrelid::regclass::text LIKE 'coupon%' AND contype IN ('c', 'f')`),
    options: await rowsOf(
      `SELECT concat_ws(' ', relname, reloptions::text, relacl::text) AS line FROM pg_class WHERE relname LIKE 'coupon%' AND relkind = 'r'`,
    ),
  };
}
