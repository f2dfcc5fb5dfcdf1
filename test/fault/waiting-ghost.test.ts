import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { CouponIssuer } from '../../src/index.js';
import { scripts } from '../../src/redis/scripts.js';
import { own } from '../support/checks/own.js';
import { until } from '../support/checks/until.js';
import { dump, loadScripts, recording } from '../support/scenes/campaigns.js';
import { type NamedDefinition, rebuildNamed } from '../support/scenes/named.js';
import { names, prepareGround, WaitingScene } from '../support/scenes/waiting-scene.js';
import { client as disconnected } from '../support/servers/fault-clients.js';
import { LossyProxy } from '../support/servers/proxy.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { shaOf } from '../support/servers/sent.js';

let ground: Awaited<ReturnType<typeof prepareGround>>;
let redis: Redis;
let scene: WaitingScene;
/** A process of before, whose calls come a second time. */
let client: ReturnType<typeof recording>;
let issuer: CouponIssuer;
/** Another process. */
let other: CouponIssuer;
beforeAll(async () => {
  ground = await prepareGround();
  redis = ground.redis;
});
afterAll(() => ground.stop());

async function open(total: number, campaign: Partial<NamedDefinition> = {}): Promise<void> {
  scene = await WaitingScene.open(ground, { total, campaign });
  client = recording(redis);
  issuer = scene.process({ redis: client });
  other = scene.process();
  await Promise.all([issuer, other].map((each) => each.campaign(scene.campaignId).inspect()));
}

const join = (userId: string, by = issuer) => scene.join(userId, by);
const leave = (userId: string, by = issuer) => scene.leave(userId, by);
const lastCall = (script: keyof typeof scripts) =>
  client.calls.filter(({ sha1 }) => sha1 === shaOf(scripts[script])).at(-1)!;

/** Runs a copy of a call and returns what it answered; it must leave no trace. */
async function copyOf(call: { replay: () => Promise<unknown> }): Promise<unknown[]> {
  const before = await dump(redis);
  const reply = (await call.replay()) as unknown[];
  expect(await dump(redis), 'a late copy changes nothing').toEqual(before);
  return reply;
}

/** Where a reply to a join has the words of its users. */
const WORDS = 6;

