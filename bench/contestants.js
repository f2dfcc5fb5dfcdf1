// Ways to give out coupons first come, first served. Each answers `issue(userId)` once the row is committed, and writes it to a table with
// the same columns and the same unique indexes. `prepare` empties what an earlier round left behind.
import { randomBytes } from 'node:crypto';
import { CouponIssuer } from 'coupon-issuer';
import { createTableSql, PostgresPersistence } from 'coupon-issuer/postgres';
import { Redis } from 'ioredis';
import pg from 'pg';

/** More than any round can give out: every request gets a coupon, so that each one costs its full price. */
const TOTAL = 10_000_000;

async function connectedPool(url, size) {
  const pool = new pg.Pool({ connectionString: url, max: size, idleTimeoutMillis: 0 });
  // `end()` does not wait for the last goodbye, so the server may still be heard shutting down.
  pool.on('error', () => {});
  const clients = await Promise.all(Array.from({ length: size }, () => pool.connect()));
  for (const client of clients) client.release();
  return pool;
}

async function emptyTable(pool, table) {
  await pool.query(createTableSql({ table }));
  await pool.query(`TRUNCATE ${table}`);
}

/** Rows, distinct serials and distinct users: all three are the number of requests, or the contestant is wrong. */
async function countRows(pool, table) {
  const { rows } = await pool.query(
    `SELECT count(*)::int AS rows, count(DISTINCT serial)::int AS serials, count(DISTINCT user_id)::int AS users FROM ${table}`,
  );
  return rows[0];
}

/** This library with its defaults, on a pool with the defaults of pg. */
export async function couponIssuer({ redisPort, postgresUrl }) {
  const table = 'bench_coupon_issuer';
  const pool = await connectedPool(postgresUrl, 10);
  const redis = new Redis(redisPort, '127.0.0.1');
  const persistence = new PostgresPersistence(pool, { table });
  const issuer = new CouponIssuer({ redis, persistence });
  let round = 0;
  let campaignId;
  return {
    name: 'coupon-issuer',
    async prepare() {
      await emptyTable(pool, table);
      await redis.flushall();
      campaignId = `bench-${++round}`;
      await issuer.openCampaign({ id: campaignId, stock: { kind: 'counted', total: TOTAL } });
    },
    async issue(userId) {
      const { status } = await issuer.issue({ campaignId, userId });
      return status === 'issued';
    },
    /** Part of the measured time: the confirms that follow the last answer are work as well. */
    finish: () => issuer.idle(),
    async check(requests) {
      const campaign = await issuer.inspect(campaignId);
      const redisIsRight = campaign.issued === requests && campaign.reserved === 0;
      return { ...(await countRows(pool, table)), redis: redisIsRight ? 'right' : 'wrong' };
    },
    async close() {
      await issuer.close();
      redis.disconnect();
      await pool.end();
    },
  };
}

/** What is below `issue()`: the same statement, in batches as large and as many at a time as this library would have out. */
export async function groupCommit({ postgresUrl, inFlight }) {
  const table = 'bench_group_commit';
  const pool = await connectedPool(postgresUrl, 2);
  const persistence = new PostgresPersistence(pool, { table });
  const batch = Math.min(500, Math.ceil(inFlight / 2));
  let serial = 0;
  return {
    name: 'group commit alone',
    inFlight: 2,
    perCall: batch,
    async prepare() {
      await emptyTable(pool, table);
      serial = 0;
    },
    async issue(userId) {
      const issuedAt = new Date();
      const issuances = Array.from({ length: batch }, (_, i) => ({
        id: `${userId}-${i}`.padEnd(22, '.'),
        campaignId: 'bench-1',
        userId: `${userId}-${i}`,
        grant: 1,
        serial: ++serial,
        code: null,
        issuedAt,
        epoch: '1-aaaaaaaaaaaa',
        state: 'reserved',
      }));
      const verdicts = await persistence.save(issuances);
      return verdicts.every(({ verdict }) => verdict === 'saved');
    },
    check: () => countRows(pool, table),
    close: () => pool.end(),
  };
}

