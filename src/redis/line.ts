import { Batcher } from '../flow/batcher.js';
import { monotonicMs } from '../flow/deadline.js';
import { mintCode } from '../model/codes.js';
import { type CampaignConflictError, conflict, RedisError } from '../model/errors.js';
import type { Issuance } from '../model/issuance.js';
import { METHODS } from '../model/methods.js';
import { heldAs, type LeaveResult, type Standing } from '../model/place.js';
import { type Answered, answerOf, sendUntilNoneIsOpen, underEpoch } from './epoch.js';
import { joined, joinReply, refusedJoin } from './join-replies.js';
import { campaignKeys } from './keys.js';
import type { KnownCampaign } from './known-campaign.js';
import {
  type AdmissionRefusal,
  type Admitted,
  type DrawStep,
  EXPIRED,
  eachUser,
  inTime,
  type JoinAnswer,
  type JoinCall,
  type LineOptions,
  type LookRound,
  type Lookup,
  placeOf,
  type Tended,
} from './line-replies.js';
import { shownIssuances } from './record.js';
import { isNotReady, notReady, oneOf } from './reply-words.js';
import { reservationsUnder } from './reservation.js';
import { dataLines, usersPerCall } from './reserve-call.js';
import { column, type Reply } from './runner.js';
import { scripts } from './scripts.js';
import type { RedisContext, Sending, Shard } from './shard.js';

/** Values of a reply before those of the users. */
const PLACES_HEAD = 8;
const ADMIT_HEAD = 9;
const ENDS = ['left', 'absent', 'sold_out', 'closed', 'none'] as const;
const STANDINGS = ['waiting', 'held', 'left', 'absent', 'none'] as const;

/** Where `announce` tells the news of a campaign. */
export function channelOf({ prefix }: RedisContext, campaignId: string): string {
  return campaignKeys(prefix, campaignId).campaign;
}

export function noRoom({ id }: KnownCampaign): CampaignConflictError {
  return conflict(id, { what: 'has no waiting room', cure: `Call ${METHODS.issue}()` });
}

/** The waiting room of one campaign in Redis. */
export class Line {
  readonly campaign: KnownCampaign;
  readonly #shard: Shard;
  readonly #joins: Batcher<JoinCall, JoinAnswer>;
  readonly #lookups: Batcher<Lookup, Standing | null>;
  /** Called when a user joined an empty line. */
  readonly #woke: (line: Line) => void;

  constructor(campaign: KnownCampaign, options: LineOptions, woke: (line: Line) => void) {
    this.campaign = campaign;
    this.#shard = campaign.shard;
    this.#woke = woke;
    const { maxBatch, maxInFlight, maxQueued } = options;
    const join = (requests: JoinCall[]) => inTime(requests, EXPIRED, (open) => this.#stretches(open, this.#join));
    const find = (lookups: Lookup[]) => inTime(lookups, null, (open) => this.#stretches(open, this.#find));
    this.#joins = new Batcher({ maxBatch, maxInFlight, maxQueued, run: join, left: 'no place was taken' });
    this.#lookups = new Batcher({ maxBatch, maxInFlight, run: find });
  }

  /** The most users of one admission. */
  get #usersPerCall(): number {
    return usersPerCall(this.campaign.rules.perUser);
  }

  /** A place in line, or why not. Throws `OverloadedError`. One round trip per batch. */
  join(request: JoinCall): Promise<JoinAnswer> {
    return this.#joins.add(request);
  }

  /**
   * The standing of a user; the look is a sign of life. `round`: the round of a process that watches. While it goes on,
   * none of its users counts as absent. Throws `NotReadyError`, `OverloadedError`. One round trip per batch.
   */
  async find(userId: string, round?: LookRound): Promise<Standing> {
    const deadlineAt = monotonicMs() + this.#shard.context.timeoutMs;
    const standing = await this.#lookups.add({ userId, deadlineAt, round });
    if (!standing) throw this.#shard.context.runner.unsent('nothing was asked');
    return standing;
  }

  /** This process watches nobody any more. Without it, its users are kept for some seconds longer. One round trip. */
  async stopWatching(watcher: string): Promise<void> {
    await this.#sendReady((at) =>
      this.#shard.run(scripts.findPlaces, { ...this.#ruled(at), watcher, since: '0', keepMs: '0' }, []),
    );
  }

