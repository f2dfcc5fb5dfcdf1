import { connectedPool, countRows, emptyStock, emptyTable, insertOne, statements, transaction } from '../database.js';

/** The stock is a row; whoever holds its lock may look, insert and count. */
export const rowLock = {
  name: 'row lock (SELECT … FOR UPDATE)',
  database: true,
  slow: true,
  async open({ postgresUrl, poolSize, total, prepared }) {
    const table = 'bench_row_lock';
    const pool = await connectedPool(postgresUrl, poolSize);
    const statement = statements(prepared);
    const lock = statement('lock', 'SELECT issued, total FROM bench_stock WHERE campaign_id = $1 FOR UPDATE');
    const has = statement('has', `SELECT 1 FROM ${table} WHERE campaign_id = $1 AND user_id = $2`);
    const insert = insertOne(table, statement);
    const count = statement('count', 'UPDATE bench_stock SET issued = issued + 1 WHERE campaign_id = $1');
    return {
      async prepare(campaignIds) {
        await emptyTable(pool, table);
        await emptyStock(pool, campaignIds, total);
      },
      issue: ({ campaignId, userId }) =>
        transaction(pool, async (client) => {
          const [stock] = (await client.query(lock([campaignId]))).rows;
          if (Number(stock.issued) >= Number(stock.total)) return false;
          if ((await client.query(has([campaignId, userId]))).rows.length > 0) return false;
          await client.query(insert({ campaignId, userId, serial: Number(stock.issued) + 1 }));
          await client.query(count([campaignId]));
          return true;
        }),
      statements: () => pool.sent,
      count: () => countRows(pool, table),
      close: () => pool.end(),
    };
  },
};
