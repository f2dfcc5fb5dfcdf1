import { CouponIssuerError, type Issuance, type IssueResult } from '../../../src/index.js';
import { deriveId } from '../../../src/model/issuance.js';
import type { Row } from './invariants.js';

/** One call of one user. */
export interface Ask {
  readonly campaignId: string;
  readonly userId: string;
  readonly requestId: string;
}

/** What a call was told, in five words: `refused` says that nothing was or will be taken for it, `unknown` says nothing. */
export type Word = 'issued' | 'accepted' | 'not_issued' | 'refused' | 'unknown';

/** What all calls with one request id were told. */
interface Attempt {
  readonly id: string;
  readonly ask: Ask;
  readonly words: Set<Word>;
  readonly issued: Issuance[];
}

/** Everything that users were told, to be held against the database at the end. */
export class Ledger {
  requests = 0;
  /** Calls that ended after the timers beside them. */
  late = 0;
  /** The longest any call took, ms. */
  slowestMs = 0;
  readonly #attempts = new Map<string, Attempt>();
  readonly #counts = new Map<string, number>();
  readonly #shown: Issuance[] = [];
  readonly #untyped: string[] = [];
  readonly #servedAt = new Map<string, number>();
  #worstMs = 0;
  #restsSince: number | null = null;

  /** How often a word, a status (`not_ready:missing`) or the code of an error (`REDIS:unknown`) was told; of one campaign: `launch issued`. */
  count(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#counts].filter(([name]) => !name.includes(' ')).sort());
  }

  /** Keeps what a call was told. */
  told(ask: Ask, outcome: IssueResult | Error, tookMs: number): Word {
    const { word, detail } = read(outcome);
    this.requests++;
    this.slowestMs = Math.max(this.slowestMs, tookMs);
    for (const name of new Set([word, detail])) {
      for (const key of [name, `${ask.campaignId} ${name}`]) this.#counts.set(key, this.count(key) + 1);
    }
    const attempt = this.#attemptOf(ask);
    attempt.words.add(word);
    if (outcome instanceof Error) {
      if (!(outcome instanceof CouponIssuerError)) this.#untyped.push(`${outcome.name}: ${outcome.message}`);
    } else {
      if (outcome.status === 'issued') attempt.issued.push(outcome.issuance);
      if (outcome.status === 'already_issued') this.#shown.push(...outcome.issuances.filter(isIssued));
      if (outcome.status !== 'not_ready') this.#served(ask.campaignId);
    }
    return word;
  }

  /** From now on it counts for how long nobody is served. */
  watch(campaignIds: readonly string[]): void {
    this.goOn();
    for (const id of campaignIds) this.#servedAt.set(id, performance.now());
  }

  /** Nobody asks, so that nobody is served says nothing until `goOn`. */
  rest(): void {
    this.#restsSince ??= performance.now();
  }

  goOn(): void {
    const rested = performance.now() - (this.#restsSince ?? performance.now());
    for (const [id, at] of this.#servedAt) this.#servedAt.set(id, at + rested);
    this.#restsSince = null;
  }

  /** The longest time in which no call for some campaign was answered by more than a fault or `not_ready`, while somebody asked, ms. */
  get outageMs(): number {
    const now = this.#restsSince ?? performance.now();
    return [...this.#servedAt.values()].reduce((worst, at) => Math.max(worst, now - at), this.#worstMs);
  }

  /** What was told and is not true of these rows. `kept`: Redis lost nothing, and everything was settled. */
  violations(campaignId: string, rows: readonly Row[], kept: boolean): string[] {
    const byId = new Map(rows.map((row) => [row.id, row]));
    const found = this.#untyped.map((error) => `an error of no type of ours: ${error}`);
    for (const { id, ask, words, issued } of this.#attempts.values()) {
      if (ask.campaignId !== campaignId) continue;
      const who = `${ask.userId} ${ask.requestId} (${id})`;
      for (const issuance of issued) {
        if (!same(byId.get(id), issuance)) found.push(`told issued without that row: ${who}`);
        if (!same(issued[0], issuance)) found.push(`a repeat was told another unit: ${who}`);
      }
      if (!kept) continue;
      if (words.has('accepted') && !byId.has(id)) found.push(`told accepted, no row: ${who}`);
      const promised = words.has('issued') || words.has('accepted') || words.has('unknown');
      if (!promised && byId.has(id)) found.push(`told ${[...words].join(' and ')}, there is a row: ${who}`);
    }
    for (const issuance of this.#shown) {
      if (issuance.campaignId === campaignId && !same(byId.get(issuance.id), issuance)) {
        found.push(`shown as issued without that row: ${issuance.userId} (${issuance.id})`);
      }
    }
    return found;
  }

  #attemptOf(ask: Ask): Attempt {
    const id = deriveId(ask.campaignId, ask.userId, ask.requestId);
    const attempt = this.#attempts.get(id) ?? { id, ask, words: new Set(), issued: [] };
    this.#attempts.set(id, attempt);
    return attempt;
  }

  #served(campaignId: string): void {
    const at = this.#servedAt.get(campaignId);
    if (at === undefined) return;
    const now = this.#restsSince ?? performance.now();
    this.#worstMs = Math.max(this.#worstMs, now - at);
    this.#servedAt.set(campaignId, now);
  }
}

function read(outcome: IssueResult | Error): { word: Word; detail: string } {
  if (!(outcome instanceof Error)) {
    const { status } = outcome;
    if (status === 'issued' || status === 'accepted') return { word: status, detail: status };
    return { word: 'refused', detail: status === 'not_ready' ? `not_ready:${outcome.reason}` : status };
  }
  if (!(outcome instanceof CouponIssuerError)) return { word: 'unknown', detail: 'untyped' };
  if (outcome.code === 'NOT_ISSUED') return { word: 'not_issued', detail: outcome.code };
  if (outcome.code !== 'REDIS') return { word: 'refused', detail: outcome.code };
  const known = (outcome as { outcome?: string }).outcome === 'not_applied';
  return { word: known ? 'refused' : 'unknown', detail: known ? 'REDIS:not_applied' : 'REDIS:unknown' };
}

function isIssued({ state }: Issuance): boolean {
  return state === 'issued';
}

function same(
  one: Pick<Row, 'userId' | 'serial' | 'code' | 'expiresAt'> | undefined,
  other: Pick<Issuance, 'userId' | 'serial' | 'code' | 'expiresAt'>,
): boolean {
  const isUnit = one?.userId === other.userId && one.serial === other.serial && one.code === other.code;
  return isUnit && endOf(one) === endOf(other);
}

function endOf({ expiresAt }: Pick<Row, 'expiresAt'>): number | null {
  return expiresAt?.getTime() ?? null;
}
