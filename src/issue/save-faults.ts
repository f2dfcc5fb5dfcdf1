import { secretsOf } from '../model/caller-data.js';
import { type Emit, refOf } from '../model/events.js';
import type { Issuance } from '../model/issuance.js';
import { constraintOf, redacted } from '../model/safe-error.js';

/** A batch, or a part of it, that failed for a reason that lies outside its rows. */
interface Failed {
  readonly error: Error;
  readonly issuances: Issuance[];
}

/**
 * The faults of one batch: one event for each row that was refused, and one for each failure of many rows, into however
 * many parts the batch was split.
 */
export class SaveFaults {
  readonly #emit: Emit;
  /** By their message. */
  readonly #failed = new Map<string, Failed>();
  /** How many faults there were so far. */
  count = 0;

  constructor(emit: Emit) {
    this.#emit = emit;
  }

  /** This row was refused alone. */
  refused(error: unknown, issuance: Issuance): Error {
    this.count++;
    const safe = safeCopy(error, [issuance]);
    const constraint = constraintOf(error, secretsOf(issuance));
    const named = { issuance: refOf(issuance), ...(constraint === null ? {} : { constraint }) };
    this.#emit({ type: 'fault', during: 'save', campaignId: issuance.campaignId, error: safe, count: 1, ...named });
    return safe;
  }

  /** Nobody knows how this attempt ended. */
  unknown(error: unknown, issuances: readonly Issuance[]): void {
    this.count++;
    this.#tell(safeCopy(error, issuances), issuances);
  }

  /**
   * None of these was saved, and no row is to blame. Told by `end`, together with the other parts that failed alike.
   */
  failed(error: unknown, issuances: readonly Issuance[]): Error {
    this.count++;
    const safe = safeCopy(error, issuances);
    const alike = this.#failed.get(safe.message);
    if (alike) alike.issuances.push(...issuances);
    else this.#failed.set(safe.message, { error: safe, issuances: [...issuances] });
    return safe;
  }

  /** The batch is over. */
  end(): void {
    for (const { error, issuances } of this.#failed.values()) this.#tell(error, issuances);
  }

  #tell(error: Error, issuances: readonly Issuance[]): void {
    const campaignIds = [...new Set(issuances.map(({ campaignId }) => campaignId))];
    const campaigns = campaignIds.length === 1 ? { campaignId: campaignIds[0]! } : { campaignId: null, campaignIds };
    this.#emit({ type: 'fault', during: 'save', error, count: issuances.length, ...campaigns });
  }
}

function safeCopy(error: unknown, issuances: readonly Issuance[]): Error {
  return redacted(error, issuances.flatMap(secretsOf));
}
