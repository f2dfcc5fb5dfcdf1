import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type CampaignDefinition,
  type CouponEvent,
  CouponIssuer,
  type Issuance,
  MemoryPersistence,
  MisconfiguredError,
  type PersistenceAdapter,
  PersistenceError,
  type RedeemRequest,
} from '../../src/index.js';
import { MysqlPersistence } from '../../src/persistence/mysql/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { fails, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { Database } from '../support/servers/database.js';
import { Mariadb } from '../support/servers/mariadb.js';
import { RedisServer } from '../support/servers/redis-server.js';

const STOCK = { stock: { kind: 'counted', total: 100, generateCodes: true } } as const;
let server: RedisServer;
let postgres: Database;
let mariadb: Mariadb;
let campaigns = 0;
let id: string;
beforeAll(async () => {
  [server, postgres, mariadb] = await Promise.all([RedisServer.start(), Database.create(), Mariadb.start()]);
});
afterAll(() => Promise.all([server.stop(), postgres.stop(), mariadb.stop()]));
beforeEach(() => {
  id = `redeem-${++campaigns}`;
});

/** An issuer, its events, and a coupon of kim. */
async function scene(persistence: PersistenceAdapter) {
  const events: CouponEvent[] = [];
  const issuer = new CouponIssuer({ redis: server.client(), persistence, onEvent: (event) => events.push(event) });
  const launch = issuer.campaign(id);
  await launch.open(STOCK);
  const issue = async (userId = 'kim') => {
    const result = await launch.issue({ userId });
    if (result.status !== 'issued') throw new Error(result.status);
    return { userId, code: result.issuance.code!, id: result.issuance.id };
  };
  const coupon = await issue();
  events.length = 0;
  return { issuer, launch, issue, coupon, events };
}

/** Leaves a rebuild half done. */
async function stopRebuild(memory: MemoryPersistence, definition: CampaignDefinition) {
  const list = () => Promise.reject(new Error('away'));
  const save = memory.save.bind(memory);
  const failing = Object.assign(Object.create(memory) as MemoryPersistence, { save, list });
  const issuer = new CouponIssuer({ redis: server.client(), persistence: failing });
  await expect(issuer.campaign(id).rebuild(definition)).rejects.toThrow('list');
}

