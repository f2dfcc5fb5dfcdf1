import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Campaign, CouponIssuer, type Pace, type PaceChange, type SettleWorker } from '../../src/index.js';
import type { Script } from '../../src/redis/runner.js';
import { scripts } from '../../src/redis/scripts.js';
import { checkInvariants } from '../support/checks/invariants.js';
import { until } from '../support/checks/until.js';
import { dump, recording, ScriptedPersistence, withEach } from '../support/scenes/campaigns.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { shaOf } from '../support/servers/sent.js';

const NO_PACE: Pace = { savesPerSecond: null, admitPerSecond: null, waves: null };
/** One in three hours. */
const HARDLY = 0.0001;

let server: RedisServer;
let redis: Redis;
let persistence: ScriptedPersistence;
let issuer: CouponIssuer;
let launch: Campaign;
let opened = 0;
let workers: SettleWorker[];

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(() => {
  persistence = new ScriptedPersistence();
  issuer = new CouponIssuer({ redis, persistence });
  launch = issuer.campaign(`paced-${++opened}`);
  workers = [];
});
afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  await issuer.close();
  await checkInvariants({ redis, campaignId: launch.id, rows: await rows() });
});

const stock = { kind: 'counted', total: 1_000 } as const;
const behind = { stock, saveMode: 'write-behind' } as const;
const queued = { stock, admission: 'queued' } as const;
const key = (name: string) => `{coupon:${launch.id}}:${name}`;
const rows = () => persistence.rows(launch.id);
const users = (count: number, prefix = 'user') => Array.from({ length: count }, (_, i) => `${prefix}-${i + 1}`);
const issueAll = (names: string[]) => Promise.all(names.map((userId) => launch.issue({ userId })));
const joinAll = (names: string[]) => Promise.all(names.map((userId) => launch.join({ userId })));
const paceOf = async (campaign = launch) => (await campaign.inspect()).pace;
const wave = (ms: number, count: number) => ({ at: new Date(Date.now() + ms), count });
const anotherIssuer = () => new CouponIssuer({ redis, persistence });

/** Workers in issuers of their own, and how often each of them has called a script. */
function work(count: number) {
  const clients = Array.from({ length: count }, () => recording(redis));
  for (const client of clients) {
    const one = new CouponIssuer({ redis: client, persistence });
    workers.push(one.startWorker({ campaigns: [launch.id], intervalMs: 5 }));
  }
  return async (script: Pick<Script, 'sha1' | 'joint'>, more: number) => {
    const times = () => clients.map(({ calls }) => calls.filter(({ sha1 }) => sha1 === shaOf(script)).length);
    const before = times();
    await until(() => times().every((now, i) => now >= before[i]! + more));
  };
}

