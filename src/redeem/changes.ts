import { Batcher } from '../flow/batcher.js';
import { monotonicMs, withDeadline } from '../flow/deadline.js';
import { isNotSaved, OverloadedError } from '../model/errors.js';
import type { Issuance } from '../model/issuance.js';
import { decide, firstRedeem, type LifeAnswer, type LifeCall, type RowChange } from '../model/life.js';
import type { PersistenceAdapter } from '../persistence/adapter.js';
import { type ChangeVerdict, type CouponRef, refKey } from '../persistence/coupon-change.js';
import { ownChangeVerdicts, ownLooked } from './verdicts.js';

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
  /** `not_applied`: every attempt proved that it changed nothing. `unknown`: one of them may yet. */
  | { readonly answer: 'failed'; readonly outcome: 'not_applied' | 'unknown'; readonly cause: unknown };

/** An adapter that can change rows. */
export type ChangingAdapter = PersistenceAdapter & Required<Pick<PersistenceAdapter, 'look' | 'change'>>;

/** Each change that is not made says that another call got on. */
const MOST_SENDS = 5;

/** A call on its way to its answer. */
class Turn {
  readonly request: ChangeRequest;
  /** The change to send next, and its answer once it is made; `null`: look at the row first. */
  next: { readonly change: RowChange; readonly answer: LifeAnswer; readonly looked: boolean } | null = null;
  outcome: ChangeOutcome | null = null;
  /** Another transaction holds the row: the change has to be sent alone. */
  held = false;
  inDoubt = false;
  #sends = 0;

  constructor(request: ChangeRequest) {
    this.request = request;
    const { call } = request;
    // Most coupons were never changed: their first redemption needs no look.
    if (call.verb === 'redeem') this.next = { change: firstRedeem(call.id), answer: 'redeemed', looked: false };
  }

  /** It is in a batch that leaves now. */
  begin(): void {
    this.held = false;
    if (monotonicMs() >= this.request.deadlineAt) this.fail(new Error('the time of this call ran out'));
  }

  /** The row as it was found. */
  found(row: Issuance | null, refusedVersion: number | null = null): void {
    if (!row) {
      // A statement in doubt may still arrive, and the row may be saved before it.
      if (this.inDoubt) this.fail(new Error('the row is not there'));
      else this.outcome = { answer: 'no_row' };
      return;
    }
    const { inDoubt } = this;
    const decision = decide(this.request.call, row, { refusedVersion, inDoubt });
    if (!('change' in decision)) this.outcome = { answer: decision.answer, row, changed: false };
    else if (this.#sends === MOST_SENDS) this.fail(new Error(`the row was changed ${MOST_SENDS} times meanwhile`));
    else this.next = { ...decision, looked: true };
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
    this.next = null;
    if (this.#sends === MOST_SENDS || monotonicMs() >= this.request.deadlineAt) this.fail(cause);
  }

  fail(cause: unknown): void {
    this.outcome = { answer: 'failed', outcome: this.inDoubt ? 'unknown' : 'not_applied', cause };
  }
}

export interface ChangesOptions {
  readonly maxBatch: number;
  readonly maxInFlight: number;
  readonly maxQueued: number;
}

/** More calls than this for coupons that others hold would take the connections of all others. */
const MOST_HELD = 4;

/**
 * The changes of this process, in batches. One coupon is never twice in the batches that are out: the statement of a batch takes either change. A coupon that
 * another transaction holds goes alone.
 */
export class Changes {
  readonly #batcher: Batcher<Turn, Turn>;
  readonly #alone: Batcher<Turn, Turn>;
  /** The end of the last call of each coupon. */
  readonly #last = new Map<string, Promise<void>>();
  readonly #maxQueued: number;
  /** Calls without an answer. */
  #pending = 0;

  constructor(adapter: ChangingAdapter, { maxQueued, ...sizes }: ChangesOptions) {
    this.#maxQueued = maxQueued;
    this.#batcher = new Batcher({ ...sizes, run: (turns) => changeAll(adapter, turns) });
    this.#alone = new Batcher({ maxBatch: 1, maxInFlight: MOST_HELD, run: (turns) => changeAll(adapter, turns) });
  }

  /** Throws `OverloadedError`. */
  async change(request: ChangeRequest): Promise<ChangeOutcome> {
    if (this.#pending >= this.#maxQueued) {
      throw new OverloadedError(
        `the queue is full (maxQueued ${this.#maxQueued}); nothing was changed; try again after retryAfterMs`,
        1000,
      );
    }
    this.#pending++;
    return this.#inTurn(request).finally(() => {
      this.#pending--;
    });
  }

