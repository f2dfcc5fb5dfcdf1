import { monotonicMs } from '../flow/deadline.js';
import type { JoinResult, Place } from '../model/place.js';
import type { NotReadyReason } from '../model/result.js';
import type { Reservation } from './reservation.js';
import type { Reply } from './runner.js';

export interface JoinCall {
  /** Of the issuance to come. */
  readonly id: string;
  readonly userId: string;
  /** Data of the caller as JSON text; empty: none. */
  readonly data: string;
  /** Monotonic ms. Calls that are still in the queue by then are not sent. */
  readonly deadlineAt: number;
}

export interface Lookup {
  readonly userId: string;
  readonly deadlineAt: number;
  /** Of a process that watches this user. */
  readonly round?: LookRound | undefined;
}

/** One round of looks for all users that a process watches. Instants are ms of the clock of Redis. */
export interface LookRound {
  readonly watcher: string;
  /** All of them were seen then or later; 0: that is not known. The sweep of the absent goes no further. */
  since: number;
  /** The earliest look of this round. */
  earliest: number;
}

/** The admitted users, in the order of the line. */
export interface Admitted {
  readonly reservations: readonly Reservation[];
  /** The last unit is out, and nothing is reserved. */
  readonly exhausted: boolean;
  /** Ms until the cap admits the next user; 0 without a cap. */
  readonly waitMs: number;
  readonly waiting: number;
  /** There is nothing to wait for any more: the line is to be ended. */
  readonly over: boolean;
  /** So many were passed over and lost their place. */
  readonly absent: number;
  /** So many left the line, with a coupon or without. */
  readonly gone: number;
}

/** Why nobody is admitted; `draw`: the line has to be drawn first. */
export type AdmissionRefusal = 'closed' | 'paused' | 'not_open' | 'draw' | NotReadyReason;

export interface Tended {
  readonly why: 'absent' | 'sold_out' | 'closed' | 'paused';
  readonly gone: number;
  readonly waiting: number;
}

export interface DrawStep {
  readonly word: 'more' | 'done' | 'not_open';
  /** The one that counts. */
  readonly seed: string;
  readonly drawn: number;
  /** Whose keys are wanted next. */
  readonly users: readonly string[];
}

/** `full`: as many wait as may; `expired`: it was not sent in time. */
export type JoinAnswer = JoinResult | { readonly status: 'full' } | { readonly status: 'expired' };

export interface LineOptions {
  readonly maxBatch: number;
  readonly maxInFlight: number;
  readonly maxQueued: number;
}

export function placeOf(ticket: number, rank: number, perSecond: number): Place {
  const position = rank < 0 ? null : rank + 1;
  const etaMs = position === null || perSecond === 0 ? null : Math.ceil((position / perSecond) * 1000);
  return { ticket, position, etaMs };
}

export const EXPIRED: JoinAnswer = { status: 'expired' };

/** Runs calls that are in time; the others get `late`. */
export async function inTime<T extends { readonly deadlineAt: number }, R>(
  items: readonly T[],
  late: R,
  run: (open: readonly T[]) => Promise<readonly R[]>,
): Promise<readonly R[]> {
  const now = monotonicMs();
  const open = items.filter(({ deadlineAt }) => deadlineAt > now);
  if (open.length === items.length) return run(items);
  const results = await run(open);
  let next = 0;
  return items.map(({ deadlineAt }) => (deadlineAt > now ? results[next++]! : late));
}

/** Of each user a reply has a word, how many values follow, and these. */
export function eachUser(reply: Reply, from: number, use: (word: string, values: Reply, nth: number) => void): void {
  for (let at = from, nth = 0; at < reply.length; nth++) {
    const end = at + 2 + Number(reply[at + 1]);
    use(String(reply[at]), reply.slice(at + 2, end), nth);
    at = end;
  }
}