/** The stock is a row; whoever holds its lock may look, insert and count. */
export async function rowLock({ postgresUrl, poolSize, prepared }) {
  const table = 'bench_row_lock';
  const pool = await connectedPool(postgresUrl, poolSize);
  const campaignId = 'bench-1';
  const statement = statements(prepared);
  const lock = statement('lock', 'SELECT issued, total FROM bench_stock WHERE campaign_id = $1 FOR UPDATE');
  const has = statement('has', `SELECT 1 FROM ${table} WHERE campaign_id = $1 AND user_id = $2`);
  const insert = insertOne(table, statement);
  const count = statement('count', 'UPDATE bench_stock SET issued = issued + 1 WHERE campaign_id = $1');
  return {
    name: 'row lock',
    async prepare() {
      await emptyTable(pool, table);
      await pool.query('DROP TABLE IF EXISTS bench_stock');
      await pool.query('CREATE TABLE bench_stock (campaign_id text PRIMARY KEY, total bigint, issued bigint)');
      await pool.query('INSERT INTO bench_stock VALUES ($1, $2, 0)', [campaignId, TOTAL]);
    },
    async issue(userId) {
      const client = await pool.connect();
      try {
        await client.query('BEGIN');
        const { rows } = await client.query(lock([campaignId]));
        const [stock] = rows;
        const held = await client.query(has([campaignId, userId]));
        const free = Number(stock.issued) < Number(stock.total) && held.rows.length === 0;
        if (free) {
          await client.query(insert({ campaignId, userId, serial: Number(stock.issued) + 1 }));
          await client.query(count([campaignId]));
        }
        await client.query('COMMIT');
        return free;
      } catch (error) {
        await client.query('ROLLBACK');
        throw error;
      } finally {
        client.release();
      }
    },
    check: () => countRows(pool, table),
    close: () => pool.end(),
  };
}

const GATE = `
if redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 1 then return -1 end
local left = redis.call('DECR', KEYS[1])
if left < 0 then
  redis.call('INCR', KEYS[1])
  return -2
end
redis.call('SADD', KEYS[2], ARGV[1])
return left
`;

/** The stock is a counter in Redis behind one script call per request, and each coupon is one INSERT. */
export async function luaGate({ redisPort, postgresUrl, poolSize, prepared }) {
  const table = 'bench_lua_gate';
  const pool = await connectedPool(postgresUrl, poolSize);
  const redis = new Redis(redisPort, '127.0.0.1');
  const sha1 = await redis.script('LOAD', GATE);
  const insert = insertOne(table, statements(prepared));
  const campaignId = 'bench-1';
  const [stockKey, usersKey] = ['{bench-1}:stock', '{bench-1}:users'];
  return {
    name: 'Lua gate + INSERT',
    async prepare() {
      await emptyTable(pool, table);
      await redis.flushall();
      await redis.set(stockKey, TOTAL);
    },
    async issue(userId) {
      const left = await redis.evalsha(sha1, 2, stockKey, usersKey, userId);
      if (left < 0) return false;
      await pool.query(insert({ campaignId, userId, serial: TOTAL - left }));
      return true;
    },
    check: () => countRows(pool, table),
    async close() {
      redis.disconnect();
      await pool.end();
    },
  };
}

/** Parsed at every call, as pg does with `query(text, values)` and as this library's own statement is, or once per connection under a name. */
function statements(prepared) {
  return (name, text) => (values) => (prepared ? { name, text, values } : { text, values });
}

function insertOne(table, statement) {
  const insert = statement(
    'insert',
    `INSERT INTO ${table} (campaign_id, serial, user_id, grant_no, id, code, issued_at, epoch)
      VALUES ($1, $2, $3, 1, $4, NULL, now(), '1-aaaaaaaaaaaa')`,
  );
  return ({ campaignId, userId, serial }) =>
    insert([campaignId, serial, userId, randomBytes(16).toString('base64url')]);
}
