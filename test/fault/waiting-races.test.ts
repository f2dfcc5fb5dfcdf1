import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CouponEvent, LeaveResult, RedisClient } from '../../src/index.js';
import { scripts } from '../../src/redis/scripts.js';
import type { Call, Order, Outcome } from '../support/actors/actor.js';
import { length, SEED } from '../support/checks/lengths.js';
import { seeded } from '../support/checks/random.js';
import { until } from '../support/checks/until.js';
import { loadScripts } from '../support/scenes/campaigns.js';
import { names, prepareGround, SHORT, WaitingScene } from '../support/scenes/waiting-scene.js';
import { shaOf } from '../support/servers/sent.js';

let ground: Awaited<ReturnType<typeof prepareGround>>;
beforeAll(async () => {
  ground = await prepareGround();
  process.stdout.write(`waiting races: seed=${SEED}\n`);
});
afterAll(() => ground.stop());

const USERS = length(600, 6_000);

function shuffled<T>(values: readonly T[], random: () => number): T[] {
  return values
    .map((value) => ({ value, by: random() }))
    .toSorted((a, b) => a.by - b.by)
    .map(({ value }) => value);
}

function statusOf(outcome: Outcome): LeaveResult['status'] {
  if ('error' in outcome) throw new Error(`leave() failed: ${outcome.error.message}`);
  return (outcome.result as LeaveResult).status;
}

test('of leaving, being absent and being let through at the same moment, in several processes, exactly one wins for each user', async () => {
  const random = seeded(SEED);
  const scene = await WaitingScene.open(ground, {
    total: USERS,
    campaign: { presenceMs: 60_000 },
    issuer: SHORT,
  });
  const { campaignId } = scene;
  const users = names(USERS);
  await scene.joinAll(users);
  const gone = shuffled(users, random).slice(0, USERS / 3);
  const leavers = shuffled(users, random).slice(0, USERS / 2);
  // Those who are gone gave no sign of life for long, while somebody looked all the time.
  const aging = ground.redis.pipeline();
  for (const userId of gone) aging.zincrby(scene.key('presence'), -200_000, userId);
  await aging.exec();
  await ground.redis.hset(scene.key('campaign'), 'sweptAt', String(Date.now()), 'graceUntil', '1');
  const present = users.filter((userId) => !gone.includes(userId));
  const watched = shuffled(present, random).slice(0, 50);
  const watching = watched.map((userId) => scene.watch(userId));
  // Until those who watch have looked once at all of their users, nobody is ended as absent.
  await until(async () => /:[1-9]/.test((await ground.redis.hget(scene.key('campaign'), 'watchers')) ?? ''));

  const actors = await Promise.all([1, 2, 3, 4].map(() => scene.actor()));
  const [left, right] = [leavers.slice(0, leavers.length / 2), leavers.slice(leavers.length / 2)];
  const leaving = (of: readonly string[]): Order => ({
    calls: of.map((userId): Call => ['leave', campaignId, { userId }]),
  });
  const admits = (count: number, times: number): Order => ({
    calls: Array.from({ length: times }, (): Call => ['admit', campaignId, { count }]),
  });
  // Each letting through begins with ending the absent.
  const orders = [leaving(left), leaving(right), admits(7, 20)];
  orders.forEach((order, i) => {
    actors[i]!.order(order);
  });
  // All the others are let through while some are still leaving; before the first has left there is no such moment.
  const ended = () => ground.redis.zrange(scene.key('ended'), 0, -1);
  await until(async () => (await ended()).some((mark) => mark.startsWith('left:')));
  actors[3]!.order(admits(USERS, 1));
  const [leftTold, rightTold] = await Promise.all(actors.map((actor) => actor.reaches('done')));
  await until(async () => {
    await scene.admit(1);
    return (await scene.inspect()).waiting === 0;
  });
  await scene.settle();

  const rows = await scene.rows();
  const holders = new Set(rows.map(({ userId }) => userId));
  const marks = new Set(await ended());
  const told = new Map([...left, ...right].map((userId, i) => [userId, statusOf([...leftTold!, ...rightTold!][i]!)]));
  const ends = new Map<string, number>();
  for (const userId of users) {
    const end = [holders.has(userId), marks.has(`left:${userId}`), marks.has(`absent:${userId}`)];
    expect(end.filter(Boolean), `${userId}: issued, left, absent`).toHaveLength(1);
    const word = ['issued', 'left', 'absent'][end.indexOf(true)]!;
    ends.set(word, (ends.get(word) ?? 0) + 1);
    const said = told.get(userId);
    if (said) expect(said === 'reserved' ? 'issued' : said, `what leave() told ${userId}`).toBe(word);
    if (!gone.includes(userId)) expect(word, `${userId} was there`).not.toBe('absent');
    expect((await scene.leave(userId)).status, `what leave() tells ${userId} later`).toBe(word);
  }
  for (const word of ['issued', 'left', 'absent']) expect(ends.get(word), word).toBeGreaterThan(0);
  for (const [i, userId] of watched.entries()) {
    const last = (await watching[i])!.at(-1)!.status;
    expect(last, `what watch() told ${userId}`).toBe(holders.has(userId) ? 'issued' : 'left');
  }
  await scene.end();
});

