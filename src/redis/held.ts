import { Batcher, type BatchOptions, type Caller } from '../flow/batcher.js';
import { monotonicMs } from '../flow/deadline.js';
import { inDoubt } from '../model/errors.js';
import type { Emit } from '../model/events.js';
import type { Issuance } from '../model/issuance.js';
import type { NotReadyReason } from '../model/result.js';
import { BATCH, type BatchMessage, messagesOf } from '../tracing/channels.js';
import type { CampaignKeys } from './keys.js';
import { decodeIssuance, encodeTries, fateOf, fieldOf, type Tries } from './record.js';
import { NewerCampaignError, oneOf } from './reply-words.js';
import { type Reservation, reservationsOf } from './reservation.js';
import { MOST_UNITS, type TakeBackWord, takeBack, unitOf } from './revoke.js';
import { column, type Reply, type Script } from './runner.js';
import { scripts } from './scripts.js';
import type { Shard } from './shard.js';

/** The replies that every verb may find instead. */
const FOUND = ['issued', 'taken_over', 'retaken', 'gone'] as const;
const CONFIRM = ['confirmed', ...FOUND] as const;
const WITHDRAW = ['withdrawn', ...FOUND] as const;
const ADOPT = ['adopted', ...FOUND] as const;
const POSTPONE = ['postponed', 'quarantined', ...FOUND] as const;
const RELEASE = ['released', ...FOUND] as const;
const REASSIGN = ['reassigned', 'sold_out', ...FOUND] as const;

/** `stale`: the epoch is another one by now, or the state is gone; nothing was changed. */
type Word<W extends readonly string[]> = W[number] | 'stale';
export type ConfirmWord = Word<typeof CONFIRM>;
export type WithdrawWord = Word<typeof WITHDRAW>;
export type AdoptWord = Word<typeof ADOPT>;
export type PostponeWord = Word<typeof POSTPONE>;
export type ReleaseAnswer =
  | { readonly word: 'released' }
  | { readonly word: 'retaken' | 'gone' | 'stale' }
  | { readonly word: 'issued' | 'taken_over'; readonly issuance: Issuance };
export type ReassignAnswer =
  | { readonly word: 'reassigned'; readonly reservation: Reservation }
  | { readonly word: 'sold_out' }
  | { readonly word: 'retaken' | 'gone' | 'stale' }
  | { readonly word: 'issued' | 'taken_over'; readonly issuance: Issuance };

interface Reassignment {
  readonly reservation: Reservation;
  readonly keepSerial: boolean;
  readonly code: string;
}

interface Postponement {
  readonly reservation: Reservation;
  readonly tries: Tries;
  /** `null`: into quarantine. */
  readonly delayMs: number | null;
}

interface Adoption {
  readonly reservation: Reservation;
  readonly row: Issuance;
  readonly delivered: boolean;
}

export interface VerbsOptions {
  readonly maxBatch: number;
  readonly maxInFlight: number;
  readonly emit: Emit;
}

/**
 * The scripts behind the verbs of reservations, under one epoch: after a rebuild, a unit that was reserved before is
 * nobody's any more.
 */
export class Verbs {
  readonly epoch: string;
  readonly #shard: Shard;
  readonly #emit: Emit;
  readonly confirms: Batcher<Reservation, ConfirmWord>;
  readonly releases: Batcher<Reservation, ReleaseAnswer>;
  readonly withdrawals: Batcher<Reservation, WithdrawWord>;
  readonly reassignments: Batcher<Reassignment, ReassignAnswer>;
  readonly adoptions: Batcher<Adoption, AdoptWord>;
  readonly postponements: Batcher<Postponement, PostponeWord>;
  /** The units of revoked rows. The row is proof under every epoch. */
  readonly takeBacks: Batcher<Issuance, TakeBackWord | NotReadyReason>;

