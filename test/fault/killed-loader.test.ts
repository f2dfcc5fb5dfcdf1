import { afterAll, beforeAll, expect, test } from 'vitest';
import { Tally } from '../support/checks/tally.js';
import { loaderKills } from '../support/scenes/kill-cases.js';
import { openNamed } from '../support/scenes/named.js';
import { Ground, Scene } from '../support/scenes/scene.js';

const tally = new Tally('loader killed');
let ground: Ground;

beforeAll(async () => {
  ground = await Ground.prepare();
});
afterAll(async () => {
  tally.print();
  await ground.stop();
});

const TOTAL = 1_200;
const FIRST = 5;

/** How many codes of the list the pool has seen once the n-th call of the loader is through: the first one only asks. */
const seenAfter = (nth: number) => Math.min(TOTAL, 500 * Math.max(0, nth - 1));

const titled = loaderKills.map((place) => [`${place.when} ${place.step} no. ${place.nth}`, place] as const);

test.each(titled)('a loader killed %s: the next one goes on, and each code is there once', async (_, place) => {
  const scene = new Scene(ground, { stock: 'codes', saveMode: 'write-through', delivers: false, total: TOTAL });
  const { campaignId, codes, survivor } = scene;
  await openNamed(survivor, scene.definition);
  await survivor.campaign(campaignId).loadCodes(codes.slice(0, FIRST));
  await scene.issueTo('eve');

  const point = `${place.when} ${place.step}` as const;
  const actor = await scene.actor({ holdAt: { point, nth: place.nth } });
  actor.order({ calls: [['loadCodes', campaignId, codes, { loadId: 'the list' }]] });
  await actor.reaches(point);
  expect(await actor.kill()).toBe('SIGKILL');
  tally.harmed(scene);
  const calls = place.when === 'after' ? place.nth : place.nth - 1;
  const resumedAt = seenAfter(calls);
  expect((await survivor.campaign(campaignId).inspect()).total).toBe(Math.max(FIRST, resumedAt));
  await scene.checkNow();

  expect(await scene.issueTo('ann')).toBe('issued');
  tally.served(scene);
  const loaded = TOTAL - Math.max(FIRST, resumedAt);
  const rest = { read: TOTAL, loaded, duplicates: TOTAL - resumedAt - loaded, total: TOTAL, resumedAt };
  expect(await survivor.campaign(campaignId).loadCodes(codes, { loadId: 'the list' })).toMatchObject(rest);
  await scene.end();
  expect((await scene.rows()).map(({ serial, code }) => code === codes[serial - 1])).not.toContain(false);
  tally.ended(scene);
});