describe('a copy that runs late', () => {
  beforeEach(async () => {
    await redis.flushall();
    await loadScripts(redis);
  });
  afterEach(async () => {
    await Promise.all([issuer, other].map((each) => each.idle()));
    await scene.end();
  });

  test('of a join, after its user left: they stay out', async () => {
    await open(5);
    await join('ann');
    const late = lastCall('joinLine');
    await leave('ann', other);
    expect((await copyOf(late))[WORDS]).toBe('lapsed');
    expect(await scene.statusOf('ann')).toEqual({ status: 'none', issuances: [] });
  });

  test('of a join that was refused as sold out, after the stock was raised: nobody gets into line', async () => {
    await open(1);
    await join('ann');
    expect(await join('bob')).toEqual({ status: 'sold_out' });
    const late = lastCall('joinLine');
    await other.campaign(scene.campaignId).restock({ add: 1, requestId: 'one more' });
    expect((await copyOf(late))[WORDS]).toBe('lapsed');
    scene.total = 2;
  });

  test('of a join that was refused by a pause, after the campaign went on: nobody gets into line', async () => {
    await open(1);
    await other.campaign(scene.campaignId).pause();
    expect(await join('ann')).toEqual({ status: 'paused' });
    const late = lastCall('joinLine');
    await other.campaign(scene.campaignId).resume();
    expect((await copyOf(late))[WORDS]).toBe('lapsed');
  });

  test('of a join, after its user was served: it finds what they have, and gives no second place', async () => {
    await open(5, { perUser: 2 });
    await join('ann');
    const late = lastCall('joinLine');
    await scene.admit(1, other);
    await other.idle();
    expect((await copyOf(late))[WORDS]).toBe('held');
    expect(await scene.inspect()).toMatchObject({ waiting: 0, issued: 1 });
  });

  test('of a join, while its user waits: their place is where it was', async () => {
    await open(5);
    await join('ann');
    const late = lastCall('joinLine');
    await join('bob', other);
    expect((await copyOf(late))[WORDS]).toBe('waiting:1:0');
  });

  test('of a join, after the close: it is closed', async () => {
    await open(5);
    await join('ann');
    await leave('ann');
    const late = lastCall('joinLine');
    await other.campaign(scene.campaignId).closeForGood();
    expect((await copyOf(late))[WORDS]).toBe('closed');
  });

  test('of a join, after its user was absent for too long: they stay out', async () => {
    await open(5, { presenceMs: 1_000 });
    await join('ann');
    const late = lastCall('joinLine');
    await redis.hset(scene.key('campaign'), 'sweptAt', String(Date.now()), 'graceUntil', '1');
    await redis.zincrby(scene.key('presence'), -5_000, 'ann');
    expect(await scene.admit(1, other)).toMatchObject({ admitted: 0, waiting: 0 });
    expect((await copyOf(late))[WORDS]).toBe('lapsed');
    expect(await leave('ann', other)).toEqual({ status: 'absent' });
  });

  test('of a join, after a rebuild: it belongs to an epoch that is over', async () => {
    await open(5);
    await join('ann');
    await leave('ann');
    const late = lastCall('joinLine');
    await rebuildNamed(other, scene.definition);
    expect(await copyOf(late)).toEqual(['stale_epoch']);
  });

  test('of a leave, after its user came again: they keep their new place', async () => {
    await open(5);
    await join('ann');
    expect(await leave('ann')).toEqual({ status: 'left' });
    const late = lastCall('leaveLine');
    await join('ann', other);
    expect(await copyOf(late)).toEqual(['lapsed']);
    expect(await scene.statusOf('ann')).toMatchObject({ status: 'waiting', ticket: 2 });
  });

  test('of a leave that found nobody, after its user came: they keep their place', async () => {
    await open(5);
    expect(await leave('ann')).toEqual({ status: 'none' });
    const late = lastCall('leaveLine');
    await join('ann', other);
    await late.replay();
    expect(await scene.statusOf('ann')).toMatchObject({ status: 'waiting', ticket: 1 });
  });

  test('of a leave that found its user gone already, after they came again: they keep their place', async () => {
    await open(5);
    await join('ann');
    await leave('ann', other);
    expect(await leave('ann')).toEqual({ status: 'left' });
    const late = lastCall('leaveLine');
    await join('ann', other);
    await late.replay();
    expect(await scene.statusOf('ann')).toMatchObject({ status: 'waiting', ticket: 2 });
  });

  test('of a leave, at once: it says again that they left', async () => {
    await open(5);
    await join('ann');
    await leave('ann');
    expect((await copyOf(lastCall('leaveLine'))).slice(2)).toEqual(['left']);
  });

  test('of a leave that found a coupon, after its user waits for another one: they keep their place', async () => {
    await open(5, { perUser: 2 });
    await join('ann', other);
    await scene.admit(1, other);
    await other.idle();
    expect(await leave('ann')).toMatchObject({ status: 'issued' });
    const late = lastCall('leaveLine');
    await other.campaign(scene.campaignId).join({ userId: 'ann', requestId: 'another wish' });
    await late.replay();
    expect(await scene.statusOf('ann')).toMatchObject({ status: 'waiting', ticket: 2 });
    scene.tickets.set('ann', 1);
  });

  test('of an admission: it lets nobody else through, whether others did so meanwhile or not', async () => {
    await open(10);
    await scene.joinAll(names(6), other);
    await scene.admit(2);
    await scene.admit(2, issuer);
    await issuer.idle();
    const late = lastCall('admitLine');
    expect(await copyOf(late)).toEqual(['lapsed']);
    await scene.admit(1, other);
    await other.idle();
    expect(await copyOf(late)).toEqual(['lapsed']);
    expect(await scene.inspect()).toMatchObject({ waiting: 1, issued: 5 });
  });

  test('of an admission that found nobody, after people came: it lets nobody through', async () => {
    await open(10);
    expect(await scene.admit(5, issuer)).toMatchObject({ admitted: 0 });
    const late = lastCall('admitLine');
    await scene.joinAll(names(3), other);
    expect(await copyOf(late)).toEqual(['lapsed']);
    expect(await scene.inspect()).toMatchObject({ waiting: 3, reserved: 0 });
  });

  test('of an admission that was refused by a pause, after the campaign went on: it lets nobody through', async () => {
    await open(10);
    await scene.joinAll(names(3), other);
    await other.campaign(scene.campaignId).pause();
    expect(await scene.admit(2, issuer)).toEqual({ status: 'paused' });
    const late = lastCall('admitLine');
    await other.campaign(scene.campaignId).resume();
    await late.replay();
    expect(await scene.inspect()).toMatchObject({ waiting: 3, reserved: 0 });
  });

  test('of an admission that was refused before the opening, after it: it lets nobody through', async () => {
    await open(10, { opensAt: new Date(Date.now() + 3_600_000), drawAtOpen: true });
    await scene.joinAll(names(3), other);
    expect(await scene.admit(2, issuer)).toEqual({ status: 'not_open' });
    const late = lastCall('admitLine');
    await redis.hset(scene.key('campaign'), 'opensAt', String(Date.now() - 1));
    // Another process draws, and lets through nobody yet.
    const tooEarly = recording(redis);
    await scene.admit(1, scene.process({ redis: tooEarly }));
    const issued = (await scene.inspect()).issued;
    await late.replay();
    expect(await scene.inspect()).toMatchObject({ waiting: 3 - issued, reserved: 0 });
    // The draw gave other tickets than they were told on joining.
    const drawn = await redis.zrange(scene.key('queue'), 0, -1);
    expect(drawn).toHaveLength(2);
    for (const { userId } of await scene.rows()) scene.tickets.set(userId, 0);
  });

  test('of an admission, after the last unit came back and was given to the next: it takes nothing', async () => {
    await open(1, { overbook: 2 });
    await scene.joinAll(names(3), other);
    await scene.admit(1, issuer);
    await issuer.idle();
    const late = lastCall('admitLine');
    await other.campaign(scene.campaignId).restock({ add: 1, requestId: 'one more' });
    scene.total = 2;
    expect(await copyOf(late)).toEqual(['lapsed']);
    expect(await scene.inspect()).toMatchObject({ available: 1, reserved: 0, issued: 1 });
  });

  test('of a stretch of the draw: it moves nobody once the draw is done, nor anybody who came again', async () => {
    await open(10, { opensAt: new Date(Date.now() + 3_600_000), drawAtOpen: true });
    await scene.joinAll(names(6), other);
    await redis.hset(scene.key('campaign'), 'opensAt', String(Date.now() - 1));
    await scene.admit(1, issuer);
    await issuer.idle();
    const stretches = client.calls.filter(({ sha1 }) => sha1 === shaOf(scripts.drawLine));
    expect(stretches.length).toBeGreaterThanOrEqual(2);
    const [again] = await redis.zrange(scene.key('queue'), 0, 0);
    await leave(again!, other);
    await join(again!, other);
    for (const stretch of stretches) expect((await copyOf(stretch))[0]).toBe('done');
    expect((await redis.zrange(scene.key('queue'), 0, -1)).at(-1)).toBe(again);
    for (const { userId } of await scene.rows()) scene.tickets.set(userId, 0);
  });

  test('of looking after the absent: it ends nobody who is there, nor anybody who came again', async () => {
    await open(5, { presenceMs: 1_000 });
    await scene.joinAll(['ann', 'bob'], other);
    await redis.hset(scene.key('campaign'), 'sweptAt', String(Date.now()), 'graceUntil', '1');
    await redis.zincrby(scene.key('presence'), -5_000, 'ann');
    await issuer.campaign(scene.campaignId).pause();
    expect(await scene.admit(1, issuer)).toEqual({ status: 'paused' });
    await issuer.campaign(scene.campaignId).resume();
    await scene.admit(1, issuer);
    await issuer.idle();
    const tended = client.calls.filter(({ sha1 }) => sha1 === shaOf(scripts.tendLine));
    expect(await join('ann', other)).toMatchObject({ status: 'waiting' });
    for (const late of tended) expect(((await late.replay()) as unknown[]).slice(2)).toEqual([0, '1']);
    expect(await scene.statusOf('ann')).toMatchObject({ status: 'waiting', position: 1 });
    scene.tickets.set('bob', 2);
  });
});