describe('the pace of a campaign', () => {
  test('is none unless it was set, and inspect() shows it', async () => {
    await launch.open(queued);
    expect(await paceOf()).toEqual(NO_PACE);
    const waves = [wave(3_600_000, 5), { from: new Date(0), every: 'hour', count: 2 }] as const;
    const pace = { savesPerSecond: 100 / 60, admitPerSecond: 0, waves };
    expect(await launch.setPace(pace)).toEqual(pace);
    expect(await paceOf()).toEqual(pace);
    expect(await launch.setPace(await paceOf()), 'what inspect() shows can be set again').toEqual(pace);
  });

  test('keeps a field that a change leaves out, and loses one that it removes', async () => {
    await launch.open(queued);
    const waves = [{ from: new Date(1), every: 'day', count: 2 }] as const;
    await launch.setPace({ savesPerSecond: 5, waves });
    const change: PaceChange = { admitPerSecond: 7, savesPerSecond: undefined };
    expect(await launch.setPace(change)).toEqual({ savesPerSecond: 5, admitPerSecond: 7, waves });
    expect(await launch.setPace({ waves: null, savesPerSecond: null })).toEqual({ ...NO_PACE, admitPerSecond: 7 });
    expect(await launch.setPace({})).toEqual({ ...NO_PACE, admitPerSecond: 7 });
    expect(await paceOf()).toEqual({ ...NO_PACE, admitPerSecond: 7 });
    expect(await redis.hmget(key('campaign'), 'waves', 'savesPerSecond')).toEqual([null, null]);
  });

  test('is the first one only where it is given to open: it is neither compared nor set again', async () => {
    await launch.open({ ...queued, pace: { savesPerSecond: 5, admitPerSecond: null } });
    expect(await paceOf()).toEqual({ ...NO_PACE, savesPerSecond: 5 });
    await launch.setPace({ savesPerSecond: 6 });
    for (const pace of [undefined, {}, { savesPerSecond: 7, admitPerSecond: 8 }]) {
      expect(await launch.open({ ...queued, pace })).toMatchObject({
        status: 'exists',
        campaign: { pace: { ...NO_PACE, savesPerSecond: 6 } },
      });
    }
  });

  test('of a campaign without a waiting room has no admitPerSecond and no waves, and nothing is written', async () => {
    await launch.open(behind);
    const before = await dump(redis);
    for (const change of [{ admitPerSecond: 5 }, { savesPerSecond: 5, waves: [wave(0, 5)] }]) {
      await expect(launch.setPace(change)).rejects.toMatchObject({ code: 'CAMPAIGN_CONFLICT' });
    }
    expect(await dump(redis)).toEqual(before);
    expect(await launch.setPace({ savesPerSecond: 5, admitPerSecond: null, waves: null })).toMatchObject({
      savesPerSecond: 5,
    });
  });

  test('can be changed after the close, while something is left to save', async () => {
    await launch.open({ ...behind, pace: { savesPerSecond: HARDLY } });
    await issueAll(users(3));
    await launch.closeForGood({ retainMs: 3_600_000 });
    work(1);
    await launch.setPace({ savesPerSecond: null });
    await until(async () => (await rows()).length === 3);
    await until(async () => (await redis.pttl(key('campaign'))) > 0);
    await launch.setPace({ savesPerSecond: 1 });
    const keys = await redis.keys(`${key('')}*`);
    expect(keys).not.toEqual([]);
    for (const name of keys) expect(await redis.pttl(name), name).toBeGreaterThan(0);
  });

  test.each(['never-opened', 'gone'])('of a campaign that is not there cannot be set (%s)', async (id) => {
    await launch.open(behind);
    const absent = issuer.campaign(id);
    if (id === 'gone') {
      await absent.open(behind);
      await redis.del(`{coupon:${id}}:campaign`);
    }
    const code = id === 'gone' ? 'NOT_READY' : 'UNKNOWN_CAMPAIGN';
    await expect(absent.setPace({ savesPerSecond: 5 })).rejects.toMatchObject({ code });
    expect(await redis.exists(`{coupon:${id}}:campaign`)).toBe(0);
  });
});

