import type { Caller } from '../flow/batcher.js';
import { asIssued, type Issuance } from '../model/issuance.js';
import type { NotReadyReason } from '../model/result.js';
import type { IssueMessage } from '../tracing/channels.js';
import type { Answered } from './epoch.js';
import type {
  AdoptWord,
  ConfirmWord,
  PostponeWord,
  ReassignAnswer,
  ReleaseAnswer,
  Verbs,
  WithdrawWord,
} from './held.js';
import { decodeInOrder, decodeRecord, decodeUnder, type Tries } from './record.js';
import type { TakeBackWord } from './revoke.js';
import type { Sending, Shard } from './shard.js';

export type { Tries };

/** The facts of a reservation. */
interface Facts {
  readonly field: string;
  readonly stamp: string;
  readonly data: string;
  readonly issuance: Issuance;
  readonly mayRelease: boolean;
  readonly tries: Tries;
  readonly leaseEndsAt: number;
}

/**
 * A unit in the hands of this process, and the verbs that act on it: each names its field, id and stamp, under the
 * epoch in which it was made. Batched.
 */
export class Reservation {
  readonly field: string;
  readonly id: string;
  readonly stamp: string;
  /** The data of the caller as JSON text; empty where there is none. */
  readonly data: string;
  /** When it was reserved, ms: `issuance` was in the hands of hooks, and a date moves even in a frozen object. */
  readonly issuedMs: number;
  /** When it ends, ms, for the same reason; `null`: never. */
  readonly expiresMs: number | null;
  /** With its code, which nobody may be shown before the row is committed. */
  readonly issuance: Issuance;
  /** Only the call that took the unit may give it back: a call that took it over may have promised it to its caller. */
  readonly mayRelease: boolean;
  readonly tries: Tries;
  /** Until when nobody else acts on it; monotonic ms, reckoned from before the call was sent. */
  readonly leaseEndsAt: number;
  /** That of its call, if anybody listens to calls. */
  message: IssueMessage | null = null;
  /** No row has its id, but for one of this very unit. */
  isNewId = false;
  readonly #verbs: Verbs;

  constructor(verbs: Verbs, { field, stamp, data, issuance, mayRelease, tries, leaseEndsAt }: Facts) {
    this.field = field;
    this.id = issuance.id;
    this.stamp = stamp;
    this.data = data;
    this.issuedMs = issuance.issuedAt.getTime();
    this.expiresMs = issuance.expiresAt?.getTime() ?? null;
    this.issuance = issuance;
    this.mayRelease = mayRelease;
    this.tries = tries;
    this.leaseEndsAt = leaseEndsAt;
    this.#verbs = verbs;
  }

  /** Ends the lease: the row is committed. */
  confirm(): Promise<ConfirmWord> {
    return this.#verbs.confirms.add(this);
  }

  /** The same without a promise. */
  handConfirm(caller: Caller<ConfirmWord>): void {
    this.#verbs.confirms.hand(this, caller);
  }

  /** Gives the unit back. */
  release(): Promise<ReleaseAnswer> {
    return this.#verbs.releases.add(this);
  }

  /** Takes the unit out of the stock for good. */
  withdraw(): Promise<WithdrawWord> {
    return this.#verbs.withdrawals.add(this);
  }

  /** Withdraws the refused unit and takes another; with `keepSerial` only the generated code changes. */
  reassign(to: { keepSerial: boolean; code: string }): Promise<ReassignAnswer> {
    return this.#verbs.reassignments.add({ reservation: this, ...to });
  }

  /** Writes a row that Redis had forgotten back, and gives the unit reserved in its place back. */
  adopt(row: Issuance, delivered: boolean): Promise<AdoptWord> {
    return this.#verbs.adoptions.add({ reservation: this, row, delivered });
  }

  /** Takes the unit back: the row of this coupon is revoked. */
  takeBack(row: Issuance): Promise<TakeBackWord | NotReadyReason> {
    return this.#verbs.takeBacks.add(row);
  }

