import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Tally } from '../support/checks/tally.js';
import { rebuildStops } from '../support/scenes/kill-cases.js';
import { rebuildNamed, withoutId } from '../support/scenes/named.js';
import { RebuildScene } from '../support/scenes/rebuild-scene.js';
import { Ground } from '../support/scenes/scene.js';

const tally = new Tally('rebuild stopped while another one runs', 'stops');
let ground: Ground;

beforeAll(async () => {
  ground = await Ground.prepare();
});
afterAll(async () => {
  tally.print();
  await ground.stop();
});

describe.each(['counted', 'codes'] as const)('a rebuild of a %s campaign', (stock) => {
  let laid: RebuildScene;
  beforeAll(async () => {
    laid = await RebuildScene.lay(ground, stock);
  });

  const titled = rebuildStops[stock].map((place) => [`${place.when} ${place.step} no. ${place.nth}`, place] as const);
  test.each(titled)('stopped %s, while another one comes to its end, changes nothing and says so', async (_, place) => {
    const scene = await laid.again('kept');
    const point = `${place.when} ${place.step}` as const;
    const actor = await scene.actor({ holdAt: { point, nth: place.nth } });
    actor.order({ calls: [['rebuild', scene.campaignId, withoutId(scene.definition), laid.rebuildOptions]] });
    await actor.reaches(point);
    await actor.signal('SIGSTOP');
    tally.harmed(scene);

    await rebuildNamed(scene.survivor, scene.definition, laid.rebuildOptions);
    expect(await scene.issueTo('ann')).toBe('accepted');
    tally.served(scene);
    await scene.survivor.campaign(scene.campaignId).settle();
    const before = await laid.state();
    await actor.signal('SIGCONT');
    actor.goOn();
    expect(await actor.reaches('done')).toMatchObject([{ error: { code: 'CAMPAIGN_CONFLICT' } }]);
    expect(await laid.state()).toEqual(before);
    await scene.end();
    tally.ended(scene);
  });
});