describe('workers in two issuers', () => {
  test('keep to a cap on saves together from the change on, and go on at once when it is removed', async () => {
    await launch.open(behind);
    const looked = work(2);
    await issueAll(users(20));
    await until(async () => (await rows()).length === 20);
    await issuer.campaign(launch.id).setPace({ savesPerSecond: HARDLY });
    await issueAll(users(50, 'later'));
    await looked(scripts.claimDue, 5);
    expect((await rows()).length).toBeLessThanOrEqual(21);
    await launch.setPace({ savesPerSecond: 1_000_000 });
    await until(async () => (await rows()).length === 70);
    await launch.setPace({ savesPerSecond: HARDLY });
    await issueAll(users(50, 'last'));
    await looked(scripts.claimDue, 5);
    expect((await rows()).length).toBeLessThanOrEqual(71);
    await launch.setPace({ savesPerSecond: null });
    await until(async () => (await rows()).length === 120);
  });

  test('let nobody through at 0, and everybody once the cap is removed', async () => {
    await launch.open({ ...queued, pace: { admitPerSecond: 0 } });
    await joinAll(users(30));
    const looked = work(2);
    await looked(scripts.admitLine, 5);
    expect(await launch.inspect()).toMatchObject({ waiting: 30, issued: 0, reserved: 0 });
    await launch.setPace({ admitPerSecond: null });
    await until(async () => (await rows()).length === 30);
  });

  test('let as many through as a wave has that was planned while they ran', async () => {
    await launch.open({ ...queued, pace: { waves: [wave(3_600_000, 1_000)] } });
    await joinAll(users(30));
    const looked = work(2);
    await looked(scripts.admitLine, 5);
    // The clocks of the test and of Redis are one.
    await launch.setPace({ waves: [wave(100, 7)] });
    await until(async () => (await rows()).length === 7);
    await looked(scripts.admitLine, 5);
    expect(await launch.inspect()).toMatchObject({ waiting: 23 });
  });

  test('let as many through as a wave has, though the clock of Redis was ahead before the campaign was made', async () => {
    await redis.hset('coupon:generation', 'last', String(Date.now() + 86_400_000));
    await launch.open({ ...queued, pace: { waves: [wave(3_600_000, 1_000)] } });
    await redis.del('coupon:generation');
    await joinAll(users(30));
    const looked = work(2);
    await looked(scripts.admitLine, 5);
    expect(Number(await redis.hget(key('campaign'), 'waveAt'))).toBeLessThanOrEqual(Date.now());
    await launch.setPace({ waves: [wave(100, 7)] });
    await until(async () => (await rows()).length === 7);
    await looked(scripts.admitLine, 5);
    expect(await launch.inspect()).toMatchObject({ waiting: 23 });
  });

  test('let nobody through for a wave before a time that they saw while the clock of Redis was ahead', async () => {
    await launch.open({ ...queued, pace: { waves: [wave(0, 5)] } });
    await joinAll(users(30));
    await redis.hset(key('campaign'), 'waveAt', String(Date.now() + 3_600_000));
    await launch.setPace({ waves: [wave(1, 7)] });
    const looked = work(2);
    await looked(scripts.admitLine, 5);
    expect(await launch.inspect()).toMatchObject({ waiting: 30 });
    expect(await launch.admit({ count: 7 })).toMatchObject({ admitted: 7 });
  });

  test('make up no wave of the time in which none was planned', async () => {
    await launch.open(queued);
    await joinAll(users(1));
    const looked = work(2);
    await until(async () => (await rows()).length === 1);
    const past = wave(0, 9);
    await looked(scripts.admitLine, 3);
    // A look between the plan and the joins would spend a wave on an empty line.
    await Promise.all(workers.splice(0).map((worker) => worker.stop()));
    await launch.setPace({ waves: [past] });
    await joinAll(users(30));
    await work(2)(scripts.admitLine, 5);
    expect(await launch.inspect()).toMatchObject({ waiting: 29 });
  });

  test('let nobody through for the rest of a wave that is no longer planned, and go on with one that is', async () => {
    const due = wave(60_000, 20);
    await launch.open({ ...queued, pace: { waves: [due], admitPerSecond: HARDLY } });
    await joinAll(users(30));
    await redis.hset(key('campaign'), 'waveLeft', '20');
    await launch.setPace({ waves: [due, wave(3_600_000, 5)] });
    expect(await redis.hget(key('campaign'), 'waveLeft'), 'it is still planned').toBe('20');
    await launch.setPace({ waves: [wave(3_600_000, 5)], admitPerSecond: null });
    const looked = work(2);
    await looked(scripts.admitLine, 5);
    expect(await launch.inspect()).toMatchObject({ waiting: 30 });
  });

  test('do what is asked at once: settle() and admit() are under no cap', async () => {
    await launch.open({ ...queued, pace: { admitPerSecond: 0, savesPerSecond: HARDLY, waves: [wave(3_600_000, 1)] } });
    await joinAll(users(10));
    expect(await launch.admit({ count: 10 })).toMatchObject({ admitted: 10, issued: 10 });
    const saved = issuer.campaign(`${launch.id}-saved`);
    await saved.open({ ...behind, pace: { savesPerSecond: HARDLY } });
    await Promise.all(users(10).map((userId) => saved.issue({ userId })));
    expect(await saved.settle()).toMatchObject({ settled: 10 });
  });
});