  /** Leaves it for a later try, or puts it into quarantine, where settle does not find it. */
  postpone(to: { tries: Tries; delayMs: number | null }): Promise<PostponeWord> {
    return this.#verbs.postponements.add({ reservation: this, ...to });
  }
}

/** A reserved unit, and its instants. */
export type Reserved = Pick<Reservation, 'issuance' | 'issuedMs' | 'expiresMs'> &
  Partial<Pick<Reservation, 'message' | 'isNewId'>>;

/** The issuance as it was reserved, whatever a hook made of the dates. */
export function intact({ issuance, issuedMs, expiresMs }: Reserved): Issuance {
  const { issuedAt, expiresAt } = issuance;
  if (issuedAt.getTime() === issuedMs && (expiresMs === null || expiresAt!.getTime() === expiresMs)) return issuance;
  const ends = expiresMs === null ? {} : { expiresAt: new Date(expiresMs) };
  return Object.freeze({ ...issuance, issuedAt: new Date(issuedMs), ...ends });
}

/** The issuance once its row is committed. */
export function issuedOf(reserved: Reserved): Issuance {
  return asIssued(intact(reserved));
}

/** A unit of a reply: the user, the grant, the record, and the data of the caller as text. */
export interface Taken {
  readonly userId: string;
  readonly grant: string;
  readonly record: string;
  readonly data: string;
  readonly mayRelease: boolean;
}

/** Makes the reservations of one reply. Its stamp, the highest of all records, was noted before. */
export function reservationsOf(
  shard: Shard,
  { epoch, sentAt }: Pick<Sending, 'epoch' | 'sentAt'>,
): (taken: Taken) => Reservation {
  const verbs = shard.verbs(epoch);
  const leaseEndsAt = sentAt + shard.leaseMs;
  return ({ userId, grant, record, data, mayRelease }) => {
    const { field, issuance, stamp, tries } = decodeRecord(grant, record, shard.recordOf(userId, epoch), data);
    return new Reservation(verbs, { field, stamp, data, issuance, mayRelease, tries, leaseEndsAt });
  };
}

/** The same for a reply of new units in the order of their users: makes the nth of them. */
export function reservationsInOrder(
  shard: Shard,
  { epoch, sentAt }: Pick<Sending, 'epoch' | 'sentAt'>,
  first: string,
): (nth: number, of: { readonly id: string; readonly userId: string; readonly code: string }) => Reservation {
  const verbs = shard.verbs(epoch);
  const leaseEndsAt = sentAt + shard.leaseMs;
  const decode = decodeInOrder(first);
  return (nth, { id, userId, code }) => {
    const { field, issuance, stamp, tries } = decode(nth, id, code, shard.recordOf(userId, epoch));
    return new Reservation(verbs, { field, stamp, data: '', issuance, mayRelease: true, tries, leaseEndsAt });
  };
}

/**
 * The reservations of a worker, from the columns of a reply that begin at `at`: fields, records, and lines of data. Their
 * stamp is that of the reply. `issued`: there was nothing to wait for.
 */
export function reservationsUnder(
  shard: Shard,
  { reply, epoch, sentAt }: Answered,
  at: number,
  state: Issuance['state'] = 'reserved',
): Reservation[] {
  if (reply[at] === '') return [];
  const fields = String(reply[at]).split('\0');
  const records = String(reply[at + 1]).split('\0');
  const lines = reply[at + 2] === '' ? null : String(reply[at + 2]).split('\n');
  const verbs = shard.verbs(epoch);
  const leaseEndsAt = sentAt + shard.leaseMs;
  const decode = decodeUnder(String(reply[1]), state);
  const shared = shard.recordOf('', epoch);
  return fields.map((field, i) => {
    const data = lines?.[i] ?? '';
    const { issuance, stamp, tries } = decode(field, records[i]!, data, shared);
    return new Reservation(verbs, { field, stamp, data, issuance, mayRelease: false, tries, leaseEndsAt });
  });
}