  constructor(shard: Shard, epoch: string, { maxBatch, maxInFlight, emit }: VerbsOptions) {
    const batched = <T, R>(run: BatchOptions<T, R>['run'], most = maxBatch) =>
      new Batcher({ run, maxBatch: Math.min(most, maxBatch), maxInFlight });
    this.#shard = shard;
    this.epoch = epoch;
    this.#emit = emit;
    this.confirms = batched((items, told) => this.#confirm(items, told));
    this.withdrawals = batched((items) => this.#withdraw(items));
    this.releases = batched((items) => this.#release(items));
    this.reassignments = batched((items) => this.#reassign(items));
    this.adoptions = batched((items) => this.#adopt(items));
    this.postponements = batched((items) => this.#postpone(items));
    this.takeBacks = batched((rows) => this.#takeBack(rows), MOST_UNITS);
  }

  async #postpone(items: Postponement[]): Promise<PostponeWord[]> {
    const named = items.map(({ reservation: { field, id, stamp }, tries, delayMs }) => ({
      field,
      id,
      stamp,
      tries: encodeTries(tries),
      delayMs: delayMs === null ? '' : String(Math.round(delayMs)),
    }));
    const reply = await this.#send(scripts.postpone, named);
    return items.map((_, i) => wordAt(reply, 1 + i, scripts.postpone, POSTPONE));
  }

  async #release(items: Reservation[]): Promise<ReleaseAnswer[]> {
    const reply = this.#noteStamp(await this.#send(scripts.release, items));
    return items.map((item, i) => {
      const word = wordAt(reply, 2 + 2 * i, scripts.release, RELEASE);
      if (word !== 'issued' && word !== 'taken_over') return { word };
      return { word, issuance: this.#recordAt(reply, 3 + 2 * i, item) };
    });
  }

  async #reassign(items: Reassignment[]): Promise<ReassignAnswer[]> {
    const sentAt = monotonicMs();
    const named = items.map(({ reservation, keepSerial, code }) => ({
      field: reservation.field,
      id: reservation.id,
      stamp: reservation.stamp,
      serial: String(reservation.issuance.serial),
      keep: keepSerial ? '1' : '0',
      code,
    }));
    const reply = this.#noteStamp(await this.#send(scripts.reassign, named));
    this.#noteEnd(reply[2]);
    const toReservation = reservationsOf(this.#shard, { epoch: this.epoch, sentAt });
    return items.map(({ reservation }, i) => {
      const word = wordAt(reply, 3 + 2 * i, scripts.reassign, REASSIGN);
      if (word === 'sold_out' || word === 'retaken' || word === 'gone' || word === 'stale') return { word };
      if (word !== 'reassigned') return { word, issuance: this.#recordAt(reply, 4 + 2 * i, reservation) };
      const { grant, userId } = reservation.issuance;
      const { data } = reservation;
      const record = String(reply[4 + 2 * i]);
      return { word, reservation: toReservation({ userId, grant: String(grant), record, data, mayRelease: false }) };
    });
  }

  async #adopt(items: Adoption[]): Promise<AdoptWord[]> {
    const named = items.map(({ reservation, row, delivered }) => ({
      field: reservation.field,
      id: reservation.id,
      stamp: reservation.stamp,
      delivered: delivered ? '1' : '0',
      rowField: fieldOf(row.grant, row.userId),
      rowId: row.id,
      rowSerial: String(row.serial),
      rowIssuedAt: String(row.issuedAt.getTime()),
      rowCode: row.code ?? '',
      rowBecame: fateOf(row).became,
      rowReturned: fateOf(row).returned,
    }));
    const reply = this.#noteStamp(await this.#send(scripts.adoptRow, named));
    this.#noteEnd(reply[2]);
    return items.map((_, i) => wordAt(reply, 3 + i, scripts.adoptRow, ADOPT));
  }

  #confirm(items: Reservation[], told: Caller<readonly ConfirmWord[]>): undefined {
    if (!BATCH.isHeard) {
      this.#handConfirm(items, told);
      return;
    }
    const message: BatchMessage = {
      step: 'confirm',
      campaignId: this.#shard.campaignId,
      size: items.length,
      calls: messagesOf(items),
      issued: 0,
    };
    const ask = () =>
      new Promise<readonly ConfirmWord[]>((resolve, reject) => this.#handConfirm(items, { resolve, reject }));
    const note = (words: readonly ConfirmWord[]) => {
      message.issued = words.filter((word) => word === 'confirmed').length;
    };
    BATCH.run(message, ask, note).then(
      (words) => told.resolve(words),
      (error: unknown) => told.reject(error),
    );
  }

  #handConfirm(items: readonly Reservation[], told: Caller<readonly ConfirmWord[]>): void {
    const shard = this.#shard;
    const { confirms, timeoutMs } = shard.context;
    const call = () => ({
      keys: shard.keys,
      args: { epoch: this.epoch, ids: column(items.map(({ id }) => id)) },
      items: runsOf(items),
    });
    const leaving = { grants: items.length, deadlineAt: monotonicMs() + timeoutMs, call };
    shard.handJointly(confirms, leaving, {
      resolve: (reply) => {
        try {
          told.resolve(this.#confirmed(reply, items));
        } catch (error) {
          told.reject(error);
        }
      },
      reject: (error) => told.reject(inDoubt(error)),
    });
  }

  #confirmed(reply: Reply, items: readonly Reservation[]): ConfirmWord[] {
    this.#noteEnd(reply[1]);
    const words = reply[0] === 'ok' ? String(reply[2]).split(' ') : [];
    // It was made anew, under another epoch.
    const first = reply[0] === 'unknown_format' ? 'stale_epoch' : reply[0]!;
    const told = (word = '') => wordAt([first, word], 1, scripts.confirm, CONFIRM);
    // One alone is that of all.
    if (words.length < 2) return new Array<ConfirmWord>(items.length).fill(told(words[0]));
    return items.map((_, i) => told(words[i]));
  }

  async #withdraw(items: Reservation[]): Promise<WithdrawWord[]> {
    const reply = this.#noteStamp(await this.#send(scripts.withdraw, items));
    this.#noteEnd(reply[2]);
    return items.map((_, i) => wordAt(reply, 3 + i, scripts.withdraw, WITHDRAW));
  }

  async #takeBack(rows: Issuance[]): Promise<readonly (TakeBackWord | NotReadyReason)[]> {
    const words = await takeBack(this.#shard, rows.map(unitOf));
    return typeof words === 'string' ? rows.map(() => words) : words;
  }

  #recordAt(reply: Reply, index: number, reservation: Reservation): Issuance {
    const { userId, grant, epoch } = reservation.issuance;
    return decodeIssuance(String(grant), String(reply[index]), this.#shard.recordOf(userId, epoch));
  }

  /** Callers of this hold a unit: a script that failed proves nothing about the call it belongs to. */
  async #send<E extends string>(
    script: Script<keyof CampaignKeys, 'epoch', E>,
    items: readonly Readonly<Record<E, string>>[],
  ): Promise<Reply> {
    try {
      return await this.#shard.run(script, { epoch: this.epoch }, items);
    } catch (error) {
      // It was made anew, under another epoch.
      if (error instanceof NewerCampaignError) return ['stale_epoch'];
      throw inDoubt(error);
    }
  }

  /**
   * A user may be told that nothing was issued: this process must notice a state in which the unit is reserved again.
   */
  #noteStamp(reply: Reply): Reply {
    if (reply[0] === 'ok') this.#shard.sawStamp(this.epoch, Number(reply[1]));
    return reply;
  }

  #noteEnd(ended: string | number | undefined): void {
    if (ended === '1') this.#emit({ type: 'exhausted', campaignId: this.#shard.campaignId });
  }
}

/** Neighbours with one stamp, as a call took them. */
function runsOf(items: readonly Reservation[]): { readonly stamp: string; readonly fields: string }[] {
  const runs: { stamp: string; fields: string[] }[] = [];
  for (const { stamp, field } of items) {
    const run = runs.at(-1);
    if (run?.stamp === stamp) run.fields.push(field);
    else runs.push({ stamp, fields: [field] });
  }
  return runs.map(({ stamp, fields }) => ({ stamp, fields: column(fields) }));
}

function wordAt<const W extends string>(
  reply: Reply,
  index: number,
  { name }: Script,
  words: readonly W[],
): W | 'stale' {
  if (reply[0] === 'ok') return oneOf(name, words, reply[index]);
  oneOf(name, ['stale_epoch', 'missing'], reply[0]);
  return 'stale';
}
