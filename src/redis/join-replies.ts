import type { Issuance } from '../model/issuance.js';
import type { NotReadyReason } from '../model/result.js';
import { type JoinAnswer, type JoinCall, placeOf } from './line-replies.js';
import { type RecordOf, shownIssuances } from './record.js';
import { unknownWord } from './reply-words.js';
import type { Reply } from './runner.js';
import { scripts } from './scripts.js';
import type { Shard } from './shard.js';

/** Values of a reply to join before those of the users. */
const JOIN_HEAD = 7;

/** The shared part of a reply to join, and the parts of some users, in their order. */
export interface JoinReply {
  readonly of: (userId: string) => RecordOf;
  readonly perSecond: number;
  /** When it opens, of `not_open`; since when it is closed, of `closed`. */
  readonly shutAt: Date;
  readonly next: (count: number) => Reply;
}

export function joinReply(shard: Shard, reply: Reply, epoch: string): JoinReply {
  let at = JOIN_HEAD;
  const next = (count: number) => {
    at += count;
    return reply.slice(at - count, at);
  };
  const of = (userId: string) => shard.recordOf(userId, epoch);
  return { of, perSecond: Number(reply[3]), shutAt: new Date(Number(reply[4])), next };
}

/** The answer to one user. */
export function joined(text: string, userId: string, from: JoinReply): JoinAnswer {
  const [word, ticket, rank] = text.split(':');
  switch (word) {
    case 'waiting':
      return { status: 'waiting', ...placeOf(Number(ticket), Number(rank), from.perSecond) };
    case 'held':
      return held(from.next(2), from.of(userId));
    case 'already_issued': {
      const issuances = shownIssuances(from.next(2 * Number(ticket)), from.of(userId));
      return { status: 'already_issued', issuances };
    }
    case 'not_open':
      return { status: 'not_open', opensAt: from.shutAt };
    case 'closed':
      return { status: 'closed', closedAt: from.shutAt };
    case 'sold_out':
    case 'paused':
    case 'full':
      return { status: word };
    default:
      throw unknownWord(scripts.joinLine.name);
  }
}

/** While it is rebuilt nobody joins, but a coupon of an earlier call under this id is found. */
export function refusedJoin(shard: Shard, reply: Reply, { id, userId }: JoinCall, reason: NotReadyReason): JoinAnswer {
  const at = reply.indexOf(id, 1);
  if (at < 0) return { status: 'not_ready', reason };
  return held(reply.slice(at + 1, at + 3), shard.recordOf(userId, shard.epoch));
}

function held(pair: Reply, of: RecordOf): JoinAnswer {
  const [issuance] = shownIssuances(pair, of) as [Issuance];
  return { status: issuance.state === 'reserved' ? 'accepted' : issuance.state, issuance };
}
