import { onAbort } from './abort-group.js';

/** Milliseconds on a clock that never jumps, for deadlines within this process. */
export function monotonicMs(): number {
  return performance.now();
}

/**
 * The promise, or the error of `onTimeout` once `ms` have passed. The work itself goes on: a time-out never says that
 * nothing happened. Its timer does not keep the process alive.
 */
export function withDeadline<T>(work: Promise<T>, ms: number, onTimeout: () => Error): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => reject(onTimeout()), Math.max(0, ms));
    timer.unref?.();
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Resolves after `ms`. An aborted signal ends it with its reason. Its timer keeps the process alive. */
export function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      forget();
      resolve();
    }, ms);
    const end = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const forget = signal ? onAbort(signal, end) : () => {};
  });
}
