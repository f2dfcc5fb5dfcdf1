import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Tally } from '../support/checks/tally.js';
import type { Place } from '../support/scenes/kill-cases.js';
import { rebuildKills } from '../support/scenes/kill-cases.js';
import { rebuildNamed, withoutId } from '../support/scenes/named.js';
import { type Loss, RebuildScene } from '../support/scenes/rebuild-scene.js';
import { Ground, type Scene } from '../support/scenes/scene.js';

const tally = new Tally('rebuild killed');
let ground: Ground;

beforeAll(async () => {
  ground = await Ground.prepare();
});
afterAll(async () => {
  tally.print();
  await ground.stop();
});

async function killAt(scene: Scene, laid: RebuildScene, { when, step, nth }: Place): Promise<void> {
  const actor = await scene.actor({ holdAt: { point: `${when} ${step}`, nth } });
  actor.order({ calls: [['rebuild', scene.campaignId, withoutId(scene.definition), laid.rebuildOptions]] });
  await actor.reaches(`${when} ${step}`);
  expect(await actor.kill()).toBe('SIGKILL');
  tally.harmed(scene);
}

/** What somebody who had a coupon is told, before the campaign is rebuilt by another process. */
function expectedAnswer(loss: Loss, { when, step, nth }: Place): string {
  const unknownEpoch = step === 'begin-rebuild' && loss === 'kept' && nth === 1;
  const begun = step !== 'register-campaign' && !unknownEpoch && !(step === 'begin-rebuild' && when === 'before');
  const stretches = loss === 'kept' ? 2 : 1;
  if (begun && !(step === 'finish-rebuild' && when === 'after' && nth === stretches)) {
    return loss === 'kept' || rowsAreThere({ when, step, nth }) ? 'issued' : 'not_ready:rebuilding';
  }
  if (begun || loss === 'kept') return 'issued';
  return step === 'register-campaign' && when === 'before' ? 'UNKNOWN_CAMPAIGN' : 'not_ready:missing';
}

/** Of the first user at least. */
function rowsAreThere({ when, step, nth }: Place): boolean {
  if (step === 'rebuild-rows') return when === 'after' || nth > 1;
  return ['rebuild-codes', 'keep-known', 'finish-rebuild'].includes(step);
}

describe.each(['counted', 'codes'] as const)('a rebuild of a %s campaign', (stock) => {
  let laid: RebuildScene;
  const whole: Record<Loss, unknown> = { kept: null, lost: null };

  beforeAll(async () => {
    laid = await RebuildScene.lay(ground, stock);
    for (const loss of ['kept', 'lost'] as const) {
      const scene = await laid.again(loss);
      await rebuildNamed(scene.survivor, scene.definition, laid.rebuildOptions);
      whole[loss] = await laid.state();
    }
  });

  const cases = (['kept', 'lost'] as const).flatMap((loss) =>
    rebuildKills[loss][stock].map((place) => {
      const of = place.nth > 1 ? ` no. ${place.nth}` : '';
      return [`${place.when} ${place.step}${of}, what Redis had is ${loss}`, loss, place] as const;
    }),
  );
  test.each(cases)('killed %s: the next one comes to the same state', async (_, loss, place) => {
    const scene = await laid.again(loss);
    await killAt(scene, laid, place);
    const expected = expectedAnswer(loss, place);
    const before = scene.ledger.count(expected);
    await scene.issueTo('user-1');
    expect(scene.ledger.count(expected), JSON.stringify(scene.ledger.counts)).toBe(before + 1);

    const { lost } = await rebuildNamed(scene.survivor, scene.definition, laid.rebuildOptions);
    expect(lost).toEqual([]);
    expect(await laid.state()).toEqual(whole[loss]);
    await scene.issueTo('user-1');
    tally.served(scene);
    await scene.end({ kept: loss === 'kept' });
    tally.ended(scene);
  });

  test('killed after each of its steps, run after run, comes to the same state', async () => {
    const scene = await laid.again('kept');
    await killAt(scene, laid, { when: 'after', step: 'begin-rebuild', nth: 2 });
    let runs = 1;
    for (let place = await nextStep(laid, stock); place; place = await nextStep(laid, stock)) {
      const before = await laid.progress();
      await killAt(scene, laid, place);
      runs++;
      // A pool that codes were loaded into is made anew by the next run.
      if (place.step === 'finish-rebuild' || place.step === 'rebuild-codes') break;
      expect(await laid.progress(), `${place.step} had been done`).not.toEqual(before);
    }
    await rebuildNamed(scene.survivor, scene.definition, laid.rebuildOptions);
    expect(runs).toBeGreaterThan(8);
    expect(await laid.state()).toEqual(whole.kept);
    await scene.end();
    tally.ended(scene);
  });
});

/** The first step of the next run that changes anything: what a run only asks comes before it. */
async function nextStep(laid: RebuildScene, stock: 'counted' | 'codes'): Promise<Place> {
  const { phase, cursor } = await laid.progress();
  const after = (step: string, nth = 1): Place => ({ when: 'after', step, nth });
  if (phase === 'old') return after('keep-promised');
  if (cursor < RebuildScene.lastRow) return after('rebuild-rows');
  if (cursor < RebuildScene.lastPromised) return after('rebuild-rows', 2);
  return after(stock === 'codes' ? 'rebuild-codes' : 'finish-rebuild');
}
