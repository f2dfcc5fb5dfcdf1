// What the contestants on PostgreSQL share: a table with the same columns and the same unique indexes, and a pool that counts what it sends.
import { randomBytes } from 'node:crypto';
import { createTableSql } from 'coupon-issuer/postgres';
import pg from 'pg';

/** Connected before the clock runs; `pool.sent` counts statements, BEGIN and COMMIT among them. */
export async function connectedPool(url, size) {
  class Client extends pg.Client {
    query(...args) {
      pool.sent++;
      return super.query(...args);
    }
  }
  const pool = new pg.Pool({ connectionString: url, max: size, idleTimeoutMillis: 0, Client });
  pool.sent = 0;
  // `end()` does not wait for the last goodbye, so the server may still be heard shutting down.
  pool.on('error', () => {});
  const clients = await Promise.all(Array.from({ length: size }, () => pool.connect()));
  for (const client of clients) client.release();
  return pool;
}

export async function emptyTable(pool, table, createSql = createTableSql) {
  await pool.query(createSql({ table }));
  await pool.query(`TRUNCATE ${table}`);
}

/** A stock row for each campaign, where a way keeps its stock in the database. */
export async function emptyStock(pool, campaignIds, total) {
  await pool.query('DROP TABLE IF EXISTS bench_stock');
  await pool.query(
    'CREATE TABLE bench_stock (campaign_id text PRIMARY KEY, total bigint, issued bigint, version bigint)',
  );
  await pool.query('INSERT INTO bench_stock SELECT id, $2, 0, 0 FROM unnest($1::text[]) AS id', [campaignIds, total]);
}

/** What the database says was given out. A unit that nobody has yet does not count. */
export async function countRows(pool, table) {
  const { rows } = await pool.query(
    `SELECT count(*)::int AS rows, count(DISTINCT (campaign_id, serial))::int AS serials,
      count(DISTINCT (campaign_id, user_id))::int AS users FROM ${table} WHERE user_id IS NOT NULL`,
  );
  return rows[0];
}

/** Parsed at every call, as pg does with `query(text, values)` and as this library's own statement is, or once per connection under a name. */
export function statements(prepared) {
  return (name, text) => (values) => (prepared ? { name, text, values } : { text, values });
}

export function insertOne(table, statement) {
  const insert = statement(
    'insert',
    `INSERT INTO ${table} (campaign_id, serial, user_id, grant_no, id, code, issued_at, epoch)
      VALUES ($1, $2, $3, 1, $4, NULL, now(), '1-aaaaaaaaaaaa')`,
  );
  return ({ campaignId, userId, serial }) => insert([campaignId, serial, userId, newId()]);
}

export const newId = () => randomBytes(16).toString('base64url');

export async function transaction(pool, work) {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}

/** Whether the row went in: not if there was none, or if a unique index refused it. `pool.query` would close the connection after an error. */
export async function wentIn(pool, query) {
  const client = await pool.connect();
  try {
    return (await client.query(query)).rowCount === 1;
  } catch (error) {
    if (isTaken(error)) return false;
    throw error;
  } finally {
    client.release();
  }
}

export const isTaken = (error) => error.code === '23505';
