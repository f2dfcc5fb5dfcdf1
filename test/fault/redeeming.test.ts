import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type CouponEvent, CouponIssuer } from '../../src/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { Actor, type Call } from '../support/actors/actor.js';
import { own } from '../support/checks/own.js';
import { seeded } from '../support/checks/random.js';
import { Database } from '../support/servers/database.js';
import { LossyProxy } from '../support/servers/proxy.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { SEED } from '../unit/support.js';

const PROCESSES = 4;
const ROUNDS = 50;
const ORDERS = 100;

let server: RedisServer;
let database: Database;
let persistence: PostgresPersistence;
let issuer: CouponIssuer;
let campaigns = 0;
let id: string;
beforeAll(async () => {
  [server, database] = await Promise.all([RedisServer.start(), Database.create()]);
  persistence = new PostgresPersistence(database.pool);
  await persistence.createTable();
  issuer = new CouponIssuer({ redis: server.client(), persistence });
});
afterAll(() => Promise.all([server.stop(), database.stop()]));
beforeEach(async () => {
  id = `redeem-${++campaigns}`;
  await issuer.campaign(id).open({ stock: { kind: 'counted', total: 100, generateCodes: true } });
});

const start = (config: Partial<Parameters<typeof Actor.start>[0]> = {}) =>
  Actor.start({ redisPort: server.port, postgresUrl: database.url, ...config });

/** A new coupon of this user. */
async function couponOf(userId: string) {
  const result = await issuer.campaign(id).issue({ userId });
  if (result.status !== 'issued') throw new Error(result.status);
  return { userId, code: result.issuance.code! };
}

/** The redemption that the row has, by a query of the test's own. */
async function redemptionOf({ code }: { code: string }): Promise<{ state: string; by: string | null }> {
  const { rows } = await database.pool.query('SELECT state, state_by AS by FROM coupon_issuances WHERE code = $1', [
    code,
  ]);
  return rows[0] as { state: string; by: string | null };
}

/** How often the row was changed. */
async function changesOf({ code }: { code: string }): Promise<number> {
  const { rows } = await database.pool.query('SELECT version FROM coupon_issuances WHERE code = $1', [code]);
  return rows[0].version;
}

test(`of ${ORDERS} orders in ${PROCESSES} processes that want one coupon at once exactly one gets it, in ${ROUNDS} rounds (seed ${SEED})`, async () => {
  const random = seeded(SEED);
  const actors = await Promise.all(Array.from({ length: PROCESSES }, () => start()));
  for (let round = 0; round < ROUNDS; round++) {
    const coupon = await couponOf(`user-${round}`);
    const orders = Array.from({ length: ORDERS }, (_, i) => ({
      order: `order-${i}`,
      at: Math.floor(random() * PROCESSES),
    }));
    const ask = async () => {
      const told = await Promise.all(
        actors.map(async (actor, at) => {
          const own = orders.filter((one) => one.at === at);
          actor.order({ calls: own.map(({ order }): Call => ['redeem', id, { ...coupon, redemptionId: order }]) });
          const outcomes = await actor.reaches('done');
          return own.map(({ order }, i) => ({
            order,
            status: (outcomes[i] as { result: { status: string } }).result.status,
          }));
        }),
      );
      return told.flat().sort((a, b) => a.order.localeCompare(b.order));
    };
    const told = await ask();
    const winners = told.filter(({ status }) => status === 'redeemed');
    expect(winners).toHaveLength(1);
    expect(told.filter(({ status }) => status === 'already_redeemed')).toHaveLength(ORDERS - 1);
    expect(await redemptionOf(coupon)).toEqual({ state: 'redeemed', by: winners[0]!.order });
    if (round % 10 === 0) expect(await ask(), 'each answer stays true').toEqual(told);
  }
  for (const actor of actors) expect(await actor.kill()).toBe('SIGKILL');
});

