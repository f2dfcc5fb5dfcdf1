import { type Caller, InContext } from '../flow/batcher.js';
import { refOf } from '../model/events.js';
import type { Issuance } from '../model/issuance.js';
import { inCall } from '../model/methods.js';
import type { IssueResult } from '../model/result.js';
import { redacted } from '../model/safe-error.js';
import { issuedOf, type Reservation } from '../redis/reservation.js';
import type { ReserveAnswer } from '../redis/reserve-replies.js';
import type { Serving } from '../redis/serving.js';
import { acceptedNow, issuedNow, toldAtOnce } from './answer.js';
import { carryOn, closedOr, type Held, type IssueParts } from './issue.js';
import type { SaveOutcome, SaveRequest, Saves } from './save.js';
import type { IssueCall } from './steps.js';

/**
 * A copy of `issue()` in `issue.ts`, for calls without a delivery. The steps are the same, in the same order; change
 * them there first. A batch answers each call by calling it, so that no promise and no suspended function stands
 * between the steps. As soon as a save ends otherwise than `saved`, the call goes on in `carryOn`. The copy exists for
 * its price alone: 5.8 against 8.2 µs of Node's time per call.
 */
export function issueFast(serving: Serving, call: IssueCall, parts: IssueParts): Promise<IssueResult> {
  return new Promise((resolve, reject) => {
    parts.pending.begin();
    const fast = new FastCall(serving, call, parts, { resolve, reject });
    serving.reserves.hand(call, fast.inContext(fast));
  });
}

class FastCall implements Caller<ReserveAnswer> {
  readonly #serving: Serving;
  readonly #call: IssueCall;
  readonly #parts: IssueParts;
  readonly #told: Caller<IssueResult>;

  constructor(serving: Serving, call: IssueCall, parts: IssueParts, told: Caller<IssueResult>) {
    this.#serving = serving;
    this.#call = call;
    this.#parts = parts;
    this.#told = told;
  }

  /** Where a hook of the user may run, it runs as if this call were alone. */
  inContext<R>(caller: Caller<R>): Caller<R> {
    return this.#parts.steps.hasHooks ? new InContext(caller) : caller;
  }

  /** The answer of reserve. */
  resolve(answer: ReserveAnswer): void {
    const { steps } = this.#parts;
    if (answer.word === 'expired') {
      this.fail(this.#serving.shard.context.runner.unsent('nothing was reserved'));
    } else if (!('reservation' in answer)) {
      this.#tell(toldAtOnce(answer, steps));
    } else {
      const { saveMode, perUser } = this.#serving.campaign.rules;
      this.#call.replayed = answer.word === 'existing';
      if (saveMode === 'write-behind') {
        this.#tell(acceptedNow(answer.reservation.issuance, steps, this.#call.replayed));
      } else if (steps.saves) this.#save(answer, perUser, steps.saves);
      else this.#goOn(answer, null);
    }
  }

  /** Why reserve has no answer. */
  reject(error: unknown): void {
    try {
      this.#tell(toldAtOnce(closedOr(error, this.#serving, this.#parts.steps), this.#parts.steps));
    } catch {
      this.fail(error);
    }
  }

  #save(held: Held, perUser: number, saves: Saves): void {
    this.#call.reserved = held.reservation;
    const saving = new Saving(this, held, perUser, this.#call.deadlineAt);
    saves.hand(saving, this.inContext(saving));
  }

  saveEnded(held: Held, ended: SaveOutcome): void {
    if (ended.verdict !== 'saved') {
      this.#goOn(held, ended);
      return;
    }
    const issuance = issuedOf(held.reservation);
    const result = issuedNow(issuance, this.#parts.steps, this.#call.replayed);
    // The call stays pending until its lease ended.
    held.reservation.handConfirm(this.#confirming(issuance));
    this.#told.resolve(result);
  }

  /** The copy of `finish`. */
  #confirming(issuance: Issuance): Caller<unknown> {
    const confirming = new Confirming(this.#parts, issuance, this.#call.replayed);
    return this.#call.replayed ? this.inContext(confirming) : confirming;
  }

  #goOn(held: Held, ended: SaveOutcome | null): void {
    carryOn(this.#serving, this.#call, this.#parts, held, ended).then(
      (result) => this.#tell(result),
      (error: unknown) => this.fail(error),
    );
  }

  #tell(result: IssueResult): void {
    this.#parts.pending.end();
    this.#told.resolve(result);
  }

  fail(error: unknown): void {
    this.#parts.pending.end();
    this.#told.reject(inCall('issue', error));
  }
}

class Saving implements SaveRequest, Caller<SaveOutcome> {
  readonly reserved: Reservation;
  readonly perUser: number;
  readonly deadlineAt: number;
  readonly #call: FastCall;
  readonly #held: Held;

  constructor(call: FastCall, held: Held, perUser: number, deadlineAt: number) {
    this.#call = call;
    this.#held = held;
    this.reserved = held.reservation;
    this.perUser = perUser;
    this.deadlineAt = deadlineAt;
  }

  resolve(outcome: SaveOutcome): void {
    this.#call.saveEnded(this.#held, outcome);
  }

  reject(error: unknown): void {
    this.#call.fail(error);
  }
}

class Confirming implements Caller<unknown> {
  readonly #parts: IssueParts;
  readonly #issuance: Issuance;
  readonly #replayed: boolean;

  constructor(parts: IssueParts, issuance: Issuance, replayed: boolean) {
    this.#parts = parts;
    this.#issuance = issuance;
    this.#replayed = replayed;
  }

  resolve(word: unknown): void {
    const { steps, pending } = this.#parts;
    if (this.#replayed && word === 'confirmed') steps.emit({ type: 'settled', ...refOf(this.#issuance) });
    pending.end();
  }

  reject(error: unknown): void {
    const { steps, pending } = this.#parts;
    const { campaignId } = this.#issuance;
    steps.emit({ type: 'fault', during: 'confirm', campaignId, error: redacted(error) });
    pending.end();
  }
}