describe('a change of the pace', () => {
  /** The call that set it, to be sent again at any later time. */
  async function sent(change: PaceChange) {
    const client = recording(redis);
    const one = new CouponIssuer({ redis: client, persistence });
    await one.campaign(launch.id).setPace(change);
    return client.calls.findLast(({ sha1 }) => sha1 === shaOf(scripts.setPace))!;
  }

  test('that arrives a second time does nothing, whichever issuer sent the later one', async () => {
    await launch.open(behind);
    await launch.setPace({ savesPerSecond: 1 });
    const old = await sent({ savesPerSecond: 5 });
    await anotherIssuer().campaign(launch.id).setPace({ savesPerSecond: 9 });
    const before = await dump(redis);
    expect(await old.replay()).toMatchObject(['lapsed', expect.any(String)]);
    expect(await dump(redis)).toEqual(before);
  });

  /** A process that asks what the last change is, and gives up while its change is on its way. */
  async function onItsWay(change: PaceChange, beforeItLeaves = async () => {}) {
    const [client, held] = [recording(redis), [] as (() => Promise<unknown>)[]];
    const away = withEach(client, async (sha1, send) => {
      if (sha1 !== shaOf(scripts.setPace)) return send();
      const isFirst = client.calls.every((call) => call.sha1 !== sha1);
      if (isFirst) return send();
      await beforeItLeaves();
      held.push(send);
      throw new Error('the connection is gone');
    });
    const slow = new CouponIssuer({ redis: away, persistence }).campaign(launch.id);
    await expect(slow.setPace(change)).rejects.toMatchObject({ code: 'REDIS', outcome: 'unknown' });
    expect(held).toHaveLength(1);
    return held[0]!;
  }

  test('that is on its way while a later one is made does nothing when it arrives', async () => {
    await launch.open(behind);
    await launch.setPace({ savesPerSecond: null });
    const arrive = await onItsWay({ savesPerSecond: 5 });
    // The same as before, so that nothing but its order is new.
    await launch.setPace({ savesPerSecond: null });
    expect(await arrive()).toMatchObject(['lapsed', expect.any(String)]);
    expect(await paceOf()).toEqual(NO_PACE);
  });

  test('whose caller gave up undoes none that began before it and was told after it', async () => {
    await launch.open(behind);
    await launch.setPace({ savesPerSecond: 1 });
    let [asked, ask] = [() => {}, () => {}];
    const [hasAsked, goesOn] = [
      new Promise<void>((resolve) => (asked = resolve)),
      new Promise<void>((resolve) => (ask = resolve)),
    ];
    const client = recording(redis);
    const first = new CouponIssuer({
      redis: withEach(client, async (sha1, send) => {
        const isSecond = sha1 === shaOf(scripts.setPace) && client.calls.some((call) => call.sha1 === sha1);
        if (isSecond) {
          asked();
          await goesOn;
        }
        return send();
      }),
      persistence,
    }).campaign(launch.id);
    const told = first.setPace({ savesPerSecond: 2 });
    await hasAsked;
    const arrive = await onItsWay({ savesPerSecond: 1_000 });
    ask();
    expect(await told).toMatchObject({ savesPerSecond: 2 });
    expect(await arrive()).toMatchObject(['lapsed', expect.any(String)]);
    expect(await paceOf()).toMatchObject({ savesPerSecond: 2 });
  });

  test('that the client sent twice is in doubt when the next send is refused', async () => {
    await launch.open(behind);
    await launch.setPace({ savesPerSecond: 1 });
    const client = Object.create(redis) as Redis;
    let sends = 0;
    client.evalsha = (async (sha1: string, keys: number, ...args: string[]) => {
      const send = () => redis.evalsha(sha1, keys, ...args);
      if (sha1 !== shaOf(scripts.setPace)) return send();
      if (++sends === 2) await send();
      if (sends < 3) return send();
      throw Object.assign(new Error('OOM command not allowed'), { name: 'ReplyError' });
    }) as Redis['evalsha'];
    const change = new CouponIssuer({ redis: client, persistence }).campaign(launch.id).setPace({ savesPerSecond: 5 });
    await expect(change).rejects.toMatchObject({ code: 'REDIS', outcome: 'unknown' });
    expect(sends).toBe(3);
    expect(await paceOf()).toMatchObject({ savesPerSecond: 5 });
  });

  test('of many at once counts, and each of them is made', async () => {
    await launch.open(queued);
    const rates = Array.from({ length: 30 }, (_, i) => i + 1);
    await Promise.all(rates.map((savesPerSecond) => launch.setPace({ savesPerSecond })));
    expect(await launch.setPace({ admitPerSecond: 3 })).toMatchObject({ savesPerSecond: 30, admitPerSecond: 3 });
  });

  test('is made when the clock of Redis was set back since the last one', async () => {
    await launch.open(behind);
    const later = String((Date.now() + 3_600_000) * 1_000);
    await redis.hset(key('campaign'), 'pacedAt', later);
    await expect(launch.setPace({ savesPerSecond: 5 })).resolves.toMatchObject({ savesPerSecond: 5 });
    await expect(launch.setPace({ savesPerSecond: 6 })).resolves.toMatchObject({ savesPerSecond: 6 });
    expect(Number(await redis.hget(key('campaign'), 'pacedAt'))).toBe(Number(later) + 2);
  });

  test('that comes late changes nothing, though the clock of Redis was set back before the next change', async () => {
    await launch.open(behind);
    await launch.setPace({ savesPerSecond: 3 });
    // It asks while the clock is an hour ahead.
    await redis.hset(key('campaign'), 'pacedAt', String((Date.now() + 3_600_000) * 1_000));
    const arrive = await onItsWay({ savesPerSecond: 1_000 });
    await launch.setPace({ savesPerSecond: 1 });
    expect(await arrive()).toMatchObject(['lapsed', expect.any(String)]);
    expect(await paceOf()).toMatchObject({ savesPerSecond: 1 });
  });

  test('that comes late undoes none that was made after Redis went back', async () => {
    await launch.open(behind);
    await launch.setPace({ savesPerSecond: 3 });
    const older = await redis.hgetall(key('campaign'));
    await launch.setPace({ savesPerSecond: 4 });
    const arrive = await onItsWay({ savesPerSecond: 1_000 });
    await redis.del(key('campaign'));
    await redis.hset(key('campaign'), older);
    await launch.setPace({ savesPerSecond: 1 });
    expect(await arrive()).toMatchObject(['lapsed', expect.any(String)]);
    expect(await paceOf()).toMatchObject({ savesPerSecond: 1 });
  });

  test('raises the stamp, and a repeat of it does not', async () => {
    await launch.open(behind);
    const stamp = async () => Number(await redis.hget(key('campaign'), 'stamp'));
    const before = await stamp();
    await launch.setPace({ savesPerSecond: 5 });
    expect(await stamp()).toBe(before + 1);
    await launch.setPace({ savesPerSecond: 5 });
    expect(await stamp()).toBe(before + 1);
  });

  test('that Redis lost is noticed by the process that made it, and its worker claims nothing', async () => {
    await launch.open(behind);
    await issueAll(users(3));
    const older = await redis.hgetall(key('campaign'));
    await launch.setPace({ savesPerSecond: HARDLY });
    await redis.del(key('campaign'));
    await redis.hset(key('campaign'), older);
    await expect(launch.settle()).rejects.toMatchObject({ code: 'NOT_READY', reason: 'rolled_back' });
    expect(await rows()).toEqual([]);
    // An operator may still slow the others down.
    expect(await launch.setPace({ savesPerSecond: HARDLY })).toMatchObject({ savesPerSecond: HARDLY });
  });
});

