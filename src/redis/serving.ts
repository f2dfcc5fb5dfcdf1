import { Batcher, type Caller } from '../flow/batcher.js';
import { monotonicMs } from '../flow/deadline.js';
import { mintCode } from '../model/codes.js';
import { CampaignConflictError, type OverloadedError } from '../model/errors.js';
import { countRefusals, type Emit } from '../model/events.js';
import type { Issuance } from '../model/issuance.js';
import { METHODS } from '../model/methods.js';
import type { NotReadyReason, RefusalStatus } from '../model/result.js';
import { sendUntilAnswered, underEpoch } from './epoch.js';
import type { KnownCampaign } from './known-campaign.js';
import { decodeIssuance, shownIssuances, splitField } from './record.js';
import { type CommonRefusal, Refusals } from './refusal-cache.js';
import { type Reservation, toReservation } from './reservation.js';
import type { Replicas, Reply } from './runner.js';
import { scripts } from './scripts.js';
import type { Shard } from './shard.js';
import { oneOf, unknownWord } from './words.js';

export interface ReserveRequest {
  readonly id: string;
  readonly userId: string;
  /** Of a campaign that generates codes: minted when it is first sent, by the rules that hold then. Empty: not yet. */
  code: string;
  /** Monotonic ms. A request still in the queue by then is not sent. */
  readonly deadlineAt: number;
  /** Nobody waits for it any more: it is not sent. */
  readonly abandoned: boolean;
  /** Set once it was sent: from then on only Redis knows whether it holds a unit. */
  sent: boolean;
}

export type ReserveAnswer =
  | { readonly word: 'new' | 'existing'; readonly reservation: Reservation }
  /** Reserved, and nobody acts on it here: it is in line, or in quarantine. */
  | { readonly word: 'unattended'; readonly issuance: Issuance }
  /** `isNew`: by this very call. `unsafe`: not known to be on as many replicas as asked for. */
  | { readonly word: 'issued'; readonly issuance: Issuance; readonly isNew?: boolean; readonly unsafe?: boolean }
  | { readonly word: 'already_issued'; readonly issuances: readonly Issuance[] }
  | { readonly word: 'sold_out' | 'paused' }
  /** It was not sent: its time ran out in the queue, or nobody waits for it any more. */
  | { readonly word: 'expired' }
  | { readonly word: 'not_open'; readonly opensAt: Date }
  | { readonly word: 'closed'; readonly closedAt: Date }
  | { readonly word: 'not_ready'; readonly reason: NotReadyReason };

export interface Claim {
  readonly claimed: readonly Reservation[];
  /** Until the cap lets the next one through; 0 without a cap. */
  readonly waitMs: number;
}

export interface ServingOptions {
  readonly maxBatch: number;
  readonly maxInFlight: number;
  readonly maxQueued: number;
  /**
   * Resolves when the steps after reserve have capacity for this campaign: units that cannot be saved or delivered soon are
   * not reserved yet.
   */
  readonly capacity: (campaignId: string) => Promise<void>;
  readonly replicas: Replicas | null;
  /** For how long a refusal is answered from memory; 0: never. */
  readonly refusalCacheMs: number;
  readonly emit: Emit;
}

const EXPIRED: ReserveAnswer = { word: 'expired' };
/** A script's reply has a limit of values, and each user's grants are part of it. */
const MAX_GRANTS_PER_BATCH = 1_500;
/** The words that bring a grant and its record. */
const BRINGING: readonly string[] = ['new', 'existing', 'unattended', 'issued'];
/** The words that are no refusals. */
const TAKING: readonly string[] = ['new', 'existing', 'unattended', 'issued', 'expired'];

function usersPerCall(perUser: number): number {
  return Math.max(1, Math.floor(MAX_GRANTS_PER_BATCH / perUser));
}

function mayHold(answer: ReserveAnswer | undefined): boolean {
  return !answer || answer.word === 'already_issued' || TAKING.includes(answer.word);
}

/** The answers of one campaign to this process: units reserved, or taken over. */
export class Serving {
  readonly campaign: KnownCampaign;
  readonly shard: Shard;
  readonly #options: ServingOptions;
  readonly #reserves: Batcher<ReserveRequest, ReserveAnswer>;
  /** For admitted users, so that no line is passed. */
  readonly #reservesAnew: Batcher<ReserveRequest, ReserveAnswer>;
  #refusals: { readonly epoch: string; readonly recent: Refusals } | null = null;

