import type { RowDataPacket } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type MysqlLike, MysqlPersistence } from '../../src/persistence/mysql/index.js';
import { type PostgresLike, PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { Database } from '../support/servers/database.js';
import { Mariadb } from '../support/servers/mariadb.js';

const CAMPAIGNS = 100;
const USERS = 500;
const KEY_OF_GRANTS = ['campaign_id', 'user_id', 'grant_no'];
const campaignIds = Array.from({ length: CAMPAIGNS }, (_, i) => `plan-${String(i).padStart(3, '0')}`);
const asked = { campaignIds, limit: 500, signal: new AbortController().signal };

let postgres: Database;
let mariadb: Mariadb;
beforeAll(async () => {
  [postgres, mariadb] = await Promise.all([Database.create(), Mariadb.start()]);
  await new PostgresPersistence(postgres.pool).createTable();
  await new MysqlPersistence(mariadb.pool).createTable();
  await postgres.pool.query(
    `INSERT INTO coupon_issuances (campaign_id, serial, user_id, grant_no, id, code, issued_at, epoch)
     SELECT 'plan-' || lpad(c::text, 3, '0'), u, 'user-' || u, 1, md5(c || ':' || u), 'CODE-' || u, now(), '1-plan'
     FROM generate_series(0, ${CAMPAIGNS - 1}) c, generate_series(1, ${USERS}) u`,
  );
  await mariadb.pool.query(
    `INSERT INTO coupon_issuances (campaign_id, serial, user_id, grant_no, id, code, issued_at, epoch)
     SELECT CONCAT('plan-', LPAD(c.seq, 3, '0')), u.seq, CONCAT('user-', u.seq), 1, MD5(CONCAT(c.seq, ':', u.seq)), CONCAT('CODE-', u.seq), UTC_TIMESTAMP(3), '1-plan'
     FROM seq_0_to_${CAMPAIGNS - 1} c, seq_1_to_${USERS} u`,
  );
});
afterAll(() => Promise.all([postgres.stop(), mariadb.stop()]));

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Index Name'?: string;
  readonly 'Index Cond'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly Plans?: readonly PlanNode[];
}

describe('in PostgreSQL', () => {
  /** The plan of the statement that a call sends, as it was carried out, and the rows that it touched in the table. */
  async function planOf(call: (adapter: PostgresPersistence) => Promise<unknown>) {
    const sent: [text: string, values?: unknown[]][] = [];
    const query = (...args: [string, unknown[]?]) => {
      sent.push(args);
      return postgres.pool.query(...args);
    };
    const result = await call(new PostgresPersistence({ query } as PostgresLike));
    expect(sent).toHaveLength(1);
    const [text, values] = sent[0]!;
    const { rows } = await postgres.pool.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values);
    const nodes: PlanNode[] = [];
    const visit = (node: PlanNode) => {
      nodes.push(node);
      for (const child of node.Plans ?? []) visit(child);
    };
    visit(rows[0]['QUERY PLAN'][0].Plan);
    return {
      result,
      nodes: nodes.filter((node) => /Scan/.test(node['Node Type']) && 'Index Name' in node),
      all: nodes,
    };
  }
  async function columnsOf(index: string): Promise<string[]> {
    const { rows } = await postgres.pool.query(
      `SELECT a.attname::text AS name FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k(attnum, ord)
       JOIN pg_attribute a USING (attnum) WHERE i.indexrelid = to_regclass($1) AND a.attrelid = i.indrelid ORDER BY ord`,
      [index],
    );
    return rows.map(({ name }) => name);
  }
  const isSequential = (nodes: readonly PlanNode[]) => nodes.some((node) => node['Node Type'] === 'Seq Scan');
  const touched = (nodes: readonly PlanNode[]) =>
    nodes.reduce((sum, node) => sum + node['Actual Rows'] * node['Actual Loops'], 0);

  describe.each(['before', 'after'])('%s the server knows the statistics of the table', (when) => {
    beforeAll(async () => {
      if (when === 'after') await postgres.pool.query('ANALYZE coupon_issuances');
    });

    test('the box of a user in 100 campaigns is 100 look-ups in the key of grants', async () => {
      const { result, nodes, all } = await planOf((adapter) => adapter.listByUser(['user-77'], asked));
      expect(result).toHaveLength(CAMPAIGNS);
      expect(isSequential(all)).toBe(false);
      expect(nodes).toHaveLength(1);
      expect(await columnsOf(nodes[0]!['Index Name']!)).toEqual(KEY_OF_GRANTS);
      expect(nodes[0]!['Index Cond']).toMatch(/campaign_id.*user_id/);
      expect(touched(nodes)).toBe(CAMPAIGNS);
    });

    test('400 users of one campaign are looked up in the key of grants', async () => {
      const userIds = Array.from({ length: 400 }, (_, i) => `user-${i + 1}`);
      const one = { ...asked, campaignIds: campaignIds.slice(7, 8) };
      const { result, nodes, all } = await planOf((adapter) => adapter.listByUser(userIds, one));
      expect(result).toHaveLength(userIds.length);
      expect(isSequential(all)).toBe(false);
      expect(nodes).toHaveLength(1);
      expect((await columnsOf(nodes[0]!['Index Name']!))[0]).toBe('campaign_id');
    });

    test('the campaigns of the table are one look-up in a key each', async () => {
      const { result, nodes, all } = await planOf((adapter) => adapter.campaigns());
      expect(result).toEqual(campaignIds);
      expect(isSequential(all)).toBe(false);
      for (const node of nodes) expect((await columnsOf(node['Index Name']!))[0]).toBe('campaign_id');
      // Before 18 the rows of each look-up are rounded, and the last one finds none.
      expect(Math.abs(touched(nodes) - CAMPAIGNS)).toBeLessThanOrEqual(1);
    });
  });
});

