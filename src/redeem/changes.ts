import { Batcher, type Caller } from '../flow/batcher.js';
import { monotonicMs, withDeadline } from '../flow/deadline.js';
import { isNotSaved, OverloadedError } from '../model/errors.js';
import { isErrorNamed } from '../model/foreign.js';
import type { Issuance } from '../model/issuance.js';
import { decide, firstRedeem, type LifeAnswer, type LifeCall, type RevokeCall, type RowChange } from '../model/life.js';
import type { CouponRows } from '../persistence/adapter.js';
import { type ChangeVerdict, type CouponRef, refKey } from '../persistence/coupon-change.js';
import { REDEEM, type RedeemMessage } from '../tracing/channels.js';
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
  /** It was not announced in Redis, so nothing was changed. */
  | { readonly answer: 'not_announced'; readonly error: Error }
  /** `not_applied`: every attempt proved that it changed nothing. `unknown`: one of them may yet. */
  | { readonly answer: 'failed'; readonly outcome: 'not_applied' | 'unknown'; readonly cause: unknown };

/** Each change that is not made says that another call got on. */
const MOST_SENDS = 5;

/** A coupon that is about to be revoked: its row as it is now. */
export interface Revoking {
  readonly call: RevokeCall;
  readonly row: Issuance;
}

/** Announces coupons in Redis; for each why it must not be revoked now, or `null`. Never rejects. */
export type Announce = (coupons: readonly Revoking[]) => Promise<readonly (Error | null)[]>;

/** A call on its way to its answer. Batches hand it back with `resolve`. */
class Turn implements Caller<Turn> {
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
    if (monotonicMs() >= this.deadlineAt) this.fail(new Error('the time of this call ran out'));
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
    this.#row = row;
    const decision = decide(this.request.call, row, { refusedVersion, inDoubt });
    if (!('change' in decision))
      this.outcome = { answer: decision.answer, row, changed: this.#hasMade(decision.answer, row) };
    else if (this.#sends === MOST_SENDS) this.fail(new Error(`the row was changed ${MOST_SENDS} times meanwhile`));
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

export interface ChangesOptions {
  readonly maxBatch: number;
  readonly maxInFlight: number;
  readonly maxQueued: number;
  readonly announce: Announce;
}

/** More calls than this for coupons that others hold would take the connections of all others. */
const MOST_HELD = 4;

/**
 * The changes of this process, in batches. One coupon is never twice in the batches that are out: the statement of a batch takes either change. A coupon that
 * another transaction holds goes alone.
 */
export class Changes {
  readonly #batcher: Batcher<Turn, Turn>;
  /** A revocation is announced in Redis first. No other call waits for that. */
  readonly #revocations: Batcher<Turn, Turn>;
  readonly #alone: Batcher<Turn, Turn>;
  /** The last call of each coupon. */
  readonly #last = new Map<string, Turn>();
  readonly #maxQueued: number;
  /** Calls without an answer. */
  #pending = 0;

  constructor(adapter: CouponRows, { maxQueued, announce, ...sizes }: ChangesOptions) {
    this.#maxQueued = maxQueued;
    const run = (turns: Turn[]) => changeAll(adapter, turns, announce);
    this.#batcher = new Batcher({ ...sizes, run });
    this.#revocations = new Batcher({ ...sizes, run });
    this.#alone = new Batcher({ maxBatch: 1, maxInFlight: MOST_HELD, run });
  }

  /** Rejects with `OverloadedError`. Each call is one promise and no more: thousands may be on their way. */
  change(request: ChangeRequest): Promise<ChangeOutcome> {
    if (this.#pending >= this.#maxQueued) {
      const what = `the queue is full (maxQueued ${this.#maxQueued}); nothing was changed; try again after retryAfterMs`;
      return Promise.reject(new OverloadedError(what, 1000));
    }
    this.#pending++;
    return new Promise((resolve) => {
      const turn = new Turn(request, resolve, this.#back);
      const before = this.#last.get(turn.key);
      this.#last.set(turn.key, turn);
      if (before) this.#wait(turn, before);
      else this.#send(turn);
    });
  }

  #send(turn: Turn): void {
    const batcher = turn.request.call.verb === 'revoke' ? this.#revocations : this.#batcher;
    batcher.hand(turn, turn);
  }

  /** At most until the deadline of the call that waits. */
  #wait(turn: Turn, before: Turn): void {
    before.follower = turn;
    const giveUp = () => {
      turn.fail(new Error('other calls of this coupon took too long'));
      this.#answer(turn);
    };
    turn.patience = setTimeout(giveUp, Math.max(0, turn.request.deadlineAt - monotonicMs()));
    turn.patience.unref?.();
  }

  readonly #back = (turn: Turn): void => {
    if (!turn.outcome) {
      this.#alone.hand(turn, turn);
      return;
    }
    this.#answer(turn);
    let next = turn.follower;
    // Those that gave up while they waited have their answers.
    while (next?.outcome) next = next.follower;
    if (next) {
      clearTimeout(next.patience);
      this.#send(next);
    } else {
      this.#last.delete(turn.key);
    }
  };

  #answer(turn: Turn): void {
    this.#pending--;
    turn.tell(turn.outcome!);
  }
}

