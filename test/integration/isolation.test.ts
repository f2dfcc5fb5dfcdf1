import type { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  CouponIssuer,
  type CouponIssuerOptions,
  type Issuance,
  MemoryPersistence,
  type PersistenceAdapter,
  type SaveVerdict,
} from '../../src/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { until } from '../support/checks/until.js';
import { Database } from '../support/servers/database.js';
import { RedisServer } from '../support/servers/redis-server.js';

let server: RedisServer;
let redis: Redis;
let issuers: CouponIssuer[];
let campaigns = 0;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(() => {
  issuers = [];
});
afterEach(async () => void (await Promise.all(issuers.map((issuer) => issuer.close()))));

/** A database that holds the saves of campaigns that the test names, until the test lets go of them. */
class Gate implements PersistenceAdapter {
  readonly memory = new MemoryPersistence();
  readonly held = new Set<string>();
  /** The campaigns of each save. */
  readonly saves: Set<string>[] = [];
  readonly #waiting: (() => void)[] = [];
  mostHeld = 0;
  #heldNow = 0;

  async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
    this.saves.push(new Set(issuances.map(({ campaignId }) => campaignId)));
    if (issuances.some(({ campaignId }) => this.held.has(campaignId))) {
      this.mostHeld = Math.max(this.mostHeld, ++this.#heldNow);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
      this.#heldNow--;
    }
    return this.memory.save(issuances);
  }

