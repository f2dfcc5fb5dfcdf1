import { isError } from '../model/foreign.js';
import { HttpProblem, type RouteAnswer } from '../web/answer.js';
import { linesOf } from './lines.js';
import type { ShownIssuer } from './options.js';
import { campaignOf } from './verbs.js';

/** The most findings that the page shows. */
const SHOWN = 500;

/** Comparisons that run. Each keeps every issuance in memory, so there is one at a time. */
export class Reconciling {
  #isRunning = false;

  /** Lines of JSON, with `{ report }` or `{ fault }` at the end. */
  answer(issuer: ShownIssuer, body: object, signal: AbortSignal): RouteAnswer {
    const campaign = campaignOf(issuer, body as { campaignId: string });
    if (this.#isRunning)
      throw new HttpProblem(429, 'a comparison runs already: wait for its end', { 'Retry-After': '5' });
    this.#isRunning = true;
    const work = (onProgress: (progress: object) => void, stop: AbortSignal) =>
      campaign
        .reconcile({ onProgress, signal: stop })
        .then(({ findings, ...report }) => ({
          report: { ...report, count: findings.length, findings: findings.slice(0, SHOWN) },
        }))
        .catch((error) => ({ fault: isError(error) ? error.name : 'Error' }))
        .finally(() => {
          this.#isRunning = false;
        });
    return linesOf(work, signal);
  }
}
