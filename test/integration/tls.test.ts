import { Redis, type RedisOptions } from 'ioredis';
import { Redis as Redis6 } from 'ioredis-v6';
import { expect, onTestFinished, test } from 'vitest';
import { CouponIssuer, type PersistenceAdapter, type RedisClient } from '../../src/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { memoryBook } from '../support/checks/books.js';
import { checkInvariants } from '../support/checks/invariants.js';
import { own } from '../support/checks/own.js';
import { Certificate } from '../support/servers/certificate.js';
import { client } from '../support/servers/fault-clients.js';
import { PostgresServer, serverUser } from '../support/servers/postgres-server.js';
import { RedisServer } from '../support/servers/redis-server.js';

const STOCK = { kind: 'counted', total: 20, generateCodes: true } as const;

/** Forty users ask at once for twenty coupons, and the first one of the winners redeems. */
async function sell(redis: RedisClient, persistence: PersistenceAdapter) {
  const issuer = new CouponIssuer({ redis, persistence });
  const launch = issuer.campaign('launch');
  await launch.open({ stock: STOCK });
  const results = await Promise.all(Array.from({ length: 40 }, (_, i) => launch.issue({ userId: `user-${i}` })));
  const issued = results.flatMap((result) => (result.status === 'issued' ? [result.issuance] : []));
  expect(issued).toHaveLength(20);
  expect(results.filter(({ status }) => status === 'sold_out')).toHaveLength(20);
  const { userId, code } = issued[0]!;
  const redemption = { userId, code: code!, redemptionId: 'order-1' };
  expect(await launch.redeem(redemption)).toMatchObject({ status: 'redeemed' });
  await issuer.close();
  return issued;
}

function issuerOf(server: RedisServer, persistence: PersistenceAdapter): CouponIssuer {
  const issuer = new CouponIssuer({ redis: server.client(), persistence });
  onTestFinished(() => issuer.close());
  return issuer;
}

test.each([
  ['ioredis 5', (to: RedisOptions) => client(new Redis(to))],
  ['ioredis 6', (to: RedisOptions) => client(new Redis6(to as object))],
])('Redis over TLS serves %s, and a client that does not trust it gets no coupon', async (_, connect) => {
  const certificate = await own(new Certificate());
  const server = await own(RedisServer.with({ tls: certificate, args: ['--save', ''] }));
  const to = { host: '127.0.0.1', port: server.port };
  const redis = connect({ ...to, tls: { ca: certificate.ca } });
  const book = memoryBook();
  const issued = await sell(redis, book);
  const rows = await book.rows('launch');
  expect(rows.map(({ id }) => id).sort()).toEqual(issued.map(({ id }) => id).sort());
  await checkInvariants({ redis: server.client(), campaignId: 'launch', rows, settled: true });

  const wary = connect({ ...to, tls: {}, maxRetriesPerRequest: 0 });
  const stranger = new CouponIssuer({ redis: wary, persistence: book });
  onTestFinished(() => stranger.close());
  await expect(stranger.campaign('launch').userStatus({ userId: 'kim' })).rejects.toMatchObject({ code: 'REDIS' });
  const plain = connect({ ...to, maxRetriesPerRequest: 0 });
  await expect(plain.ping()).rejects.toThrow();
});

test('PostgreSQL over TLS saves, and a client that does not trust it saves nothing for certain', async () => {
  const certificate = await own(new Certificate());
  const { uid, gid } = serverUser();
  certificate.giveTo(uid, gid);
  const files = [`ssl_cert_file=${certificate.file}`, `ssl_key_file=${certificate.key}`];
  const postgres = await own(PostgresServer.start({ settings: ['ssl=on', ...files] }));
  const server = await own(RedisServer.start());
  const pool = postgres.pool({ ssl: { ca: certificate.ca } });
  const persistence = new PostgresPersistence(pool);
  await persistence.createTable();
  await sell(server.client(), persistence);
  const secure = 'SELECT bool_and(ssl) AS secure FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)';
  const { rows } = await pool.query(`${secure} WHERE client_addr IS NOT NULL`);
  expect(rows[0]).toEqual({ secure: true });

  await issuerOf(server, persistence).campaign('second').open({ stock: STOCK });
  const wary = issuerOf(server, new PostgresPersistence(postgres.pool({ ssl: {} })));
  await expect(wary.campaign('third').open({ stock: STOCK })).rejects.toThrow('DEPTH_ZERO_SELF_SIGNED_CERT');
  await expect(wary.campaign('second').issue({ userId: 'kim' })).rejects.toMatchObject({ code: 'NOT_ISSUED' });
  expect(await wary.campaign('second').inspect()).toMatchObject({ available: 20, reserved: 0 });
});
