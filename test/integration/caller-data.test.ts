import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  CouponIssuer,
  type CouponIssuerOptions,
  type Issuance,
  type JsonObject,
  NotDeliveredError,
  NotSavedError,
} from '../../src/index.js';
import { scripts } from '../../src/redis/scripts.js';
import { checkInvariants, expireLeases } from '../support/checks/invariants.js';
import { answers, fails, recording, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { type NamedDefinition, openNamed, quarantinedOf, rebuildNamed } from '../support/scenes/named.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { shaOf } from '../support/servers/sent.js';

const FIRST = { source: 'app', price: 12_900, tags: ['가', { deep: null }] };
const SECOND = { source: 'web' };
const USER = { userId: 'kim', requestId: 'tap' };

let server: RedisServer;
let redis: Redis;
let persistence: ScriptedPersistence;
let campaigns = 0;
let id: string;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redis.flushall();
  persistence = new ScriptedPersistence();
  id = `data-${++campaigns}`;
});

const counted = (more: Partial<NamedDefinition> = {}): NamedDefinition => ({
  id,
  stock: { kind: 'counted', total: 10 },
  ...more,
});
const issuerWith = (options: Partial<CouponIssuerOptions> = {}) => new CouponIssuer({ redis, persistence, ...options });
const key = (name: string) => `{coupon:${id}}:${name}`;
const kept = () => redis.hgetall(key('data'));
const rowsData = async () => (await persistence.rows(id)).map(({ userId, data }) => [userId, data]);
const lose = () => persistence.next(fails(new Error('cut')), fails(new Error('cut')));

/** Every reservation came to its end, and so did its data. */
async function expectNothingKept() {
  expect(await redis.exists(key('data'))).toBe(0);
  expect(Number(await redis.hget(key('campaign'), 'data'))).toBe(0);
  await checkInvariants({ redis, campaignId: id, rows: await persistence.rows(id), settled: true });
}

/** A reservation that stays, because nobody knows how its save ended. */
async function reserved(issuer: CouponIssuer, data: JsonObject | null = FIRST, request = USER) {
  lose();
  const result = await issuer.campaign(id).issue(data ? { ...request, data } : request);
  expect(result.status).toBe('accepted');
  return result;
}

async function settle(issuer: CouponIssuer) {
  await expireLeases(redis, id);
  return issuer.campaign(id).settle();
}

