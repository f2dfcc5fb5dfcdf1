import { isErrorNamed } from './foreign.js';
import type { NotReadyReason } from './result.js';

/** The code of every error that this library throws. Each has one class and one heading in `docs/errors.md`. */
export type CouponIssuerErrorCode =
  | 'INVALID_ARGUMENT'
  | 'UNKNOWN_CAMPAIGN'
  | 'CAMPAIGN_CONFLICT'
  | 'MISCONFIGURED'
  | 'OVERLOADED'
  | 'REDIS'
  | 'NOT_ISSUED'
  | 'NOT_READY'
  | 'HOOK'
  | 'PERSISTENCE'
  | 'CLOSED';

/** The outcome of a failed Redis call: it certainly changed nothing, or it may have. */
export type RedisOutcome = 'not_applied' | 'unknown';

/**
 * The class of every fault. A normal outcome (sold out, closed, …) is a value, never an error. Messages, `cause` and
 * `toJSON()` never carry a coupon code, a command's arguments or a connection string.
 */
export abstract class CouponIssuerError extends Error {
  abstract readonly code: CouponIssuerErrorCode;

  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
  }

  toJSON(): { name: string; code: CouponIssuerErrorCode; message: string } {
    return { name: this.name, code: this.code, message: this.message };
  }
}

/**
 * An argument is outside its documented range. Thrown before any I/O; only a `closesAt` that is past is found by the
 * clock of Redis. Nothing was written.
 */
export class InvalidArgumentError extends CouponIssuerError {
  readonly code = 'INVALID_ARGUMENT';
  /**
   * The argument by its name in the call, such as `userId`, `ids[3]` or `stock.total`. `httpAnswer` shows the message
   * of such an error, so that message quotes no value. `null`: the message is about no single argument, or quotes the
   * caller.
   */
  readonly argument: string | null;

  constructor(message: string, options: { argument?: string | undefined } = {}) {
    super(message);
    this.argument = options.argument ?? null;
  }
}

/** The error of one argument. `fault` quotes no value of the caller's. */
export function invalid(argument: string, fault: string): InvalidArgumentError {
  return new InvalidArgumentError(`${argument} ${fault}`, { argument });
}

/** No campaign of this id was ever opened under this prefix. Nothing was written. */
export class UnknownCampaignError extends CouponIssuerError {
  readonly code = 'UNKNOWN_CAMPAIGN';
}

/**
 * The campaign is not as the call assumes. It has another definition, is closed, or has no pool or no waiting room; or
 * its rows are in the database without a state in Redis. The call wrote nothing. A load keeps its earlier chunks, and a
 * rebuild that stopped leaves the campaign `rebuilding`.
 */
export class CampaignConflictError extends CouponIssuerError {
  readonly code = 'CAMPAIGN_CONFLICT';
}

/** What a campaign is like that a call did not expect, and what to do about it. */
export interface Conflict {
  readonly what: string;
  readonly cure: string;
}

/** The error of such a campaign. `left`: the state that the call leaves. */
export function conflict(
  campaignId: string,
  { what, cure }: Conflict,
  left = 'nothing was changed',
): CampaignConflictError {
  return new CampaignConflictError(`campaign ${campaignId} ${what}; ${left}. ${cure}`);
}

/**
 * This process is not set up for the campaign: other hooks, another database, a table that is not fit, a Redis that is
 * not safe, or a missing right. Or it is older than the version that made the campaign. The message names the cure.
 * Nothing was reserved, claimed or saved. An adapter throws it from `check`.
 */
export class MisconfiguredError extends CouponIssuerError {
  readonly code = 'MISCONFIGURED';
}

/**
 * The queue of this process is full, the time of the call ran out in it, or the line of a waiting room is full. Nothing
 * was reserved and no place was taken. Ask again after `retryAfterMs`.
 */
export class OverloadedError extends CouponIssuerError {
  readonly code = 'OVERLOADED';
  /** Milliseconds after which a new attempt makes sense. */
  readonly retryAfterMs: number;