  constructor(campaign: KnownCampaign, options: ServingOptions) {
    this.campaign = campaign;
    this.shard = campaign.shard;
    this.#options = options;
    const maxBatch = Math.min(options.maxBatch, usersPerCall(campaign.rules.perUser));
    const { maxInFlight, maxQueued } = options;
    this.#reserves = new Batcher({
      run: (requests) => this.#reserveAndRemember(requests),
      maxBatch,
      maxInFlight,
      maxQueued,
    });
    this.#reservesAnew = new Batcher({ run: (requests) => this.#reserve(requests, '1'), maxBatch, maxInFlight });
  }

  /** Takes a unit, or says why not. One round trip per batch. */
  reserve(request: ReserveRequest): Promise<ReserveAnswer> {
    return this.#reserves.add(request);
  }

  /** The same for settle, whose users were let through before. */
  reserveAnew(request: ReserveRequest): Promise<ReserveAnswer> {
    return this.#reservesAnew.add(request);
  }

  /** The same without a promise. */
  handReserve(request: ReserveRequest, caller: Caller<ReserveAnswer>): void {
    this.#reserves.hand(request, caller);
  }

  /** Why one more call has no place in the queue, or `null`. */
  overload(): OverloadedError | null {
    return this.#reserves.overload();
  }

  /** The last refusal, if it is recent enough for this user. No round trip. */
  recentRefusal(userId: string): CommonRefusal | null {
    const { epoch, recent } = this.#refusals ?? {};
    return epoch === this.shard.epoch ? (recent?.of(userId) ?? null) : null;
  }

  /** Takes over up to `limit` reservations that are due, no more per second than the cap allows. One round trip. */
  async claimDue(limit: number, paced: boolean): Promise<Claim | NotReadyReason> {
    const { reply, refused, epoch, sentAt } = await underEpoch(this.shard, ({ epoch, fence }) => {
      this.campaign.assertEquipped();
      const perUser = String(this.campaign.rules.perUser);
      return this.shard.run(scripts.claimDue, { epoch, fence, perUser, limit: String(limit), paced: paced ? '1' : '' });
    });
    if (refused) return refused;
    this.shard.sawStamp(Number(reply[1]));
    const claimed: Reservation[] = [];
    for (let i = 3; i < reply.length; i += 2) {
      const { grant, userId } = splitField(String(reply[i]));
      const record = String(reply[i + 1]);
      claimed.push(toReservation(this.shard, { grant, userId, record, epoch, sentAt, mayRelease: false }));
    }
    return { claimed, waitMs: Number(reply[2]) };
  }

  async #reserveAndRemember(requests: ReserveRequest[]): Promise<ReserveAnswer[]> {
    if (this.#options.refusalCacheMs === 0) return this.#reserve(requests);
    const askedAt = monotonicMs();
    let answers: ReserveAnswer[] = [];
    try {
      answers = await this.#reserve(requests);
      return answers;
    } finally {
      // Where no answer came, each of them may hold something.
      const refusals = this.#refusalsOf(this.shard.epoch);
      refusals.know(requests.flatMap(({ userId }, i) => (mayHold(answers[i]) ? [userId] : [])));
      for (const answer of answers) {
        if (answer.word === 'closed') refusals.note({ status: 'closed', closedAt: answer.closedAt }, askedAt);
        else if (answer.word === 'sold_out' || answer.word === 'paused')
          refusals.note({ status: answer.word }, askedAt);
      }
    }
  }

  /** The memory of one making of the campaign says nothing about the next. */
  #refusalsOf(epoch: string): Refusals {
    if (this.#refusals?.epoch !== epoch) {
      this.#refusals = { epoch, recent: new Refusals(this.#options.refusalCacheMs) };
    }
    return this.#refusals.recent;
  }

  async #reserve(requests: ReserveRequest[], fromLine = ''): Promise<ReserveAnswer[]> {
    // A worker saves the backlog, at its own pace.
    if (this.campaign.rules.saveMode === 'write-through') await this.#options.capacity(this.campaign.id);
    const answers: ReserveAnswer[] = requests.map(() => EXPIRED);
    const now = monotonicMs();
    let open = [...requests.keys()].filter((i) => !requests[i]!.abandoned && requests[i]!.deadlineAt > now);
    const deadlineAt = requests.reduce((latest, request) => Math.max(latest, request.deadlineAt), 0);
    const unanswered = 'reserve was sent several times without an answer for all';
    for (let sentBefore = false; open.length > 0; sentBefore = true) {
      const left = async () => {
        const rest = await this.#sendReserve(requests, open, { deadlineAt, fromLine, answers });
        return rest.length < open.length ? rest : undefined;
      };
      open = await sendUntilAnswered(unanswered, left, { sentBefore, deadlineAt });
    }
    const refused = answers.filter(({ word }) => !TAKING.includes(word));
    if (refused.length > 0) {
      countRefusals(
        this.#options.emit,
        this.campaign.id,
        refused.map(({ word }) => word as RefusalStatus),
      );
    }
    return answers;
  }

  /**
   * Sends the open requests under a fresh call number. Answers which are still open: those that came back `lapsed`,
   * whose call takes nothing any more, and those that had no place in this one.
   */
  async #sendReserve(
    requests: ReserveRequest[],
    open: number[],
    { deadlineAt, fromLine, answers }: { deadlineAt: number; fromLine: string; answers: ReserveAnswer[] },
  ): Promise<number[]> {
    const { campaign, shard } = this;
    const { sender, nextCall, runner } = shard.context;
    const { connection } = runner;
    let sent: number[] = [];
    const answered = await underEpoch(
      shard,
      async ({ epoch, fence, sentAt }) => {
        campaign.assertEquipped();
        // Since the last send each user may have more grants.
        sent = open.slice(0, usersPerCall(campaign.rules.perUser));
        const items = sent.map((i) => requests[i]!);
        for (const request of items) this.#prepare(request);
        const perUser = String(campaign.rules.perUser);
        const args = { epoch, fence, sender, call: String(nextCall()), fromLine, perUser };
        return shard.run(scripts.reserve, args, items, deadlineAt - sentAt);
      },
      { deadlineAt },
    );
    const { reply, refused, epoch, sentAt } = answered;
    if (refused) {
      // The script looked for the coupons of the users that it was sent, and of no others.
      for (const i of sent) answers[i] = this.#refusedOr(requests[i]!, reply, refused);
      return open.slice(sent.length);
    }
    // This call would pass the users in line.
    if (reply[0] === 'queued')
      throw new CampaignConflictError(`campaign ${campaign.id} has a waiting room: call ${METHODS.join}()`);
    oneOf(scripts.reserve.name, ['ok'], reply[0]);
    shard.sawStamp(Number(reply[1]));
    if (reply[2] === '1') this.#options.emit({ type: 'exhausted', campaignId: campaign.id });
    const words = String(reply[4]).split(' ');
    const lapsed: number[] = [];
    let at = 5;
    sent.forEach((i, nth) => {
      const word = words[nth]!;
      const first = at;
      if (word === 'already_issued') at += 1 + 2 * Number(reply[at]);
      else if (BRINGING.includes(word)) at += 2;
      if (word === 'lapsed') lapsed.push(i);
      else answers[i] = this.#answer(word, first, requests[i]!.userId, { reply, sentAt, epoch });
    });
    if (!(await this.#isSafe(reply, connection))) {
      for (const i of sent)
        if (answers[i]!.word === 'issued') answers[i] = { ...answers[i], unsafe: true } as ReserveAnswer;
    }
    return lapsed.concat(open.slice(sent.length));
  }

  #prepare(request: ReserveRequest): void {
    request.sent = true;
    request.code = this.campaign.rules.generateCodes ? request.code || mintCode() : '';
  }

  /** While it is rebuilt nothing is taken, but the unit of an earlier call or copy under this id is found. */
  #refusedOr({ id, userId }: ReserveRequest, reply: Reply, reason: NotReadyReason): ReserveAnswer {
    const at = reply.indexOf(id, 1);
    if (at < 0) return { word: 'not_ready', reason };
    const of = { campaignId: this.campaign.id, userId, epoch: this.shard.epoch };
    const issuance = decodeIssuance(String(reply[at + 1]), String(reply[at + 2]), of);
    return { word: issuance.state === 'issued' ? 'issued' : 'unattended', issuance };
  }

  /** Where Redis alone keeps the promise, its replicas may be asked to have it too. */
  async #isSafe(reply: Reply, connection: unknown): Promise<boolean> {
    const { needs, saveMode } = this.campaign.rules;
    const { replicas } = this.#options;
    const redisAlone = saveMode === 'write-behind' || !needs.includes('persistence');
    if (!replicas || !redisAlone || !String(reply[4]).split(' ').includes('new')) return true;
    return this.shard.context.runner.replicated(replicas, connection);
  }

  /** The meaning of one user's word; its values stand in the reply from `first` on. */
  #answer(
    word: string,
    first: number,
    userId: string,
    of: { reply: Reply; sentAt: number; epoch: string },
  ): ReserveAnswer {
    const { shard } = this;
    const { reply, epoch, sentAt } = of;
    const decode = (at: number) =>
      decodeIssuance(String(reply[at]), String(reply[at + 1]), { campaignId: shard.campaignId, userId, epoch });
    switch (word) {
      case 'new':
      case 'existing': {
        const grant = String(reply[first]);
        const record = String(reply[first + 1]);
        // Without hooks it is issued at once, and there is nothing to hold.
        if (record.startsWith('i')) return { word: 'issued', issuance: decode(first), isNew: word === 'new' };
        const reservation = toReservation(shard, { grant, userId, record, epoch, sentAt, mayRelease: word === 'new' });
        return { word, reservation };
      }
      case 'issued':
      case 'unattended':
        return { word, issuance: decode(first) };
      case 'already_issued': {
        const pairs = reply.slice(first + 1, first + 1 + 2 * Number(reply[first]));
        return { word, issuances: shownIssuances(pairs, { campaignId: shard.campaignId, userId, epoch }) };
      }
      case 'not_open':
        return { word, opensAt: new Date(Number(reply[3])) };
      case 'closed':
        return { word, closedAt: new Date(Number(reply[3])) };
      case 'sold_out':
      case 'paused':
        return { word };
      default:
        throw unknownWord(scripts.reserve.name);
    }
  }
}