test('somebody who leaves and comes again all the time, while others are let through, holds one place or one coupon', async () => {
  const rounds = length(60, 600);
  const scene = await WaitingScene.open(ground, { total: 4 * rounds, issuer: SHORT });
  const [one, other] = [scene.process(), scene.process()];
  const worker = scene.issuer.startWorker({ campaigns: [scene.campaignId], intervalMs: 1, batchSize: 1 });
  const restless = names(20, 'restless');
  let left = 0;
  await Promise.all(
    restless.map(async (userId) => {
      for (let round = 0; round < rounds; round++) {
        const [told, gone] = await Promise.all([scene.join(userId, one), scene.leave(userId, other)]);
        if (gone.status === 'left') left++;
        else if (told.status !== 'waiting') break;
      }
    }),
  );
  expect(left).toBeGreaterThan(0);
  await scene.joinAll(restless.filter((userId) => !scene.tickets.has(userId)));
  await until(async () => (await scene.inspect()).waiting === 0);
  await worker.stop();
  const rows = await scene.rows();
  expect(new Set(rows.map(({ userId }) => userId)).size).toBe(rows.length);
  await scene.end();
});

test('somebody who is absent for too long, right before they would be let through, is passed over by that very step', async () => {
  const scene = await WaitingScene.open(ground, { total: 5, campaign: { presenceMs: 60_000 }, issuer: SHORT });
  await scene.joinAll(names(4));
  await ground.redis.hset(scene.key('campaign'), 'sweptAt', String(Date.now()), 'graceUntil', '1');
  const actor = await scene.actor({ holdAt: { point: 'before admit-line' } });
  actor.order({ calls: [['admit', scene.campaignId, { count: 3 }]] });
  // The absent were looked for, and everybody was there.
  await actor.reaches('before admit-line');
  await ground.redis.zincrby(scene.key('presence'), -200_000, 'user-2');
  actor.goOn();
  await actor.reaches('done');
  expect(await scene.served()).toEqual(['1 user-1', '2 user-3', '3 user-4']);
  expect(await scene.leave('user-2')).toEqual({ status: 'absent' });
  await scene.end();
});

test('places that end in the step that lets others through are told like all others', async () => {
  const events: CouponEvent[] = [];
  const scene = await WaitingScene.open(ground, { total: 5, campaign: { presenceMs: 60_000 } });
  const { redis } = ground;
  const sha1 = shaOf(scripts.admitLine);
  let asked = 0;
  const client: RedisClient = {
    evalsha: async (sha, ...rest) => {
      // The absent were looked for, and everybody was there.
      if (sha === sha1 && ++asked === 1) await redis.zincrby(scene.key('presence'), -200_000, 'user-2');
      return redis.evalsha(sha, ...rest);
    },
    eval: (source, ...rest) => redis.eval(source, ...rest),
  };
  await loadScripts(redis);
  await scene.joinAll(names(4));
  await redis.hset(scene.key('campaign'), 'sweptAt', String(Date.now()), 'graceUntil', '1');
  await scene.admit(2, scene.process({ redis: client, onEvent: (event) => events.push(event) }));
  expect(await scene.leave('user-2')).toEqual({ status: 'absent' });
  const places_ended = { type: 'places_ended', campaignId: scene.campaignId, reason: 'absent', count: 1 };
  expect(events.filter(({ type }) => type === 'places_ended')).toEqual([places_ended]);
  await scene.end();
});

test('a worker that looks less often than people give a sign of life still ends the places of those who give none', async () => {
  const scene = await WaitingScene.open(ground, { total: 5, campaign: { presenceMs: 1_000 } });
  await scene.joinAll(names(3));
  const waves = [{ at: new Date(Date.now() + 3_600_000), count: 1 }];
  await scene.issuer.campaign(scene.campaignId).setPace({ waves });
  const worker = scene.issuer.startWorker({ campaigns: [scene.campaignId], intervalMs: 1_500 });
  await until(
    async () => (await scene.inspect()).waiting === 0,
    10_000,
    () => 'the absent kept their places',
  );
  await worker.stop();
  for (const userId of names(3)) expect(await scene.leave(userId)).toEqual({ status: 'absent' });
  await scene.end();
});