  async #inTurn(request: ChangeRequest): Promise<ChangeOutcome> {
    const key = refKey(request.ref);
    const before = this.#last.get(key);
    const outcome = before ? this.#sendAfter(before, request) : this.#send(request);
    const ended = Promise.all([before, outcome]).then(() => {
      if (this.#last.get(key) === ended) this.#last.delete(key);
    });
    this.#last.set(key, ended);
    return outcome;
  }

  async #sendAfter(before: Promise<void>, request: ChangeRequest): Promise<ChangeOutcome> {
    try {
      await withDeadline(
        before,
        request.deadlineAt - monotonicMs(),
        () => new Error('other calls of this coupon took too long'),
      );
    } catch (cause) {
      return { answer: 'failed', outcome: 'not_applied', cause };
    }
    return this.#send(request);
  }

  async #send(request: ChangeRequest): Promise<ChangeOutcome> {
    const turn = await this.#batcher.add(new Turn(request));
    return (turn.outcome ?? (await this.#alone.add(turn)).outcome)!;
  }
}

/** Looks, decides and changes until each call has its answer, or must go alone. Never rejects. */
async function changeAll(adapter: ChangingAdapter, turns: Turn[]): Promise<Turn[]> {
  for (const turn of turns) turn.begin();
  const isOpen = ({ outcome, held }: Turn) => !outcome && !held;
  for (let open = turns.filter(isOpen); open.length > 0; open = open.filter(isOpen)) {
    const unseen = open.filter(({ next }) => !next);
    if (unseen.length > 0) await lookAt(adapter, unseen);
    const changing = open.filter(({ next, outcome }) => next && !outcome);
    if (changing.length > 0) await changeOnce(adapter, changing);
  }
  return turns;
}

async function lookAt(adapter: ChangingAdapter, turns: readonly Turn[]): Promise<void> {
  const refs = turns.map(({ request }) => request.ref);
  try {
    const rows = ownLooked(await inTime('look', turns, (signal) => adapter.look([...refs], { signal })), refs);
    for (const [i, turn] of turns.entries()) turn.found(rows[i]!);
  } catch (error) {
    for (const turn of turns) turn.fail(error);
  }
}

async function changeOnce(adapter: ChangingAdapter, turns: readonly Turn[]): Promise<void> {
  const changes = turns.map(({ request, next }) => ({ ref: request.ref, ...next!.change }));
  try {
    const given = await inTime('change', turns, (signal) => adapter.change([...changes], { signal }));
    const verdicts = ownChangeVerdicts(given, changes);
    for (const [i, turn] of turns.entries()) turn.answered(verdicts[i]!);
  } catch (error) {
    if (!isNotSaved(error)) {
      for (const turn of turns) turn.lost(error);
    } else if (error.wholeBatch || turns.length === 1) {
      for (const turn of turns) turn.fail(error);
    } else {
      // One change that the database refuses does not take its neighbours along.
      const middle = turns.length >> 1;
      await changeOnce(adapter, turns.slice(0, middle));
      await changeOnce(adapter, turns.slice(middle));
    }
  }
}

function inTime<T>(name: string, turns: readonly Turn[], ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  const deadlineAt = Math.max(...turns.map(({ request }) => request.deadlineAt));
  const late = () => {
    const error = new Error(`${name} did not answer in time`);
    abort.abort(error);
    return error;
  };
  return withDeadline((async () => ask(abort.signal))(), deadlineAt - monotonicMs(), late);
}