describe.each(['memory', 'PostgreSQL', 'MariaDB'])('in %s a coupon', (database) => {
  let persistence: PersistenceAdapter;
  beforeAll(async () => {
    if (database === 'memory') persistence = new MemoryPersistence();
    else {
      const made = database === 'MariaDB' ? new MysqlPersistence(mariadb.pool) : new PostgresPersistence(postgres.pool);
      await made.createTable();
      persistence = made;
    }
  });

  test('is redeemed once, and a repeat finds its own answer', async () => {
    const { launch, coupon, events } = await scene(persistence);
    const { userId, code } = coupon;
    const first = await launch.redeem({ userId, code, redemptionId: 'order-1' });
    expect(first).toMatchObject({ status: 'redeemed', coupon: { code, state: 'redeemed', redemptionId: 'order-1' } });
    const { redeemedAt } = (first as { coupon: { redeemedAt: Date } }).coupon;
    expect(await launch.redeem({ userId, id: coupon.id, redemptionId: 'order-1' })).toEqual({
      ...first,
      replayed: true,
    });
    const other = await launch.redeem({ userId, code, redemptionId: 'order-2' });
    expect(other).toEqual({ status: 'already_redeemed', redeemedAt });
    expect(events).toEqual([{ type: 'redeemed', campaignId: id, userId, id: coupon.id, grant: 1, serial: 1 }]);
  });

  test('of another user is not found, unless any caller with the code may have it', async () => {
    const { launch, coupon } = await scene(persistence);
    const { code } = coupon;
    expect(await launch.redeem({ userId: 'lee', code, redemptionId: 'o' })).toEqual({ status: 'not_found' });
    expect(await launch.redeem({ userId: 'lee', id: coupon.id, redemptionId: 'o' })).toEqual({ status: 'not_found' });
    expect(await launch.redeem({ code: 'NONE', bearer: true, redemptionId: 'o' })).toEqual({ status: 'not_found' });
    expect(await launch.redeem({ code, bearer: true, redemptionId: 'o' })).toMatchObject({ status: 'redeemed' });
  });

  test('whose payment failed is given back, and another order redeems it', async () => {
    const { launch, coupon } = await scene(persistence);
    const { userId, code } = coupon;
    await launch.redeem({ userId, code, redemptionId: 'order-1' });
    expect(await launch.unredeem({ code, redemptionId: 'order-1' })).toMatchObject({
      status: 'unredeemed',
      coupon: { state: 'issued' },
    });
    expect(await launch.redeem({ userId, code, redemptionId: 'order-1' })).toEqual({ status: 'redemption_undone' });
    expect(await launch.redeem({ userId, code, redemptionId: 'order-2' })).toMatchObject({ status: 'redeemed' });
    expect(await launch.unredeem({ code, redemptionId: 'order-1' })).toMatchObject({
      status: 'unredeemed',
      coupon: { state: 'redeemed' },
    });
    expect(await launch.redeem({ userId, code, redemptionId: 'order-3' })).toMatchObject({
      status: 'already_redeemed',
    });
  });

  test('is not redeemed by an order that was given up before', async () => {
    const { launch, coupon } = await scene(persistence);
    const { userId, code } = coupon;
    expect(await launch.unredeem({ code, redemptionId: 'late' })).toMatchObject({ status: 'not_redeemed' });
    expect(await launch.redeem({ userId, code, redemptionId: 'late' })).toEqual({ status: 'redemption_undone' });
  });

  test('tells no call the id of the redemption of another order', async () => {
    const { launch, coupon } = await scene(persistence);
    const { userId, code } = coupon;
    const own = await launch.redeem({ userId, code, redemptionId: 'order-1' });
    expect(own).toMatchObject({ coupon: { redemptionId: 'order-1' } });
    await launch.unredeem({ code, redemptionId: 'order-1' });
    await launch.redeem({ userId, code, redemptionId: 'secret-order' });
    const expiresAt = new Date(Date.now() + 3_600_000);
    const others = [
      await launch.redeem({ userId, code, redemptionId: 'order-1' }),
      await launch.redeem({ userId, code, redemptionId: 'order-3' }),
      await launch.unredeem({ code, redemptionId: 'order-1' }),
      await launch.unredeem({ code, redemptionId: 'order-4' }),
      await launch.extend({ code, expiresAt }),
      await launch.revoke({ code, revocationId: 'R' }),
    ];
    expect(JSON.stringify(others)).not.toContain('secret-order');
  });

  test('is redeemed after Redis has lost everything', async () => {
    const { launch, coupon } = await scene(persistence);
    await server.client().flushall();
    const request = { userId: coupon.userId, code: coupon.code, redemptionId: 'order-1' };
    expect(await launch.redeem(request)).toMatchObject({ status: 'redeemed' });
    const unsaid = { code: 'NOT_READY', reason: 'missing' };
    await expect(launch.redeem({ ...request, code: 'NONE' })).rejects.toMatchObject(unsaid);
  });

  test('is in the box of its user at once, also if its campaign is a new one', async () => {
    const { issuer, coupon } = await scene(persistence);
    expect(await issuer.coupons({ userId: 'box' })).toEqual([]);
    const second = issuer.campaign(`${id}-new`);
    await second.open(STOCK);
    const { issuance } = (await second.issue({ userId: 'box' })) as { issuance: Issuance };
    expect(await issuer.coupons({ userId: 'box' })).toMatchObject([{ campaignId: `${id}-new`, id: issuance.id }]);
    expect(await issuer.findByCode({ code: coupon.code })).toMatchObject([{ campaignId: id, userId: 'kim' }]);
  });

  test('that 40 orders want at once goes to one of them, and each other one is told so for good', async () => {
    const { issuer, launch, coupon } = await scene(persistence);
    const rival = new CouponIssuer({ redis: server.client(), persistence });
    const { userId, code } = coupon;
    const orders = Array.from({ length: 40 }, (_, i) => `order-${i}`);
    const redeemBy = (redemptionId: string, i: number) =>
      (i % 2 ? rival.campaign(id) : launch).redeem({ userId, code, redemptionId });
    const told = await Promise.all(orders.map(redeemBy));
    expect(told.filter(({ status }) => status === 'redeemed')).toHaveLength(1);
    expect(told.filter(({ status }) => status === 'already_redeemed')).toHaveLength(39);
    expect((await Promise.all(orders.map(redeemBy))).map(({ status }) => status)).toEqual(
      told.map(({ status }) => status),
    );
    await Promise.all([issuer.close(), rival.close()]);
  });

  test('that many users redeem at once is redeemed for each of them', async () => {
    const { launch, issue } = await scene(persistence);
    const coupons = await Promise.all(Array.from({ length: 60 }, (_, i) => issue(`user-${i}`)));
    const told = await Promise.all(
      coupons.map(({ userId, code }) => launch.redeem({ userId, code, redemptionId: `order of ${userId}` })),
    );
    expect(new Set(told.map(({ status }) => status))).toEqual(new Set(['redeemed']));
  });
});

