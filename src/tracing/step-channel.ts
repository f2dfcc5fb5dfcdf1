import { type TracingChannel, tracingChannel } from 'node:diagnostics_channel';
import { monotonicMs } from '../flow/deadline.js';
import { CouponIssuerError } from '../model/errors.js';
import { kindOf } from '../model/safe-error.js';

/** The part of each message that every step fills in. */
export interface StepMessage {
  /** Once the step ended. */
  durationMs?: number;
  /** Of a step that failed: the code of our error; otherwise the code of a database or a system, or the name of the error. */
  errorType?: string;
}

/**
 * A step as a tracing channel of Node: `tracing:coupon-issuer:<name>:start`, `:end`, `:asyncStart`, `:asyncEnd` and
 * `:error` get one and the same message. It never holds a result or an error, because both may have codes.
 */
export class StepChannel<M extends StepMessage> {
  readonly #channel: TracingChannel<unknown, M>;

  constructor(name: string) {
    this.#channel = tracingChannel<unknown, M>(`coupon-issuer:${name}`);
  }

  /** Where nobody listens, this question is the whole cost. */
  get isHeard(): boolean {
    const { start, asyncEnd, error } = this.#channel;
    return start.hasSubscribers || asyncEnd.hasSubscribers || error.hasSubscribers;
  }

  /** Runs a step under this message. `note` writes its result into the message. */
  run<T>(message: M, step: () => Promise<T>, note: (result: T) => void): Promise<T> {
    const { start, end } = this.#channel;
    const startedAt = monotonicMs();
    return start.runStores(message, () => {
      const running = step().then(
        (result) => {
          note(result);
          this.#ended(message, startedAt);
          return result;
        },
        (error: unknown) => {
          message.errorType = errorTypeOf(error);
          this.#channel.error.publish(message);
          this.#ended(message, startedAt);
          throw error;
        },
      );
      end.publish(message);
      return running;
    });
  }

  #ended(message: M, startedAt: number): void {
    message.durationMs = monotonicMs() - startedAt;
    this.#channel.asyncStart.publish(message);
    this.#channel.asyncEnd.publish(message);
  }
}

/** A word for the kind of an error, out of a small set. */
export function errorTypeOf(error: unknown): string {
  if (error instanceof CouponIssuerError) return error.code;
  const { name, code } = kindOf(error) as Error & { code?: string };
  return code ?? name;
}
