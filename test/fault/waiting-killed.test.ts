import { afterAll, beforeAll, expect, test } from 'vitest';
import type { When } from '../support/actors/actor.js';
import { until } from '../support/checks/until.js';
import { names, prepareGround, SHORT, WaitingScene } from '../support/scenes/waiting-scene.js';

let ground: Awaited<ReturnType<typeof prepareGround>>;
beforeAll(async () => {
  ground = await prepareGround();
});
afterAll(() => ground.stop());

const BATCH = 3;
const USERS = names(8);

/** What the killed process leaves of its batch: everybody in line, reserved, with a row besides, or all. */
type Left = 'waiting' | 'reserved' | 'saved' | 'issued';
interface Kill {
  readonly step: string;
  readonly when: When;
  readonly left: Left;
  readonly delivers: boolean;
  readonly nth?: number;
}

function kills(): Kill[] {
  const both = (step: string, before: Left, after: Left): Kill[] =>
    [false, true].flatMap((delivers) => [
      { step, when: 'before' as const, left: before, delivers },
      { step, when: 'after' as const, left: after, delivers },
    ]);
  return [
    ...both('admit-line', 'waiting', 'reserved'),
    ...both('deliver', 'reserved', 'reserved').filter(({ delivers }) => delivers),
    // The first of the batch was delivered, the second was not yet.
    { step: 'deliver', when: 'before', left: 'reserved', delivers: true, nth: 2 },
    ...both('save', 'reserved', 'saved'),
    ...both('confirm', 'saved', 'issued'),
  ];
}

async function leftOf(scene: WaitingScene): Promise<Left> {
  const { waiting, reserved } = await scene.inspect();
  const rows = (await scene.rows()).length;
  if (waiting === USERS.length) return 'waiting';
  expect(waiting).toBe(USERS.length - BATCH);
  if (reserved === 0) return 'issued';
  expect(reserved).toBe(BATCH);
  return rows === BATCH ? 'saved' : 'reserved';
}

/** Serials in the order of the tickets, whoever finished; each was given their own coupon, and nobody more often than that. */
async function endOf(scene: WaitingScene, mostDeliveries: number): Promise<void> {
  const order = USERS.map((userId, i) => `${i + 1} ${userId}`);
  expect(await scene.served()).toEqual(order);
  const rows = await scene.rows();
  for (const row of rows) {
    const given = scene.deliveries.filter(({ userId }) => userId === row.userId);
    expect(given.every(({ id, serial, code }) => id === row.id && serial === row.serial && code === row.code)).toBe(
      true,
    );
    if (mostDeliveries === 0) continue;
    expect(given.length, `deliveries to ${row.userId}`).toBeGreaterThanOrEqual(1);
    expect(given.length, `deliveries to ${row.userId}`).toBeLessThanOrEqual(mostDeliveries);
  }
  await scene.end();
}

const titled = kills().map((kill) => {
  const { step, when, delivers, nth } = kill;
  return [`${when} ${step}${nth ? ` of the ${nth}nd` : ''}${delivers ? ' (delivers)' : ''}`, kill] as const;
});

test.each(titled)(
  'whoever lets people through is killed %s: settle finishes what was let through, in the order of the line',
  async (_, { step, when, left, delivers, nth = 1 }) => {
    const scene = await WaitingScene.open(ground, {
      delivers,
      issuer: SHORT,
      campaign: { stock: { kind: 'counted', total: 10, generateCodes: true } },
    });
    await scene.joinAll(USERS);
    const point = `${when} ${step}` as const;
    const actor = await scene.actor({ holdAt: { point, nth } });
    actor.order({ calls: [['admit', scene.campaignId, { count: BATCH }]] });
    await actor.reaches(point);
    expect(await actor.kill()).toBe('SIGKILL');
    expect(await leftOf(scene)).toBe(left);
    const records = await ground.redis.hgetall(scene.key('grants'));
    expect(Object.keys(records)).toHaveLength(left === 'waiting' ? 0 : BATCH);
    await scene.checkLine();

    // Who came after them is let through first of all: they keep their places and their serials all the same.
    await scene.admit(2);
    await scene.settle();
    await scene.admit(USERS.length);
    await scene.issuer.idle();
    const after = await ground.redis.hgetall(scene.key('grants'));
    const unitOf = (record: string) => record.split(':').slice(2, 6);
    for (const [field, record] of Object.entries(records)) {
      expect(unitOf(after[field]!), 'serial, time, id and code are kept').toEqual(unitOf(record));
    }
    // Only what was reserved and not saved may be delivered once more.
    await endOf(scene, delivers ? (left === 'reserved' ? 2 : 1) : 0);
  },
);

test.each([
  ['after admit-line', false],
  ['before save', true],
  ['after save', true],
  ['before confirm', false],
  ['after tend-line', false],
] as const)(
  'a worker killed %s: another worker finishes what it let through and goes on with the line',
  async (point, delivers) => {
    const scene = await WaitingScene.open(ground, { delivers, issuer: { leaseMs: 1_000, timeoutMs: 900 } });
    await scene.joinAll(USERS);
    const actor = await scene.actor({ holdAt: { point } });
    const work = { campaigns: [scene.campaignId], intervalMs: 5, batchSize: BATCH };
    actor.order({ work });
    await actor.reaches(point);
    expect(await actor.kill()).toBe('SIGKILL');
    // Whoever watches looks by themselves once in a while: one case of it is enough.
    const watchers = point === 'before save' ? USERS : USERS.slice(-1);
    const watching = Promise.all(watchers.map((userId) => scene.watch(userId)));
    const worker = scene.issuer.startWorker(work);
    const ends = await watching;
    expect(ends.map((changes) => changes.at(-1)?.status)).toEqual(watchers.map(() => 'issued'));
    await until(async () => (await scene.inspect()).issued === USERS.length);
    await worker.stop();
    await endOf(scene, delivers ? (point === 'before save' ? 2 : 1) : 0);
  },
);
