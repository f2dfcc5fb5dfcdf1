import { isError } from '../model/foreign.js';
import { contentAnswer, HttpProblem, type RouteAnswer } from '../web/answer.js';
import type { ShownIssuer } from './options.js';
import { campaignOf } from './verbs.js';

/** The most findings that the page shows. */
const SHOWN = 500;

/** Comparisons that run. Each keeps every issuance in memory, so there is one at a time. */
export class Reconciling {
  #isRunning = false;

  /** Lines of JSON: `{ progress }` now and then, and `{ report }` or `{ fault }` at the end. It ends with its reader. */
  answer(issuer: ShownIssuer, body: object, signal: AbortSignal): RouteAnswer {
    const campaign = campaignOf(issuer, body as { campaignId: string });
    if (this.#isRunning)
      throw new HttpProblem(429, 'a comparison runs already: wait for its end', { 'Retry-After': '5' });
    this.#isRunning = true;
    const leaving = new AbortController();
    const stop = AbortSignal.any([signal, leaving.signal]);
    const encoder = new TextEncoder();
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        const send = (line: object) => {
          if (!stop.aborted) controller.enqueue(encoder.encode(`${JSON.stringify(line)}\n`));
        };
        // A slow reader misses steps, so that nothing piles up.
        const onProgress = (progress: object) => (controller.desiredSize ?? 0) > 0 && send({ progress });
        void campaign
          .reconcile({ onProgress, signal: stop })
          .then(({ findings, ...report }) =>
            send({ report: { ...report, count: findings.length, findings: findings.slice(0, SHOWN) } }),
          )
          .catch((error) => send({ fault: isError(error) ? error.name : 'Error' }))
          .finally(() => {
            this.#isRunning = false;
            // Also for a client that left: only a reader that cancelled has closed it already.
            if (!leaving.signal.aborted) controller.close();
          });
      },
      cancel: () => leaving.abort(),
    });
    return contentAnswer('application/x-ndjson', stream);
  }
}
