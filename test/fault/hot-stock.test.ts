import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Order } from '../support/actors/actor.js';
import { LIMIT, length, SEED, SOAK } from '../support/checks/lengths.js';
import { Tally } from '../support/checks/tally.js';
import { Ground, Scene } from '../support/scenes/scene.js';

const REQUESTS = length(20_000, 200_000);
const TOTAL = 1_000;
const PROCESSES = 4;
/** Everybody asks four times, in two processes at the same time. */
const USERS = REQUESTS / 4;

const tally = new Tally('hot stock, a process killed');
let ground: Ground;

beforeAll(async () => {
  ground = await Ground.prepare();
});
afterAll(async () => {
  tally.print();
  await ground.stop();
});

function stormOf({ campaignId }: Scene, process: number): Order {
  const from = (((process % 2) + SEED) * USERS) / 2;
  const requests = REQUESTS / PROCESSES;
  return { storm: { campaignId, name: `process-${process}`, requests, users: USERS, from, askers: 64 } };
}

test.each(SOAK ? (['counted', 'codes'] as const) : (['counted'] as const))(
  `${REQUESTS} requests for ${TOTAL} units (%s) from ${PROCESSES} processes, one of them killed: exactly ${TOTAL} are issued`,
  async (stock) => {
    const scene = await Scene.open(ground, { stock, saveMode: 'write-through', delivers: false, total: TOTAL });
    const victim = await scene.actor({ holdAt: { point: 'before save', nth: 2 } });
    const others = await Promise.all(Array.from({ length: PROCESSES - 1 }, () => scene.actor()));
    const startedAt = performance.now();
    victim.order(stormOf(scene, 0));
    others.forEach((actor, i) => {
      actor.order(stormOf(scene, i + 1));
    });
    // Its users ask again in another process, under the same request ids.
    const replaced = async () => {
      await victim.reaches('before save');
      expect(await victim.kill()).toBe('SIGKILL');
      tally.harmed(scene);
      const heir = await scene.actor();
      heir.order(stormOf(scene, 0));
      await heir.reaches('done');
    };
    // What the others tell is heard while they are waited for.
    await Promise.all([replaced(), ...others.map((actor) => actor.reaches('done'))]);
    const seconds = (performance.now() - startedAt) / 1000;
    tally.served(scene);

    const { reserved, issued } = await scene.survivor.campaign(scene.campaignId).inspect();
    expect(reserved + issued).toBe(TOTAL);
    await scene.settle();
    expect(await scene.rows()).toHaveLength(TOTAL);
    await scene.end();
    tally.ended(scene);
    const { requests, counts } = scene.ledger;
    expect(requests).toBeGreaterThan(REQUESTS);
    process.stdout.write(
      `hot stock (${stock}): seed=${SEED} requests=${requests} seconds=${seconds.toFixed(1)} violations=0 told=${JSON.stringify(counts)}\n`,
    );
  },
  LIMIT,
);
