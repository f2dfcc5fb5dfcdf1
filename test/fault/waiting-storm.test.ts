import { afterAll, beforeAll, expect, test } from 'vitest';
import { Crowd, Hearsay } from '../support/actors/waiting-crowd.js';
import { LIMIT, length, SEED } from '../support/checks/lengths.js';
import { seeded } from '../support/checks/random.js';
import { until } from '../support/checks/until.js';
import { names, prepareGround, SHORT, WaitingScene } from '../support/scenes/waiting-scene.js';

const JOINS = 100_000;
const TOTAL = 60_000;
const PROCESSES = 4;
/** A twentieth of those who wait leaves: more people wait in the end than there are coupons, and some who come are refused. */
const OVERBOOK = 15_000;
const LEAVING = 0.05;
const POINTS = ['before save', 'after admit-line', 'before confirm', 'after save', 'before admit-line'] as const;

let ground: Awaited<ReturnType<typeof prepareGround>>;
beforeAll(async () => {
  ground = await prepareGround();
});
afterAll(() => ground.stop());

/** Workers of which one is killed again and again: in turn at a point of the protocol, and wherever it happens to be. */
async function killAgainAndAgain(scene: WaitingScene, upTo: number): Promise<number> {
  const random = seeded(SEED);
  const work = { campaigns: [scene.campaignId], intervalMs: 20, batchSize: 250 };
  const start = async (point?: (typeof POINTS)[number]) => {
    const nth = 2 + Math.floor(random() * 4);
    const actor = await scene.actor(point ? { holdAt: { point, nth } } : {});
    actor.order({ work });
    return actor;
  };
  const lasting = await Promise.all([start(), start()]);
  const served = async () => {
    const { issued, reserved } = await scene.inspect();
    return issued + reserved;
  };
  let kills = 0;
  while ((await served()) < upTo) {
    const point = POINTS[kills % POINTS.length]!;
    const victim = await start(point);
    // Once everybody is served it does not come there any more.
    const everybody = until(async () => (await served()) === scene.total, LIMIT);
    await Promise.race([victim.reaches(point), everybody]);
    expect(await victim.kill()).toBe('SIGKILL');
    const i = Math.floor(random() * lasting.length);
    expect(await lasting[i]!.kill()).toBe('SIGKILL');
    lasting[i] = await start();
    kills += 2;
  }
  lasting.push(await start());
  return kills;
}

test(
  `${JOINS} join from ${PROCESSES} processes while workers are killed: each user has one answer, and serials follow tickets`,
  async () => {
    const scene = await WaitingScene.open(ground, { total: TOTAL, campaign: { overbook: OVERBOOK }, issuer: SHORT });
    const hearsay = new Hearsay();
    const crowds = await Promise.all(
      Array.from({ length: PROCESSES }, () => Crowd.start(scene, hearsay, { options: SHORT })),
    );
    const share = JOINS / PROCESSES;
    const comings = (leaving: number) =>
      Promise.all(
        crowds.map((crowd, i) =>
          crowd.come({ name: `guest-${i}`, from: 0, to: share, askers: 500, leaving, seed: SEED + i }),
        ),
      );
    const startedAt = performance.now();
    let joinedMs = 0;
    const coming = comings(LEAVING).then(() => {
      joinedMs = performance.now() - startedAt;
    });
    const [kills] = await Promise.all([killAgainAndAgain(scene, TOTAL * 0.6), coming]);
    expect(kills).toBeGreaterThanOrEqual(4);
    await until(
      async () => {
        const { issued, reserved, waiting } = await scene.inspect();
        return issued === TOTAL && reserved === 0 && waiting === 0;
      },
      60_000,
      () => 'not everybody was served',
    );
    const servedMs = performance.now() - startedAt;
    const firstCounts = hearsay.counts;

    const rows = await scene.rows();
    expect(rows).toHaveLength(TOTAL);
    const serials = new Map(rows.map(({ userId, serial }) => [userId, serial]));
    expect(serials.size, 'one row for each user').toBe(TOTAL);
    // Nobody who left was served, and whoever was told that they were let through has their row.
    const wrong = [...hearsay.left].filter(([userId, status]) => serials.has(userId) !== (status !== 'left'));
    expect(wrong, 'what leave() told').toEqual([]);
    expect(firstCounts['leave: left']).toBeGreaterThan(1_000);
    expect(firstCounts.sold_out).toBeGreaterThan(0);
    const refused = [...hearsay.joined].filter(([userId, { status }]) => status === 'sold_out' && serials.has(userId));
    expect(refused, 'who was refused has nothing').toEqual([]);
    for (const [userId, ticket] of hearsay.tickets) scene.tickets.set(userId, ticket);

    // Everybody asks once more, under the same request id: the answer is the same for good, and agrees with the rows.
    await comings(0);
    expect(hearsay.joined.size).toBe(JOINS);
    const other = [...hearsay.joined].filter(([userId, { status, number }]) => {
      const serial = serials.get(userId);
      return serial === undefined ? status !== 'sold_out' : status !== 'issued' || number !== serial;
    });
    expect(other.slice(0, 5), 'issued or sold out, as the rows say').toEqual([]);
    expect(hearsay.counts).toMatchObject({ issued: TOTAL, sold_out: JOINS - TOTAL });
    await scene.end();
    process.stdout.write(
      `waiting storm: seed=${SEED} kills=${kills} joins=${JOINS} joins/s=${Math.round(JOINS / (joinedMs / 1000))} seconds=${(servedMs / 1000).toFixed(1)} told=${JSON.stringify(firstCounts)}\n`,
    );
  },
  LIMIT,
);

test('processes whose clocks are an hour apart: serials follow tickets all the same', async () => {
  const guests = length(800, 8_000);
  const scene = await WaitingScene.open(ground, { total: 4 * guests, campaign: { presenceMs: 60_000 } });
  const hearsay = new Hearsay();
  const clocks = [0, 3_600_000, -3_600_000];
  const crowds = await Promise.all(clocks.map((clockAheadMs) => Crowd.start(scene, hearsay, { clockAheadMs })));
  const come = (name: string) =>
    Promise.all(crowds.map((crowd, i) => crowd.come({ name: `${name}-${i}`, from: 0, to: guests, askers: 50 })));
  // Those who let people through go by wrong clocks too.
  for (const crowd of crowds) crowd.work({ campaigns: [scene.campaignId], intervalMs: 10, batchSize: 50 });
  await come('guest');
  await until(async () => (await scene.inspect()).waiting === 0);
  const [first] = await scene.joinAll(names(1, 'late'));
  expect(first).toMatchObject({ status: 'waiting', ticket: 3 * guests + 1 });
  await until(async () => (await scene.inspect()).issued === 3 * guests + 1);
  for (const [userId, ticket] of hearsay.tickets) scene.tickets.set(userId, ticket);
  expect(hearsay.tickets.size).toBe(3 * guests);
  await scene.end();
});