describe('a rebuild', () => {
  test('keeps the pace that Redis remembers, whatever its definition says', async () => {
    await launch.open({ ...queued, pace: { savesPerSecond: 1 } });
    const waves = [wave(3_600_000, 5)];
    await launch.setPace({ savesPerSecond: null, admitPerSecond: 7, waves });
    await redis.del(key('grants'));
    const { campaign } = await launch.rebuild({ ...queued, pace: { savesPerSecond: 1, admitPerSecond: 2 } });
    expect(campaign.pace).toEqual({ savesPerSecond: null, admitPerSecond: 7, waves });
    expect(await launch.setPace({ admitPerSecond: 8 })).toMatchObject({ admitPerSecond: 8, waves });
  });

  test('lets no worker save more than the cap: what was used up stays used up', async () => {
    await launch.open({ ...behind, pace: { savesPerSecond: HARDLY } });
    await issueAll(users(5));
    work(1);
    await until(async () => (await rows()).length === 1);
    await Promise.all(workers.splice(0).map((worker) => worker.stop()));
    await launch.rebuild(behind);
    await work(1)(scripts.claimDue, 5);
    expect(await rows()).toHaveLength(1);
  });

  test('begins with the pace of its definition where Redis has lost the campaign', async () => {
    await launch.open(behind);
    await redis.flushall();
    const definition = { ...behind, pace: { savesPerSecond: 3 } };
    expect((await launch.rebuild(definition)).campaign.pace).toEqual({ ...NO_PACE, savesPerSecond: 3 });
  });

  test('without a waiting room drops the pace of the line', async () => {
    await launch.open({ ...queued, pace: { savesPerSecond: 1, admitPerSecond: 2, waves: [wave(0, 1)] } });
    await redis.del(key('grants'));
    const { campaign } = await launch.rebuild(behind);
    expect(campaign.pace).toEqual({ ...NO_PACE, savesPerSecond: 1 });
  });

  test('under way refuses a change, and a late copy of one of before does nothing afterwards', async () => {
    await launch.open(behind);
    const client = recording(redis);
    await new CouponIssuer({ redis: client, persistence }).campaign(launch.id).setPace({ savesPerSecond: 5 });
    await redis.hset(key('campaign'), { verified: '0', building: 'a definition' });
    await expect(launch.setPace({ savesPerSecond: 6 })).rejects.toMatchObject({ reason: 'rebuilding' });
    await launch.rebuild(behind);
    expect(await client.calls.at(-1)!.replay()).toEqual(['stale_epoch']);
    expect(await paceOf()).toEqual({ ...NO_PACE, savesPerSecond: 5 });
  });
});
