import type { Epoch, Unit } from './units.js';

/** What stands in a field of the grants. r: its taker may still release. t: nobody releases. i: issued. */
export interface Grant {
  readonly state: 'r' | 't' | 'i';
  readonly id: number;
  readonly unit: Unit;
  readonly stamp: number;
  readonly quarantined: boolean;
}

export interface Row {
  readonly id: number;
  readonly slot: number;
  readonly unit: Unit;
  readonly epoch: Epoch;
}

/** A rebuild in Redis, as far as it came. */
export interface Build {
  /** Which definition it follows. */
  readonly definition: number;
  readonly phase: 'old' | 'rows' | 'codes';
  /** The grants that were put aside, and up to which slot they were carried over; null once all were. */
  readonly old: readonly (Grant | null)[] | null;
  readonly scan: number;
  /** Rows up to this serial were written. */
  readonly cursor: number;
  /** By slot: the serial that is promised there, 0 for one who lost it, -1 for nobody. */
  readonly kept: readonly number[];
  /** Of a pool: serials that codes may fill. */
  readonly vacant: readonly number[];
  /** Codes that were taken from promises, because they may be known, one bit each. */
  readonly dropped: number;
  /** Serials of the rows that were read for it, one bit each: what landed later it cannot know. */
  readonly listed: number;
  /** How many losses there were when it began. One that began before the last of them may have read too early. */
  readonly losses: number;
}

/** All keys of the campaign. A slot is user * perUser + grant. */
export interface Redis {
  present: boolean;
  verified: boolean;
  epoch: Epoch;
  stamp: number;
  lastSerial: number;
  /** Units in all. */
  total: number;
  withdrawn: number;
  grants: (Grant | null)[];
  /** Of each process: the highest call number and the stamp of what that call took. */
  senders: { readonly call: number; readonly stamp: number }[];
  /** Returned units, or the pool of codes. */
  free: Unit[];
  /** Every code that was ever loaded, one bit each; and how far each load came. */
  codes: number;
  loads: number[];
  closed: boolean;
  paused: boolean;
  /** A sibling key vanished: its count in the campaign does not match. */
  incomplete: boolean;
  /** Whether there were rows by the time when an opening wrote it. */
  overRows: boolean;
  build: Build | null;
}

export type Op =
  | 'reserve'
  | 'confirm'
  | 'release'
  | 'reassign'
  | 'withdraw'
  | 'adopt'
  | 'quarantine'
  | 'retry'
  | 'claim'
  | 'save'
  | 'deliver'
  | 'open'
  | 'activate'
  | 'load'
  | 'begin'
  | 'keep'
  | 'rows'
  | 'refill'
  | 'finish';

export interface Item {
  readonly slot: number;
  readonly id: number;
  readonly stamp: number;
  readonly unit: Unit;
  readonly delivered: boolean;
  readonly row: Row | null;
}

/** A remote call. Copies of it may run at any later time. `n`: call number, making, offset or cursor; `upTo`: of a page. */
export interface Message {
  readonly op: Op;
  readonly process: number;
  readonly epoch: Epoch;
  readonly fence: number;
  readonly n: number;
  readonly upTo?: number;
  readonly items: readonly Item[];
}

export interface Reply {
  readonly word: string;
  readonly items: readonly { readonly word: string; readonly slot: number; readonly grant: Grant | null }[];
  /** Of a rebuild: the epoch that it made, and how far it came. */
  readonly epoch?: Epoch;
  readonly phase?: Build['phase'];
  readonly at?: number;
  readonly stamp?: number;
}

export type Told =
  | 'nothing'
  | 'issued'
  | 'accepted'
  | 'not_issued'
  | 'already_issued'
  | 'sold_out'
  | 'not_ready'
  | 'not_eligible'
  | 'shut'
  | 'unknown';

export type Step =
  | 'find'
  | 'refresh'
  | 'reserve'
  | 'deliver'
  | 'save'
  | 'release'
  /** A release after the database refused the row for good. */
  | 'refuse'
  | 'confirm'
  | 'adopt'
  | 'reassign'
  | 'withdraw'
  | 'quarantine'
  | 'idle'
  | 'done';

/** One issue(), or (by `Worker`) one reservation in the hands of settle. */
export interface Holder {
  readonly step: Step;
  readonly slot: number;
  readonly id: number;
  readonly unit: Unit;
  readonly stamp: number;
  readonly epoch: Epoch;
  readonly delivered: boolean;
  readonly row: Row | null;
}

export interface Call extends Holder {
  /** A reserve whose reply was lost and which the client sends again as it was. */
  readonly pending: Message | null;
  readonly mayRelease: boolean;
  readonly doubt: boolean;
  readonly round: number;
  readonly told: Told;
  readonly toldUnit: Unit;
  /** Redis lost data after this call began, so it is promised less. */
  readonly lax: boolean;
}

interface Process {
  readonly epoch: Epoch;
  readonly fence: number;
  readonly nextCall: number;
}

/** Somebody who opens, loads or rebuilds. The steps of a rebuild: old grants, rows, the page that was read, what is only promised, codes. */
export interface Operation {
  readonly step: 'ready' | 'look' | 'act' | 'old' | 'rows' | 'page' | 'tail' | 'codes' | 'done';
  readonly epoch: Epoch;
  /** An offset, or how far the rows are written. */
  readonly at: number;
  readonly row: Row | null;
  readonly loaded: number;
  /** Of a rebuild: the stamp of its last step. */
  readonly fence: number;
}

export interface State {
  redis: Redis;
  snapshot: Redis | null;
  /** By serial. */
  rows: (Row | null)[];
  messages: Message[];
  processes: Process[];
  calls: Call[];
  workers: Holder[];
  operator: Holder;
  openers: Operation[];
  loaders: Operation[];
  rebuilders: Operation[];
  faults: number;
  passes: number;
  acts: number;
  pauses: number;
  /** How many losses of Redis data happened, and whether a rebuild followed the last. */
  lost: number;
  rebuilt: boolean;
  /** A row is there of which the present Redis state knows nothing: a late save after a loss, or of what an operator gave up. */
  stray: boolean;
  /** Users who may know each code, one bit each; by serial where units have no code. */
  shown: number[];
  /** Units (by code, or by serial) that left the stock for good though they have no row; ids that an operator gave up. One bit each. */
  withdrawn: number;
  abandoned: number;
  makings: number;
  /** Makings that a rebuild brought to their end, one bit each. */
  finished: number;
  lastStamp: number;
  /** Set by whoever sees an invariant broken in passing. */
  broken: string | null;
}
