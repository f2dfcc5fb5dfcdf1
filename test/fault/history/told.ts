import { CouponIssuerError, type Issuance, type IssueResult } from '../../../src/index.js';
import { deriveId } from '../../../src/model/issuance.js';

/** One attempt of one user. */
export interface Ask {
  readonly userId: string;
  readonly requestId: string;
}

/** What a call was told. `refused` says that nothing was or will be taken for it, `unknown` says nothing. */
export type Word = 'issued' | 'accepted' | 'not_issued' | 'refused' | 'unknown';

/** What all calls under one request id were told. */
export interface Attempt {
  readonly id: string;
  readonly ask: Ask;
  readonly words: Set<Word>;
  issued: Issuance | null;
  /** How many calls wait for their answer. */
  underWay: number;
  /** Redis lost something since the first call: only `issued` is still a promise. */
  exempt: boolean;
}

/** Everything that users were told in one history. */
export class Told {
  readonly attempts = new Map<string, Attempt>();
  /** What no user should ever be told. */
  readonly violations: string[] = [];
  readonly log: string[] = [];
  readonly #campaignId: string;

  constructor(campaignId: string) {
    this.#campaignId = campaignId;
  }

  asked(ask: Ask, exempt: boolean): Attempt {
    const id = deriveId(this.#campaignId, ask.userId, ask.requestId);
    const attempt = this.attempts.get(id) ?? {
      ...{ id, ask, exempt, words: new Set<Word>() },
      ...{ issued: null, underWay: 0 },
    };
    attempt.exempt ||= exempt;
    attempt.underWay++;
    this.attempts.set(id, attempt);
    return attempt;
  }

  answered(attempt: Attempt, outcome: IssueResult | Error): Word {
    attempt.underWay--;
    const word = wordOf(outcome);
    const detail = outcome instanceof Error ? outcome.message : JSON.stringify(outcome);
    this.log.push(`${nameOf(attempt)} was told ${word}: ${detail}`);
    attempt.words.add(word);
    if (outcome instanceof Error) {
      const typed = outcome instanceof CouponIssuerError && EXPECTED.includes(outcome.code);
      if (!typed) this.violations.push(`${nameOf(attempt)} was told ${outcome.name}: ${outcome.stack}`);
    } else if (outcome.status === 'issued') {
      if (attempt.issued && !sameUnit(attempt.issued, outcome.issuance)) {
        this.violations.push(`${nameOf(attempt)} was told another unit by a repeat`);
      }
      attempt.issued = outcome.issuance;
    }
    return word;
  }

  /** What was told of `issued`, held against the rows of the database: true whatever happened to Redis. */
  untrue(rows: readonly Issuance[]): string[] {
    const byId = new Map(rows.map((row) => [row.id, row]));
    return [...this.attempts.values()].flatMap((attempt) => {
      const { issued, id } = attempt;
      const row = byId.get(id);
      return issued && !(row && sameUnit(row, issued)) ? [`${nameOf(attempt)} was told issued without that row`] : [];
    });
  }

  /** What was promised, and what was denied, held against what Redis and the database have: true while Redis keeps its data. */
  broken(has: (id: string) => boolean): string[] {
    return [...this.attempts.values()].flatMap((attempt) => {
      const { words, id, exempt, underWay } = attempt;
      if (exempt || underWay > 0) return [];
      if (words.has('accepted') && !has(id)) return [`${nameOf(attempt)} was told accepted and is gone`];
      const promised = words.has('issued') || words.has('accepted') || words.has('unknown');
      return promised || !has(id) ? [] : [`${nameOf(attempt)} was told ${[...words]} and has a unit`];
    });
  }

  /** An operator withdrew what these hold: it was promised, and may not come. */
  withdrawn(ids: readonly string[]): void {
    for (const { id, words } of this.attempts.values()) {
      if (!ids.includes(id)) continue;
      words.delete('accepted');
      words.add('unknown');
    }
  }

  /** Redis lost something: what was said of it may turn out otherwise. */
  exempt(): void {
    for (const attempt of this.attempts.values()) attempt.exempt = true;
  }
}

/** What `issue()` may throw in a history: nobody makes a mistake, and no hook fails before a unit is taken. */
const EXPECTED: readonly string[] = ['NOT_ISSUED', 'REDIS', 'UNKNOWN_CAMPAIGN'];

function wordOf(outcome: IssueResult | Error): Word {
  if (!(outcome instanceof Error)) {
    // Its row is there, and what became of the coupon is the matter of `deeds.ts`.
    if (outcome.status === 'revoked') return 'unknown';
    return outcome.status === 'issued' || outcome.status === 'accepted' ? outcome.status : 'refused';
  }
  const { code, outcome: known } = outcome as { code?: string; outcome?: string };
  if (code === 'NOT_ISSUED') return 'not_issued';
  return code === 'UNKNOWN_CAMPAIGN' || known === 'not_applied' ? 'refused' : 'unknown';
}

export function nameOf({ ask, id }: Attempt): string {
  return `${ask.userId}/${ask.requestId} (${id})`;
}

export function sameUnit(one: Issuance, other: Issuance): boolean {
  return one.userId === other.userId && one.serial === other.serial && one.code === other.code;
}