describe('behind a proxy that runs a script and loses its reply', () => {
  let server: RedisServer;
  let proxy: LossyProxy;
  let behind: CouponIssuer;

  beforeEach(async () => {
    server = await own(RedisServer.start());
    proxy = await own(LossyProxy.start(server.port));
    const direct = server.client();
    await loadScripts(direct);
    scene = await WaitingScene.open({ ...ground, server, redis: direct }, { total: 20 });
    const { Redis: Client } = await import('ioredis');
    behind = scene.process({ redis: disconnected(new Client(proxy.port, '127.0.0.1')) });
    await behind.campaign(scene.campaignId).inspect();
  });

  /** Loses the reply to one script while `act` runs, and proves that it was lost. */
  async function losing<T>(script: keyof typeof scripts, act: () => Promise<T>): Promise<T> {
    const before = proxy.lost;
    proxy.loseReplyTo(shaOf(scripts[script]));
    const result = await act();
    expect(proxy.lost, 'the reply was lost').toBe(before + 1);
    return result;
  }

  test('a join gives one place and one ticket', async () => {
    await losing('joinLine', () => scene.joinAll(['ann', 'bob'], behind));
    expect([...scene.tickets]).toEqual([
      ['ann', 1],
      ['bob', 2],
    ]);
    expect(await scene.join('cat', behind)).toMatchObject({ ticket: 3, position: 3 });
    await scene.admit(5);
    await scene.end();
  });

  test('a leave gives up one place, and says so', async () => {
    await scene.joinAll(['ann', 'bob'], behind);
    expect(await losing('leaveLine', () => scene.leave('ann', behind))).toEqual({ status: 'left' });
    expect(await scene.checkLine()).toEqual(['bob']);
    await scene.admit(5);
    await scene.end();
  });

  /** It may say that nobody knows. */
  const unknown = (error: unknown) => expect(error).toMatchObject({ code: 'REDIS', outcome: 'unknown' });

  test('an admission: whom the lost call let through is served before all who come after them', async () => {
    await scene.joinAll(names(9), behind);
    await losing('admitLine', () => scene.admit(3, behind).catch(unknown));
    await behind.idle();
    const { waiting, reserved, issued } = await scene.inspect();
    expect(waiting! + reserved + issued).toBe(9);
    expect(reserved, 'the lost ones are reserved').toBe(3);
    await scene.settle();
    await scene.admit(9);
    expect(await scene.served()).toEqual(names(9).map((userId, i) => `${i + 1} ${userId}`));
    await scene.end();
  });

  test('an admission lets no more through than it was asked to, whatever became of the reply', async () => {
    await scene.joinAll(names(9), behind);
    await losing('admitLine', () => scene.admit(3, behind).catch(unknown));
    await behind.idle();
    await scene.settle();
    expect(await scene.inspect()).toMatchObject({ waiting: 6, issued: 3 });
    await scene.end();
  });

  test('a look finds the same place, and a watcher is told of the end', async () => {
    await scene.joinAll(names(3), behind);
    const look = await losing('findPlaces', () => behind.campaign(scene.campaignId).userStatus({ userId: 'user-3' }));
    expect(look).toMatchObject({ status: 'waiting', ticket: 3, position: 3 });
    const watching = scene.watch('user-3', behind);
    await losing('tendLine', () => scene.admit(3, behind));
    expect((await watching).at(-1)).toMatchObject({ status: 'issued', issuance: { serial: 3 } });
    await until(async () => (await scene.inspect()).reserved === 0);
    await scene.end();
  });
});
