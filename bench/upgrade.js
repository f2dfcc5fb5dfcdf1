// `node bench/upgrade.js [rows]`: a table of release 0.1, upgraded in place on a PostgreSQL and a MariaDB of its own. Of each statement it tells how long
// it takes, and how long a SELECT and an INSERT beside it wait. By default a million rows. The figures are those of docs/databases.md.
import { loadavg } from 'node:os';
import { MysqlPersistence } from 'coupon-issuer/mysql';
import { PostgresPersistence } from 'coupon-issuer/postgres';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { startMariadb, startPostgres } from './servers.js';
import { inMs, whole } from './support-rounds.js';

const ROWS = Number(process.argv[2] ?? 1_000_000);
const FILLED = 10_000;
const print = (line) => process.stdout.write(`${line}\n`);

/** The tables as 0.1 made them. */
const POSTGRES_0_1 = `CREATE TABLE coupon_issuances (campaign_id text COLLATE "C" NOT NULL, serial bigint NOT NULL, user_id text COLLATE "C" NOT NULL,
  grant_no integer NOT NULL, id text COLLATE "C" NOT NULL, code text COLLATE "C", issued_at timestamptz(3) NOT NULL, epoch text COLLATE "C" NOT NULL,
  PRIMARY KEY (campaign_id, serial));
  CREATE UNIQUE INDEX coupon_issuances_user ON coupon_issuances (campaign_id, user_id, grant_no);
  CREATE UNIQUE INDEX coupon_issuances_code ON coupon_issuances (campaign_id, code) WHERE code IS NOT NULL`;
const MARIADB_0_1 = `CREATE TABLE coupon_issuances (campaign_id varbinary(64) NOT NULL, serial bigint NOT NULL, user_id varbinary(128) NOT NULL,
  grant_no int NOT NULL, id varbinary(64) NOT NULL, code varbinary(128), issued_at datetime(3) NOT NULL, epoch varbinary(64) NOT NULL,
  PRIMARY KEY (campaign_id, serial), UNIQUE KEY by_user (campaign_id, user_id, grant_no), UNIQUE KEY by_id (campaign_id, id),
  UNIQUE KEY by_code (campaign_id, code)) ENGINE=InnoDB`;
const INSERT = (serial) =>
  `INSERT INTO coupon_issuances (campaign_id, serial, user_id, grant_no, id, code, issued_at, epoch)
   VALUES ('beside', ${serial}, 'user-${serial}', 1, 'id-${serial}', NULL, now(), '1-a')`;
const SELECT = `SELECT serial FROM coupon_issuances WHERE campaign_id = 'launch' AND code = 'CODE-77'`;

/** The longest of one statement after the other, each on a connection of its own, until `stop()`. */
function probe(send) {
  let running = true;
  const longest = (async () => {
    let most = 0;
    let count = 0;
    while (running) {
      const startedAt = performance.now();
      await send(++serial);
      most = Math.max(most, performance.now() - startedAt);
      count++;
    }
    return { most, count };
  })();
  return {
    stop() {
      running = false;
      return longest;
    },
  };
}
let serial = 0;

async function measured(what, query, work) {
  const probes = [probe(() => query(SELECT)), probe((n) => query(INSERT(n)))];
  const startedAt = performance.now();
  await work();
  const took = performance.now() - startedAt;
  const [select, insert] = await Promise.all(probes.map((one) => one.stop()));
  const beside = `longest SELECT ${inMs(select.most)} of ${select.count}, longest INSERT ${inMs(insert.most)} of ${insert.count}`;
  print(`  ${inMs(took).padStart(9)}  ${beside}  ${what}`);
}

/** The statements of the upgrade one by one, and then upgradeTable(), which finds nothing left to do. */
async function upgrade({ query, persistence, statements, rest }) {
  await measured('nothing, for 2 s', query, () => new Promise((resolve) => setTimeout(resolve, 2_000)));
  for (const sql of statements) await measured(sql.replace(/\s+/g, ' ').slice(0, 110), query, () => query(sql));
  await measured(rest, query, () => persistence.upgradeTable());
}

async function onPostgres() {
  const server = await startPostgres();
  const pool = new pg.Pool({ connectionString: server.url, max: 4 });
  pool.on('error', () => {});
  try {
    const query = (sql) => pool.query(sql);
    await query(POSTGRES_0_1);
    const startedAt = performance.now();
    await query(`INSERT INTO coupon_issuances SELECT 'launch', n, 'user-' || n, 1, substr(md5(n::text), 1, 22), 'CODE-' || n, now(), '1-aaaaaaaaaaaa'
      FROM generate_series(1, ${ROWS}) n`);
    await query('VACUUM ANALYZE coupon_issuances');
    const { rows } = await query("SELECT version(), pg_table_size('coupon_issuances') AS size");
    print(
      `\n${rows[0].version.split(' on ')[0]}: ${whole(ROWS)} rows in ${whole((performance.now() - startedAt) / 1000)} s, ${whole(rows[0].size / 1e6)} MB without keys`,
    );
    const persistence = new PostgresPersistence(pool);
    await upgrade({
      query,
      persistence,
      statements: [await persistence.upgradeTableSql()],
      rest: 'upgradeTable(), once more',
    });
  } finally {
    await pool.end();
    await server.stop();
  }
}

async function onMariadb() {
  const server = await startMariadb();
  if (!server) return print('MariaDB is not installed');
  const { stop, pid, ...address } = server;
  const pool = mysql.createPool({ ...address, connectionLimit: 4 });
  try {
    const query = (sql) => pool.query(sql);
    await query(MARIADB_0_1);
    const startedAt = performance.now();
    for (let from = 0; from < ROWS; from += FILLED) {
      await query(`INSERT INTO coupon_issuances SELECT 'launch', seq, CONCAT('user-', seq), 1, LEFT(MD5(seq), 22), CONCAT('CODE-', seq), now(3), '1-aaaaaaaaaaaa'
        FROM seq_${from + 1}_to_${Math.min(from + FILLED, ROWS)}`);
    }
    const [[{ version }]] = await query('SELECT version() AS version');
    print(`\nMariaDB ${version}: ${whole(ROWS)} rows in ${whole((performance.now() - startedAt) / 1000)} s`);
    const persistence = new MysqlPersistence(pool);
    const statements = (await persistence.upgradeTableSql()).split(/(?<=;\n)/);
    await upgrade({ query, persistence, statements, rest: 'upgradeTable(), once more' });
  } finally {
    await pool.end();
    await stop();
  }
}

const load = () => loadavg()[0].toFixed(1);
print(`load before ${load()}`);
await onPostgres();
await onMariadb();
print(`\nload after ${load()}`);
