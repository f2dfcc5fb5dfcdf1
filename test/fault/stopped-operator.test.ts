import { afterAll, beforeAll, expect, test } from 'vitest';
import { Tally } from '../support/checks/tally.js';
import { operatorKills } from '../support/scenes/kill-cases.js';
import { openNamed } from '../support/scenes/named.js';
import { operatorCases } from '../support/scenes/operator-cases.js';
import { Ground, Scene } from '../support/scenes/scene.js';

const tally = new Tally('operator stopped while another one does it', 'stops');
let ground: Ground;

beforeAll(async () => {
  ground = await Ground.prepare();
});
afterAll(async () => {
  tally.print();
  await ground.stop();
});

/** A pause that comes late is a pause; everything else was done by then. */
const steps = operatorKills.flatMap(({ when, step }) => (when === 'before' && step !== 'set-paused' ? [step] : []));

test.each(steps)('an operator stopped before %s, while another one does it, does it no second time', async (step) => {
  const { prepare, call, again, ...of } = operatorCases[step]!;
  const scene = new Scene(ground, of.scene);
  await prepare?.(scene);
  const actor = await scene.actor({ holdAt: { point: `before ${step}` } });
  actor.order({ calls: [call(scene)] });
  await actor.reaches(`before ${step}`);
  await actor.signal('SIGSTOP');
  tally.harmed(scene);

  await again(scene, false);
  tally.served(scene);
  const before = await scene.holdings();
  await actor.signal('SIGCONT');
  actor.goOn();
  await actor.reaches('done');
  expect(await scene.holdings()).toEqual(before);
  await (of.end ? of.end(scene) : scene.end());
  tally.ended(scene);
});

test('a loader stopped between two chunks, while another one loads them all, loads nothing twice', async () => {
  const total = 1_200;
  const scene = new Scene(ground, { stock: 'codes', saveMode: 'write-through', delivers: false, total });
  const { survivor, campaignId, codes } = scene;
  await openNamed(survivor, scene.definition);
  const actor = await scene.actor({ holdAt: { point: 'before load-codes', nth: 3 } });
  actor.order({ calls: [['loadCodes', campaignId, codes, { loadId: 'the list' }]] });
  await actor.reaches('before load-codes');
  await actor.signal('SIGSTOP');
  tally.harmed(scene);

  const whole = { read: total, duplicates: 0, firstDuplicates: [], total };
  const rest = { ...whole, loaded: total - 500, resumedAt: 500 };
  expect(await survivor.campaign(campaignId).loadCodes(codes, { loadId: 'the list' })).toEqual(rest);
  expect(await scene.issueTo('ann')).toBe('issued');
  tally.served(scene);
  await survivor.idle();
  const before = await scene.holdings();
  await actor.signal('SIGCONT');
  actor.goOn();
  expect(await actor.reaches('done')).toEqual([{ result: { ...whole, loaded: 500, resumedAt: 0 } }]);
  expect(await scene.holdings()).toEqual(before);
  await scene.end();
  tally.ended(scene);
});
