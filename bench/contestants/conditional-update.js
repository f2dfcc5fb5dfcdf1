import { connectedPool, countRows, emptyStock, emptyTable, newId, statements, wentIn } from '../database.js';

/** Count and insert in one statement, which waits for the stock row as everyone does, but not for a round trip while it has it. */
export const conditionalUpdate = {
  name: 'UPDATE … WHERE issued < total',
  database: true,
  slow: true,
  async open({ postgresUrl, poolSize, total, prepared }) {
    const table = 'bench_conditional';
    const pool = await connectedPool(postgresUrl, poolSize);
    const take = statements(prepared)(
      'take',
      `WITH unit AS (UPDATE bench_stock SET issued = issued + 1 WHERE campaign_id = $1 AND issued < total RETURNING issued)
        INSERT INTO ${table} (campaign_id, serial, user_id, grant_no, id, code, issued_at, epoch)
        SELECT $1, issued, $2, 1, $3, NULL, now(), '1-aaaaaaaaaaaa' FROM unit`,
    );
    return {
      async prepare(campaignIds) {
        await emptyTable(pool, table);
        await emptyStock(pool, campaignIds, total);
      },
      issue: ({ campaignId, userId }) => wentIn(pool, take([campaignId, userId, newId()])),
      statements: () => pool.sent,
      count: () => countRows(pool, table),
      close: () => pool.end(),
    };
  },
};
