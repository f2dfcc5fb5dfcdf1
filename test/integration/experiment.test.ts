import { afterAll, beforeAll, expect, test } from 'vitest';
import { CouponIssuer, generateCodes } from '../../src/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres.js';
import { Database } from '../support/database.js';
import { RedisServer } from '../support/redis-server.js';

let server: RedisServer;
let database: Database;
beforeAll(async () => {
  [server, database] = await Promise.all([RedisServer.start(), Database.create()]);
});
afterAll(async () => {
  await Promise.all([server.stop(), database.stop()]);
});

test('1,500 buyers of 1,000 codes: 1,000 issued, 500 sold out', async () => {
  const persistence = new PostgresPersistence(database.pool);
  await persistence.createTable();
  const events: unknown[] = [];
  const issuer = new CouponIssuer({
    redis: server.client(),
    persistence,
    onEvent: (e) => {
      if (e.type === 'fault' || e.type === 'exhausted') events.push(e);
    },
  });
  await issuer.openCampaign({ id: 'c', stock: { kind: 'codes' } });
  await issuer.loadCodes('c', generateCodes({ count: 1000 }));
  const results = await Promise.all(
    Array.from({ length: 1500 }, (_, i) => issuer.issue({ campaignId: 'c', userId: `u${i}` })),
  );
  const count: Record<string, number> = {};
  for (const r of results) count[r.status] = (count[r.status] ?? 0) + 1;
  await issuer.idle();
  expect(count).toEqual({ issued: 1000, sold_out: 500 });
  expect(await issuer.settle('c')).toEqual({ settled: 0, pending: 0, failed: 0 });
});
