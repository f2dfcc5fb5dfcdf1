import { afterAll, beforeAll, expect, test } from 'vitest';
import { CouponIssuer, issuanceOf, type PersistenceAdapter } from '../../src/index.js';
import { MysqlPersistence } from '../../src/persistence/mysql/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { checkInvariants } from '../support/checks/invariants.js';
import { Database } from '../support/servers/database.js';
import { Mariadb } from '../support/servers/mariadb.js';
import { RedisServer } from '../support/servers/redis-server.js';

let server: RedisServer;
let database: Database;
let mariadb: Mariadb;
beforeAll(async () => {
  [server, database, mariadb] = await Promise.all([RedisServer.start(), Database.create(), Mariadb.start()]);
});
afterAll(async () => {
  await Promise.all([server.stop(), database.stop(), mariadb.stop()]);
});

const DAY = '2026-05-01T10:00:00+09:00';
const signal = new AbortController().signal;

/** Three coupons of two users, as a table of before has them. */
const before = (campaignId: string) => [
  issuanceOf({ campaignId, userId: 'kim', serial: 1, issuedAt: DAY, requestId: 'order-1' }),
  issuanceOf({ campaignId, userId: 'lee', serial: 2, issuedAt: DAY }),
  issuanceOf({ campaignId, userId: 'lee', serial: 5, issuedAt: DAY, grant: 2 }),
];

async function movesOver(id: string, persistence: PersistenceAdapter): Promise<void> {
  const issuer = new CouponIssuer({ redis: server.client(), persistence });
  const launch = issuer.campaign(id);
  const definition = { stock: { kind: 'counted', total: 6 }, perUser: 2 } as const;
  // The migration stops after its first row, and runs again.
  expect(await persistence.save(before(id).slice(0, 1), { signal })).toEqual([{ verdict: 'saved' }]);
  const saved = { verdict: 'saved' };
  expect(await persistence.save(before(id), { signal })).toEqual([saved, saved, saved]);
  await expect(launch.open(definition)).rejects.toMatchObject({ code: 'CAMPAIGN_CONFLICT' });

  expect(await launch.rebuild(definition)).toMatchObject({ rows: 3, campaign: { issued: 3, available: 3 } });
  expect(await launch.issue({ userId: 'lee' })).toMatchObject({ status: 'already_issued' });
  const again = await launch.issue({ userId: 'kim', requestId: 'order-1' });
  expect(again).toMatchObject({ status: 'issued', replayed: true, issuance: { serial: 1, issuedAt: new Date(DAY) } });
  const second = await launch.issue({ userId: 'kim', requestId: 'order-2' });
  expect(second).toMatchObject({ status: 'issued', issuance: { grant: 2 } });
  const others = await Promise.all(['ann', 'bob', 'cho'].map((userId) => launch.issue({ userId })));
  expect(others.map(({ status }) => status).sort()).toEqual(['issued', 'issued', 'sold_out']);
  await issuer.idle();
  const rows = await persistence.list!(id, { afterSerial: 0, limit: 10 });
  expect(rows.map(({ serial }) => serial)).toEqual([1, 2, 3, 4, 5, 6]);
  await checkInvariants({ redis: server.client(), campaignId: id, rows, settled: true });
  await issuer.close();
}

test('coupons of before move to PostgreSQL, and the campaign gives out the others', async () => {
  const persistence = new PostgresPersistence(database.pool);
  await persistence.createTable();
  await movesOver('moved', persistence);
});

test('coupons of before move to MariaDB, and the campaign gives out the others', async () => {
  const persistence = new MysqlPersistence(mariadb.pool);
  await persistence.createTable();
  await movesOver('moved-too', persistence);
});
