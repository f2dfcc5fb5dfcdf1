import type { Rules } from './rules.js';

export interface PlannedCall {
  readonly id: number;
  readonly user: number;
  readonly process: number;
  /** Begins only when that call was answered. */
  readonly after?: number;
}

export type Loss = 'rollback' | 'empty' | 'grants' | 'senders' | 'free';

export interface Configuration {
  readonly users: number;
  readonly perUser: number;
  readonly processes: number;
  readonly calls: readonly PlannedCall[];
  /** Of a counted campaign; of a pool: 0, and `loads` has the codes of each load. */
  readonly total: number;
  readonly loads: readonly (readonly number[])[];
  readonly loaders: readonly { readonly load: number; readonly process: number }[];
  readonly writeBehind: boolean;
  readonly deliver: boolean;
  readonly batches: boolean;
  readonly faults: number;
  /** How many claims there may be before the end, and which processes settle. */
  readonly passes: number;
  readonly settlers: readonly number[];
  /** How many copies of messages may be under way. */
  readonly copies: number;
  readonly losses: readonly Loss[];
  /** At a loss all processes start anew. */
  readonly restart: boolean;
  readonly openers: number;
  /** Which definition each rebuild is given: one with another than the run before it starts anew. */
  readonly rebuilders: readonly number[];
  /** When a rebuild may begin; where Redis lost nothing it has no need to, and may. */
  readonly rebuildWhen: 'lost' | 'any time' | 'before a loss';
  /** Begins with all that losses may leave behind for a rebuild. */
  readonly wrecks: boolean;
  readonly closes: boolean;
  readonly pauses: number;
  /** Callers may stop waiting, and are told `accepted`. */
  readonly impatient: boolean;
  /** The database may say of a row that it will never accept it. */
  readonly refuses: boolean;
  readonly quarantine: boolean;
  /** How often an operator retries or withdraws what is in quarantine. */
  readonly acts: number;
  /** No call is lost or comes late: what fails fails for certain. */
  readonly certain: boolean;
  /** The clock of Redis stands still: a state that was rolled back gives stamps out twice. */
  readonly clockStands: boolean;
  /** Judges deliveries by I10 after a loss too, which holds while no process starts anew; so no new users come in the end. */
  readonly strictDelivery: boolean;
  /** After a loss the units of rows lie too far away to be taken from there. */
  readonly far: boolean;
  /** How many attempts a save has. */
  readonly saveAttempts: number;
}

export interface World {
  readonly config: Configuration;
  readonly rules: Rules;
}
