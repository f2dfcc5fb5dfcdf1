import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Cache, CouponIssuer, type RedisClient } from '../../src/index.js';
import { scripts } from '../../src/redis/scripts.js';
import { stepClock } from '../cache/support.js';
import { seeded } from '../support/checks/random.js';
import { RedisServer } from '../support/servers/redis-server.js';

/**
 * Seeded orders of three processes on one key, on a real Redis: loads, invalidations, sets, expiries, calls that are lost, late or run twice, lost
 * replies and messages, a process that dies, and a clock that steps.
 */

const SEEDS = 1_000;
const BLOCKS = 10;
const AT_ONCE = 10;
const LEASE_MS = 60;
const KEY = 'kim';

let server: RedisServer;
let clients: Redis[];
beforeAll(async () => {
  server = await RedisServer.start();
  clients = [1, 2, 3, 4].map(() => server.client());
});
afterAll(() => server.stop());

const seen = { gets: 0, stored: 0, kills: 0, copies: 0, lost: 0, silent: 0, steps: 0, dropped: 0, sets: 0, excused: 0 };
/** By this name the caches take it for an answer, and go on asking Redis at once. */
const lost = () => Object.assign(new Error('Connection is closed.'), { name: 'ReplyError' });
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const never = () => new Promise<never>(() => {});

class World {
  readonly name: string;
  readonly random: () => number;
  readonly processes: Process[];
  /** The row of the database. */
  version = 0;
  /** The newest version whose invalidation was answered. */
  floor = 0;
  /** The leases of loads that began before were ended: monotonic ms. */
  #endedAt = 0;
  #ending = 0;
  readonly loads = new Set<{ readonly claimedAt: number; readonly process: Process }>();
  readonly faults: string[] = [];
  #writing: Promise<unknown> = Promise.resolve();

  constructor(seed: number) {
    this.name = `grade-${seed}.`;
    this.random = seeded(seed);
    this.processes = [0, 1, 2].map((n) => new Process(this, clients[n]!));
  }

  chance(share: number): boolean {
    return this.random() < share;
  }

  /** Of two loads at a time one has lost its lease. */
  begin(process: Process): () => void {
    const now = performance.now();
    const { askedAt } = process;
    for (const { claimedAt, process: other } of this.loads) {
      // One of the two leases was ended, or ran out. Redis counts whole ms.
      const earlier = Math.min(claimedAt, askedAt);
      const isExcused = other.isDead || this.#ending > 0 || this.#endedAt >= earlier || now >= earlier + LEASE_MS - 2;
      if (isExcused) seen.excused++;
      else this.faults.push('two loads at once while both have a lease');
    }
    const load = { claimedAt: askedAt, process };
    this.loads.add(load);
    return () => this.loads.delete(load);
  }

  /** What ends leases, at any moment from its sending to its answer. */
  async ends<T>(run: () => Promise<T>): Promise<T> {
    this.#ending++;
    try {
      return await run();
    } finally {
      this.#ending--;
      this.#endedAt = performance.now();
    }
  }

  /** Writers of one key take turns, as the guide says of `set`. */
  write(process: Process): Promise<unknown> {
    const sets = this.chance(0.4);
    const turn = this.#writing.then(async () => {
      const version = ++this.version;
      // A call that failed is repeated until it is answered.
      while (!process.isDead) {
        const call = sets ? process.cache.set(KEY, version) : process.cache.invalidate(KEY);
        const answered = await Promise.race([
          process.died,
          call.then(
            () => true,
            () => false,
          ),
        ]);
        if (answered) {
          this.floor = Math.max(this.floor, version);
          if (sets) seen.sets++;
          return;
        }
      }
    });
    this.#writing = turn;
    return turn;
  }

  async read(process: Process): Promise<void> {
    const { floor } = this;
    const value = await Promise.race([process.died, process.cache.get(KEY).catch(() => null)]);
    if (typeof value !== 'number') return;
    seen.gets++;
    if (value < floor) this.faults.push(`an old value: ${value} after the invalidation of ${floor} was answered`);
  }

  async step(): Promise<void> {
    seen.steps++;
    const ms = Math.round((this.random() - 0.5) * 240);
    await this.ends(() => stepClock(clients[3]!, ms, this.name));
  }

  async run(): Promise<void> {
    const work: Promise<unknown>[] = [];
    for (let n = 0; n < 30; n++) {
      const process = this.processes[Math.floor(this.random() * 3)]!;
      const what = this.random();
      if (what < 0.62) work.push(this.read(process));
      else if (what < 0.85) work.push(this.write(process));
      else if (what < 0.9) work.push(this.step());
      else if (what < 0.93 && this.processes.filter(({ isDead }) => isDead).length === 0) process.kill();
      else await pause(Math.floor(this.random() * 40));
    }
    await Promise.all(work);
    await this.#end();
    await Promise.all(this.processes.map((process) => process.close()));
  }

  /** Whatever went before, the key serves the newest version once a process says so without faults. */
  async #end(): Promise<void> {
    const alive = this.processes.find(({ isDead }) => !isDead)!;
    for (const process of this.processes) process.isHealthy = true;
    let value: unknown = null;
    // A load that began while loads failed may still leave its mark.
    for (let tries = 0; typeof value !== 'number' && tries < 20; tries++) {
      await alive.cache.invalidate(KEY);
      value = await alive.cache.get(KEY).catch((error: unknown) => String(error));
    }
    if (value !== this.version) this.faults.push(`in the end ${value} instead of ${this.version}`);
  }
}