/**
 * One call in a transaction of the caller, on its connection: no batch, no turn behind other calls. Throws the errors of the adapter about the client that it was
 * given.
 */
export async function changeWithin(begin: () => Promise<CouponRows>, request: ChangeRequest): Promise<ChangeOutcome> {
  const ignore = () => {};
  const turn = new Turn(request, ignore, ignore, true);
  try {
    await changeAll(await inTime('within', [turn], begin), [turn], async () => []);
  } catch (error) {
    if (['InvalidArgumentError', 'MisconfiguredError'].some((name) => isErrorNamed(error, name))) throw error;
    turn.fail(error);
  }
  return turn.outcome!;
}

/** Looks, decides and changes until each call has its answer, or must go alone. Never rejects. */
function changeAll(adapter: CouponRows, turns: Turn[], announce: Announce): Promise<Turn[]> {
  if (!REDEEM.isHeard) return lookAndChange(adapter, turns, announce);
  const message: RedeemMessage = { size: turns.length };
  return REDEEM.run(
    message,
    () => lookAndChange(adapter, turns, announce),
    () => {},
  );
}

async function lookAndChange(adapter: CouponRows, turns: Turn[], announce: Announce): Promise<Turn[]> {
  for (const turn of turns) turn.begin();
  const isOpen = ({ outcome, held }: Turn) => !outcome && !held;
  for (let open = turns.filter(isOpen); open.length > 0; open = open.filter(isOpen)) {
    const unseen = open.filter(({ next }) => !next);
    if (unseen.length > 0) await lookAt(adapter, unseen);
    await announceAll(announce, open.filter(isChanging));
    const changing = open.filter(isChanging);
    if (changing.length > 0) await changeOnce(adapter, changing);
  }
  return turns;
}

function isChanging({ next, outcome }: Turn): boolean {
  return next !== null && !outcome;
}

/** After the look, and anew for each version: a change in flight has an announcement that no worker has dropped. */
async function announceAll(announce: Announce, turns: readonly Turn[]): Promise<void> {
  const revokes = turns.filter(({ revoking }) => revoking);
  if (revokes.length === 0) return;
  const sentAt = monotonicMs();
  const errors = await announce(revokes.map(({ revoking }) => revoking!));
  for (const [i, turn] of revokes.entries()) turn.announced(errors[i]!, monotonicMs() - sentAt);
}

async function lookAt(adapter: CouponRows, turns: readonly Turn[]): Promise<void> {
  const refs = turns.map(({ request }) => request.ref);
  try {
    const rows = ownLooked(await inTime('look', turns, (signal) => adapter.look([...refs], { signal })), refs);
    for (const [i, turn] of turns.entries()) turn.found(rows[i]!);
  } catch (error) {
    for (const turn of turns) turn.fail(error);
  }
}

async function changeOnce(adapter: CouponRows, turns: readonly Turn[]): Promise<void> {
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
  const deadlineAt = Math.max(...turns.map((turn) => turn.deadlineAt));
  const late = () => {
    const error = new Error(`${name} did not answer in time`);
    abort.abort(error);
    return error;
  };
  return withDeadline((async () => ask(abort.signal))(), deadlineAt - monotonicMs(), late);
}