  /** Gives a place up; `now`: by this very call. Throws `NotReadyError`. One round trip. */
  async leave(userId: string): Promise<{ result: LeaveResult; now: boolean }> {
    const { reply, epoch } = await this.#sendReady((at) =>
      this.#shard.run(scripts.leaveLine, { ...this.#call(at), userId }),
    );
    oneOf(scripts.leaveLine.name, ['ok'], reply[0]);
    this.#shard.sawStamp(epoch, Number(reply[1]));
    if (reply[2] !== 'held')
      return { result: { status: oneOf(scripts.leaveLine.name, ENDS, reply[2]) }, now: reply[3] === 'now' };
    const issuances = this.#issuances(reply.slice(3), userId, epoch);
    return { result: { status: heldAs(issuances), issuances }, now: false };
  }

  /** Lets up to `count` through; `paced`: no more than the pace of the campaign allows. One round trip. */
  async admit(count: number, paced: boolean): Promise<Admitted | AdmissionRefusal> {
    // A late copy admits nobody. Users of an earlier copy are reserved, and settled once their lease ran out. To send
    // it anew would admit twice as many users.
    const answered = await this.#send((at) => {
      // Under a name of its own: a join that overtakes it must not make it look like a copy.
      const { sender, ...call } = this.#call(at);
      const limit = Math.min(count, this.#usersPerCall);
      const own = { sender: `${sender}:a`, limit: String(limit), paced: paced ? '1' : '', codes: this.#codes(limit) };
      return this.#shard.run(scripts.admitLine, { ...call, ...this.#ruled(at), ...own });
    }, false);
    const { reply, epoch } = answered;
    if (reply[0] === 'lapsed') {
      throw new RedisError('an earlier copy of this admission may have admitted users; settle finishes them', {
        outcome: 'unknown',
      });
    }
    if (isNotReady(reply[0])) return reply[0];
    if (reply[0] !== 'ok') return oneOf(scripts.admitLine.name, ['closed', 'paused', 'not_open', 'draw'], reply[0]);
    this.#shard.sawStamp(epoch, Number(reply[1]));
    const reservations = reservationsUnder(this.#shard, answered, ADMIT_HEAD, reply[8] === '1' ? 'issued' : 'reserved');
    return {
      reservations,
      exhausted: reply[2] === '1',
      waitMs: Number(reply[3]),
      waiting: Number(reply[4]),
      over: reply[5] === '1',
      absent: Number(reply[6]),
      gone: Number(reply[7]),
    };
  }

  /**
   * Ends the places of up to `limit` absent users, or of the first users of a line that is over. Throws
   * `NotReadyError`. One round trip.
   */
  async tend(limit: number): Promise<Tended> {
    const { reply, epoch } = await this.#sendReady(({ epoch, fence }) =>
      this.#shard.run(scripts.tendLine, { epoch, fence, limit: String(limit) }),
    );
    if (reply[0] === 'paused') return { why: 'paused', gone: 0, waiting: 0 };
    this.#shard.sawStamp(epoch, Number(reply[1]));
    return {
      why: oneOf(scripts.tendLine.name, ['absent', 'sold_out', 'closed'], reply[0]),
      gone: Number(reply[2]),
      waiting: Number(reply[3]),
    };
  }

  /** One stretch of the draw: writes these keys, and names whose come next. Throws `NotReadyError`. One round trip. */
  async draw(seed: string, limit: number, keys: readonly { userId: string; key: string }[]): Promise<DrawStep> {
    const { reply, epoch } = await this.#sendReady(({ epoch, fence }) =>
      this.#shard.run(scripts.drawLine, { epoch, fence, seed, limit: String(limit) }, keys),
    );
    if (reply[0] === 'not_open') return { word: 'not_open', seed: '', drawn: 0, users: [] };
    this.#shard.sawStamp(epoch, Number(reply[1]));
    const word = oneOf(scripts.drawLine.name, ['more', 'done'], reply[0]);
    return { word, seed: String(reply[2]), drawn: Number(reply[3]), users: reply.slice(4).map(String) };
  }

  /** Tells all listeners, in any process. One round trip. */
  async announce(news: string): Promise<void> {
    await this.#shard.run(scripts.announce, { news });
  }

  readonly #join = async (requests: readonly JoinCall[]): Promise<JoinAnswer[]> => {
    const results: JoinAnswer[] = [];
    const send = (open: readonly number[]) => this.#joinOnce(requests, open, results);
    await sendUntilNoneIsOpen([...requests.keys()], 'join was sent several times without an answer', send);
    return results;
  };

  /** Answers which have to be sent again, or were not sent yet. */
  async #joinOnce(
    requests: readonly JoinCall[],
    open: readonly number[],
    results: JoinAnswer[],
  ): Promise<readonly number[]> {
    const at = this.#shard.sending();
    // Since the last send each user may have more grants.
    const sent = open.slice(0, this.#usersPerCall);
    const items = sent.map((i) => requests[i]!);
    const args = { ...this.#call(at), ...this.#ruled(at), data: dataLines(items) };
    const given = await this.#shard.run(scripts.joinLine, args, items);
    const answered = await answerOf(this.#shard, at, this.#ofRoom(given));
    if (!answered) return open;
    const { reply, refused, epoch } = answered;
    if (refused) {
      for (const i of sent) results[i] = refusedJoin(this.#shard, reply, requests[i]!, refused);
      return open.slice(sent.length);
    }
    oneOf(scripts.joinLine.name, ['ok'], reply[0]);
    this.#shard.sawStamp(epoch, Number(reply[1]));
    if (reply[5] === '1') this.#woke(this);
    const lapsed: number[] = [];
    const from = joinReply(this.#shard, reply, epoch);
    for (const [nth, word] of String(reply[6]).split(' ').entries()) {
      const at = sent[nth]!;
      if (word === 'lapsed') lapsed.push(at);
      else results[at] = joined(word, requests[at]!.userId, from);
    }
    return lapsed.concat(open.slice(sent.length));
  }

  /**
   * A reply has a limit of values, and each user may have more grants than before. So `run` may answer for the first of
   * them only.
   */
  async #stretches<T, R>(items: readonly T[], run: (some: readonly T[]) => Promise<readonly R[]>): Promise<R[]> {
    const results: R[] = [];
    for (let first = 0; first < items.length; ) {
      const some = await run(items.slice(first, first + this.#usersPerCall));
      results.push(...some);
      first += some.length;
    }
    return results;
  }

  readonly #find = async (lookups: readonly Lookup[]): Promise<Standing[]> => {
    const round = lookups.find((lookup) => lookup.round)?.round;
    const { reply, epoch } = await this.#sendReady((at) => {
      const args = { ...this.#ruled(at), ...this.#watching(round) };
      return this.#shard.run(scripts.findPlaces, args, lookups.slice(0, this.#usersPerCall));
    });
    oneOf(scripts.findPlaces.name, ['ok'], reply[0]);
    this.#shard.sawStamp(epoch, Number(reply[1]));
    if (round) round.earliest = Math.min(round.earliest, Number(reply[7]));
    const over = { upTo: Number(reply[5]), why: (reply[6] || null) as Standing['over']['why'] };
    const perSecond = Number(reply[3]);
    const standings: Standing[] = [];
    eachUser(reply, PLACES_HEAD, (word, values, nth) => {
      const waits = word === 'waiting';
      standings.push({
        word: oneOf(scripts.findPlaces.name, STANDINGS, word),
        place: waits ? { ...placeOf(Number(values[0]), Number(values[1]), perSecond), id: String(values[2]) } : null,
        issuances: this.#issuances(waits ? values.slice(3) : values, lookups[nth]!.userId, epoch),
        line: String(reply[2]),
        over,
        overNow: (reply[4] || null) as Standing['overNow'],
      });
    });
    return standings;
  };

  /**
   * Between two looks of a process that lives there is less time than this: it rests for less than `presenceMs`, and a
   * call fails after `timeoutMs`.
   */
  #watching(round: LookRound | undefined) {
    const { presenceMs } = this.campaign.rules.room ?? {};
    const keepMs = 2 * ((presenceMs ?? 0) + this.#shard.context.timeoutMs);
    return { watcher: round?.watcher ?? '', since: String(round?.since ?? 0), keepMs: String(round ? keepMs : 0) };
  }

  #issuances(pairs: Reply, userId: string, epoch: string): Issuance[] {
    return shownIssuances(pairs, this.#shard.recordOf(userId, epoch));
  }

  /** One for each unit, if the rules that hold now ask for it. */
  #codes(count: number): string {
    return this.campaign.rules.generateCodes ? column(Array.from({ length: count }, mintCode)) : '';
  }

  #call({ epoch, fence }: Sending) {
    const { sender, nextCall } = this.#shard.context;
    return { epoch, fence, sender, call: String(nextCall()) };
  }

  /** Of calls whose size follows from the limit. */
  #ruled({ epoch, fence }: Sending) {
    return { epoch, fence, perUser: String(this.campaign.rules.perUser) };
  }

  /** A call that lapsed is sent again as another, where doing it a second time does no harm. */
  #send(send: (at: Sending) => Promise<Reply>, again = true): Promise<Answered> {
    return underEpoch(this.#shard, async (at) => {
      const reply = this.#ofRoom(await send(at));
      return again && reply[0] === 'lapsed' ? undefined : reply;
    });
  }

  #ofRoom(reply: Reply): Reply {
    if (reply[0] === 'no_room') throw noRoom(this.campaign);
    return reply;
  }

  /** Throws `NotReadyError`. */
  async #sendReady(send: (at: Sending) => Promise<Reply>): Promise<Answered> {
    const answered = await this.#send(send);
    if (answered.refused) throw notReady(this.campaign.id, answered.refused);
    return answered;
  }
}
