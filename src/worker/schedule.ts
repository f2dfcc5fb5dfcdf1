import { monotonicMs } from '../flow/deadline.js';
import type { CheckedWorkerOptions } from './options.js';

/** The next visits of a worker to one campaign, and how the last ones ended. */
export interface Schedule {
  readonly id: string;
  /** How many it claims next: two while the database fails, then twice as many each time. */
  size: number;
  failures: number;
  /** When something last came through; monotonic ms. For a moment after it the database is taken to work. */
  settledAt: number;
  /** Monotonic ms. */
  dueAt: number;
  /** When it was visited last; monotonic ms. */
  visitedAt: number;
  /** When the next user may be admitted, in a campaign with a waiting room; monotonic ms. */
  admitAt: number;
  /** When the absent are looked for next; monotonic ms. */
  tendAt: number;
  /** Ends the listening for joins. */
  unlisten: (() => void) | null;
  lastError: { error: Error; at: Date } | null;
}

const LONGEST_BACK_OFF_MS = 30_000;

export function newSchedule(id: string, size: number): Schedule {
  const never = Number.POSITIVE_INFINITY;
  return {
    id,
    size,
    failures: 0,
    settledAt: -never,
    visitedAt: -never,
    dueAt: 0,
    admitAt: never,
    tendAt: 0,
    unlisten: null,
    lastError: null,
  };
}

/** A failed campaign waits twice as long each time, and is tried with few. */
export function backOff(
  schedule: Schedule,
  { intervalMs, batchSize }: Pick<CheckedWorkerOptions, 'intervalMs' | 'batchSize'>,
): void {
  const longest = Math.max(LONGEST_BACK_OFF_MS, intervalMs);
  const pauseMs = Math.min(longest, intervalMs * 2 ** schedule.failures);
  schedule.failures = Math.min(schedule.failures + 1, 30);
  // One from the backlog and one that was claimed before: so a sick reservation differs from a sick database.
  schedule.size = Math.min(2, batchSize);
  // Jitter: the workers of all processes must not come back to a struggling database in one step.
  leaveUntil(schedule, monotonicMs() + pauseMs * (0.5 + Math.random() / 2));
}

/** Nothing is done for it before; monotonic ms. */
export function leaveUntil(schedule: Schedule, at: number): void {
  schedule.dueAt = at;
  schedule.admitAt = Math.max(schedule.admitAt, at);
}

export function nextAt({ dueAt, admitAt }: Schedule): number {
  return Math.min(dueAt, admitAt);
}
