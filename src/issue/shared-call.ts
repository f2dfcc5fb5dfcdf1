import { onAbort } from '../flow/abort-group.js';
import { withoutCode } from '../model/issuance.js';
import { inCall } from '../model/methods.js';
import type { IssueResult } from '../model/result.js';
import { intact } from '../redis/reservation.js';
import type { ScriptRunner } from '../redis/runner.js';
import type { IssueCall } from './steps.js';

/** The answer to a call whose time ran out. */
export type Late = Pick<ScriptRunner, 'unanswered' | 'unsent'>;

/** One attempt under way, and the callers that wait for it. Calls with one request id in one process share it. */
export class SharedCall {
  readonly #call: IssueCall & { abandoned: boolean };
  readonly #result: Promise<IssueResult>;
  readonly #late: Late;
  #callers = 0;

  constructor(call: IssueCall & { abandoned: boolean }, result: Promise<IssueResult>, late: Late) {
    this.#call = call;
    this.#late = late;
    this.#result = result;
    // All callers may have stopped waiting by the time it fails.
    result.catch(() => {});
  }

  /**
   * Waits for the result, but no longer than `timeoutMs` and the signal say. The attempt goes on by itself once it was
   * sent; one that nobody waits for any more is not sent.
   */
  async wait(limits: { timeoutMs?: number | undefined; signal?: AbortSignal | undefined }): Promise<IssueResult> {
    const { timeoutMs, signal } = limits;
    this.#callers++;
    this.#call.abandoned = false;
    let forgetSignal = () => {};
    let timer: NodeJS.Timeout | undefined;
    try {
      if (timeoutMs === undefined && !signal) return await this.#result;
      return await new Promise<IssueResult>((resolve, reject) => {
        this.#result.then(resolve, reject);
        if (signal) forgetSignal = onAbort(signal, () => reject(signal.reason));
        if (timeoutMs === undefined) return;
        timer = setTimeout(() => this.#timeOut(timeoutMs, resolve, reject), timeoutMs);
        timer.unref?.();
      });
    } finally {
      forgetSignal();
      clearTimeout(timer);
      this.#callers--;
      if (this.#callers === 0) this.#call.abandoned = true;
    }
  }

  /** The answer to a call whose time ran out depends on its progress. */
  #timeOut(timeoutMs: number, resolve: (result: IssueResult) => void, reject: (error: Error) => void): void {
    if (this.#call.reserved) {
      this.#call.promised = true;
      resolve({ status: 'accepted', issuance: withoutCode(intact(this.#call.reserved)) });
    } else {
      const error = this.#call.sent ? this.#late.unanswered(timeoutMs) : this.#late.unsent('nothing was reserved');
      reject(inCall('issue', error) as Error);
    }
  }
}
