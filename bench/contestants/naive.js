import { connectedPool, countRows, emptyTable, insertOne, statements } from '../database.js';

/**
 * Look, then act. Between the count and the INSERT others do the same, so it gives out more than there is. No index of its table is unique:
 * one would turn the fault into an error.
 */
export const naive = {
  name: 'count, then INSERT, no lock',
  flaw: 'oversells',
  database: true,
  slow: true,
  async open({ postgresUrl, poolSize, total, prepared }) {
    const table = 'bench_naive';
    const pool = await connectedPool(postgresUrl, poolSize);
    const statement = statements(prepared);
    const count = statement('count', `SELECT count(*)::int AS issued FROM ${table} WHERE campaign_id = $1`);
    const has = statement('has', `SELECT 1 FROM ${table} WHERE campaign_id = $1 AND user_id = $2`);
    const insert = insertOne(table, statement);
    return {
      async prepare() {
        await pool.query(`DROP TABLE IF EXISTS ${table}`);
        await emptyTable(pool, table);
        await pool.query(`ALTER TABLE ${table} DROP CONSTRAINT ${table}_pkey`);
        await pool.query(`ALTER TABLE ${table} DROP CONSTRAINT ${table}_campaign_id_user_id_grant_no_key`);
        await pool.query(`CREATE INDEX ON ${table} (campaign_id, user_id)`);
      },
      async issue({ campaignId, userId }) {
        const { issued } = (await pool.query(count([campaignId]))).rows[0];
        if (issued >= total) return false;
        if ((await pool.query(has([campaignId, userId]))).rows.length > 0) return false;
        await pool.query(insert({ campaignId, userId, serial: issued + 1 }));
        return true;
      },
      statements: () => pool.sent,
      count: () => countRows(pool, table),
      close: () => pool.end(),
    };
  },
};