class Process {
  readonly cache: Cache<number>;
  readonly died: Promise<null>;
  isDead = false;
  isHealthy = false;
  /** When the last look was sent: a load follows the look that got its lease. */
  askedAt = 0;
  readonly #world: World;
  readonly #issuer: CouponIssuer;
  readonly #subscribers: Redis[] = [];
  #die = () => {};

  constructor(world: World, client: Redis) {
    this.#world = world;
    this.died = new Promise((resolve) => {
      this.#die = () => resolve(null);
    });
    this.#issuer = new CouponIssuer({ redis: this.#faulty(client), timeoutMs: 8_000 });
    this.cache = this.#issuer.cache({
      name: world.name,
      load: () => this.#load(),
      ttlMs: 30 + Math.floor(world.random() * 60),
      staleMs: world.chance(0.3) ? 50 : 0,
      loadTimeoutMs: LEASE_MS / 2,
      withoutRedis: 'throw',
    });
  }

  kill(): void {
    seen.kills++;
    this.isDead = true;
    this.#die();
  }

  async close(): Promise<void> {
    for (const subscriber of this.#subscribers) subscriber.disconnect();
    if (!this.isDead) await this.#issuer.close();
  }

  async #load(): Promise<number> {
    const ended = this.#world.begin(this);
    const { version } = this.#world;
    // Longer than its deadline, now and then: such a load fails, and its lease is given up before it ends.
    const isSlow = this.#world.chance(0.03) && !this.isHealthy;
    await pause(isSlow ? LEASE_MS / 2 - 5 : Math.floor(this.#world.random() * 15));
    ended();
    if (isSlow) await pause(LEASE_MS);
    if (this.#world.chance(0.05) && !this.isHealthy) throw new Error('the database is away');
    return version;
  }

  #faulty(client: Redis): RedisClient {
    const guarded =
      (method: 'evalsha' | 'eval') =>
      async (script: string, keys: number, ...args: string[]): Promise<unknown> =>
        this.#send(script, () => client[method](script, keys, ...args));
    return {
      evalsha: guarded('evalsha'),
      eval: guarded('eval'),
      duplicate: (...options: unknown[]) => {
        const subscriber = (client.duplicate as (...options: unknown[]) => Redis)(...options);
        this.#subscribers.push(subscriber);
        const on = subscriber.on.bind(subscriber) as (event: string, listener: (...args: unknown[]) => void) => unknown;
        return Object.assign(Object.create(subscriber), {
          on: (event: string, listener: (...args: unknown[]) => void) =>
            on(event, event === 'message' ? this.#losing(listener) : listener),
          subscribe: (...channels: string[]) => subscriber.subscribe(...channels),
          unsubscribe: (...channels: string[]) => subscriber.unsubscribe(...channels),
          disconnect: () => subscriber.disconnect(),
        });
      },
    };
  }

  #losing(listener: (...args: unknown[]) => void) {
    return (...args: unknown[]) => {
      if (!this.#world.chance(0.3)) listener(...args);
      else seen.silent++;
    };
  }

  async #send(sha1: string, run: () => Promise<unknown>): Promise<unknown> {
    const world = this.#world;
    if (this.isDead) return never();
    if (sha1 === scripts.findCached.sha1) this.askedAt = performance.now();
    const drops = sha1 === scripts.dropCached.sha1;
    if (this.isHealthy) return drops ? world.ends(run) : run();
    if (world.chance(0.3)) await pause(Math.floor(world.random() * 12));
    if (this.isDead && world.chance(0.5)) return never();
    const [isLost, isLate, isResent, loses] = [0.03, 0.06, 0.04, 0.04].map((share) => world.chance(share));
    const ran = () => (drops ? world.ends(run) : run());
    const later = () => {
      seen.copies++;
      setTimeout(() => void ran().catch(() => {}), Math.floor(world.random() * 80));
    };
    if (isLost) {
      seen.lost++;
      if (world.chance(0.5)) later();
      throw lost();
    }
    let reply = await ran();
    if (drops) seen.dropped++;
    if (sha1 === scripts.storeCached.sha1 && String(reply).startsWith('stored')) seen.stored++;
    if (isLate) later();
    if (isResent) reply = await ran();
    if (world.chance(0.2)) await pause(Math.floor(world.random() * 12));
    if (this.isDead) return never();
    if (loses) {
      seen.lost++;
      throw lost();
    }
    return reply;
  }
}

async function runSeeds(from: number, count: number): Promise<string[]> {
  const faults: string[] = [];
  const seeds = Array.from({ length: count }, (_, i) => from + i).values();
  const worker = async () => {
    for (const seed of seeds) {
      const world = new World(seed);
      await world.run();
      faults.push(...world.faults.map((fault) => `seed ${seed}: ${fault}`));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return faults;
}

const each = SEEDS / BLOCKS;
test.each(Array.from({ length: BLOCKS }, (_, block) => block * each + 1))(
  'from seed %i on no old value follows an invalidation, and no key is loaded twice at once',
  { timeout: 120_000 },
  async (from) => {
    expect(await runSeeds(from, each)).toEqual([]);
  },
);

test('all that may go wrong went wrong', () => {
  console.log(seen);
  for (const [what, times] of Object.entries(seen)) expect(times, what).toBeGreaterThan(100);
});
