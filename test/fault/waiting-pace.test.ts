import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PaceChange } from '../../src/index.js';
import { Crowd } from '../support/actors/waiting-crowd.js';
import { length } from '../support/checks/lengths.js';
import { timersInARow } from '../support/checks/timers.js';
import { until } from '../support/checks/until.js';
import { names, prepareGround, redisSeconds, SHORT, WaitingScene } from '../support/scenes/waiting-scene.js';

let ground: Awaited<ReturnType<typeof prepareGround>>;
beforeAll(async () => {
  ground = await prepareGround();
});
afterAll(() => ground.stop());

const WORKERS = 3;
const USERS = 1_000;

async function waitingScene(): Promise<WaitingScene> {
  const scene = await WaitingScene.open(ground, { total: 2 * USERS, issuer: SHORT });
  for (let first = 0; first < USERS; first += 500) await scene.joinAll(names(USERS).slice(first, first + 500));
  return scene;
}

/**
 * Workers of which the first one dies with a batch in its hands, which it took from the line and did not save. It begins alone, so that it gets to take
 * one; then the others run, and it is killed.
 */
async function startWorkers(scene: WaitingScene, pace: PaceChange): Promise<Crowd[]> {
  await scene.issuer.campaign(scene.campaignId).setPace(pace);
  const work = { campaigns: [scene.campaignId], intervalMs: 5, batchSize: 10 };
  const victim = await Crowd.start(scene, undefined, { options: SHORT, holdAtSave: 2 });
  const others = await Promise.all(
    Array.from({ length: WORKERS - 1 }, () => Crowd.start(scene, undefined, { options: SHORT })),
  );
  victim.work(work);
  await victim.reaches('before save');
  for (const other of others) other.work(work);
  expect(await victim.kill()).toBe('SIGKILL');
  return others;
}

async function letThrough(scene: WaitingScene): Promise<number> {
  const { issued, reserved, waiting } = await scene.inspect();
  expect(issued + reserved + waiting!, 'everybody waits or was let through').toBe(USERS);
  return issued + reserved;
}

/** Waits until whoever lets people through has tried so often since. */
async function triedAgain(scene: WaitingScene, times: number): Promise<void> {
  const calls = async () =>
    Object.fromEntries(
      Object.entries(await ground.redis.hgetall(scene.key('senders'))).map(([sender, call]) => [
        sender,
        Number.parseInt(call, 10),
      ]),
    );
  const before = await calls();
  await until(async () => {
    const now = Object.entries(await calls());
    return now.filter(([sender, call]) => call >= (before[sender] ?? 0) + times).length >= 2;
  });
}

test(`${WORKERS} workers share a cap, one of them dies: over any time they let no more through than the cap allows`, async () => {
  const perSecond = 200;
  const scene = await waitingScene();
  const samples: { readonly at: number; readonly count: number }[] = [
    { at: await redisSeconds(ground.redis), count: 0 },
  ];
  const workers = await startWorkers(scene, { admitPerSecond: perSecond });
  const wanted = length(500, 900);
  // They do use it: half of it at least, and a second more.
  const atHalfThePace = timersInARow(...Array.from({ length: 1 + (2 * wanted) / perSecond }, () => 1_000));
  await until(async () => {
    const count = await letThrough(scene);
    samples.push({ at: await redisSeconds(ground.redis), count });
    return count >= wanted;
  });
  expect(atHalfThePace.ranOut).toBe(false);
  atHalfThePace.stop();
  // From a sample, taken before its time was read, to a later one. What was counted between the two came within the time from before the first.
  const tooMany = samples.slice(1).flatMap((from, i) => {
    const since = samples[i]!.at;
    return samples.slice(i + 2).filter((to) => to.count - from.count > perSecond * (to.at - since + 0.1) + 1);
  });
  expect(tooMany, 'more than the cap allows').toEqual([]);
  const [first, end] = [samples[0]!, samples.at(-1)!];
  expect(end.count).toBeLessThanOrEqual(perSecond * (end.at - first.at + 0.1) + 1);
  await Promise.all(workers.map((worker) => worker.kill()));
  await scene.end();
});

test(`a wave lets exactly as many through as it has, though ${WORKERS} workers run and one dies in the middle`, async () => {
  const scene = await waitingScene();
  const at = new Date((await redisSeconds(ground.redis)) * 1000);
  const count = 137;
  const workers = await startWorkers(scene, { waves: [{ at, count }] });
  await until(async () => (await letThrough(scene)) >= count);
  await triedAgain(scene, 20);
  expect(await letThrough(scene)).toBe(count);
  // What the dead one had in its hands is saved by the others.
  await until(async () => (await scene.rows()).length === count);
  expect(await scene.served()).toEqual(names(count).map((userId, i) => `${i + 1} ${userId}`));
  await Promise.all(workers.map((worker) => worker.kill()));
  await scene.end();
});

test('two waves that are due let both through, once; a worker that comes later adds nothing to them', async () => {
  const scene = await waitingScene();
  const now = (await redisSeconds(ground.redis)) * 1000;
  // Somebody looked two minutes ago, and nobody since.
  await ground.redis.hset(`{coupon:${scene.campaignId}}:campaign`, 'waveAt', String(now - 120_000));
  const waves = [
    { at: new Date(now - 60_000), count: 40 },
    { at: new Date(now - 1), count: 25 },
    { at: new Date(now + 3_600_000), count: 500 },
  ];
  const workers = await startWorkers(scene, { waves, admitPerSecond: 1_000 });
  await until(async () => (await letThrough(scene)) >= 65);
  const late = await Crowd.start(scene, undefined, { options: SHORT });
  late.work({ campaigns: [scene.campaignId], intervalMs: 5 });
  await triedAgain(scene, 20);
  expect(await letThrough(scene)).toBe(65);
  await Promise.all([late, ...workers].map((worker) => worker.kill()));
  await scene.end();
});

test('a wave to come lets nobody through before its time', async () => {
  const scene = await waitingScene();
  const at = new Date((await redisSeconds(ground.redis)) * 1000 + 3_600_000);
  const workers = await Promise.all(Array.from({ length: WORKERS }, () => Crowd.start(scene)));
  await scene.issuer.campaign(scene.campaignId).setPace({ waves: [{ at, count: 100 }] });
  for (const worker of workers) worker.work({ campaigns: [scene.campaignId], intervalMs: 5 });
  await triedAgain(scene, 20);
  expect(await letThrough(scene)).toBe(0);
  expect(await scene.rows()).toEqual([]);
  await Promise.all(workers.map((worker) => worker.kill()));
  await scene.end();
});
