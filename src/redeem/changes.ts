import { Batcher } from '../flow/batcher.js';
import { monotonicMs } from '../flow/deadline.js';
import { OverloadedError } from '../model/errors.js';
import type { CouponRows } from '../persistence/adapter.js';
import { type Announce, changeAll } from './look-and-change.js';
import { type ChangeOutcome, type ChangeRequest, OwnFault, Turn } from './turn.js';

export interface ChangesOptions {
  readonly maxBatch: number;
  readonly maxInFlight: number;
  readonly maxQueued: number;
  readonly announce: Announce;
}

/** More calls than this for coupons that others hold would take the connections of all others. */
const MOST_HELD = 4;

/** A coupon is never twice in the batches of one queue that are out: the statement of a batch takes either change. */
interface Queue {
  readonly batcher: Batcher<Turn, Turn>;
  /** The last call of each coupon. */
  readonly last: Map<string, Turn>;
}

/** The changes of this process, in batches. A coupon that another transaction holds goes alone. */
export class Changes {
  readonly #others: Queue;
  /** A revocation is announced in Redis first. No other call waits for that, and none of the same coupon. */
  readonly #revocations: Queue;
  readonly #alone: Batcher<Turn, Turn>;
  readonly #maxQueued: number;
  /** Calls without an answer. */
  #pending = 0;

  constructor(adapter: CouponRows, { maxQueued, announce, ...sizes }: ChangesOptions) {
    this.#maxQueued = maxQueued;
    const run = (turns: Turn[]) => changeAll(adapter, turns, announce);
    const queue = (): Queue => ({ batcher: new Batcher({ ...sizes, run }), last: new Map() });
    [this.#others, this.#revocations] = [queue(), queue()];
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
      const { last } = this.#queueOf(turn);
      const before = last.get(turn.key);
      last.set(turn.key, turn);
      if (before) this.#wait(turn, before);
      else this.#send(turn);
    });
  }

  #queueOf({ request }: Turn): Queue {
    return request.call.verb === 'revoke' ? this.#revocations : this.#others;
  }

  #send(turn: Turn): void {
    this.#queueOf(turn).batcher.hand(turn, turn);
  }

  /** At most until the deadline of the call that waits. */
  #wait(turn: Turn, before: Turn): void {
    before.follower = turn;
    const giveUp = () => {
      turn.fail(new OwnFault('other calls of this coupon took too long'));
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
      this.#queueOf(turn).last.delete(turn.key);
    }
  };

  #answer(turn: Turn): void {
    this.#pending--;
    turn.tell(turn.outcome!);
  }
}
