import type { Issuance } from '../model/issuance.js';
import type { NotReadyReason } from '../model/result.js';
import type { Answered } from './epoch.js';
import { decodeInOrder, decodeIssuance, type RecordOf, shownIssuances } from './record.js';
import { unknownWord } from './reply-words.js';
import { type Reservation, reservationsInOrder, reservationsOf } from './reservation.js';
import type { Reply } from './runner.js';
import { scripts } from './scripts.js';
import type { Shard } from './shard.js';

export type ReserveAnswer =
  | { readonly word: 'new' | 'existing'; readonly reservation: Reservation; readonly unsafe?: boolean }
  /** Reserved, and nobody acts on it here: it is in line, or in quarantine. */
  | { readonly word: 'unattended'; readonly issuance: Issuance }
  /** `isNew`: by this very call. `unsafe`: not known to be on as many replicas as asked for. */
  | { readonly word: 'issued'; readonly issuance: Issuance; readonly isNew?: boolean; readonly unsafe?: boolean }
  /** The coupon of this very id is revoked: its record is marked. */
  | { readonly word: 'revoked'; readonly issuance: Issuance }
  | { readonly word: 'already_issued'; readonly issuances: readonly Issuance[] }
  | { readonly word: 'sold_out' | 'paused' }
  /** It was not sent: its time ran out in the queue, or nobody waits for it any more. */
  | { readonly word: 'expired' }
  | { readonly word: 'not_open'; readonly opensAt: Date }
  | { readonly word: 'closed'; readonly closedAt: Date }
  | { readonly word: 'not_ready'; readonly reason: NotReadyReason };

/** The user of each word, the id of the issuance to come, and the code and the data that go with it as text. */
interface Asking extends Pick<Issuance, 'id' | 'userId'> {
  readonly code: string;
  readonly data: string;
}

/** The words of all users are one value, and the values of the users follow. */
const WORDS_AT = 4;
/** One of these alone is that of all. */
const COMMON = ['sold_out', 'paused', 'closed', 'not_open'];
/** All are new, and the record of the first one follows. */
const IN_ORDER = 'in_order';
/** For all users of a batch: callers get an object of their own. */
const SOLD_OUT: ReserveAnswer = Object.freeze({ word: 'sold_out' });
const PAUSED: ReserveAnswer = Object.freeze({ word: 'paused' });
/** When it opens, of `not_open`; since when it is closed, of `closed`. */
const SHUT_AT = 3;

/** The answer of each user, in order. `null`: the call lapsed and takes nothing any more. */
export function answersOf(shard: Shard, answered: Answered, sent: readonly Asking[]): (ReserveAnswer | null)[] {
  const { reply, epoch } = answered;
  const words = String(reply[WORDS_AT]).split(' ');
  if (words[0] === IN_ORDER) return newInOrder(shard, answered, sent);
  const common = words.length === 1 && COMMON.includes(words[0]!) ? words[0]! : null;
  const toReservation = reservationsOf(shard, answered);
  let next = WORDS_AT + 1;
  const take = (count: number) => {
    next += count;
    return next - count;
  };
  return sent.map(({ userId, data: own }, nth) => {
    const word = common ?? words[nth]!;
    if (word === 'sold_out') return SOLD_OUT;
    if (word === 'paused') return PAUSED;
    const of = shard.recordOf(userId, epoch);
    switch (word) {
      case 'lapsed':
        return null;
      case 'new':
      case 'existing': {
        // A takeover brings the data of the call that took the unit.
        const at = take(word === 'new' ? 2 : 3);
        const [grant, record] = [String(reply[at]), String(reply[at + 1])];
        // Without hooks it is issued at once, and there is nothing to hold.
        if (record.startsWith('i')) return foundOf(decodeAt(reply, at, of), word === 'new');
        const data = word === 'new' ? own : String(reply[at + 2]);
        return { word, reservation: toReservation({ userId, grant, record, data, mayRelease: word === 'new' }) };
      }
      case 'issued':
      case 'unattended':
        return foundOf(decodeAt(reply, take(2), of));
      case 'already_issued': {
        const first = take(1);
        const count = 2 * Number(reply[first]);
        return { word, issuances: shownIssuances(reply.slice(take(count), next), of) };
      }
      case 'not_open':
        return { word, opensAt: new Date(Number(reply[SHUT_AT])) };
      case 'closed':
        return { word, closedAt: new Date(Number(reply[SHUT_AT])) };
      default:
        throw unknownWord(scripts.reserve.name);
    }
  });
}

function newInOrder(shard: Shard, answered: Answered, sent: readonly Asking[]): ReserveAnswer[] {
  const first = String(answered.reply[WORDS_AT + 1]);
  // Without hooks it is issued at once, and there is nothing to hold.
  if (first.startsWith('i')) {
    const decode = decodeInOrder(first);
    return sent.map(({ id, userId, code }, nth) => {
      const { issuance } = decode(nth, id, code, shard.recordOf(userId, answered.epoch));
      return { word: 'issued', issuance, isNew: true };
    });
  }
  const toReservation = reservationsInOrder(shard, answered, first);
  return sent.map((asking, nth) => ({ word: 'new', reservation: toReservation(nth, asking) }));
}

/** While it is rebuilt nothing is taken, but the unit of an earlier call or copy under this id is found. */
export function refusedOr(shard: Shard, reply: Reply, { id, userId }: Asking, reason: NotReadyReason): ReserveAnswer {
  const at = reply.indexOf(id, 1);
  if (at < 0) return { word: 'not_ready', reason };
  return foundOf(decodeAt(reply, at + 1, shard.recordOf(userId, shard.epoch)));
}

/** The answer to a call whose coupon is there. The mark of a revoked one is in its record. */
function foundOf(issuance: Issuance, isNew?: boolean): ReserveAnswer {
  switch (issuance.state) {
    case 'revoked':
      return { word: 'revoked', issuance };
    case 'reserved':
      return { word: 'unattended', issuance };
    case 'issued':
      return { word: 'issued', issuance, ...(isNew === undefined ? {} : { isNew }) };
  }
}

/** Whether the reply has one of these words. */
export function tellsOf(reply: Reply, words: readonly string[]): boolean {
  return String(reply[WORDS_AT])
    .split(' ')
    .some((word) => words.includes(word === IN_ORDER ? 'new' : word));
}

/** Whether `issued` may follow from this answer. */
export function isCarried(answer: ReserveAnswer): answer is ReserveAnswer & { word: 'new' | 'existing' | 'issued' } {
  return answer.word === 'issued' || 'reservation' in answer;
}

function decodeAt(reply: Reply, at: number, of: RecordOf): Issuance {
  return decodeIssuance(String(reply[at]), String(reply[at + 1]), of);
}
