import { afterAll, beforeAll, expect, test } from 'vitest';
import { Tally } from '../support/checks/tally.js';
import { operatorKills } from '../support/scenes/kill-cases.js';
import { operatorCases } from '../support/scenes/operator-cases.js';
import { Ground, Scene } from '../support/scenes/scene.js';

const tally = new Tally('operator killed');
let ground: Ground;

beforeAll(async () => {
  ground = await Ground.prepare();
});
afterAll(async () => {
  tally.print();
  await ground.stop();
});

const titled = operatorKills.map((place) => [`${place.when} ${place.step}`, place] as const);

test.each(titled)('an operator killed %s does it again, and it is done once', async (point, { when, step }) => {
  const { prepare, call, done, again, ...of } = operatorCases[step]!;
  const scene = new Scene(ground, of.scene);
  await prepare?.(scene);
  const actor = await scene.actor({ holdAt: { point: `${when} ${step}` } });
  actor.order({ calls: [call(scene)] });
  await actor.reaches(point);
  expect(await actor.kill()).toBe('SIGKILL');
  tally.harmed(scene);
  expect(await done(scene)).toBe(when === 'after');

  await again(scene, when === 'after');
  tally.served(scene);
  await (of.end ? of.end(scene) : scene.end());
  tally.ended(scene);
});
