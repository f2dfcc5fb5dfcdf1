import type { Redis } from 'ioredis';
import { expect, onTestFinished } from 'vitest';
import { CouponIssuer, type CouponIssuerOptions, type NotReadyReason, RedisError } from '../../../src/index.js';
import type { Book } from '../checks/books.js';
import { printFigures } from '../checks/figures.js';
import { checkInvariants, checkRows, expireLeases, type StateReader } from '../checks/invariants.js';
import { Ledger } from '../checks/ledger.js';
import { SEED } from '../checks/lengths.js';
import type { Connect } from '../servers/fault-clients.js';
import type { CampaignUnderFault } from './fault-campaigns.js';
import { Load, type LoadOptions } from './load.js';
import { issueNamed, openNamed, rebuildNamed } from './named.js';

export { campaignsOf } from './fault-campaigns.js';

export interface FaultRunOptions {
  /** Named in the line that the run prints. */
  readonly fault: string;
  /** One process each, with a client of its own. */
  readonly processes: readonly Connect[];
  readonly book: Book;
  readonly campaigns: readonly CampaignUnderFault[];
  readonly issuer?: Partial<CouponIssuerOptions>;
}

/** A connection to the server that holds a campaign, for the test's own eyes and hands. */
export type Ground = StateReader & Pick<Redis, 'zadd'>;

export interface Ending {
  readonly injected: Readonly<Record<string, number>>;
  /** Where each campaign is now. */
  readonly redis: ((campaignId: string) => Ground) | Ground;
  /**
   * Whether Redis lost nothing of a campaign, so that everything promised must be there. Otherwise it was rebuilt: every unit must be there, while
   * promises without a row may be forgotten.
   */
  readonly kept: ((campaignId: string) => boolean) | boolean;
}

/** Campaigns, the processes that serve them, each with its worker, the users who ask, and at the end the audit. */
export class FaultRun {
  readonly ledger = new Ledger();
  readonly issuers: CouponIssuer[];
  readonly #options: FaultRunOptions;
  readonly #started: CouponIssuer[] = [];
  readonly #loads: Load[] = [];
  readonly #unhandled: string[] = [];
  readonly #onUnhandled = (reason: unknown) => this.#unhandled.push(`an unhandled rejection: ${reason}`);

