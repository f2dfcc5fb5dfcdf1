import { connectedPool, countRows, emptyTable, newId, statements, wentIn } from '../database.js';

/** More than a round of this way can give out; a row for each of ten million units would take longer to write than the whole run. */
const MAX_UNITS = 60_000;

/** A row for each unit, written ahead; each request takes the first that nobody else is just taking. */
export const skipLocked = {
  name: 'a row per unit, FOR UPDATE SKIP LOCKED',
  database: true,
  slow: true,
  async open({ postgresUrl, poolSize, total, prepared }) {
    const table = 'bench_skip_locked';
    const pool = await connectedPool(postgresUrl, poolSize);
    const take = statements(prepared)(
      'take',
      `UPDATE ${table} SET user_id = $2, id = $3, issued_at = now() WHERE campaign_id = $1 AND serial = (
        SELECT serial FROM ${table} WHERE campaign_id = $1 AND user_id IS NULL ORDER BY serial LIMIT 1 FOR UPDATE SKIP LOCKED)`,
    );
    return {
      async prepare(campaignIds) {
        await emptyTable(pool, table);
        await pool.query(`ALTER TABLE ${table} ALTER COLUMN user_id DROP NOT NULL`);
        await pool.query(
          `CREATE INDEX IF NOT EXISTS ${table}_free ON ${table} (campaign_id, serial) WHERE user_id IS NULL`,
        );
        await pool.query(
          `INSERT INTO ${table} (campaign_id, serial, user_id, grant_no, id, code, issued_at, epoch)
            SELECT campaign_id, serial, NULL, 1, '', NULL, now(), '1-aaaaaaaaaaaa'
            FROM unnest($1::text[]) AS campaign_id, generate_series(1, $2::int) AS serial`,
          [campaignIds, Math.min(total, MAX_UNITS)],
        );
        await pool.query(`ANALYZE ${table}`);
      },
      issue: ({ campaignId, userId }) => wentIn(pool, take([campaignId, userId, newId()])),
      statements: () => pool.sent,
      count: () => countRows(pool, table),
      close: () => pool.end(),
    };
  },
};
