import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  CouponIssuer,
  type CouponIssuerOptions,
  generateCodes,
  type PersistenceAdapter,
  type RedisClient,
} from '../../src/index.js';
import type { CouponRows } from '../../src/persistence/adapter.js';
import { MysqlPersistence } from '../../src/persistence/mysql/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { SecretScan } from '../support/checks/secret-scan.js';
import { makeRevokesDue } from '../support/scenes/revoking.js';
import { Database } from '../support/servers/database.js';
import { client } from '../support/servers/fault-clients.js';
import { Mariadb } from '../support/servers/mariadb.js';
import { RedisServer } from '../support/servers/redis-server.js';

let server: RedisServer;
let postgres: Database;
let mariadb: Mariadb;
let tables = 0;
beforeAll(async () => {
  [server, postgres, mariadb] = await Promise.all([RedisServer.start(), Database.create(), Mariadb.start()]);
});
afterAll(() => Promise.all([server.stop(), postgres.stop(), mariadb.stop()]));

const fresh = () => generateCodes({ count: 2 }).join('');

const onPostgres = {
  at: (table: string) => new PostgresPersistence(postgres.pool, { table }),
  run: (sql: string) => postgres.pool.query(sql),
};
const onMariadb = {
  at: (table: string) => new MysqlPersistence(mariadb.pool, { table }),
  run: (sql: string) => mariadb.pool.query(sql),
};
/** PostgreSQL, before each update of a row. */
const before = (body: string) => `CREATE FUNCTION TABLE_NAME_f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    ${body} RETURN NEW;
  END $$;
  CREATE TRIGGER TABLE_NAME_t BEFORE UPDATE ON TABLE_NAME FOR EACH ROW EXECUTE FUNCTION TABLE_NAME_f();`;

/** MariaDB, the same. */
const telling = (signal: string) => `CREATE TRIGGER TABLE_NAME_t BEFORE UPDATE ON TABLE_NAME FOR EACH ROW BEGIN
    DECLARE told TEXT DEFAULT CONCAT_WS(' ', NEW.code, NEW.user_id, NEW.state_by, NEW.id);
    ${signal}
  END`;

/** What an administrator may have added to the table. Each answer of the server to a change quotes the row, or the client does. */
const OBSTACLES = [
  {
    obstacle: 'PostgreSQL with a trigger that tells the row',
    ...onPostgres,
    sql: before(
      `RAISE EXCEPTION 'no more than this: %', NEW USING DETAIL = NEW::text, HINT = coalesce(NEW.state_by, NEW.code);`,
    ),
  },
  {
    obstacle: 'PostgreSQL with a trigger whose file is missing, which proves nothing',
    ...onPostgres,
    sql: before('PERFORM pg_read_file(coalesce(NEW.state_by, NEW.code));'),
  },
  {
    obstacle: 'PostgreSQL with a check that fails',
    ...onPostgres,
    sql: 'ALTER TABLE TABLE_NAME ADD CHECK (version < 1)',
  },
  {
    obstacle: 'PostgreSQL with a trigger that takes texts for numbers',
    ...onPostgres,
    sql: before('NEW.grant_no = coalesce(NEW.state_by, NEW.code)::integer;'),
  },
  {
    obstacle: 'MariaDB with a trigger that tells the row',
    ...onMariadb,
    sql: telling("SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = told;"),
  },
  {
    obstacle: 'MariaDB with a trigger that tells the row and proves nothing',
    ...onMariadb,
    sql: telling("SIGNAL SQLSTATE 'HY000' SET MESSAGE_TEXT = told, MYSQL_ERRNO = 1180;"),
  },
  {
    obstacle: 'MariaDB with a check that fails',
    ...onMariadb,
    sql: 'ALTER TABLE TABLE_NAME ADD CHECK (version < 1)',
  },
  {
    obstacle: 'MariaDB with a trigger that takes texts for numbers',
    ...onMariadb,
    sql: 'CREATE TRIGGER TABLE_NAME_t BEFORE UPDATE ON TABLE_NAME FOR EACH ROW SET NEW.grant_no = COALESCE(NEW.state_by, NEW.code)',
  },
];

