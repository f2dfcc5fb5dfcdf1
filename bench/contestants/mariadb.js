// Three of the ways on MariaDB.
import { createTableSql, MysqlPersistence } from 'coupon-issuer/mysql';
import mysql from 'mysql2/promise';
import { newId } from '../database.js';
import { issuing } from './coupon-issuer.js';

/** This library with its defaults, on a pool with the defaults of mysql2. */
export const mysqlCouponIssuer = {
  name: 'coupon-issuer',
  redis: true,
  async open({ redisPort, mariadb, total }) {
    const table = 'bench_coupon_issuer';
    const { pool, ...ways } = await opened(mariadb, { table, size: 10 });
    const persistence = new MysqlPersistence(pool, { table });
    return { ...ways, ...issuing({ redisPort, persistence, total, empty: ways.empty, close: ways.close }) };
  },
};

export const mysqlRowLock = {
  name: 'row lock on MariaDB',
  database: true,
  async open({ mariadb, poolSize, total }) {
    const table = 'bench_row_lock';
    const { pool, empty, ...ways } = await opened(mariadb, { table, size: poolSize });
    return {
      ...ways,
      async prepare([campaignId]) {
        await empty();
        await pool.query('DROP TABLE IF EXISTS bench_stock');
        await pool.query('CREATE TABLE bench_stock (campaign_id varchar(64) PRIMARY KEY, total bigint, issued bigint)');
        await pool.query('INSERT INTO bench_stock VALUES (?, ?, 0)', [campaignId, total]);
      },
      async issue({ campaignId, userId }) {
        const client = await pool.getConnection();
        try {
          await client.query('BEGIN');
          const given = await giveUnderLock(client, { table, campaignId, userId });
          await client.query('COMMIT');
          return given;
        } catch (error) {
          await client.query('ROLLBACK');
          throw error;
        } finally {
          client.release();
        }
      },
    };
  },
};

async function giveUnderLock(client, { table, campaignId, userId }) {
  const lock = 'SELECT issued, total FROM bench_stock WHERE campaign_id = ? FOR UPDATE';
  const [[stock]] = await client.query(lock, [campaignId]);
  if (stock.issued >= stock.total) return false;
  const has = `SELECT 1 FROM ${table} WHERE campaign_id = ? AND user_id = ?`;
  if ((await client.query(has, [campaignId, userId]))[0].length > 0) return false;
  const insert = `INSERT INTO ${table} (campaign_id, serial, user_id, grant_no, id, code, issued_at, epoch)
    VALUES (?, ?, ?, 1, ?, NULL, UTC_TIMESTAMP(3), '1-aaaaaaaaaaaa')`;
  await client.query(insert, [campaignId, stock.issued + 1, userId, newId()]);
  await client.query('UPDATE bench_stock SET issued = issued + 1 WHERE campaign_id = ?', [campaignId]);
  return true;
}

/** A floor: the same statement, in batches as large and as many at a time as this library would have out. */
export const mysqlGroupCommit = {
  name: 'bare group-commit INSERT',
  floor: true,
  async open({ mariadb, inFlight }) {
    const table = 'bench_group_commit';
    const { pool, empty, ...ways } = await opened(mariadb, { table, size: 2 });
    const persistence = new MysqlPersistence(pool, { table });
    const { signal } = new AbortController();
    const perCall = Math.min(500, Math.ceil(inFlight / 2));
    let serial = 0;
    return {
      ...ways,
      perCall,
      inFlight: 2,
      prepare: empty,
      async issue({ campaignId, userId }) {
        const issuedAt = new Date();
        const issuances = Array.from({ length: perCall }, (_, i) => ({
          id: `${userId}-${i}`.padEnd(22, '.'),
          campaignId,
          userId: `${userId}-${i}`,
          grant: 1,
          serial: ++serial,
          code: null,
          issuedAt,
          epoch: '1-aaaaaaaaaaaa',
          state: 'reserved',
        }));
        const verdicts = await persistence.save(issuances, { signal, newIds: true });
        return verdicts.every(({ verdict }) => verdict === 'saved');
      },
    };
  },
};

async function opened({ stop, pid, ...address }, { table, size }) {
  const pool = mysql.createPool({ ...address, connectionLimit: size });
  const clients = await Promise.all(Array.from({ length: size }, () => pool.getConnection()));
  for (const client of clients) client.release();
  return {
    pool,
    async empty() {
      for (const one of createTableSql({ table }).split(/(?<=;\n)/)) await pool.query(one);
      await pool.query(`TRUNCATE ${table}`);
    },
    async statements() {
      const [[{ Value }]] = await pool.query(`SHOW GLOBAL STATUS LIKE 'Questions'`);
      return Number(Value);
    },
    async count() {
      const [[found]] = await pool.query(
        `SELECT count(*) AS \`rows\`, count(DISTINCT campaign_id, serial) AS serials, count(DISTINCT campaign_id, user_id) AS users FROM ${table}`,
      );
      return found;
    },
    close: () => pool.end(),
  };
}
