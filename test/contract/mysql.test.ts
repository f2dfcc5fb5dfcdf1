import type mysql from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type MysqlLike, MysqlPersistence } from '../../src/persistence/mysql/index.js';
import { persistenceContract, type Wire } from '../../src/testing/index.js';
import { Mariadb, rowsOf } from '../support/servers/mariadb.js';
import { IS_MARIADB } from '../support/servers/programs.js';

let server: Mariadb;
let unusual: mysql.Pool;
let snapshots: mysql.Pool;
beforeAll(async () => {
  server = await Mariadb.start();
  // What an application may have set for its own sake.
  unusual = poolWith(UNUSUAL, {
    timezone: '+05:30',
    dateStrings: true,
    rowsAsArray: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
    namedPlaceholders: true,
    flags: ['-FOUND_ROWS'],
  });
  snapshots = poolWith(SNAPSHOTS);
  await new MysqlPersistence(server.pool).createTable();
});
afterAll(() => server.stop());

/** Newer MariaDB has it under both names. */
const ISOLATION = IS_MARIADB ? 'tx_isolation' : 'transaction_isolation';
const UNUSUAL = {
  sql_mode: 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES',
  time_zone: '-08:00',
  [ISOLATION]: 'READ-COMMITTED',
  character_set_client: 'latin1',
};
/** As newer servers have it by default. */
const SNAPSHOTS = { [ISOLATION]: 'REPEATABLE-READ', ...(IS_MARIADB && { innodb_snapshot_isolation: 1 }) };

/** A pool all of whose sessions begin with these variables. */
function poolWith(variables: object, options: mysql.PoolOptions = {}): mysql.Pool {
  const pool = server.createPool(options);
  const values = Object.entries(variables).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
  pool.on('connection', (connection) => void connection.query(`SET ${values.join(', ')}`));
  return pool;
}

test('the sessions of the pools are what they are said to be', async () => {
  for (const [pool, variables] of [
    [unusual, UNUSUAL],
    [snapshots, SNAPSHOTS],
  ] as const) {
    const sql = `SELECT ${Object.keys(variables).map((name) => `@@${name} AS ${name}`)}`;
    const [rows] = await pool.query<mysql.RowDataPacket[]>({ sql, rowsAsArray: false });
    expect(rows[0]).toEqual(variables);
  }
});

function wired(client: MysqlLike, { send }: Wire): MysqlPersistence {
  const query: MysqlLike['query'] = (options) => send(() => client.query(options));
  return new MysqlPersistence(Object.assign(Object.create(client) as MysqlLike, { query }));
}

describe.each([
  { what: 'a pool of connections', client: () => server.pool },
  { what: 'a pool of unusual options and sessions', client: () => unusual },
  { what: 'a pool under snapshot isolation', client: () => snapshots },
])('MysqlPersistence on $what keeps the contract', ({ client }) => {
  const contract = persistenceContract({
    keepsData: true,
    createAdapter: async (wire) => wired(client(), wire),
    oracle: (campaignId) => rowsOf(server, campaignId),
    inTransaction: async (work) => {
      const connection = await client().getConnection();
      try {
        await connection.beginTransaction();
        await work(connection);
        await connection.commit();
      } finally {
        // What is still open is rolled back.
        connection.destroy();
      }
    },
  });
  for (const { name, run } of contract) test(name, run);
});
