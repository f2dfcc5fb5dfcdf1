/** Timers that were started beside a call. */
export interface Timers {
  /** Whether all of them ran out. */
  readonly ranOut: boolean;
  stop(): void;
}

/**
 * Starts timers of these lengths, one after the other. The timers of a process fire in the order in which they are due, however late they are: a busy machine
 * delays these as much as the timers of the call beside them. So a call is late if these ran out before it ended, on a machine of any speed.
 */
export function timersInARow(...lengths: readonly number[]): Timers {
  const left = [...lengths];
  const timers = { ranOut: false, stop: () => clearTimeout(timer) };
  let timer: NodeJS.Timeout;
  const next = () => {
    const ms = left.shift();
    if (ms === undefined) timers.ranOut = true;
    else timer = setTimeout(next, ms);
  };
  next();
  return timers;
}

/** The rest that a call may take after its timers: for what it does besides waiting. */
export const LAG_MS = 500;