describe('without a row', () => {
  test('a coupon that is reserved is not saved yet, and one that nobody has is not found', async () => {
    const persistence = Object.assign(new ScriptedPersistence(), {
      look: async (refs: readonly unknown[]) => refs.map(() => null),
      change: async (changes: readonly unknown[]) => changes.map(() => ({ changed: false, row: null })),
    });
    const issuer = new CouponIssuer({ redis: server.client(), persistence });
    const launch = issuer.campaign(id);
    await launch.open(STOCK);
    persistence.next(fails(new Error('cut')), fails(new Error('cut')));
    const result = await launch.issue({ userId: 'kim' });
    expect(result.status).toBe('accepted');
    const { issuance } = result as { issuance: Issuance };
    const request = { userId: 'kim', id: issuance.id, redemptionId: 'o' };
    expect(await launch.redeem(request)).toEqual({ status: 'not_saved_yet', retryAfterMs: 30_000 });
    const hasty = new CouponIssuer({ redis: server.client(), persistence, leaseMs: 20_000 });
    expect(await hasty.campaign(id).redeem(request)).toEqual({ status: 'not_saved_yet', retryAfterMs: 30_000 });
    expect(await launch.redeem({ ...request, userId: 'lee' })).toEqual({ status: 'not_found' });
    expect(await launch.redeem({ ...request, id: 'another' })).toEqual({ status: 'not_found' });
  });

  test('a coupon that is reserved is known by its code, and a wrong code is not found', async () => {
    const persistence = new ScriptedPersistence();
    const codes: string[] = [];
    const deliver = async ({ code }: Issuance) => void codes.push(code!);
    const launch = new CouponIssuer({ redis: server.client(), persistence, deliver }).campaign(id);
    await launch.open(STOCK);
    persistence.next(fails(new Error('cut')), fails(new Error('cut')));
    expect(await launch.issue({ userId: 'kim' })).toMatchObject({ status: 'accepted', issuance: { code: null } });
    const request = { userId: 'kim', code: codes[0]!, redemptionId: 'o' };
    expect(await launch.redeem(request)).toEqual({ status: 'not_saved_yet', retryAfterMs: 30_000 });
    expect(await launch.redeem({ ...request, code: 'NONE' })).toEqual({ status: 'not_found' });
    expect(await launch.userStatus({ userId: 'kim' })).toMatchObject({ issuances: [{ code: null }] });
  });

  test.each(['code', 'id'] as const)(
    'a coupon that is saved after the statement is not saved yet, by its %s',
    async (by) => {
      const persistence = new ScriptedPersistence();
      let coupon = { id: '', code: '' };
      const deliver = async ({ id: own, code }: Issuance) => {
        coupon = { id: own, code: code! };
      };
      const issuer = new CouponIssuer({ redis: server.client(), persistence, deliver });
      await issuer.campaign(id).open(STOCK);
      const release = persistence.hold();
      const saving = persistence.reached();
      const issuing = issuer.campaign(id).issue({ userId: 'kim' });
      await saving;
      const change = async (...args: Parameters<ScriptedPersistence['change']>) => {
        const verdicts = await persistence.change(...args);
        release();
        await issuing;
        await issuer.idle();
        return verdicts;
      };
      const late = Object.assign(Object.create(persistence) as ScriptedPersistence, {
        change,
        save: persistence.save.bind(persistence),
      });
      const shop = new CouponIssuer({ redis: server.client(), persistence: late, deliver }).campaign(id);
      const named = by === 'code' ? { code: coupon.code } : { id: coupon.id };
      const request = { userId: 'kim', redemptionId: 'o', ...named } as RedeemRequest;
      expect(await shop.redeem(request)).toMatchObject({ status: 'not_saved_yet' });
      expect(await shop.redeem(request)).toMatchObject({ status: 'redeemed' });
    },
  );

  test('a coupon is neither found nor missed while its campaign is rebuilt', async () => {
    const memory = new MemoryPersistence();
    const redis = server.client();
    const launch = new CouponIssuer({ redis, persistence: memory }).campaign(id);
    const definition = { ...STOCK, saveMode: 'write-behind' } as const;
    await launch.open(definition);
    const result = await launch.issue({ userId: 'kim' });
    const { issuance } = result as { issuance: Issuance };
    await stopRebuild(memory, definition);
    const request = { userId: 'kim', id: issuance.id, redemptionId: 'o' };
    const unsaid = { code: 'NOT_READY', reason: 'rebuilding' };
    await expect(launch.redeem(request)).rejects.toMatchObject(unsaid);
    await expect(launch.unredeem(request)).rejects.toMatchObject(unsaid);
    await launch.rebuild(definition);
    await launch.settle();
    expect(await launch.redeem(request)).toMatchObject({ status: 'redeemed' });
  });

  test('the database of an adapter that cannot change rows redeems nothing', async () => {
    const issuer = new CouponIssuer({ redis: server.client(), persistence: { save: async () => [] } });
    const redeeming = issuer.campaign(id).redeem({ userId: 'kim', code: 'A', redemptionId: 'o' });
    await expect(redeeming).rejects.toBeInstanceOf(MisconfiguredError);
  });
});