  constructor(message: string, retryAfterMs: number) {
    // Without a stack: under three times the load that can be served two of three calls end here, and most of their
    // price would be the stack. Where `Error` is frozen, the limit stays as it is.
    const { stackTraceLimit } = Error;
    Reflect.set(Error, 'stackTraceLimit', 0);
    super(message);
    Reflect.set(Error, 'stackTraceLimit', stackTraceLimit);
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * Redis could not be asked, or its answer did not arrive. `not_applied`: nothing changed. `unknown`: something may have
 * changed; `userStatus()` shows it, and a repeat with the same request id finds the unit.
 */
export class RedisError extends CouponIssuerError {
  readonly code = 'REDIS';
  readonly outcome: RedisOutcome;

  constructor(message: string, options: { outcome: RedisOutcome; cause?: unknown }) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.outcome = options.outcome;
  }
}

/**
 * The same fault, of a call that may already hold a unit: that one script changed nothing, or was not sent, does not
 * mean that nothing changed.
 */
export function inDoubt(error: unknown): unknown {
  if (error instanceof RedisError) return new RedisError(error.message, { outcome: 'unknown', cause: error.cause });
  if (!(error instanceof OverloadedError)) return error;
  const message =
    'too much waits in this process, so the call was not sent once more; what was sent before may have taken effect; call again with the same requestId';
  return new RedisError(message, { outcome: 'unknown' });
}

/**
 * The save or the delivery certainly failed, and the unit is back in the stock. Or the database could not be asked
 * before anything was reserved. Asking again may succeed.
 */
export class NotIssuedError extends CouponIssuerError {
  readonly code = 'NOT_ISSUED';
}

/**
 * The state of the campaign in Redis is missing, older than known, or being rebuilt. Calls throw it whose result has no
 * status for that; `issue()` answers `not_ready`. Nothing was written.
 */
export class NotReadyError extends CouponIssuerError {
  readonly code = 'NOT_READY';
  readonly reason: NotReadyReason;

  constructor(message: string, reason: NotReadyReason) {
    super(message);
    this.reason = reason;
  }
}

/**
 * A function that you gave threw or did not answer in time, before anything was reserved: `eligible`, `load` of a cache,
 * or the adapter's `list`, `check` or `identity`.
 */
export class HookError extends CouponIssuerError {
  readonly code = 'HOOK';
}

/**
 * A call to the database failed: about a coupon that was issued, or in `check()` of the issuer. `not_applied`: certainly
 * nothing changed. `unknown`: it may have; a repeat with the same id tells.
 */
export class PersistenceError extends CouponIssuerError {
  readonly code = 'PERSISTENCE';
  readonly outcome: RedisOutcome;

  constructor(message: string, options: { outcome: RedisOutcome; cause?: unknown }) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.outcome = options.outcome;
  }
}

/** `close()` was called on this issuer. Nothing was written. */
export class ClosedError extends CouponIssuerError {
  readonly code = 'CLOSED';
}

/**
 * Thrown by an adapter's `save`: nothing of this batch is stored, nor ever will be by this attempt. Any other error
 * means "unknown".
 *
 * `wholeBatch`: the reason lies outside the rows (no connection, a time-out), so the batch is not saved in halves.
 * `permanent`: the database will never accept a row of this batch. If that row stands alone, and was delivered or
 * promised, it goes into quarantine at once. The verdict `refused` says the same, with a word for clients.
 */
export class NotSavedError extends Error {
  readonly wholeBatch: boolean;
  readonly permanent: boolean;

  constructor(
    message: string,
    options: { cause?: unknown; wholeBatch?: boolean | undefined; permanent?: boolean | undefined } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.wholeBatch = options.wholeBatch ?? false;
    this.permanent = options.permanent ?? false;
  }

  toJSON(): { name: string; message: string; wholeBatch: boolean; permanent: boolean } {
    const { name, message, wholeBatch, permanent } = this;
    return { name, message, wholeBatch, permanent };
  }
}

/** Thrown by `deliver`: this coupon was certainly not delivered. Any other error means "unknown". */
export class NotDeliveredError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
  }

  toJSON(): { name: string; message: string } {
    return { name: this.name, message: this.message };
  }
}

/**
 * Each class gets its name as it is written here, as an engine does it for its own. A bundler renames classes, and a
 * minifier leaves one letter. On the prototype the name is in the stack too, and a frozen `Error.prototype` does not
 * stand in its way.
 */
for (const [name, errorClass] of Object.entries({
  InvalidArgumentError,
  UnknownCampaignError,
  CampaignConflictError,
  MisconfiguredError,
  OverloadedError,
  RedisError,
  NotIssuedError,
  NotReadyError,
  HookError,
  PersistenceError,
  ClosedError,
  NotSavedError,
  NotDeliveredError,
})) {
  const written = { value: name, writable: true, configurable: true };
  Object.defineProperty(errorClass, 'name', written);
  Object.defineProperty(errorClass.prototype, 'name', written);
}

/**
 * These two errors are recognised by name. A process may hold two copies of this package or two realms: an
 * `instanceof` across them would turn "certainly not" into "unknown".
 */
export function isNotSaved(error: unknown): error is NotSavedError {
  return isErrorNamed(error, 'NotSavedError', ['wholeBatch', 'permanent']);
}

export function isNotDelivered(error: unknown): error is NotDeliveredError {
  return isErrorNamed(error, 'NotDeliveredError');
}
