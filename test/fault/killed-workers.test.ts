import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Issuance } from '../../src/index.js';
import { checkInvariants } from '../support/checks/invariants.js';
import { LIMIT, length } from '../support/checks/lengths.js';
import { Tally } from '../support/checks/tally.js';
import { pause, until } from '../support/checks/until.js';
import { issueNamed } from '../support/scenes/named.js';
import { Ground, Scene } from '../support/scenes/scene.js';

const tally = new Tally('one of four workers killed again and again');
let ground: Ground;

beforeAll(async () => {
  ground = await Ground.prepare();
});
afterAll(async () => {
  tally.print();
  await ground.stop();
});

const KILLS = length(6, 60);
const PER_SECOND = 1_000;
const IN_LINE = 500;
const POINTS = ['after claim-due', 'before save', 'after save', 'before confirm', 'after confirm', 'before claim-due'];
/** Short, so that what a killed worker held is soon taken up by the others. */
const TIMES = { leaseMs: 3_000, timeoutMs: 2_900 };

/** Users who keep the line filled until they are told to stop; what each was promised. */
class Crowd {
  readonly promised: Issuance[] = [];
  readonly #scene: Scene;
  readonly #coming: Promise<void>;
  #stopped = false;

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#coming = this.#come();
    // It is told to whoever stops it.
    this.#coming.catch(() => {});
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#coming;
  }

  async #come(): Promise<void> {
    const { survivor, campaignId, ledger } = this.#scene;
    while (!this.#stopped) {
      if ((await survivor.campaign(campaignId).inspect()).reserved > IN_LINE) {
        await pause(5);
        continue;
      }
      const startedAt = performance.now();
      const asks = Array.from({ length: 100 }, (_, i) => this.#scene.ask(`user-${this.promised.length + i}`));
      const results = await Promise.all(asks.map((ask) => issueNamed(survivor, ask)));
      results.forEach((result, i) => {
        ledger.told(asks[i]!, result, performance.now() - startedAt);
        if (result.status === 'accepted') this.promised.push(result.issuance);
      });
    }
  }
}

/** Redis' own clock, which the cap goes by. */
async function seconds(): Promise<number> {
  const [whole, micros] = await ground.redis.time();
  return Number(whole) + Number(micros) / 1e6;
}

test(
  `of four workers one is killed ${KILLS} times: everybody who was told accepted gets the row of their serial, and the cap holds`,
  async () => {
    const options = { stock: 'codes', saveMode: 'write-behind', delivers: false } as const;
    const scene = await Scene.open(ground, { ...options, total: length(20_000, 100_000), issuer: TIMES });
    const work = { campaigns: [scene.campaignId], intervalMs: 5, batchSize: 50 };
    await scene.survivor.campaign(scene.campaignId).setPace({ savesPerSecond: PER_SECOND });
    const lasting = await Promise.all([1, 2, 3].map(() => scene.actor({ options: TIMES })));
    const startedAt = await seconds();
    const checkCap = async () => {
      const saved = await scene.rowCount();
      expect(saved, 'the cap').toBeLessThanOrEqual(PER_SECOND * ((await seconds()) - startedAt + 0.1) + 1);
      return saved;
    };
    const crowd = new Crowd(scene);
    for (const actor of lasting) actor.order({ work });
    for (let kill = 0; kill < KILLS; kill++) {
      const point = POINTS[kill % POINTS.length] as `before ${string}`;
      const victim = await scene.actor({ options: TIMES, holdAt: { point } });
      victim.order({ work });
      await victim.reaches(point);
      expect(await victim.kill()).toBe('SIGKILL');
      tally.harmed(scene);
      await checkCap();
    }
    await crowd.stop();
    const { promised } = crowd;
    expect(promised.length).toBeGreaterThan(IN_LINE);
    await until(
      async () => (await checkCap()) === promised.length,
      60_000,
      () => `not all of ${promised.length} were saved`,
    );
    await until(async () => (await scene.survivor.campaign(scene.campaignId).inspect()).reserved === 0);

    const rows = await scene.rows();
    const serials = new Map(rows.map(({ id, serial }) => [id, serial]));
    expect(promised.filter(({ id, serial }) => serials.get(id) !== serial)).toEqual([]);
    await checkInvariants({ redis: ground.redis, campaignId: scene.campaignId, rows, settled: true });
    expect(scene.ledger.violations(scene.campaignId, rows, true)).toEqual([]);
    tally.served(scene, scene.ledger.slowestMs);
    tally.ended(scene);
  },
  LIMIT,
);
