import { afterAll, beforeAll, expect, test } from 'vitest';
import { Tally } from '../support/checks/tally.js';
import { type KillCase, titleOf, workerKills } from '../support/scenes/kill-cases.js';
import { quarantinedOf } from '../support/scenes/named.js';
import { Ground, Scene } from '../support/scenes/scene.js';
import { isBehind, makeTrouble, promiseTwo } from '../support/scenes/troubles.js';

const tally = new Tally('worker killed');
let ground: Ground;

beforeAll(async () => {
  ground = await Ground.prepare();
});
afterAll(async () => {
  tally.print();
  await ground.stop();
});

const titled = workerKills.map((kill) => [titleOf(kill), kill] as const);

test.each(titled)('a worker killed %s: whoever was promised a coupon gets it, once', async (_, kill: KillCase) => {
  const scene = await Scene.open(ground, kill.variant);
  await promiseTwo(scene);
  const config = await makeTrouble(scene, kill.trouble);
  const actor = await scene.actor({ ...config, holdAt: { point: `${kill.when} ${kill.step}` } });
  actor.order({ work: { campaigns: [scene.campaignId], intervalMs: 5 } });
  await actor.reaches(`${kill.when} ${kill.step}`);
  expect(await actor.kill()).toBe('SIGKILL');
  tally.harmed(scene);
  expect(await scene.leftOf('ann')).toBe(kill.left);
  const forGood = kill.trouble === 'save refused for good' && kill.when === 'after';
  expect(await quarantinedOf(scene.survivor.campaign(scene.campaignId))).toHaveLength(forGood ? 2 : 0);
  if (!isBehind(kill.trouble)) await scene.checkNow();

  await scene.settle();
  if (!isBehind(kill.trouble)) expect(await scene.leftOf('ann')).toBe('issued');
  for (const userId of ['ann', 'bob']) await scene.issueTo(userId);
  tally.served(scene);
  await (isBehind(kill.trouble) ? scene.endBehind() : scene.end());
  tally.ended(scene);
});
