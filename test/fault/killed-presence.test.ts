import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../support/checks/until.js';
import { presenceKills } from '../support/scenes/kill-cases.js';
import { openNamed } from '../support/scenes/named.js';
import { Ground, Scene } from '../support/scenes/scene.js';

const KEY = 'coupon:workers';
let ground: Ground;
beforeAll(async () => {
  ground = await Ground.prepare();
});
afterAll(() => ground.stop());

/** As if so long had passed since a worker was seen. */
async function age(id: string, ms: number): Promise<void> {
  const [seenAt, ...facts] = (await ground.redis.hget(KEY, id))!.split(':');
  await ground.redis.hset(KEY, id, [Number(seenAt) - ms, ...facts].join(':'));
}

test.each(presenceKills.map((place) => [`${place.when} ${place.step}`, place] as const))(
  'a worker killed %s leaves a field at most, and settles as if it had told nothing',
  async (point, { step, when }) => {
    const scene = await Scene.open(ground, { stock: 'counted', saveMode: 'write-behind', delivers: false });
    expect(await scene.issueTo('ann')).toBe('accepted');
    const actor = await scene.actor({ holdAt: { point } });
    actor.order({ work: { intervalMs: 60_000 } });
    if (step === 'forget-worker') {
      await until(async () => (await scene.survivor.workers()).length === 1);
      actor.order({ stop: true });
    }
    await actor.reaches(point);
    expect(await actor.kill()).toBe('SIGKILL');
    const isThere = point === 'after note-worker' || point === 'before forget-worker';
    expect(await scene.survivor.workers(), when).toHaveLength(isThere ? 1 : 0);
    for (const id of await ground.redis.hkeys(KEY)) await age(id, 600_001);
    expect(await scene.survivor.workers()).toEqual([]);
    await scene.settle();
    await scene.end();
    await ground.redis.del(KEY);
  },
);

test('two workers in two processes are seen, and one that was killed is gone after ten of its intervals', async () => {
  const scene = new Scene(ground, { stock: 'counted', saveMode: 'write-through', delivers: false });
  await openNamed(scene.survivor, scene.definition);
  const actors = [await scene.actor({}), await scene.actor({})];
  for (const actor of actors) actor.order({ work: { intervalMs: 60_000 } });
  await until(async () => (await scene.survivor.workers()).length === 2);
  expect(await actors[0]!.kill()).toBe('SIGKILL');
  actors[1]!.order({ stop: true });
  await actors[1]!.reaches('done');
  const [left, ...others] = await scene.survivor.workers();
  expect(others).toEqual([]);
  await age(left!.id, 590_000);
  expect(await scene.survivor.workers()).toHaveLength(1);
  await age(left!.id, 10_001);
  expect(await scene.survivor.workers()).toEqual([]);
});
