import { type Caller, InContext } from '../flow/batcher.js';
import type { SaveOutcome, SaveRequest, Saves } from '../issue/save.js';
import type { ConfirmWord } from '../redis/held.js';
import type { Reservation } from '../redis/reservation.js';

/** The steps that follow for each reservation. */
export interface Together<E> {
  readonly saves: Saves;
  readonly perUser: number;
  /** Monotonic ms. */
  readonly deadlineAt: number;
  /** Whether the calls below may look at the async context. */
  readonly hasHooks: boolean;
  /** The row is committed, and the lease ended. */
  readonly finished: (reservation: Reservation) => void;
  /** The save did not end with `saved`. */
  readonly goOn: (reservation: Reservation, outcome: SaveOutcome) => Promise<E>;
  readonly failed: (error: unknown) => E;
}

/**
 * Saves reservations and ends their leases, and answers how each ended; `null`: it is finished. A copy of `settleOne()`
 * in `carry-batch.ts`, for reservations that are not delivered: no promise stands between the steps. As soon as a save
 * ends otherwise than `saved`, its reservation goes on in `settleOne()`.
 */
export function saveTogether<E>(claimed: readonly Reservation[], together: Together<E>): Promise<(E | null)[]> {
  if (claimed.length === 0) return Promise.resolve([]);
  return new Promise((resolve) => {
    const batch = new Gathered(claimed.length, together, resolve);
    for (let nth = 0; nth < claimed.length; nth++) {
      const saving = new SavingGathered(batch, claimed[nth]!, nth);
      together.saves.hand(saving, batch.inContext(saving));
    }
  });
}

class Gathered<E> {
  readonly together: Together<E>;
  readonly #ends: (E | null)[];
  readonly #told: (ends: (E | null)[]) => void;
  #open: number;

  constructor(size: number, together: Together<E>, told: (ends: (E | null)[]) => void) {
    this.together = together;
    this.#ends = new Array<E | null>(size).fill(null);
    this.#open = size;
    this.#told = told;
  }

  /** Where a hook of the user may run, it runs as if its reservation were alone. */
  inContext<R>(caller: Caller<R>): Caller<R> {
    return this.together.hasHooks ? new InContext(caller) : caller;
  }

  end(nth: number, end: E | null): void {
    this.#ends[nth] = end;
    if (--this.#open === 0) this.#told(this.#ends);
  }
}

class SavingGathered<E> implements SaveRequest, Caller<SaveOutcome> {
  readonly reserved: Reservation;
  readonly perUser: number;
  readonly deadlineAt: number;
  readonly batch: Gathered<E>;
  readonly nth: number;

  constructor(batch: Gathered<E>, reserved: Reservation, nth: number) {
    this.batch = batch;
    this.reserved = reserved;
    this.nth = nth;
    this.perUser = batch.together.perUser;
    this.deadlineAt = batch.together.deadlineAt;
  }

  resolve(outcome: SaveOutcome): void {
    const { batch, reserved, nth } = this;
    if (outcome.verdict === 'saved') {
      reserved.handConfirm(batch.inContext(new EndingGathered(this)));
      return;
    }
    batch.together.goOn(reserved, outcome).then(
      (end) => batch.end(nth, end),
      (error: unknown) => this.reject(error),
    );
  }

  reject(error: unknown): void {
    this.batch.end(this.nth, this.batch.together.failed(error));
  }
}

class EndingGathered<E> implements Caller<ConfirmWord> {
  readonly #saving: SavingGathered<E>;

  constructor(saving: SavingGathered<E>) {
    this.#saving = saving;
  }

  resolve(_: ConfirmWord): void {
    const { batch, reserved, nth } = this.#saving;
    batch.together.finished(reserved);
    batch.end(nth, null);
  }

  reject(error: unknown): void {
    this.#saving.reject(error);
  }
}
