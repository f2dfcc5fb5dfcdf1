import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Call } from '../support/actors/actor.js';
import { Tally } from '../support/checks/tally.js';
import { issuerKills, type KillCase, titleOf } from '../support/scenes/kill-cases.js';
import { Ground, Scene } from '../support/scenes/scene.js';
import { isBehind, makeTrouble } from '../support/scenes/troubles.js';

const tally = new Tally('issuer killed');
let ground: Ground;

beforeAll(async () => {
  ground = await Ground.prepare();
});
afterAll(async () => {
  tally.print();
  await ground.stop();
});

const titled = issuerKills.map((kill) => [titleOf(kill), kill] as const);

/** One of its users asks again at once, under the same request id; the other one is left to settle. */
test.each(titled)('an issuer killed %s: nothing is lost, nothing is given twice', async (_, kill: KillCase) => {
  const scene = await Scene.open(ground, kill.variant);
  await scene.issueTo('eve');
  await scene.settle();
  const config = await makeTrouble(scene, kill.trouble);
  const actor = await scene.actor({ ...config, holdAt: { point: `${kill.when} ${kill.step}` } });
  actor.order({ calls: ['ann', 'bob'].map((userId): Call => ['issue', scene.campaignId, scene.request(userId)]) });
  await actor.reaches(`${kill.when} ${kill.step}`);
  expect(await actor.kill()).toBe('SIGKILL');
  tally.harmed(scene);
  expect(await scene.leftOf('ann')).toBe(kill.left);
  if (!isBehind(kill.trouble)) await scene.checkNow();

  const told = await scene.issueTo('ann');
  tally.served(scene);
  if (!isBehind(kill.trouble)) expect(told).toBe(kill.variant.saveMode === 'write-behind' ? 'accepted' : 'issued');
  await scene.settle();
  await scene.issueTo('bob');
  await (isBehind(kill.trouble) ? scene.endBehind() : scene.end());
  tally.ended(scene);
});
