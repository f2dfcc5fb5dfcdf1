import { type Caller, InContext } from '../flow/batcher.js';
import type { PendingWork } from '../flow/pending-work.js';
import { type Emit, refOf } from '../model/events.js';
import { asIssued, type Issuance } from '../model/issuance.js';
import { inCall } from '../model/methods.js';
import type { IssueResult } from '../model/result.js';
import { redacted } from '../model/safe-error.js';
import { CampaignOverError } from '../redis/registry.js';
import { intact, type Reservation } from '../redis/reservation.js';
import type { ReserveAnswer } from '../redis/reserve-replies.js';
import type { Serving } from '../redis/serving.js';
import { acceptedNow, issuedNow, type Told, toldAtOnce } from './answer.js';
import { carryOn, type IssueCall, type Steps } from './carry.js';
import type { SaveOutcome, SaveRequest, Saves } from './save.js';

export interface IssuingParts {
  readonly steps: Steps;
  readonly pending: PendingWork;
}

/**
 * One call on its way through reserve, save and confirm. The road of nearly every call, in plain functions that a batch
 * calls with its answer. Promises and suspended functions between the steps would cost more than the steps. The rest is
 * left to `carryOn`.
 */
export class Issuing implements Caller<ReserveAnswer> {
  readonly #serving: Serving;
  readonly #call: IssueCall;
  readonly #parts: IssuingParts;
  readonly #told: Caller<IssueResult>;

  constructor(serving: Serving, call: IssueCall, parts: IssuingParts, told: Caller<IssueResult>) {
    this.#serving = serving;
    this.#call = call;
    this.#parts = parts;
    this.#told = told;
  }

  begin(): void {
    this.#parts.pending.begin();
    this.#serving.reserves.hand(this.#call, this.#inContext(this));
  }

  /** The answer of reserve. */
  resolve(answer: ReserveAnswer): void {
    const { steps } = this.#parts;
    if (answer.word === 'existing') this.#call.replayed = true;
    if (answer.word === 'expired') {
      this.fail(this.#serving.shard.context.runner.unsent('nothing was reserved'));
    } else if (!('reservation' in answer)) {
      this.#tell(toldAtOnce(answer, steps).result);
    } else if (this.#serving.campaign.rules.saveMode === 'write-behind') {
      this.#tell(acceptedNow(answer.reservation.issuance, steps, this.#call.replayed).result);
    } else if (steps.saves && !steps.deliveries) {
      this.#save(answer.reservation, steps.saves);
    } else {
      this.#goOn(answer.reservation, null);
    }
  }

  /** Why reserve has no answer. */
  reject(error: unknown): void {
    if (error instanceof CampaignOverError) {
      const { steps } = this.#parts;
      steps.emit({ type: 'refused', campaignId: this.#serving.campaign.id, status: 'closed', count: 1 });
      this.#tell({ status: 'closed', closedAt: error.closedAt });
    } else this.fail(error);
  }

  #save(reservation: Reservation, saves: Saves): void {
    this.#call.reserved = reservation;
    const saving = new Saving(this, reservation, this.#call.deadlineAt, this.#serving.campaign.rules.perUser);
    saves.hand(saving, this.#inContext(saving));
  }

  /** Where a hook of the user may run, it runs as if this call were alone. */
  #inContext<R>(caller: Caller<R>): Caller<R> {
    return this.#parts.steps.hasHooks ? new InContext(caller) : caller;
  }

  saveEnded(reservation: Reservation, ended: SaveOutcome): void {
    if (ended.verdict !== 'saved') {
      this.#goOn(reservation, ended);
      return;
    }
    const issuance: Issuance = asIssued(intact(reservation));
    const result = issuedNow(issuance, this.#parts.steps, this.#call.replayed);
    reservation.handConfirm(this.#ending(issuance));
    this.#tell(result);
  }

  #tell(result: IssueResult): void {
    this.#parts.pending.end();
    this.#told.resolve(result);
  }

  fail(error: unknown): void {
    this.#parts.pending.end();
    this.#told.reject(inCall('issue', error));
  }

  #goOn(reservation: Reservation, ended: SaveOutcome | null): void {
    carryOn(this.#serving, this.#call, this.#parts.steps, reservation, ended).then(
      ({ result, finished }) => {
        if (finished && 'issuance' in result) this.#finish(finished, result.issuance);
        this.#tell(result);
      },
      (error: unknown) => this.fail(error),
    );
  }

  #finish(finished: NonNullable<Told['finished']>, issuance: Issuance): void {
    const ending = this.#ending(issuance);
    finished().then(
      (word) => ending.resolve(word),
      (error: unknown) => ending.reject(error),
    );
  }

  /** A repeat tells an event only if it ended a reservation of an earlier call, as settle does. */
  #ending(issuance: Issuance): Caller<unknown> {
    const { steps, pending } = this.#parts;
    const ending = new Ending(pending, steps.emit, this.#serving.campaign.id);
    if (!this.#call.replayed) return ending;
    const settled = () => steps.emit({ type: 'settled', ...refOf(issuance) });
    return this.#inContext({
      resolve: (word) => {
        if (word === 'confirmed') settled();
        ending.resolve();
      },
      reject: (error) => ending.reject(error),
    });
  }
}

class Saving implements SaveRequest, Caller<SaveOutcome> {
  readonly deadlineAt: number;
  readonly perUser: number;
  readonly #issuing: Issuing;
  readonly #reservation: Reservation;

  constructor(issuing: Issuing, reservation: Reservation, deadlineAt: number, perUser: number) {
    this.#issuing = issuing;
    this.#reservation = reservation;
    this.deadlineAt = deadlineAt;
    this.perUser = perUser;
  }

  get issuance(): Issuance {
    return intact(this.#reservation);
  }

  resolve(outcome: SaveOutcome): void {
    this.#issuing.saveEnded(this.#reservation, outcome);
  }

  reject(error: unknown): void {
    this.#issuing.fail(error);
  }
}

/** The answer is out; the steps that end the lease follow. If it fails, settle finishes the reservation. */
class Ending implements Caller<unknown> {
  readonly #pending: PendingWork;
  readonly #emit: Emit;
  readonly #campaignId: string;

  constructor(pending: PendingWork, emit: Emit, campaignId: string) {
    pending.begin();
    this.#pending = pending;
    this.#emit = emit;
    this.#campaignId = campaignId;
  }

  resolve(): void {
    this.#pending.end();
  }

  reject(error: unknown): void {
    this.#pending.end();
    this.#emit({ type: 'fault', during: 'confirm', campaignId: this.#campaignId, error: redacted(error) });
  }
}
