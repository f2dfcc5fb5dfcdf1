import { Redis as Redis5 } from 'ioredis';
import { Redis as Redis6 } from 'ioredis-v6';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CouponIssuer, generateCodes, type IssueResult, NotDeliveredError, NotIssuedError } from '../../src/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { checkInvariants, expireLeases } from '../support/checks/invariants.js';
import { seeded } from '../support/checks/random.js';
import { Database, rowsOf } from '../support/servers/database.js';
import { RedisServer } from '../support/servers/redis-server.js';

const TOTAL = 1000;
const BUYERS = 1500;
const RUNS = 20;
const FIRST_SEED = Number(process.env.SEED ?? 20_261);

let server: RedisServer;
let database: Database;
let persistence: PostgresPersistence;
beforeAll(async () => {
  [server, database] = await Promise.all([RedisServer.start(), Database.create()]);
  persistence = new PostgresPersistence(database.pool);
  await persistence.createTable();
});
afterAll(async () => {
  await Promise.all([server.stop(), database.stop()]);
});

const clients = {
  'ioredis 5': () => new Redis5(server.port, '127.0.0.1'),
  'ioredis 6': () => new Redis6(server.port, '127.0.0.1'),
  'ioredis 6 with replies mapped as RESP3': () => new Redis6(server.port, '127.0.0.1', { replyMapping: 'resp3' }),
};

test.each(Object.entries(clients))(
  '1,500 buyers of 1,000 codes on %s: exactly 1,000 are issued and 500 are told sold_out',
  async (name, connect) => {
    const redis = connect();
    const campaignId = name.replaceAll(' ', '-');
    const exhausted: string[] = [];
    const issuer = new CouponIssuer({
      redis,
      persistence,
      onEvent: (event) => {
        if (event.type === 'exhausted') exhausted.push(event.campaignId);
      },
    });
    await issuer.campaign(campaignId).open({ stock: { kind: 'codes' } });
    await issuer.campaign(campaignId).loadCodes(generateCodes({ count: TOTAL }));
    const results = await Promise.all(users().map((userId) => issuer.campaign(campaignId).issue({ userId })));
    await issuer.idle();
    expect(countByStatus(results)).toEqual({ issued: TOTAL, sold_out: BUYERS - TOTAL });
    expect(exhausted).toEqual([campaignId]);
    expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ available: 0, reserved: 0, issued: TOTAL });
    expect(await issuer.settle()).toEqual({ settled: 0, pending: 0, failed: 0 });
    const rows = await rowsOf(database, campaignId);
    expect(await issuer.campaign(campaignId).userStatus({ userId: rows[0]!.userId })).toMatchObject({
      issuances: [{ code: rows[0]!.code }],
    });
    await checkInvariants({ redis: server.client(), campaignId, rows, settled: true });
    redis.disconnect();
  },
);

test(`with an external API that fails one time in ten, ${RUNS} seeded runs each issue exactly 1,000`, async () => {
  const redis = server.client();
  for (let run = 0; run < RUNS; run++) await experiment(redis, FIRST_SEED + run);
});

async function experiment(redis: ReturnType<RedisServer['client']>, seed: number): Promise<void> {
  const random = seeded(seed);
  const campaignId = `run-${seed}`;
  const holders = new Map<string, Set<string>>();
  let failures = 0;
  const issuer = new CouponIssuer({
    redis,
    persistence,
    maxDeliveries: 200,
    deliver: ({ code, userId }) => {
      const luck = random();
      if (luck < 0.05) {
        failures++;
        throw new NotDeliveredError('the partner said no');
      }
      holders.set(code!, (holders.get(code!) ?? new Set()).add(userId));
      if (luck < 0.1) {
        failures++;
        throw new Error('the partner did not answer');
      }
    },
  });
  await issuer.campaign(campaignId).open({ stock: { kind: 'codes' } });
  await issuer.campaign(campaignId).loadCodes(generateCodes({ count: TOTAL }));

  const told = new Map<string, IssueResult>();
  let asking = users();
  for (let round = 0; asking.length > 0 && round < 50; round++) {
    const again: string[] = [];
    await Promise.all(
      asking.map(async (userId) => {
        try {
          const result = await issuer.campaign(campaignId).issue({ userId, requestId: `buyer-${userId}` });
          told.set(userId, result);
          if (result.status === 'accepted') again.push(userId);
        } catch (error) {
          if (!(error instanceof NotIssuedError)) throw error;
          again.push(userId);
        }
      }),
    );
    asking = again;
  }
  // Some were told sold_out while units were on their way back: those units are there for whoever asks now.
  for (const [userId, result] of told) {
    if ((await issuer.campaign(campaignId).inspect()).available === 0) break;
    if (result.status !== 'sold_out') continue;
    for (let attempt = 0; attempt < 50; attempt++) {
      const late = await issuer
        .campaign(campaignId)
        .issue({ userId, requestId: 'late' })
        .catch((error: unknown) => {
          if (error instanceof NotIssuedError) return null;
          throw error;
        });
      if (late) told.set(userId, late);
      if (late?.status === 'issued') break;
    }
  }
  for (let pass = 0; pass < 50 && (await expireLeases(redis, campaignId)) > 0; pass++)
    await issuer.campaign(campaignId).settle();
  await issuer.idle();

  const rows = await rowsOf(database, campaignId);
  const context = `seed ${seed}`;
  expect(failures, context).toBeGreaterThan(0);
  expect(rows.length, context).toBe(TOTAL);
  expect(new Set(rows.map((row) => row.code)).size, context).toBe(TOTAL);
  expect(new Set(rows.map((row) => row.userId)).size, context).toBe(TOTAL);
  expect([...holders.values()].filter((users) => users.size > 1).length, `${context}: no code delivered to two`).toBe(
    0,
  );
  expect(countByStatus([...told.values()]).sold_out, context).toBe(BUYERS - TOTAL);
  expect(await issuer.campaign(campaignId).inspect(), context).toMatchObject({
    available: 0,
    reserved: 0,
    issued: TOTAL,
  });
  const byUser = new Map(rows.map((row) => [row.userId, row]));
  for (const [userId, result] of told) {
    if (result.status !== 'issued') continue;
    expect(byUser.get(userId), context).toMatchObject({ serial: result.issuance.serial, code: result.issuance.code });
  }
  await checkInvariants({ redis, campaignId, rows, settled: true });
}

function users(): string[] {
  return Array.from({ length: BUYERS }, (_, i) => `user-${i}`);
}

function countByStatus(results: readonly IssueResult[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status } of results) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}
