import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { seen } from '../cache/process.js';
import { World } from '../cache/world.js';
import { RedisServer } from '../support/servers/redis-server.js';

/**
 * Seeded orders of three processes on one key, on a real Redis. They have different options, and some of them a memory. Loads, invalidations, sets,
 * expiries and early refreshes meet calls that are lost, late, sent again or run twice, lost replies and messages, a Redis that does not answer,
 * values that are too large, a process that dies, and a clock that steps.
 */

const SEEDS = 1_000;
const BLOCKS = 10;
const AT_ONCE = 20;

let server: RedisServer;
let clients: Redis[];
beforeAll(async () => {
  server = await RedisServer.start();
  clients = [1, 2, 3, 4].map(() => server.client());
});
afterAll(() => server.stop());

async function runSeeds(from: number, count: number): Promise<string[]> {
  const faults: string[] = [];
  const seeds = Array.from({ length: count }, (_, i) => from + i).values();
  const worker = async () => {
    for (const seed of seeds) {
      const world = new World(seed, clients);
      await world.run();
      faults.push(...world.faults.map((fault) => `seed ${seed}: ${fault}`));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return faults;
}

const each = SEEDS / BLOCKS;
test.each(Array.from({ length: BLOCKS }, (_, block) => block * each + 1))(
  'from seed %i on no old value follows an invalidation, no key is loaded twice at once, and every caller ends',
  { timeout: 120_000 },
  async (from) => {
    expect(await runSeeds(from, each)).toEqual([]);
  },
);

test('all that may go wrong went wrong', () => {
  console.log(seen);
  for (const [what, times] of Object.entries(seen)) expect(times, what).toBeGreaterThan(100);
});