  /** Those that are held fail as a lost connection does: nobody knows whether they are stored. */
  letGo(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  list(campaignId: string, options: { afterSerial: number; limit: number }) {
    return this.memory.list(campaignId, options);
  }
}

async function issuerOf(ids: readonly string[], options: Partial<CouponIssuerOptions>): Promise<CouponIssuer> {
  const issuer = new CouponIssuer({ redis, ...options });
  issuers.push(issuer);
  for (const id of ids) await issuer.campaign(id).open({ stock: { kind: 'unlimited' } });
  return issuer;
}

const named = (count: number) => Array.from({ length: count }, () => `isolated-${++campaigns}`);
const statusOf = (issuer: CouponIssuer, campaignId: string, user: number | string) =>
  issuer
    .campaign(campaignId)
    .issue({ userId: `user-${user}` })
    .then(({ status }) => status);

test('4,000 calls over 200 campaigns are saved by few saves, which the campaigns share', async () => {
  const ids = named(200);
  const persistence = new Gate();
  const issuer = await issuerOf(ids, { persistence });
  const calls = Array.from({ length: 4_000 }, (_, i) => statusOf(issuer, ids[i % 200]!, i));
  expect(new Set(await Promise.all(calls))).toEqual(new Set(['issued']));
  expect(persistence.saves.length).toBeLessThan(30);
});

test('while saves of a campaign hang, the others are issued as before; once they end it goes on with the others', async () => {
  const [sick, well] = named(2) as [string, string];
  const persistence = new Gate();
  const issuer = await issuerOf([sick, well], { persistence, timeoutMs: 500, leaseMs: 1_000 });
  expect(await statusOf(issuer, well, 0)).toBe('issued');
  persistence.held.add(sick);
  const hanging = Array.from({ length: 20 }, (_, i) => statusOf(issuer, sick, i));
  expect(new Set(await Promise.all(hanging))).toEqual(new Set(['accepted']));
  // From now on it is set apart. More than the room for one campaign is asked for.
  persistence.letGo();
  persistence.mostHeld = 0;
  const more = Array.from({ length: 1_200 }, (_, i) => statusOf(issuer, sick, `more-${i}`));
  await until(async () => persistence.waiting > 0);
  for (let i = 1; i <= 50; i++) expect(await statusOf(issuer, well, i)).toBe('issued');
  expect(persistence.waiting).toBe(1);
  expect(persistence.mostHeld).toBe(1);
  persistence.held.clear();
  persistence.letGo();
  await Promise.all(more);
  const before = persistence.saves.length;
  const both = await Promise.all([statusOf(issuer, sick, 'last'), statusOf(issuer, well, 'last')]);
  expect(both).toEqual(['issued', 'issued']);
  const after = persistence.saves.slice(before);
  expect(after.flatMap((ids) => [...ids]).toSorted()).toEqual([sick, well].toSorted());
  await issuer.idle();
  expect(await issuer.campaign(well).inspect()).toMatchObject({ issued: 52, reserved: 0 });
});

test('while a lock lets each statement of one campaign fail, the others are issued', async () => {
  const [sick, well] = named(2) as [string, string];
  const database = await Database.create();
  const pool = new pg.Pool({ connectionString: database.url, options: '-c lock_timeout=100' });
  const persistence = new PostgresPersistence(pool);
  await persistence.createTable();
  const holder = await database.pool.connect();
  try {
    const issuer = await issuerOf([sick, well], { persistence });
    await holder.query('BEGIN');
    await holder.query(`INSERT INTO coupon_issuances VALUES ($1, 1, 'somebody', 1, 'an-id', NULL, now(), 'an-epoch')`, [
      sick,
    ]);
    const both = async (user: number) => {
      const calls = [sick, well].map((id) => statusOf(issuer, id, user));
      return (await Promise.allSettled(calls)).map((call) =>
        call.status === 'rejected' ? call.reason.code : call.value,
      );
    };
    // On a busy machine the two may not meet in one batch. It fails with the locked row in either case.
    expect((await both(0))[0]).toBe('NOT_ISSUED');
    for (let user = 1; user <= 3; user++) expect(await both(user)).toEqual(['NOT_ISSUED', 'issued']);
    await holder.query('ROLLBACK');
    expect(await both(4)).toEqual(['issued', 'issued']);
    await issuer.idle();
  } finally {
    holder.release();
    await pool.end();
    await database.stop();
  }
});

test('while deliveries of a campaign hang, the others are delivered', async () => {
  const [slow, quick] = named(2) as [string, string];
  const ends: (() => void)[] = [];
  const deliver = ({ campaignId }: Issuance) =>
    campaignId === slow ? new Promise<void>((resolve) => ends.push(resolve)) : Promise.resolve();
  const issuer = await issuerOf([slow, quick], { persistence: new MemoryPersistence(), deliver, maxDeliveries: 8 });
  const hanging = Array.from({ length: 60 }, (_, i) => statusOf(issuer, slow, i));
  await until(async () => ends.length === 7);
  for (let i = 0; i < 20; i++) expect(await statusOf(issuer, quick, i)).toBe('issued');
  const letGo = setInterval(() => {
    for (const end of ends.splice(0)) end();
  });
  expect(new Set(await Promise.all(hanging))).toEqual(new Set(['issued']));
  clearInterval(letGo);
});

test('a worker whose settling of one campaign hangs goes on with the others', async () => {
  const [sick, well] = named(2) as [string, string];
  const persistence = new Gate();
  const issuer = await issuerOf([], { persistence });
  for (const id of [sick, well]) {
    await issuer.campaign(id).open({ stock: { kind: 'unlimited' }, saveMode: 'write-behind' });
  }
  persistence.held.add(sick);
  expect(await statusOf(issuer, sick, 0)).toBe('accepted');
  const worker = issuer.startWorker({ intervalMs: 5, campaigns: [sick, well] });
  await until(() => persistence.waiting === 1);
  // Each is accepted after the one before was settled, so no single look of the worker finds all of them.
  const issued: number[] = [];
  for (const user of [1, 2, 3]) {
    expect(await statusOf(issuer, well, user)).toBe('accepted');
    const isSettled = async () => (await issuer.campaign(well).inspect()).reserved === 0;
    if (await until(isSettled, 8_000).catch(() => 'hangs')) break;
    issued.push(user);
  }
  expect(issued).toEqual([1, 2, 3]);
  expect(persistence.waiting).toBe(1);
  persistence.letGo();
  await worker.stop();
  await issuer.campaign(sick).settle();
  expect(await issuer.campaign(sick).inspect()).toMatchObject({ reserved: 0, issued: 1 });
});
