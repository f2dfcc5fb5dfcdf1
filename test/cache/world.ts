import type { Redis } from 'ioredis';
import { seeded } from '../support/checks/random.js';
import { CacheProcess, pause, type Row, seen, TIMEOUT_MS } from './process.js';
import { stepClock } from './support.js';

const KEY = 'kim';

interface Load {
  readonly claimedAt: number;
  readonly process: CacheProcess;
}

/** One seeded order of events: three processes that share one key of a cache. */
export class World {
  readonly name: string;
  readonly random: () => number;
  readonly faults: string[] = [];
  readonly #processes: CacheProcess[];
  readonly #clock: Redis;
  /** The row of the database. */
  version = 0;
  /** The changes that were answered. */
  readonly #told: { readonly version: number; readonly at: number; readonly by: CacheProcess }[] = [];
  /** The leases of loads that began before were ended: monotonic ms. */
  #endedAt = 0;
  #ending = 0;
  readonly #loads = new Set<Load>();
  #setting: Promise<unknown> = Promise.resolve();

  constructor(seed: number, clients: readonly Redis[]) {
    this.name = `grade-${seed}.`;
    this.random = seeded(seed);
    this.#processes = [0, 1, 2].map((n) => new CacheProcess(this, clients[n]!));
    this.#clock = clients[3]!;
  }

  chance(share: number): boolean {
    return this.random() < share;
  }

  /** A load under a lease. Of two at a time one has lost its lease. */
  begin(load: Load): () => void {
    const now = performance.now();
    for (const other of this.#loads) {
      // One of the two leases was ended, or ran out. Redis counts whole ms.
      const earlier = other.claimedAt < load.claimedAt ? other : load;
      const isOver = now >= earlier.claimedAt + earlier.process.leaseMs - 2;
      const isExcused = isOver || other.process.isDead || this.#ending > 0 || this.#endedAt >= earlier.claimedAt;
      if (isExcused) seen.excused++;
      else this.faults.push('two loads at once while both have a lease');
    }
    this.#loads.add(load);
    return () => this.#loads.delete(load);
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

  async run(): Promise<void> {
    const work: Promise<unknown>[] = [];
    for (let n = 0; n < 30; n++) {
      const process = this.#processes[Math.floor(this.random() * 3)]!;
      const what = this.random();
      if (what < 0.62) work.push(this.#read(process));
      else if (what < 0.85) work.push(this.chance(0.4) ? this.#set(process) : this.#drop(process));
      else if (what < 0.9) work.push(this.#step());
      else if (what < 0.93 && !this.#processes.some(({ isDead }) => isDead)) process.kill();
      else await pause(Math.floor(this.random() * 40));
    }
    await Promise.all(work);
    await this.#end();
    await Promise.all(this.#processes.map((process) => process.close()));
  }

  #commit(): number {
    this.version++;
    return this.version;
  }

  #answered(process: CacheProcess, version: number): void {
    this.#told.push({ version, at: performance.now(), by: process });
  }

  async #drop(process: CacheProcess): Promise<void> {
    await this.#setting;
    await this.#invalidate(process, this.#commit());
  }

  /** A call that failed is repeated until it is answered. The calls of others come in between. */
  async #invalidate(process: CacheProcess, version: number): Promise<void> {
    while (!process.isDead) {
      if (await process.answers(process.cache.invalidate(KEY))) return this.#answered(process, version);
    }
  }

  /** Nobody else commits during a `set`, as the guide says. One that failed is followed by `invalidate`. */
  async #set(process: CacheProcess): Promise<void> {
    const turn = this.#setting.then(async () => {
      const row: Row = { version: this.#commit(), more: this.chance(0.1) ? 'x'.repeat(300) : '' };
      if (await process.answers(process.cache.set(KEY, row))) {
        seen.sets++;
        this.#answered(process, row.version);
        return null;
      }
      return row.version;
    });
    this.#setting = turn;
    const failed = await turn;
    if (failed === null) return;
    seen.failedSets++;
    await this.#invalidate(process, failed);
  }

  async #read(process: CacheProcess): Promise<void> {
    const since = performance.now();
    // The memory of this process may be as old as it says, beside its own changes.
    const memoryMs = process.local?.ttlMs ?? 0;
    const known = this.#told.filter(({ at, by }) => by === process || at + memoryMs <= since);
    const floor = Math.max(0, ...known.map(({ version }) => version));
    const row = await process.answer(process.cache.get(KEY));
    const took = performance.now() - since;
    // A busy machine may be late, but not for as long again.
    if (took > 2 * TIMEOUT_MS) this.faults.push(`a caller waited for ${took} ms`);
    if (row === null) return;
    seen.gets++;
    if (row.version < floor) this.faults.push(`an old value: ${row.version} after the change to ${floor} was answered`);
  }

  async #step(): Promise<void> {
    seen.steps++;
    const ms = Math.round((this.random() - 0.5) * 240);
    await this.ends(() => stepClock(this.#clock, ms, this.name));
  }

  /** Whatever went before, the key serves the newest version once a process says so without faults. */
  async #end(): Promise<void> {
    const alive = this.#processes.find(({ isDead }) => !isDead)!;
    for (const process of this.#processes) process.isHealthy = true;
    let version: number | null = null;
    // A load that began while loads failed may still leave its mark, and one process may be without Redis.
    for (let tries = 0; version === null && tries < 20; tries++) {
      await alive.cache.invalidate(KEY);
      version = (await alive.answer(alive.cache.get(KEY)))?.version ?? null;
      if (version === null) await pause(60);
    }
    if (version !== this.version) this.faults.push(`in the end ${version} instead of ${this.version}`);
  }
}
