import { setTimeout as sleep } from 'node:timers/promises';
import { connectedPool, countRows, emptyStock, emptyTable, insertOne, isTaken, statements } from '../database.js';

/** Read the version, write only if it is still the same, else begin anew after a moment: the more who ask, the fewer get through at once. */
export const optimistic = {
  name: 'optimistic version column',
  database: true,
  slow: true,
  async open({ postgresUrl, poolSize, total, prepared }) {
    const table = 'bench_optimistic';
    const pool = await connectedPool(postgresUrl, poolSize);
    const statement = statements(prepared);
    const read = statement('read', 'SELECT issued, total, version FROM bench_stock WHERE campaign_id = $1');
    const take = statement(
      'take',
      'UPDATE bench_stock SET issued = issued + 1, version = version + 1 WHERE campaign_id = $1 AND version = $2',
    );
    const insert = insertOne(table, statement);

    /** Given, refused, or null: somebody was quicker. */
    async function attempt(client, { campaignId, userId }) {
      const [stock] = (await client.query(read([campaignId]))).rows;
      if (Number(stock.issued) >= Number(stock.total)) return false;
      await client.query('BEGIN');
      try {
        const { rowCount } = await client.query(take([campaignId, stock.version]));
        if (rowCount === 1) await client.query(insert({ campaignId, userId, serial: Number(stock.issued) + 1 }));
        await client.query(rowCount === 1 ? 'COMMIT' : 'ROLLBACK');
        return rowCount === 1 ? true : null;
      } catch (error) {
        await client.query('ROLLBACK');
        if (isTaken(error)) return false;
        throw error;
      }
    }

    return {
      async prepare(campaignIds) {
        await emptyTable(pool, table);
        await emptyStock(pool, campaignIds, total);
      },
      async issue(request) {
        const client = await pool.connect();
        try {
          for (;;) {
            const given = await attempt(client, request);
            if (given !== null) return given;
            await sleep(Math.random() * 2);
          }
        } finally {
          client.release();
        }
      },
      statements: () => pool.sent,
      count: () => countRows(pool, table),
      close: () => pool.end(),
    };
  },
};
