import { Batcher } from '../batch.js';
import { monotonicMs } from '../deadline.js';
import { CampaignConflictError, inDoubt, RedisError } from '../errors.js';
import { type Issuance, withoutCode } from '../issuance.js';
import type { NotReadyReason } from '../result.js';
import type { JoinResult, LeaveResult, LineEnd, Place, Standing } from '../waiting-room/place.js';
import type { WaveTimes } from '../waiting-room/waves.js';
import { type CampaignState, notReady, type RedisContext } from './campaign-state.js';
import { campaignKeys } from './keys.js';
import { decodeIssuance } from './record.js';
import { type Reservation, toReservation } from './reservation.js';
import type { Reply } from './runner.js';
import { scripts } from './scripts.js';

export interface JoinRequest {
  /** Of the issuance to come. */
  readonly id: string;
  readonly userId: string;
}

/** Who was let through, in the order of the line. */
export interface Admitted {
  readonly reservations: readonly Reservation[];
  /** The last unit is out, and nothing is reserved. */
  readonly exhausted: boolean;
  /** Until the cap lets the next one through; 0 without a cap. */
  readonly waitMs: number;
  readonly waiting: number;
  /** There is nothing to wait for any more: the line is to be ended. */
  readonly over: boolean;
  /** So many were passed over and lost their place. */
  readonly absent: number;
}

/** Why nobody is let through; `draw`: it has to be drawn first. */
export type AdmissionRefusal = 'closed' | 'paused' | 'not_open' | 'draw' | NotReadyReason;

/** How fast people are let through. */
export interface Pace {
  /** `null`: no cap. */
  readonly perSecond: number | null;
  readonly waves: readonly WaveTimes[];
}

export interface Tended {
  readonly why: 'absent' | 'sold_out' | 'closed' | 'paused';
  readonly gone: number;
  readonly waiting: number;
}

export interface DrawStep {
  readonly word: 'more' | 'done' | 'not_open';
  /** The one that counts. */
  readonly seed: string;
  readonly drawn: number;
  /** Whose keys are wanted next. */
  readonly users: readonly string[];
}

/** `full`: as many wait as may. */
export type JoinAnswer = JoinResult | { readonly status: 'full' };

export interface LineOptions {
  readonly maxBatch: number;
  readonly maxInFlight: number;
  readonly maxQueued: number;
}

/** A script's reply has a limit of values, and each user's grants are part of it. */
const MAX_GRANTS_PER_CALL = 1_500;
const MAX_SENDS = 5;
const REASONS: readonly unknown[] = ['missing', 'rolled_back', 'rebuilding'] satisfies NotReadyReason[];
/** Values of a reply before those of the users. */
const JOIN_HEAD = 7;
const PLACES_HEAD = 7;
const ADMIT_HEAD = 7;

/** Where `announce` tells the news of a campaign. */
export function channelOf({ prefix }: RedisContext, campaignId: string): string {
  return campaignKeys(prefix, campaignId).campaign;
}

/** The waiting room of one campaign in Redis. */
export class Line {
  readonly state: CampaignState;
  readonly #joins: Batcher<JoinRequest, JoinAnswer>;
  readonly #lookups: Batcher<string, Standing>;
  /** Told when somebody joined a line in which nobody waited. */
  readonly #woke: (line: Line) => void;

  constructor(state: CampaignState, options: LineOptions, woke: (line: Line) => void) {
    this.state = state;
    this.#woke = woke;
    const { maxInFlight, maxQueued } = options;
    const maxBatch = Math.min(options.maxBatch, this.#usersPerCall);
    this.#joins = new Batcher({ maxBatch, maxInFlight, maxQueued, run: (requests) => this.#join(requests) });
    this.#lookups = new Batcher({ maxBatch, maxInFlight, run: (users) => this.#find(users) });
  }

  /** Throws `CampaignConflictError` where there is no waiting room. */
  assertQueued(): void {
    if (this.state.rules.room) return;
    throw new CampaignConflictError(`campaign ${this.state.id} has no waiting room: call issue()`);
  }

  /** Most that `admit` lets through at a time. */
  get #usersPerCall(): number {
    return Math.max(1, Math.floor(MAX_GRANTS_PER_CALL / this.state.rules.perUser));
  }

  /** A place in line, or why not. Throws `OverloadedError`. One round trip per batch. */
  join(request: JoinRequest): Promise<JoinAnswer> {
    return this.#joins.add(request);
  }

  /** Where a user stands, which is a sign of life. Throws `NotReadyError`. One round trip per batch. */
  find(userId: string): Promise<Standing> {
    return this.#lookups.add(userId);
  }