test('an error says whether something was changed, and tells neither the code nor the order', async () => {
  const memory = new MemoryPersistence();
  const lost = new Error('INSERT … ORDER-SECRET … CODE-SECRET');
  const persistence: PersistenceAdapter = {
    save: (all) => memory.save(all),
    look: (refs) => memory.look(refs),
    change: async () => {
      throw lost;
    },
  };
  const { launch, coupon, events } = await scene(persistence);
  const { userId, code } = coupon;
  const error = await launch.redeem({ userId, code, redemptionId: 'ORDER-SECRET' }).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(PersistenceError);
  expect(error).toMatchObject({ code: 'PERSISTENCE', outcome: 'unknown' });
  const shown = JSON.stringify([error, (error as Error).message, (error as Error).cause, events]);
  expect(shown).not.toMatch(/SECRET/);
  expect(shown).not.toContain(code);
});

describe('a request is refused before any I/O', () => {
  const good = { userId: 'kim', code: 'A', redemptionId: 'o' };
  test.each<[string, object, string]>([
    ['no user', { code: 'A', redemptionId: 'o' }, 'userId must be a string'],
    ['a user that is a number', { ...good, userId: 7 }, 'userId must be a string'],
    ['neither code nor id', { userId: 'kim', redemptionId: 'o' }, 'by its code, or by its id'],
    ['code and id', { ...good, id: 'x' }, 'by its code, or by its id'],
    ['no redemptionId', { userId: 'kim', code: 'A' }, 'redemptionId must be a string'],
    ['a long redemptionId', { ...good, redemptionId: 'x'.repeat(129) }, 'redemptionId must be at most 128 bytes'],
    ['a user and bearer', { ...good, bearer: true }, 'userId or bearer'],
    ['an id and bearer', { id: 'x', bearer: true, redemptionId: 'o' }, 'userId must be a string'],
    ['bearer that is not true', { ...good, bearer: 'yes' }, 'bearer must be true'],
    ['a misspelt option', { ...good, orderId: 'o' }, "has no property 'orderId'"],
  ])('%s', async (_, request, message) => {
    const issuer = new CouponIssuer({ redis: server.client(), persistence: new MemoryPersistence() });
    await expect(issuer.campaign(id).redeem(request as RedeemRequest)).rejects.toThrow(message);
  });
});