describe('the data of a call', () => {
  test('reaches deliver and the row, and no result', async () => {
    const delivered: Issuance[] = [];
    const issuer = issuerWith({ deliver: (issuance) => void delivered.push(issuance) });
    await openNamed(issuer, counted());
    const result = await issuer.campaign(id).issue({ ...USER, data: FIRST });
    await issuer.idle();
    expect(delivered.map(({ data }) => data)).toEqual([FIRST]);
    expect(await rowsData()).toEqual([['kim', FIRST]]);
    expect(JSON.stringify([result, await issuer.campaign(id).userStatus({ userId: 'kim' })])).not.toContain('source');
    await expectNothingKept();
  });

  test('is frozen to its depth, so no hook changes what is saved', async () => {
    const issuer = issuerWith({
      deliver: ({ data }) => {
        (data as { price: number }).price = 0;
      },
    });
    await openNamed(issuer, counted());
    await issuer.campaign(id).issue({ ...USER, data: FIRST });
    await settle(issuer);
    expect((await redis.hvals(key('data'))).concat(JSON.stringify(await rowsData())).join()).toContain('12900');
    expect((await redis.hvals(key('data'))).concat(JSON.stringify(await rowsData())).join()).not.toContain('"price":0');
  });

  test('survives a process that died between reserve and save', async () => {
    await openNamed(issuerWith(), counted());
    await reserved(issuerWith());
    expect(await kept()).toEqual({ '1:kim': JSON.stringify(FIRST) });
    const another = issuerWith();
    expect(await settle(another)).toMatchObject({ settled: 1 });
    expect(await rowsData()).toEqual([['kim', FIRST]]);
    await expectNothingKept();
  });

  test('is that of the call that took the unit, whatever a repeat brings', async () => {
    for (const first of [FIRST, null]) {
      id = `${id}-again`;
      await openNamed(issuerWith(), counted());
      await reserved(issuerWith(), first);
      const another = issuerWith();
      expect(await another.campaign(id).issue({ ...USER, data: SECOND })).toMatchObject({ status: 'issued' });
      await another.idle();
      expect(await rowsData()).toEqual([['kim', first ?? undefined]]);
      await another.campaign(id).issue({ ...USER, data: SECOND });
      expect(await rowsData()).toEqual([['kim', first ?? undefined]]);
      await expectNothingKept();
    }
  });

  test('ends with the unit that came back: the next call brings its own', async () => {
    const issuer = issuerWith();
    await openNamed(issuer, counted());
    persistence.next(fails(new NotSavedError('no')));
    await expect(issuer.campaign(id).issue({ ...USER, data: FIRST })).rejects.toThrow('is back in the stock');
    await expectNothingKept();
    expect(await issuer.campaign(id).issue({ ...USER, data: SECOND })).toMatchObject({ status: 'issued' });
    await issuer.idle();
    expect(await rowsData()).toEqual([['kim', SECOND]]);
    await expectNothingKept();
  });

  test('waits for a second call as the first one gave it', async () => {
    await openNamed(issuerWith(), counted());
    await reserved(issuerWith());
    await reserved(issuerWith(), SECOND);
    expect(await kept()).toEqual({ '1:kim': JSON.stringify(FIRST) });
    await settle(issuerWith());
    expect(await rowsData()).toEqual([['kim', FIRST]]);
    await expectNothingKept();
  });

  test('ends with a reservation for which no other unit is left', async () => {
    const issuer = issuerWith();
    await openNamed(issuer, counted({ stock: { kind: 'counted', total: 1 } }));
    persistence.next(answers({ verdict: 'serial_conflict' }));
    expect(await issuer.campaign(id).issue({ ...USER, data: FIRST })).toEqual({ status: 'sold_out' });
    expect(await redis.exists(key('data'))).toBe(0);
  });

  test('ends with a promise for which a rebuild has no unit', async () => {
    const issuer = issuerWith();
    const one = counted({ stock: { kind: 'counted', total: 1 } });
    await openNamed(issuer, one);
    await reserved(issuer);
    const row = {
      id: 'another',
      campaignId: id,
      userId: 'lee',
      grant: 1,
      serial: 1,
      code: null,
      epoch: '1-a',
    } as const;
    await persistence.memory.save([{ ...row, issuedAt: new Date(), state: 'issued' }]);
    expect((await rebuildNamed(issuer, one)).lost).toMatchObject([{ userId: 'kim' }]);
    expect(await redis.exists(key('data'))).toBe(0);
  });

  test('is not put back by a late copy of the call, before its confirm or after', async () => {
    const client = recording(redis);
    const issuer = issuerWith({ redis: client });
    await openNamed(issuer, counted());
    await reserved(issuer);
    const copy = client.calls.findLast(({ sha1 }) => sha1 === shaOf(scripts.reserve))!;
    await issuerWith()
      .campaign(id)
      .issue({ ...USER, data: SECOND });
    await copy.replay();
    await expectNothingKept();
    expect(await rowsData()).toEqual([['kim', FIRST]]);
  });

  test('goes along where Redis had forgotten another coupon of the user', async () => {
    const issuer = issuerWith();
    await openNamed(issuer, counted({ perUser: 2 }));
    const known = { campaignId: id, userId: 'kim', grant: 1, code: null, issuedAt: new Date(), epoch: '1-a' } as const;
    await persistence.memory.save([{ ...known, id: 'forgotten', serial: 9, state: 'issued' }]);
    await reserved(issuer);
    const other = issuerWith();
    expect(await other.campaign(id).issue({ ...USER, data: SECOND })).toMatchObject({ status: 'issued' });
    expect((await persistence.rows(id)).map(({ grant, data }) => [grant, data])).toEqual([
      [2, FIRST],
      [1, undefined],
    ]);
    await other.idle();
    expect(await redis.exists(key('data'))).toBe(0);
  });

  test('goes along in the same way where settle finds out', async () => {
    const issuer = issuerWith();
    await openNamed(issuer, counted({ perUser: 2 }));
    const known = { campaignId: id, userId: 'kim', grant: 1, code: null, issuedAt: new Date(), epoch: '1-a' } as const;
    await persistence.memory.save([{ ...known, id: 'forgotten', serial: 9, state: 'issued' }]);
    await reserved(issuer);
    await settle(issuer);
    expect(await kept()).toEqual({ '2:kim': JSON.stringify(FIRST) });
    await settle(issuer);
    expect((await persistence.rows(id)).map(({ grant, data }) => [grant, data])).toContainEqual([2, FIRST]);
  });

  test('is not in the answer of a call that finds its row in the database', async () => {
    const issuer = issuerWith();
    await openNamed(issuer, counted());
    await reserved(issuer);
    const [, , serial, issuedAt, own] = (await redis.hget(key('grants'), '1:kim'))!.split(':') as string[];
    const row = { id: own!, campaignId: id, userId: 'kim', grant: 1, code: null, epoch: '1-a', data: SECOND } as const;
    const unit = { serial: Number(serial) + 1, issuedAt: new Date(Number(issuedAt)), state: 'issued' } as const;
    await persistence.memory.save([{ ...row, ...unit }]);
    const other = issuerWith();
    const result = await other.campaign(id).issue(USER);
    expect(result).toMatchObject({ status: 'issued', issuance: { serial: 2 } });
    expect(result).not.toHaveProperty('issuance.data');
    await other.idle();
    expect(await redis.exists(key('data'))).toBe(0);
  });

  test('goes along to another unit', async () => {
    const issuer = issuerWith();
    await openNamed(issuer, counted());
    persistence.next(answers({ verdict: 'serial_conflict' }));
    expect(await issuer.campaign(id).issue({ ...USER, data: FIRST })).toMatchObject({ issuance: { serial: 2 } });
    await issuer.idle();
    expect(await rowsData()).toEqual([['kim', FIRST]]);
    await expectNothingKept();
  });

  test('goes into quarantine and out again', async () => {
    const issuer = issuerWith({ maxTries: 1 });
    await openNamed(issuer, counted());
    await reserved(issuer);
    persistence.next(fails(new NotSavedError('no', { permanent: true })));
    await settle(issuer);
    expect(await quarantinedOf(issuer.campaign(id))).toMatchObject([{ issuance: { userId: 'kim' } }]);
    expect(JSON.stringify(await quarantinedOf(issuer.campaign(id)))).not.toContain('source');
    expect(await issuer.campaign(id).quarantine.retry({ all: true })).toEqual({ retried: 1 });
    await settle(issuer);
    expect(await rowsData()).toEqual([['kim', FIRST]]);
    await expectNothingKept();
  });

  test('reaches recall, and ends with a unit that is withdrawn', async () => {
    const recalled: Issuance[] = [];
    const issuer = issuerWith({
      maxTries: 1,
      deliver: () => {},
      recall: (issuance) => void recalled.push(issuance),
    });
    await openNamed(issuer, counted());
    persistence.next(fails(new NotSavedError('no', { permanent: true })));
    await issuer.campaign(id).issue({ ...USER, data: FIRST });
    await issuer.idle();
    expect(await issuer.campaign(id).quarantine.withdraw({ all: true })).toEqual({ withdrawn: 1 });
    expect(recalled.map(({ data }) => data)).toEqual([FIRST]);
    expect(await redis.exists(key('data'))).toBe(0);
  });

  test('waits for the worker of write-behind', async () => {
    const issuer = issuerWith();
    await openNamed(issuer, counted({ saveMode: 'write-behind' }));
    expect(await issuer.campaign(id).issue({ ...USER, data: FIRST })).toMatchObject({ status: 'accepted' });
    expect(await issuer.campaign(id).issue({ ...USER, data: SECOND })).toMatchObject({ status: 'accepted' });
    expect(await kept()).toEqual({ '1:kim': JSON.stringify(FIRST) });
    await issuer.campaign(id).settle();
    expect(await rowsData()).toEqual([['kim', FIRST]]);
    await expectNothingKept();
  });

  test('is kept by a rebuild for those who were promised a unit, and ends with the others', async () => {
    const issuer = issuerWith();
    await openNamed(issuer, counted());
    await issuer.campaign(id).issue({ userId: 'lee', data: SECOND });
    await reserved(issuer);
    await reserved(issuer, { source: 'saved' }, { userId: 'park', requestId: 'tap' });
    // The save of this one came through after all.
    const [, , serial, issuedAt, rowId] = (await redis.hget(key('grants'), '1:park'))!.split(':');
    await persistence.memory.save([
      {
        id: rowId!,
        campaignId: id,
        userId: 'park',
        grant: 1,
        serial: Number(serial),
        code: null,
        issuedAt: new Date(Number(issuedAt)),
        epoch: '1-a',
        state: 'reserved',
        data: { source: 'saved' },
      },
    ]);
    await rebuildNamed(issuer, counted());
    expect(await kept()).toEqual({ '1:kim': JSON.stringify(FIRST) });
    await settle(issuer);
    expect(Object.fromEntries(await rowsData())).toEqual({ lee: SECOND, kim: FIRST, park: { source: 'saved' } });
    await expectNothingKept();
  });

  test('is not of a user whose state was lost as a whole', async () => {
    const issuer = issuerWith();
    await openNamed(issuer, counted());
    await reserved(issuer);
    await redis.del(key('grants'));
    await rebuildNamed(issuer, counted());
    expect(await redis.exists(key('data'))).toBe(0);
    await expectNothingKept();
  });

  test('that Redis lost is noticed, and a rebuild saves the rest without it', async () => {
    const issuer = issuerWith();
    await openNamed(issuer, counted());
    await reserved(issuer);
    await redis.del(key('data'));
    expect(await issuerWith().campaign(id).issue({ userId: 'lee' })).toEqual({
      status: 'not_ready',
      reason: 'missing',
    });
    expect((await issuer.campaign(id).inspect()).ready).toBe(false);
    await rebuildNamed(issuer, counted());
    expect(await issuerWith().campaign(id).issue({ userId: 'lee' })).toMatchObject({ status: 'issued' });
    await settle(issuer);
    expect(Object.fromEntries(await rowsData())).toEqual({ kim: undefined, lee: undefined });
  });

  test('costs no key and no field where nobody gives any', async () => {
    const issuer = issuerWith();
    await openNamed(issuer, counted());
    lose();
    await issuer.campaign(id).issue(USER);
    await issuer.campaign(id).issue({ userId: 'lee' });
    await settle(issuer);
    expect(await redis.exists(key('data'))).toBe(0);
    expect(await redis.hget(key('campaign'), 'data')).toBeNull();
  });

  test('is refused where neither deliver nor a row would get it, and nothing is reserved', async () => {
    const issuer = new CouponIssuer({ redis });
    await openNamed(issuer, counted());
    await expect(issuer.campaign(id).issue({ ...USER, data: FIRST })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      argument: 'data',
    });
    expect((await issuer.campaign(id).inspect()).issued).toBe(0);
  });
});

