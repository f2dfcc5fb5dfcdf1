import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Actor, Call } from '../support/actors/actor.js';
import { length } from '../support/checks/lengths.js';
import { Tally } from '../support/checks/tally.js';
import { pause } from '../support/checks/until.js';
import { issuerStops, type KillCase, titleOf, workerStops } from '../support/scenes/kill-cases.js';
import { Ground, Scene } from '../support/scenes/scene.js';
import { isBehind, makeTrouble, promiseTwo } from '../support/scenes/troubles.js';

const tally = new Tally('owner stopped past its lease', 'stops');
let ground: Ground;

beforeAll(async () => {
  ground = await Ground.prepare();
});
afterAll(async () => {
  tally.print();
  await ground.stop();
});

const titled = (stops: readonly KillCase[]) => stops.map((stop) => [titleOf(stop), stop] as const);

async function stopAt(scene: Scene, actor: Actor, { when, step }: KillCase): Promise<void> {
  await actor.reaches(`${when} ${step}`);
  await actor.signal('SIGSTOP');
  tally.harmed(scene);
}

async function askFor(scene: Scene, stop: KillCase, timeoutMs = 10_000): Promise<Actor> {
  await scene.issueTo('eve');
  await scene.settle();
  const config = await makeTrouble(scene, stop.trouble);
  const actor = await scene.actor({
    ...config,
    options: { timeoutMs },
    holdAt: { point: `${stop.when} ${stop.step}` },
  });
  actor.order({ calls: ['ann', 'bob'].map((userId): Call => ['issue', scene.campaignId, scene.request(userId)]) });
  await stopAt(scene, actor, stop);
  return actor;
}

/** It finds out what became of its calls, and says so. */
async function wakes(scene: Scene, actor: Actor): Promise<string[]> {
  await actor.signal('SIGCONT');
  actor.goOn();
  const outcomes = await actor.reaches('done');
  return ['ann', 'bob'].map((userId, i) => scene.told(userId, outcomes[i]!));
}

async function end(scene: Scene, stop: KillCase): Promise<void> {
  for (const userId of ['ann', 'bob']) await scene.issueTo(userId);
  tally.served(scene);
  await (isBehind(stop.trouble) ? scene.endBehind() : scene.end());
  tally.ended(scene);
}

test.each(titled(issuerStops))(
  'an issuer stopped %s, while settle takes over, changes nothing and tells the truth',
  async (_, stop) => {
    const scene = await Scene.open(ground, stop.variant);
    const actor = await askFor(scene, stop);
    await scene.settle();
    const before = await scene.holdings();
    const told = await wakes(scene, actor);
    expect(await scene.holdings()).toEqual(before);
    if (!isBehind(stop.trouble)) expect(told).not.toContain('refused');
    await end(scene, stop);
  },
);

test.each(titled(issuerStops))(
  'an issuer stopped %s, while a user asks another process, changes nothing for that user and tells the truth',
  async (_, stop) => {
    const scene = await Scene.open(ground, stop.variant);
    const actor = await askFor(scene, stop);
    await scene.issueTo('ann');
    await scene.survivor.idle();
    const before = await scene.holdings();
    const rowsOf = (rows: unknown) => (rows as { userId: string }[]).filter(({ userId }) => userId === 'ann');
    await wakes(scene, actor);
    const after = await scene.holdings();
    expect(rowsOf(after.rows)).toEqual(rowsOf(before.rows));
    if (stop.variant.saveMode === 'write-through') expect(after.grants['1:ann']).toBe(before.grants['1:ann']);
    await end(scene, stop);
  },
);

const promising = ({ variant, trouble }: KillCase) => variant.saveMode === 'write-through' && !isBehind(trouble);
test.each(titled(issuerStops.filter(promising)))(
  'an issuer stopped %s, while another process promises the coupon to a user, breaks no promise',
  async (_, stop) => {
    const scene = await Scene.open(ground, stop.variant);
    const actor = await askFor(scene, stop);
    scene.saves = 'in doubt';
    expect(await scene.issueTo('ann')).toBe('accepted');
    scene.saves = null;
    expect(await scene.leftOf('ann')).toBe(stop.left);
    const [told] = await wakes(scene, actor);
    expect(['issued', 'accepted']).toContain(told);
    expect(await scene.leftOf('ann')).toBe(told === 'issued' ? 'saved' : 'reserved');
    await end(scene, stop);
  },
);

test.each(
  titled(issuerStops.filter(({ when, trouble, variant }) => when === 'after' && !trouble && !variant.delivers)),
)('an issuer stopped %s past the deadline of its calls tells what it can vouch for', async (_, stop) => {
  const scene = await Scene.open(ground, stop.variant);
  const timeoutMs = 1_000;
  const actor = await askFor(scene, stop, timeoutMs);
  await scene.settle();
  const before = await scene.holdings();
  await pause(length(timeoutMs, 10 * timeoutMs));
  const told = await wakes(scene, actor);
  expect(told.filter((word) => word !== 'accepted' && word !== 'unknown')).toEqual([]);
  expect(await scene.holdings()).toEqual(before);
  await end(scene, stop);
});

test.each(titled(workerStops))(
  'a worker stopped %s, while another one takes over, changes nothing',
  async (_, stop) => {
    const scene = await Scene.open(ground, stop.variant);
    await promiseTwo(scene);
    const config = await makeTrouble(scene, stop.trouble);
    const actor = await scene.actor({ ...config, holdAt: { point: `${stop.when} ${stop.step}` } });
    actor.order({ work: { campaigns: [scene.campaignId], intervalMs: 5 } });
    await stopAt(scene, actor, stop);
    await scene.settle();
    const before = await scene.holdings();
    await actor.signal('SIGCONT');
    actor.goOn();
    actor.order({ stop: true });
    await actor.reaches('done');
    expect(await scene.holdings()).toEqual(before);
    await end(scene, stop);
  },
);