  /** Gives a place up. Throws `NotReadyError`. One round trip. */
  async leave(userId: string): Promise<LeaveResult> {
    const reply = this.#ready(
      await this.#send((epoch) => this.state.run(scripts.leaveLine, { ...this.#call(epoch), userId })),
    );
    this.state.sawStamp(Number(reply[1]));
    if (reply[2] !== 'held') return { status: reply[2] as LineEnd | 'none' };
    const issuances = this.#issuances(reply.slice(3), userId, this.state.epoch);
    const isIssued = issuances.some(({ state }) => state === 'issued');
    return { status: isIssued ? 'issued' : 'reserved', issuances };
  }

  /** Lets as many through as there are `codes`, which may be empty ones, but no more than the pace allows. One round trip. */
  async admit(codes: readonly string[], { perSecond, waves }: Pace): Promise<Admitted | AdmissionRefusal> {
    const items = codes.slice(0, this.#usersPerCall).map((code) => ({ code }));
    const args = {
      limit: String(items.length),
      perSecond: perSecond === null ? '' : String(perSecond),
      waves: waves.map(({ fromMs, everyMs, count }) => `${fromMs}:${everyMs}:${count}`).join(' '),
    };
    let sentAt = 0;
    let epoch = '';
    // A copy lets nobody through; what an earlier one let through is reserved, and settled once its lease ran out. To send it anew would let twice
    // as many through.
    const reply = await this.#send((now) => {
      [sentAt, epoch] = [monotonicMs(), now];
      return this.state.run(scripts.admitLine, { ...this.#call(now), ...args }, items);
    }, false);
    if (reply[0] === 'lapsed') {
      throw new RedisError('an earlier copy of this admission may have let people through', { outcome: 'unknown' });
    }
    if (reply[0] !== 'ok') return reply[0] as AdmissionRefusal;
    this.state.sawStamp(Number(reply[1]));
    const reservations: Reservation[] = [];
    for (let i = ADMIT_HEAD; i < reply.length; i += 3) {
      const [userId, grant, record] = [String(reply[i]), String(reply[i + 1]), String(reply[i + 2])];
      reservations.push(toReservation(this.state, { userId, grant, record, epoch, sentAt, mayRelease: false }));
    }
    return {
      reservations,
      exhausted: reply[2] === '1',
      waitMs: Number(reply[3]),
      waiting: Number(reply[4]),
      over: reply[5] === '1',
      absent: Number(reply[6]),
    };
  }

  /** Ends the places of up to `limit` who are absent, or of the first of a line that is over. Throws `NotReadyError`. One round trip. */
  async tend(limit: number): Promise<Tended> {
    const reply = this.#ready(
      await this.#send((epoch) => {
        return this.state.run(scripts.tendLine, { epoch, fence: this.state.fence, limit: String(limit) });
      }),
    );
    if (reply[0] === 'paused') return { why: 'paused', gone: 0, waiting: 0 };
    this.state.sawStamp(Number(reply[1]));
    return { why: reply[0] as Tended['why'], gone: Number(reply[2]), waiting: Number(reply[3]) };
  }

  /** One stretch of the draw: writes these keys, and names whose come next. Throws `NotReadyError`. One round trip. */
  async draw(seed: string, limit: number, keys: readonly { userId: string; key: string }[]): Promise<DrawStep> {
    const reply = this.#ready(
      await this.#send((epoch) => {
        const args = { epoch, fence: this.state.fence, seed, limit: String(limit) };
        return this.state.run(scripts.drawLine, args, keys);
      }),
    );
    if (reply[0] === 'not_open') return { word: 'not_open', seed: '', drawn: 0, users: [] };
    this.state.sawStamp(Number(reply[1]));
    const word = reply[0] as DrawStep['word'];
    return { word, seed: String(reply[2]), drawn: Number(reply[3]), users: reply.slice(4).map(String) };
  }

  /** Tells whoever listens, in any process. One round trip. */
  async announce(news: string): Promise<void> {
    await this.state.run(scripts.announce, { news });
  }

  async #join(requests: readonly JoinRequest[]): Promise<JoinAnswer[]> {
    const results: JoinAnswer[] = [];
    let open = [...requests.keys()];
    for (let send = 0; open.length > 0; send++) {
      if (send === MAX_SENDS)
        throw new RedisError('join was sent several times without an answer', { outcome: 'unknown' });
      const sent = open.map((i) => requests[i]!);
      let epoch = '';
      const reply = await this.#send((now) => {
        epoch = now;
        return this.state.run(scripts.joinLine, this.#call(now), sent);
      }).catch((error: unknown) => {
        throw send === 0 ? error : inDoubt(error);
      });
      if (reply[0] !== 'ok') {
        for (const i of open) results[i] = { status: 'not_ready', reason: reply[0] as NotReadyReason };
        return results;
      }
      this.state.sawStamp(Number(reply[1]));
      if (reply[5] === '1') this.#woke(this);
      const lapsed: number[] = [];
      const from = joinReply(reply, epoch);
      for (const [nth, word] of String(reply[6]).split(' ').entries()) {
        const at = open[nth]!;
        if (word === 'lapsed') lapsed.push(at);
        else results[at] = this.#joined(word, requests[at]!.userId, from);
      }
      open = lapsed;
    }
    return results;
  }

  #joined(text: string, userId: string, from: JoinReply): JoinAnswer {
    const [word, ticket, rank] = text.split(':');
    switch (word) {
      case 'waiting':
        return { status: 'waiting', ...placeOf(Number(ticket), Number(rank), from.perSecond) };
      case 'held': {
        const [issuance] = this.#issuances(from.next(2), userId, from.epoch) as [Issuance];
        return issuance.state === 'issued' ? { status: 'issued', issuance } : { status: 'accepted', issuance };
      }
      case 'already_issued': {
        const issuances = this.#issuances(from.next(2 * Number(ticket)), userId, from.epoch);
        return { status: 'already_issued', issuances };
      }
      case 'not_open':
        return { status: 'not_open', opensAt: new Date(this.state.rules.opensAt!) };
      case 'closed':
        return { status: 'closed', closedAt: from.closedAt };
      default:
        return { status: word as 'sold_out' | 'paused' | 'full' };
    }
  }

  async #find(users: readonly string[]): Promise<Standing[]> {
    let epoch = '';
    const items = users.map((userId) => ({ userId }));
    const reply = this.#ready(
      await this.#send((now) => {
        epoch = now;
        return this.state.run(scripts.findPlaces, { epoch, fence: this.state.fence }, items);
      }),
    );
    this.state.sawStamp(Number(reply[1]));
    const over = { upTo: Number(reply[5]), why: (reply[6] || null) as Standing['over']['why'] };
    const perSecond = Number(reply[3]);
    const standings: Standing[] = [];
    eachUser(reply, PLACES_HEAD, (word, values, nth) => {
      const waits = word === 'waiting';
      standings.push({
        word: word as Standing['word'],
        place: waits ? { ...placeOf(Number(values[0]), Number(values[1]), perSecond), id: String(values[2]) } : null,
        issuances: this.#issuances(waits ? values.slice(3) : values, users[nth]!, epoch),
        line: String(reply[2]),
        over,
        overNow: (reply[4] || null) as Standing['overNow'],
      });
    });
    return standings;
  }

  /** Pairs of grant and record; the code of what is not committed yet is not shown. */
  #issuances(pairs: Reply, userId: string, epoch: string): Issuance[] {
    const issuances: Issuance[] = [];
    for (let i = 0; i < pairs.length; i += 2) {
      const of = { campaignId: this.state.id, userId, epoch };
      const issuance = decodeIssuance(String(pairs[i]), String(pairs[i + 1]), of);
      issuances.push(issuance.state === 'issued' ? issuance : withoutCode(issuance));
    }
    return issuances;
  }

  #call(epoch: string) {
    const { sender, nextCall } = this.state.context;
    return { epoch, fence: this.state.fence, sender, call: String(nextCall()) };
  }

  /**
   * Sends under the epoch this process knows, and again once it read a newer one. A call that lapsed is sent again as another, where doing it a second
   * time does no harm.
   */
  async #send(send: (epoch: string) => Promise<Reply>, again = true): Promise<Reply> {
    for (let attempt = 0; attempt < MAX_SENDS; attempt++) {
      const reply = await send(this.state.epoch).catch((error: unknown) => {
        throw attempt === 0 ? error : inDoubt(error);
      });
      if (reply[0] === 'stale_epoch') {
        const campaign = await this.state.refresh();
        if (typeof campaign === 'string') return [campaign];
        this.assertQueued();
      } else if (reply[0] !== 'lapsed' || !again) return reply;
    }
    throw new RedisError(`campaign ${this.state.id} had no stable epoch`, { outcome: 'unknown' });
  }

  #ready(reply: Reply): Reply {
    if (REASONS.includes(reply[0])) throw notReady(this.state.id, reply[0] as NotReadyReason);
    return reply;
  }
}

function placeOf(ticket: number, rank: number, perSecond: number): Place {
  const position = rank < 0 ? null : rank + 1;
  const etaMs = position === null || perSecond === 0 ? null : Math.ceil((position / perSecond) * 1000);
  return { ticket, position, etaMs };
}

/** What is the same for all users of a reply to join, and what follows for some of them, in their order. */
interface JoinReply {
  readonly epoch: string;
  readonly perSecond: number;
  readonly closedAt: Date;
  readonly next: (count: number) => Reply;
}

function joinReply(reply: Reply, epoch: string): JoinReply {
  let at = JOIN_HEAD;
  const next = (count: number) => {
    at += count;
    return reply.slice(at - count, at);
  };
  return { epoch, perSecond: Number(reply[3]), closedAt: new Date(Number(reply[4])), next };
}

/** Of each user a reply has a word, how many values follow, and these. */
function eachUser(reply: Reply, from: number, use: (word: string, values: Reply, nth: number) => void): void {
  for (let at = from, nth = 0; at < reply.length; nth++) {
    const end = at + 2 + Number(reply[at + 1]);
    use(String(reply[at]), reply.slice(at + 2, end), nth);
    at = end;
  }
}