  private constructor(options: FaultRunOptions) {
    this.#options = options;
    this.issuers = options.processes.map((connect) => this.process(connect));
    process.on('unhandledRejection', this.#onUnhandled);
  }

  static async open(options: FaultRunOptions): Promise<FaultRun> {
    const run = new FaultRun(options);
    onTestFinished(() => run.#close());
    for (const { definition, codes } of options.campaigns) {
      await openNamed(run.issuers[0]!, definition);
      if (codes) await run.issuers[0]!.campaign(definition.id).loadCodes(codes);
    }
    for (const issuer of run.issuers) issuer.startWorker({ intervalMs: WORKER_INTERVAL_MS });
    return run;
  }

  /** A process that has seen nothing yet. */
  process(connect: Connect = this.#options.processes[0]!): CouponIssuer {
    const issuer = new CouponIssuer({ redis: connect(), persistence: this.#options.book, ...this.#options.issuer });
    this.#started.push(issuer);
    return issuer;
  }

  /** In the place of a process comes one that has seen nothing yet. */
  async restart(...places: number[]): Promise<void> {
    for (const place of places) {
      const before = this.issuers[place]!;
      const issuer = this.process(this.#options.processes[place]);
      this.issuers[place] = issuer;
      issuer.startWorker({ intervalMs: WORKER_INTERVAL_MS });
      await before.close();
    }
  }

  /** What an operator does after Redis lost data, from a process of their own; again where it failed half way. */
  async rebuild(ids = this.#ids): Promise<void> {
    const operator = this.process();
    for (const { id, definition, codes } of this.#options.campaigns) {
      for (let left = MAX_PASSES; ids.includes(id) && left > 0; left--) {
        try {
          await rebuildNamed(operator, definition, codes ? { codes } : {});
          break;
        } catch (error) {
          if (!(error instanceof RedisError) || left === 1) throw error;
        }
      }
    }
  }

  /** Once every call under way is over: so many more are refused for this reason in these campaigns, and nothing is taken for anybody. */
  async refuses(load: Load, reason: NotReadyReason, more: number, ids = this.#ids): Promise<void> {
    await this.quiet(load);
    const taken = async () => ({
      told: ids.flatMap((id) => [this.ledger.count(`${id} issued`), this.ledger.count(`${id} accepted`)]),
      rows: (await this.rows()).filter(({ id }) => ids.includes(id)),
    });
    const before = await taken();
    load.goOn();
    await load.gets(
      more,
      ids.map((id) => `${id} not_ready:${reason}`),
    );
    expect(await taken()).toEqual(before);
  }

  /** Nobody asks, and nothing is under way in any process, until `load.goOn`. */
  async quiet(load: Load): Promise<void> {
    await load.rest();
    await this.idle();
  }

  /** Users begin to ask, in every campaign. */
  load(options: Partial<LoadOptions> = {}): Load {
    const { campaigns } = this.#options;
    const load = new Load({
      issuers: this.issuers,
      campaignIds: this.#ids,
      ledger: this.ledger,
      seed: SEED + this.#loads.length,
      users: 3 * Math.max(...campaigns.map(({ total }) => total)),
      ...options,
    });
    this.#loads.push(load);
    return load;
  }

  get #ids(): string[] {
    return this.#options.campaigns.map(({ id }) => id);
  }

  async rows() {
    const { book, campaigns } = this.#options;
    return Promise.all(campaigns.map(async (campaign) => ({ ...campaign, rows: await book.rows(campaign.id) })));
  }

  /** Resolves once nothing is under way in any process. */
  async idle(): Promise<void> {
    await Promise.all(this.issuers.map((issuer) => issuer.idle()));
  }

  /** Holds all that was told against Redis and the database, prints the figures, and fails on a violation. */
  async end(ending: Ending): Promise<void> {
    for (const load of this.#loads) await load.stop();
    await this.idle();
    const violations = await this.#violations(ending);
    // Before its clients are gone: a worker would wait for the answer to what it asked last.
    await this.#close();
    const { fault } = this.#options;
    const { requests, outageMs } = this.ledger;
    const { injected } = ending;
    printFigures({ fault, requests, injected, violations: violations.length, outageSeconds: outageMs / 1000 });
    expect(violations.slice(0, 20), JSON.stringify(this.ledger.counts)).toEqual([]);
    for (const [name, count] of Object.entries(injected)) expect(count, `${name}: injected`).toBeGreaterThan(0);
  }

  async #violations({ redis, kept }: Ending): Promise<string[]> {
    const found = [...this.#unhandled];
    const check = async (holds: () => Promise<unknown> | unknown) => {
      try {
        await holds();
      } catch (error) {
        found.push(String((error as Error).message));
      }
    };
    for (const { id, total, perUser, codes } of this.#options.campaigns) {
      const ground = typeof redis === 'function' ? redis(id) : redis;
      const all = typeof kept === 'function' ? kept(id) : kept;
      await check(() => this.#giveOutTheRest(id, ground, total * perUser));
      const rows = await this.#options.book.rows(id);
      found.push(...this.ledger.violations(id, rows, all));
      await check(() => checkRows(rows, { total, perUser }));
      await check(() => checkInvariants({ redis: ground, campaignId: id, rows, settled: true, strays: !all }));
      await check(async () => {
        const { available, withdrawn } = await this.issuers.at(-1)!.campaign(id).inspect();
        expect(available, `what is left of ${id}`).toBe(0);
        // A rebuild withdraws the code of a promise whose user turned out to have another unit.
        const spoilt = codes && !all ? withdrawn : 0;
        expect(rows.length, `units of ${id} that were given out`).toBeGreaterThanOrEqual(total - spoilt);
      });
    }
    return found;
  }

  /** Whoever is still promised a coupon gets it, and then whoever asks, until nothing is left: no unit is lost. */
  async #giveOutTheRest(campaignId: string, ground: Ground, most: number): Promise<void> {
    await this.#settle(campaignId, ground);
    const issuer = this.issuers.at(-1)!;
    const left = async () => (await issuer.campaign(campaignId).inspect()).available;
    // Not until somebody is told sold_out: a row that Redis had forgotten gives the unit in its place back a moment later.
    for (let first = 0; first <= most && (await left()) !== 0; first += LATE) {
      const names = Array.from({ length: LATE }, (_, i) => `late-${first + i}`);
      const ask = async (name: string) => {
        const request = { campaignId, userId: name, requestId: name };
        this.ledger.told(request, await issueNamed(issuer, request).catch((error: Error) => error), 0);
      };
      await Promise.all(names.map(ask));
      await this.#settle(campaignId, ground);
    }
  }

  /** Lets every lease run out and settles until nothing is reserved. */
  async #settle(campaignId: string, ground: Ground): Promise<void> {
    const issuer = this.issuers.at(-1)!;
    for (let pass = 0; pass < MAX_PASSES; pass++) {
      await this.idle();
      await expireLeases(ground, campaignId);
      await issuer.campaign(campaignId).settle();
      if ((await issuer.campaign(campaignId).inspect()).reserved === 0) return;
    }
  }

  async #close(): Promise<void> {
    for (const load of this.#loads) await load.stop();
    await Promise.all(this.#started.map((issuer) => issuer.close()));
    process.off('unhandledRejection', this.#onUnhandled);
  }
}

const WORKER_INTERVAL_MS = 50;
const MAX_PASSES = 20;
const LATE = 500;