describe('in MariaDB', () => {
  /** The plans of the statements that a call sends, and how many entries of keys they read. */
  async function plansOf(call: (adapter: MysqlPersistence) => Promise<unknown>) {
    const sent: Parameters<MysqlLike['query']>[0][] = [];
    const client = await mariadb.connect();
    const query: MysqlLike['query'] = async (options) => {
      sent.push(options);
      return client.query<RowDataPacket[]>(options);
    };
    await client.query('FLUSH STATUS');
    const result = await call(new MysqlPersistence({ query }));
    const [read] = await client.query<RowDataPacket[]>(`SHOW SESSION STATUS LIKE 'Handler_read_%'`);
    const counts = new Map(read.map(({ Variable_name: name, Value: count }) => [name as string, Number(count)]));
    const plans: RowDataPacket[] = [];
    for (const { sql, values } of sent)
      plans.push(...(await client.query<RowDataPacket[]>(`EXPLAIN ${sql}`, values))[0]);
    expect(plans).toHaveLength(sent.length);
    return { result, plans, counts };
  }
  async function columnsOf(key: string): Promise<string[]> {
    const [rows] = await mariadb.pool.query<RowDataPacket[]>(
      `SELECT COLUMN_NAME AS name FROM information_schema.STATISTICS
       WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'coupon_issuances' AND INDEX_NAME = ? ORDER BY SEQ_IN_INDEX`,
      [key],
    );
    return rows.map(({ name }) => String(name));
  }

  describe.each(['before', 'after'])('%s the server knows the statistics of the table', (when) => {
    beforeAll(async () => {
      if (when === 'after') await mariadb.pool.query('ANALYZE TABLE coupon_issuances');
    });

    test('the box of a user in 100 campaigns is 100 look-ups in the key of grants', async () => {
      const { result, plans, counts } = await plansOf((adapter) => adapter.listByUser(['user-77'], asked));
      expect(result).toHaveLength(CAMPAIGNS);
      expect(plans).toMatchObject([{ type: 'range', rows: String(CAMPAIGNS) }]);
      expect(await columnsOf(plans[0]!.key)).toEqual(KEY_OF_GRANTS);
      expect(counts.get('Handler_read_key')).toBe(CAMPAIGNS);
      expect(counts.get('Handler_read_next')).toBe(CAMPAIGNS);
    });

    test('40 users of one campaign are 40 look-ups in the key of grants', async () => {
      const userIds = Array.from({ length: 40 }, (_, i) => `user-${i + 1}`);
      const one = { ...asked, campaignIds: campaignIds.slice(7, 8) };
      const { result, plans, counts } = await plansOf((adapter) => adapter.listByUser(userIds, one));
      expect(result).toHaveLength(userIds.length);
      for (const plan of plans) expect(await columnsOf(plan.key)).toEqual(KEY_OF_GRANTS);
      expect(counts.get('Handler_read_next')).toBe(userIds.length);
    });
  });

  test('a box of several statements has the newest coupons of all of them', async () => {
    const userIds = Array.from({ length: 3 }, (_, i) => `user-${i + 1}`);
    await mariadb.pool.query(
      `UPDATE coupon_issuances SET issued_at = '2030-01-01' WHERE campaign_id = ? AND user_id = 'user-2'`,
      [campaignIds.at(-1)],
    );
    const { result, plans } = await plansOf((adapter) => adapter.listByUser(userIds, { ...asked, limit: 10 }));
    expect(plans).toHaveLength(2);
    expect(result).toHaveLength(10);
    expect(result).toMatchObject({ 0: { campaignId: campaignIds.at(-1), userId: 'user-2' } });
  });

  test('the campaigns of the table are a jump in a key each, once the server knows its statistics', async () => {
    const { result, plans, counts } = await plansOf((adapter) => adapter.campaigns());
    expect((result as string[]).toSorted()).toEqual(campaignIds);
    expect(plans).toMatchObject([{ Extra: expect.stringContaining('Using index for group-by') }]);
    expect(counts.get('Handler_read_key')).toBeLessThanOrEqual(2 * CAMPAIGNS);
    expect(counts.get('Handler_read_next')).toBe(0);
  });
});