describe('the data of a call that joins a line', () => {
  const queued = () => counted({ admission: 'queued' });

  test('waits with the user, moves to the reservation, and reaches the row', async () => {
    const issuer = issuerWith();
    await openNamed(issuer, queued());
    const launch = issuer.campaign(id);
    expect(await launch.join({ ...USER, data: FIRST })).toMatchObject({ status: 'waiting' });
    expect(await launch.join({ ...USER, data: SECOND })).toMatchObject({ status: 'waiting' });
    expect(await launch.join({ userId: 'lee' })).toMatchObject({ status: 'waiting' });
    expect(await redis.exists(key('data'))).toBe(0);
    lose();
    await launch.admit({ count: 2 });
    expect(await kept()).toEqual({ '1:kim': JSON.stringify(FIRST) });
    await settle(issuer);
    expect(await rowsData()).toEqual([
      ['kim', FIRST],
      ['lee', undefined],
    ]);
    await expectNothingKept();
  });

  test('ends with the place', async () => {
    const issuer = issuerWith();
    await openNamed(issuer, queued());
    const launch = issuer.campaign(id);
    await launch.join({ ...USER, data: FIRST });
    await launch.leave({ userId: 'kim' });
    expect(await redis.exists(key('tickets'))).toBe(0);
    await launch.join({ ...USER, data: SECOND });
    await launch.admit({ count: 1 });
    await issuer.idle();
    expect(await rowsData()).toEqual([['kim', SECOND]]);
    await expectNothingKept();
  });

  test('is kept with a line that a rebuild keeps', async () => {
    const issuer = issuerWith();
    await openNamed(issuer, queued());
    await issuer.campaign(id).join({ ...USER, data: FIRST });
    await rebuildNamed(issuer, queued());
    await issuer.campaign(id).admit({ count: 1 });
    await issuer.idle();
    expect(await rowsData()).toEqual([['kim', FIRST]]);
    await expectNothingKept();
  });

  test('is shown to nobody who looks at the place', async () => {
    const issuer = issuerWith();
    await openNamed(issuer, queued());
    const launch = issuer.campaign(id);
    const joined = await launch.join({ ...USER, data: FIRST });
    expect(JSON.stringify([joined, await launch.userStatus({ userId: 'kim' })])).not.toContain('source');
  });
});

test('a delivery that failed for certain takes the data back with the unit', async () => {
  const issuer = issuerWith({
    deliver: () => {
      throw new NotDeliveredError('no');
    },
  });
  await openNamed(issuer, counted());
  await expect(issuer.campaign(id).issue({ ...USER, data: FIRST })).rejects.toThrow('is back in the stock');
  await expectNothingKept();
});