/** An issued coupon of which the code and the user are secrets. */
async function couponOf(secret: () => string, issuer: CouponIssuer, id: string) {
  const [code, userId] = [secret(), secret()];
  await issuer.campaign(id).open({ stock: { kind: 'codes' } });
  await issuer.campaign(id).loadCodes([code]);
  expect((await issuer.campaign(id).issue({ userId })).status).toBe('issued');
  await issuer.idle();
  return { code, userId };
}

/** Keeps each event but for the user, who is told in it by a name of its own. */
function seeing(scan: SecretScan): CouponIssuerOptions['onEvent'] {
  return (event) => scan.see(`event ${event.type}`, { ...event, userId: undefined });
}

describe.each(OBSTACLES)('$obstacle', ({ at, run, sql }) => {
  test('refuses a change, and no code, user or order comes to light', async () => {
    const [scan, said] = [new SecretScan(), new SecretScan()];
    const secret = () => said.secret(scan.secret(fresh()));
    const table = `table_${++tables}`;
    const persistence: PersistenceAdapter & CouponRows & { createTable(): Promise<unknown> } = at(table);
    await persistence.createTable();
    const change = persistence.change.bind(persistence);
    const unchecked = Object.assign(persistence, {
      // As if it had been altered after each process had looked at it.
      check: async () => ({ format: 1 }),
      change: (...args: Parameters<typeof change>) =>
        change(...args).catch((error: unknown) => {
          said.see('the answer of the database', error);
          throw error;
        }),
    });
    const redis = server.client();
    const issuer = new CouponIssuer({ redis, persistence: unchecked, onEvent: seeing(scan) });
    const coupon = await couponOf(secret, issuer, table);
    await run(sql.replaceAll('TABLE_NAME', table));
    const launch = issuer.campaign(table);
    const redeem = () => scan.fails('redeem', launch.redeem({ ...coupon, redemptionId: secret() }));
    await Promise.all([redeem(), redeem()]);
    await scan.fails('unredeem', launch.unredeem({ code: coupon.code, redemptionId: secret() }));
    await scan.fails('revoke', launch.revoke({ ...coupon, revocationId: secret(), again: true }));
    await makeRevokesDue(redis, table);
    await launch.settle();
    expect(scan.saw(/during: 'take_back'/), 'a worker is refused too').toBe(true);
    expect(said.leaks().length, 'the database quotes them').toBeGreaterThan(0);
    expect(scan.leaks()).toEqual([]);
  });
});

test('a Redis that quotes the take-back that it refuses brings no code, user or revocation to light', async () => {
  const [scan, said] = [new SecretScan(), new SecretScan()];
  const secret = () => said.secret(scan.secret(fresh()));
  const redis = client(server.client());
  let isQuoting = false;
  const refuse = (args: readonly unknown[]) => {
    const error = new Error(`ERR unknown command, with args beginning with: ${args.join(' ')}`);
    said.see('the answer of Redis', error);
    return Promise.reject(error);
  };
  const quoting: RedisClient = {
    evalsha: (...args) => (isQuoting ? refuse(args) : redis.evalsha(...args)),
    eval: (...args) => (isQuoting ? refuse(args) : redis.eval(...args)),
  };
  const persistence = new PostgresPersistence(postgres.pool, { table: `table_${++tables}` });
  await persistence.createTable();
  const change = persistence.change.bind(persistence);
  const changing = Object.assign(persistence, {
    change: (...args: Parameters<typeof change>) => {
      isQuoting = true;
      return change(...args);
    },
  });
  const issuer = new CouponIssuer({ redis: quoting, persistence: changing, onEvent: seeing(scan) });
  const coupon = await couponOf(secret, issuer, 'quoted');
  const revoked = await issuer.campaign('quoted').revoke({ ...coupon, revocationId: secret(), again: true });
  expect(revoked).toMatchObject({ status: 'taken_back', stock: 'pending' });
  expect(scan.saw(/during: 'take_back'/)).toBe(true);
  expect(said.leaks().length, 'Redis quotes them').toBeGreaterThan(0);
  expect(scan.leaks()).toEqual([]);
});
