import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CouponIssuer, generateCodes } from '../../src/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { Database } from '../support/servers/database.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { blocksOf } from './markdown.js';
import { Project } from './snippets.js';

let project: Project;
let database: Database;
let server: RedisServer;
beforeAll(async () => {
  project = new Project();
  [server, database] = await Promise.all([RedisServer.start(), Database.create()]);
  await new PostgresPersistence(database.pool).createTable();
  await database.pool.query('CREATE SEQUENCE order_ids');
  const id = `id text PRIMARY KEY DEFAULT nextval('order_ids')`;
  await database.pool.query(`CREATE TABLE orders (${id}, user_id text NOT NULL, coupon_code text)`);
});
afterAll(async () => {
  project.remove();
  await Promise.all([server.stop(), database.stop()]);
});

/** A checkout as a page prints it. Answers the status. */
type Checkout = (order: { id: string; userId: string; code: string }) => Promise<string>;
type Page = Checkout & { readonly end: () => Promise<void> };

/** Prisma as the pages use it, over `pg`. The examples run the real one. */
const PRISMA = `
const raw = (client) => ({
  $queryRawUnsafe: async (text, ...values) => (await client.query(text, values)).rows,
  $executeRawUnsafe: async (text, ...values) => (await client.query(text, values)).rowCount ?? 0,
});
const ordersOf = (client) => ({
  create: ({ data }) => client.query('INSERT INTO orders (id, user_id) VALUES ($1, $2)', [data.id, data.userId]),
  update: async ({ where, data }) => {
    const own = 'WHERE id = $1 AND user_id = $2 AND coupon_code IS NULL';
    const set = 'UPDATE orders SET coupon_code = $3 ' + own;
    const { rowCount } = await client.query(set, [where.id, String(where.userId), data.couponCode]);
    if (rowCount === 0) throw new Error('P2025');
  },
});
const prisma = {
  ...raw(pool),
  $connect: () => {},
  $transaction: async (work) => {
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      const result = await work({ ...raw(client), $transaction: () => {}, order: ordersOf(client) });
      await client.query('COMMIT');
      return result;
    } catch (error) {
      await client.query('ROLLBACK');
      throw error;
    } finally {
      client.release();
    }
  },
};
const shopPrisma = prisma;`;
const LAUNCH = `const launch = new CouponIssuer({ redis, persistence }).campaign('launch');`;

/** The block of a page with these words in it, between the lines that a reader has around it. */
async function printed(page: string, words: string, { before = '', after = '' }): Promise<Page> {
  const block = blocksOf(page).find(({ text }) => text.includes(words));
  if (!block) throw new Error(`${page} has no block with ${words}`);
  const needs = (name: string, from: string) => (block.text.includes(`import { ${name}`) ? '' : from);
  const text = [
    `import { CouponIssuer } from 'coupon-issuer';`,
    needs('fromPrisma', `import { PostgresPersistence, prismaTransaction } from 'coupon-issuer/postgres';`),
    `import { Redis } from 'ioredis';\nimport pg from 'pg';`,
    `const redis = new Redis(${server.port});`,
    `const pool = new pg.Pool({ connectionString: ${JSON.stringify(database.url)} });`,
    before,
    block.text,
    after,
    'export const end = async () => { redis.disconnect(); await pool.end(); };',
  ].join('\n');
  const { status, end } = await import(/* @vite-ignore */ pathToFileURL(project.write({ ...block, text })).href);
  return Object.assign(status as Checkout, { end });
}

const PERSISTENCE = 'const persistence = new PostgresPersistence(pool);';
const PRINTED = [
  {
    page: 'docs/redeeming.md',
    words: 'function placeOrder',
    given: { after: 'export const status = ({ id, userId, code }) => placeOrder(userId, code, id);' },
    isMade: false,
  },
  {
    page: 'docs/databases.md',
    words: 'tx.order.create',
    given: {
      before: PRISMA,
      after: `${LAUNCH}\nexport const status = async ({ code, ...order }) => (await checkout(order, code)).status;`,
    },
    isMade: false,
  },
  {
    page: 'docs/nestjs.md',
    words: 'tx.order.update',
    given: {
      before: [PRISMA, PERSISTENCE, LAUNCH].join('\n'),
      after: 'export const status = async ({ id, userId, code }) => (await checkout(id, userId, code)).status;',
    },
    isMade: true,
  },
];

test.each(PRINTED)(
  'the checkout of $page survives a double click, with one order',
  async ({ page, words, given, isMade }) => {
    const checkout = await printed(page, words, given);
    const redis = server.client();
    const issuer = new CouponIssuer({ redis, persistence: new PostgresPersistence(database.pool) });
    const launch = issuer.campaign('launch');
    try {
      await launch.open({ stock: { kind: 'counted', total: 10, generateCodes: true } });
      const result = await launch.issue({ userId: String(PRINTED.findIndex((one) => one.page === page)) });
      if (result.status !== 'issued') throw new Error(result.status);
      const { userId, code } = result.issuance;
      const order = { id: `order-of-${userId}`, userId, code: code! };
      if (isMade) await database.pool.query('INSERT INTO orders (id, user_id) VALUES ($1, $2)', [order.id, userId]);
      const both = await Promise.allSettled([checkout(order), checkout(order)]);
      expect(both).toEqual([1, 2].map(() => ({ status: 'fulfilled', value: 'redeemed' })));
      const { rows } = await database.pool.query('SELECT user_id, coupon_code FROM orders WHERE id = $1', [order.id]);
      expect(rows).toEqual([{ user_id: userId, coupon_code: isMade ? code : null }]);
      expect(await checkout({ ...order, id: 'another-order' })).toBe('already_redeemed');
    } finally {
      await checkout.end();
      await issuer.close();
    }
  },
);

test('of two clicks with an order id of the database, one gets the order and the other already_redeemed', async () => {
  const checkout = await printed('docs/redeeming.md', 'function placeNewOrder', {
    after: 'export const status = ({ userId, code }) => placeNewOrder(userId, code);',
  });
  const issuer = new CouponIssuer({ redis: server.client(), persistence: new PostgresPersistence(database.pool) });
  const launch = issuer.campaign('launch');
  try {
    await launch.open({ stock: { kind: 'counted', total: 10, generateCodes: true } });
    const result = await launch.issue({ userId: 'new order' });
    if (result.status !== 'issued') throw new Error(result.status);
    const { userId, code } = result.issuance;
    const click = () => checkout({ id: 'not used', userId, code: code! });
    expect((await Promise.all([click(), click()])).sort()).toEqual(['already_redeemed', 'redeemed']);
    const { rows } = await database.pool.query('SELECT id FROM orders WHERE user_id = $1', [userId]);
    const [coupon] = await issuer.coupons({ userId, campaignIds: ['launch'] });
    expect(rows).toEqual([{ id: coupon?.redemptionId }]);
  } finally {
    await checkout.end();
    await issuer.close();
  }
});

test('a generated code that was typed with small letters, blanks, dashes, and o, l and I, is mended', async () => {
  const block = blocksOf('docs/redeeming.md').find(({ text }) => text.includes('const codeOf'))!;
  const { codeOf } = await import(/* @vite-ignore */ pathToFileURL(project.write(block)).href);
  for (const code of generateCodes({ count: 100 })) {
    const typed = code.toLowerCase().replace(/.{4}/g, '$& -').replaceAll('0', 'o').replace('1', 'l').replace('1', 'I');
    expect(codeOf(` ${typed}\n`)).toBe(code);
  }
});
