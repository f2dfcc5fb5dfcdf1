import type { CouponIssuer } from '../../../src/index.js';
import type { Ask, Ledger, Word } from '../checks/ledger.js';
import { seeded } from '../checks/random.js';
import { timersInARow } from '../checks/timers.js';
import { pause, until } from '../checks/until.js';
import { issueNamed } from './named.js';

export interface LoadOptions {
  /** The issuers that are asked, one a process: a test may put another one in the place of one. */
  readonly issuers: CouponIssuer[];
  readonly campaignIds: readonly string[];
  readonly ledger: Ledger;
  readonly seed: number;
  /** From how many users the askers are drawn. */
  readonly users: number;
  /** How many calls are under way at a time; each campaign has as many of them as any other. */
  readonly askers?: number;
  /** For how long somebody waits before asking again, on average. */
  readonly thinkMs?: number;
  /** The time that each call gives itself. */
  readonly timeoutMs?: number;
  /** The timers, one after the other, within which each call has to end. */
  readonly within?: readonly number[];
  readonly maxRequests?: number;
  readonly maxMs?: number;
}

type Random = () => number;

/** Users who keep asking, repeat what they got no answer to under the same request id, and sometimes what they got one to. */
export class Load {
  readonly #options: LoadOptions;
  readonly #ledger: Ledger;
  readonly #endsAt: number;
  readonly #askers: Promise<void>[];
  #stopped = false;
  #asked = 0;
  #gate: Promise<void> | null = null;
  #openGate = () => {};
  #underWay = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#ledger = options.ledger;
    this.#endsAt = performance.now() + (options.maxMs ?? 120_000);
    const { askers = 64, campaignIds, seed } = options;
    options.ledger.watch(campaignIds);
    this.#askers = Array.from({ length: askers }, (_, i) =>
      this.#keepAsking(campaignIds[i % campaignIds.length]!, seeded(seed * 10_007 + i)),
    );
  }

  /** Waits until so many more calls were told one of these words, statuses or codes; any of them if none is named. */
  async gets(more: number, names: readonly string[] = [], timeoutMs = 60_000): Promise<void> {
    const told = () => names.reduce((sum, name) => sum + this.#ledger.count(name), 0);
    const count = () => (names.length === 0 ? this.#ledger.requests : told());
    const goal = count() + more;
    const what = () =>
      `not ${more} more of ${names.join(', ') || 'any answer'}, only ${JSON.stringify(this.#ledger.counts)}`;
    await until(() => count() >= goal || this.#over, timeoutMs, what);
    if (count() < goal) throw new Error(`${what()} before the load ended`);
  }

  /** Lets everybody finish the call under way, and nobody start another until `goOn`. */
  async rest(): Promise<void> {
    this.#ledger.rest();
    this.#gate ??= new Promise<void>((resolve) => {
      this.#openGate = resolve;
    });
    await this.#quiet();
  }

  goOn(): void {
    this.#gate = null;
    if (!this.#stopped) this.#ledger.goOn();
    this.#openGate();
  }

  /** Everybody goes home once the call under way is answered. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#ledger.rest();
    this.goOn();
    await this.#quiet();
    await Promise.all(this.#askers);
  }

  #quiet(): Promise<void> {
    return until(
      () => this.#underWay === 0,
      60_000,
      () => `${this.#underWay} calls came to no end`,
    );
  }

  get #over(): boolean {
    const { maxRequests = 200_000 } = this.#options;
    return this.#stopped || this.#asked >= maxRequests || performance.now() > this.#endsAt;
  }

  async #keepAsking(campaignId: string, random: Random): Promise<void> {
    let again: { ask: Ask; times: number } | null = null;
    while (!this.#over) {
      if (this.#gate) {
        await this.#gate;
        continue;
      }
      const times: number = again?.times ?? 0;
      const ask: Ask = again?.ask ?? this.#newAsk(campaignId, random);
      const twin = random() < TWINS ? this.#call(ask, random) : null;
      const word = await this.#call(ask, random);
      await twin;
      again = times < MAX_REPEATS && random() < REPEATS[word] ? { ask, times: times + 1 } : null;
      // Nobody asks again in the same moment. So a fast machine does not empty the stock before the fault, and a server that is down is not
      // asked by nothing but repeats.
      await pause(2 * (this.#options.thinkMs ?? THINK_MS) * random());
    }
  }

  #newAsk(campaignId: string, random: Random): Ask {
    const userId = `user-${Math.floor(random() * this.#options.users)}`;
    return { campaignId, userId, requestId: `request-${Math.floor(random() * 1e9)}` };
  }

  async #call(ask: Ask, random: Random): Promise<Word> {
    const { issuers, timeoutMs, within } = this.#options;
    const issuer = issuers[Math.floor(random() * issuers.length)]!;
    this.#asked++;
    this.#underWay++;
    const startedAt = performance.now();
    const timers = within && timersInARow(...within);
    try {
      const outcome = await issueNamed(issuer, timeoutMs ? { ...ask, timeoutMs } : ask).catch((error: unknown) =>
        asError(error),
      );
      if (timers?.ranOut) this.#ledger.late++;
      return this.#ledger.told(ask, outcome, performance.now() - startedAt);
    } finally {
      timers?.stop();
      this.#underWay--;
    }
  }
}

const MAX_REPEATS = 50;
const THINK_MS = 10;

/** How many ask twice at the same time under one request id. */
const TWINS = 0.02;

/** How likely the same request id is asked again after each word. */
const REPEATS: Record<Word, number> = { issued: 0.1, accepted: 0.5, not_issued: 0.5, refused: 0.1, unknown: 1 };

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error('something that is not an Error was thrown');
}
