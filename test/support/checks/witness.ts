import { expect } from 'vitest';
import type { Campaign, CouponIssuer, IssueRequest } from '../../../src/index.js';
import type { Row } from './invariants.js';
import { timersInARow } from './timers.js';

/** When a request was first asked, when it was first answered, and which unit it was promised. */
interface Promised {
  readonly askedAt: number;
  readonly answeredAt: number;
  readonly serial: number;
}

/** Watches one write-behind campaign: what everybody was told, how soon, and in which order the units were promised. */
export class Witness {
  readonly told = new Map<string, number>();
  slowestMs = 0;
  /** Calls that ended after a timer of their time. */
  late = 0;
  readonly #timeoutMs: number;
  readonly #campaignId: string;
  readonly #askedAt = new Map<string, number>();
  readonly #promised = new Map<string, Promised>();

  constructor(campaignId: string, issuers: readonly CouponIssuer[], timeoutMs: number) {
    this.#campaignId = campaignId;
    this.#timeoutMs = timeoutMs;
    for (const issuer of issuers) {
      const handle = issuer.campaign.bind(issuer);
      issuer.campaign = (id) => {
        const campaign = handle(id);
        const issue = campaign.issue.bind(campaign);
        if (id === campaignId) campaign.issue = (request) => this.#watch(issue, request);
        return campaign;
      };
    }
  }

  /** How many were promised a unit between two instants. */
  promisedBetween(from: number, to: number): number {
    return [...this.#promised.values()].filter(({ answeredAt }) => answeredAt >= from && answeredAt <= to).length;
  }

  /** Everybody has the unit that they were promised, and whoever was answered before another one asked has the lower serial. */
  check(rows: readonly Row[]): void {
    const serials = new Map(rows.map(({ id, serial }) => [id, serial]));
    const others = [...this.#promised].filter(([id, { serial }]) => serials.get(id) !== serial);
    expect(others, `each row of ${this.#campaignId} has the serial that was promised`).toEqual([]);
    expect(overtakers([...this.#promised.values()]), 'nobody was overtaken').toEqual([]);
  }

  async #watch(issue: Campaign['issue'], request: IssueRequest): ReturnType<Campaign['issue']> {
    const startedAt = performance.now();
    const name = `${request.userId} ${request.requestId}`;
    const askedAt = this.#askedAt.get(name) ?? startedAt;
    this.#askedAt.set(name, askedAt);
    let told = 'an error';
    const timer = timersInARow(this.#timeoutMs);
    try {
      const result = await issue(request);
      told = result.status;
      if (result.status === 'accepted' && !this.#promised.has(result.issuance.id)) {
        const { id, serial } = result.issuance;
        this.#promised.set(id, { askedAt, answeredAt: performance.now(), serial });
      }
      return result;
    } finally {
      this.told.set(told, (this.told.get(told) ?? 0) + 1);
      this.slowestMs = Math.max(this.slowestMs, performance.now() - startedAt);
      if (timer.ranOut) this.late++;
      timer.stop();
    }
  }
}

/** Who has a lower serial than somebody who had been answered before they asked. */
function overtakers(promised: readonly Promised[]): Promised[] {
  const asked = [...promised].sort((a, b) => a.askedAt - b.askedAt);
  const answered = [...promised].sort((a, b) => a.answeredAt - b.answeredAt);
  const found: Promised[] = [];
  let [next, highest] = [0, 0];
  for (const one of asked) {
    while (next < answered.length && answered[next]!.answeredAt < one.askedAt) {
      highest = Math.max(highest, answered[next++]!.serial);
    }
    if (one.serial < highest) found.push(one);
  }
  return found;
}
