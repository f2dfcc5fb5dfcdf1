import type { Caller } from '../flow/batcher.js';
import { monotonicMs } from '../flow/deadline.js';
import type { Issuance } from '../model/issuance.js';
import { firstRedeem, type LifeAnswer, type LifeCall, type RevokeCall, type RowChange } from '../model/life.js';
import { type ChangeVerdict, type CouponRef, refKey } from '../persistence/coupon-change.js';
import { decide } from './decide.js';

/** One call about one coupon. */
export interface ChangeRequest {
  readonly ref: CouponRef;
  readonly call: LifeCall;
  /** Monotonic ms. */
  readonly deadlineAt: number;
}

export type ChangeOutcome =
  | { readonly answer: LifeAnswer; readonly row: Issuance; readonly changed: boolean }
  /** There is no such row, and this call left nothing behind that could still change one. */
  | { readonly answer: 'no_row' }
  /** It was not announced in Redis, so nothing was changed. */
  | { readonly answer: 'not_announced'; readonly error: Error }
  /** `not_applied`: every attempt proved that it changed nothing. `unknown`: one of them may yet. */
  | { readonly answer: 'failed'; readonly outcome: 'not_applied' | 'unknown'; readonly cause: unknown };

/** A coupon that is about to be revoked: its row as it is now. */
export interface Revoking {
  readonly call: RevokeCall;
  readonly row: Issuance;
}

/** A fault that was found here. Its message quotes nobody, so it is told. */
export class OwnFault extends Error {}

/** Each change that is not made says that another call got on. */
const MOST_SENDS = 5;

/** A call on its way to its answer. Batches hand it back with `resolve`. */
export class Turn implements Caller<Turn> {
  readonly request: ChangeRequest;
  readonly key: string;
  /** Gives the call its answer. */
  readonly tell: (outcome: ChangeOutcome) => void;
  /** The next call of the same coupon, which is sent after this one. */
  follower: Turn | null = null;
  /** Runs while this call waits for the one before it. */
  patience: NodeJS.Timeout | undefined;
  /** The change to send next, and its answer once it is made; `null`: look at the row first. */
  next: { readonly change: RowChange; readonly answer: LifeAnswer; readonly looked: boolean } | null = null;
  outcome: ChangeOutcome | null = null;
  /** Another transaction holds the row: the change has to be sent alone. */
  held = false;
  inDoubt = false;
  /** Monotonic ms. It moves by the time that Redis takes: a coupon can be revoked while Redis does not answer. */
  deadlineAt: number;
  /** The last attempt whose reply was lost. */
  #lost: Turn['next'] = null;
  /** As it was found last. */
  #row: Issuance | null = null;
  readonly #isWithin: boolean;
  #sends = 0;
  readonly #back: (turn: Turn) => void;

  /** `isWithin`: it is in a transaction of the caller. */
  constructor(
    request: ChangeRequest,
    tell: (outcome: ChangeOutcome) => void,
    back: (turn: Turn) => void,
    isWithin = false,
  ) {
    this.request = request;
    this.deadlineAt = request.deadlineAt;
    this.key = refKey(request.ref);
    this.tell = tell;
    this.#back = back;
    this.#isWithin = isWithin;
    const { call } = request;
    // Most coupons were never changed: their first redemption needs no look.
    if (call.verb === 'redeem') this.next = { change: firstRedeem(call.id), answer: 'redeemed', looked: false };
  }

  resolve(): void {
    this.#back(this);
  }

  reject(cause: unknown): void {
    this.fail(cause);
    this.#back(this);
  }

  /** It is in a batch that leaves now. */
  begin(): void {
    this.held = false;
    if (monotonicMs() >= this.deadlineAt) this.fail(new OwnFault('the time of this call ran out'));
  }

  /** The row as it was found. */
  found(row: Issuance | null, refusedVersion: number | null = null): void {
    if (!row) {
      // A statement in doubt may still arrive, and the row may be saved before it.
      if (this.inDoubt) this.fail(new OwnFault('the row is not there'));
      else this.outcome = { answer: 'no_row' };
      return;
    }
    const { inDoubt } = this;
    this.#row = row;
    const decision = decide(this.request.call, row, { refusedVersion, inDoubt });
    if (!('change' in decision))
      this.outcome = { answer: decision.answer, row, changed: this.#hasMade(decision.answer, row) };
    else if (this.#sends === MOST_SENDS) this.fail(new OwnFault(`the row was changed ${MOST_SENDS} times meanwhile`));
    else this.next = { ...decision, looked: true };
  }

  /** Whether the attempt in doubt gave this answer. The event of a change is told, if perhaps twice by two calls of one id. */
  #hasMade(answer: LifeAnswer, { life }: Issuance): boolean {
    return this.#lost?.answer === answer && this.#lost.change.version + 1 === life?.version;
  }

  /** The coupon that its change revokes, as it was found; `null`: it revokes nothing. */
  get revoking(): Revoking | null {
    const { call } = this.request;
    return call.verb === 'revoke' ? { call, row: this.#row! } : null;
  }

  /** Redis was told within so many ms, or why it was not. */
  announced(error: Error | null, tookMs: number): void {
    this.deadlineAt += tookMs;
    // A change of an earlier attempt may still be made. It was announced.
    if (error && this.inDoubt) this.fail(error);
    else if (error) this.outcome = { answer: 'not_announced', error };
    else this.begin();
  }

  /** The answer to its change. */
  answered({ changed, row, held }: ChangeVerdict): void {
    const { change, answer, looked } = this.next!;
    this.held = held === true;
    if (held) return;
    this.#sends++;
    if (changed) this.outcome = { answer, row: row!, changed };
    // Without a look before it, the row may have been saved only now.
    else this.found(row, change.unexpired && looked ? change.version : null);
  }

  /** Nobody knows whether its change was made. */
  lost(cause: unknown): void {
    this.#sends++;
    this.inDoubt = true;
    this.#lost = this.next;
    this.next = null;
    // The transaction of the caller may be over: a change that is sent again would be committed alone.
    if (this.#isWithin || this.#sends === MOST_SENDS || monotonicMs() >= this.deadlineAt) this.fail(cause);
  }

  fail(cause: unknown): void {
    this.outcome = { answer: 'failed', outcome: this.inDoubt ? 'unknown' : 'not_applied', cause };
  }
}