describe('a process killed', () => {
  test.each([
    ['before', 'issued'],
    ['after', 'redeemed'],
  ] as const)('%s its change leaves the coupon %s, and the same order redeems it', async (when, left) => {
    const coupon = await couponOf('ann');
    const request = { ...coupon, redemptionId: 'order-1' };
    const actor = await start({ holdAt: { point: `${when} change` } });
    actor.order({ calls: [['redeem', id, request]] });
    await actor.reaches(`${when} change`);
    expect(await actor.kill()).toBe('SIGKILL');
    expect((await redemptionOf(coupon)).state).toBe(left);
    const launch = issuer.campaign(id);
    expect(await launch.redeem(request)).toMatchObject({
      status: 'redeemed',
      ...(when === 'after' && { replayed: true }),
    });
    expect(await launch.redeem({ ...coupon, redemptionId: 'order-2' })).toMatchObject({ status: 'already_redeemed' });
  });

  test('before its change, which arrives after the order was given up, redeems nothing', async () => {
    const coupon = await couponOf('ann');
    const actor = await start({ holdAt: { point: 'before change' } });
    actor.order({ calls: [['redeem', id, { ...coupon, redemptionId: 'late' }]] });
    await actor.reaches('before change');
    expect(await issuer.campaign(id).unredeem({ code: coupon.code, redemptionId: 'late' })).toMatchObject({
      status: 'not_redeemed',
    });
    actor.goOn();
    const [outcome] = await actor.reaches('done');
    expect(outcome).toMatchObject({ result: { status: 'redemption_undone' } });
    expect(await redemptionOf(coupon)).toEqual({ state: 'issued', by: null });
    await actor.kill();
  });
});

test('a coupon that its shop holds in a transaction delays no other one, and goes alone', async () => {
  const coupons = await Promise.all(Array.from({ length: 50 }, (_, i) => couponOf(`user-${i}`)));
  const shop = await database.pool.connect();
  try {
    await shop.query('BEGIN');
    await shop.query('SELECT FROM coupon_issuances WHERE code = $1 FOR UPDATE', [coupons[7]!.code]);
    const redeems = coupons.map((coupon) =>
      issuer.campaign(id).redeem({ ...coupon, redemptionId: `order of ${coupon.userId}` }),
    );
    const others = await Promise.all(redeems.filter((_, i) => i !== 7));
    expect(new Set(others.map(({ status }) => status))).toEqual(new Set(['redeemed']));
    await shop.query('COMMIT');
    expect(await redeems[7]).toMatchObject({ status: 'redeemed' });
  } finally {
    shop.release();
  }
});

describe.each([
  ['is lost with its connection', 'lost'],
  ['ends in the middle', 'cut'],
] as const)('the reply to a change that committed %s', (_, injected) => {
  /** A process that loses the reply to its next change, and its events. */
  async function losing() {
    const proxy = await own(LossyProxy.start(Number(new URL(database.url).port)));
    const url = new URL(database.url);
    url.port = String(proxy.port);
    const pool = new pg.Pool({ connectionString: url.href });
    pool.on('error', () => {});
    await own({ stop: () => pool.end() });
    const events: CouponEvent[] = [];
    const options = { redis: server.client(), persistence: new PostgresPersistence(pool) };
    const launch = new CouponIssuer({ ...options, onEvent: (event) => events.push(event) }).campaign(id);
    const change = 'UPDATE "coupon_issuances"';
    if (injected === 'lost') proxy.loseReplyTo(change);
    else proxy.cutReplyTo(change, 20);
    return { launch, events, proxy };
  }

  test('is found in the row: the coupon is redeemed, and told so, once', async () => {
    const coupon = await couponOf('ann');
    const { launch, events, proxy } = await losing();
    const told = await launch.redeem({ ...coupon, redemptionId: 'order-1' });
    expect(proxy.injected[injected]).toBe(1);
    expect(told).toEqual({ status: 'redeemed', coupon: expect.objectContaining({ redemptionId: 'order-1' }) });
    expect(events.map(({ type }) => type)).toEqual(['redeemed']);
    expect(await changesOf(coupon)).toBe(1);
    expect(await launch.redeem({ ...coupon, redemptionId: 'order-2' })).toMatchObject({ status: 'already_redeemed' });
    expect(await redemptionOf(coupon)).toEqual({ state: 'redeemed', by: 'order-1' });
  });

  test('is found in the row: the order is given up once', async () => {
    const coupon = await couponOf('ann');
    await issuer.campaign(id).redeem({ ...coupon, redemptionId: 'order-1' });
    const { launch, events, proxy } = await losing();
    const told = await launch.unredeem({ code: coupon.code, redemptionId: 'order-1' });
    expect(proxy.injected[injected]).toBe(1);
    expect(told).toMatchObject({ status: 'unredeemed' });
    expect(events.map(({ type }) => type)).toEqual(['unredeemed']);
    expect(await changesOf(coupon)).toBe(2);
    expect(await redemptionOf(coupon)).toEqual({ state: 'issued', by: null });
  });
});
