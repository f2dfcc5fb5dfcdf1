import type { Caller } from '../flow/batcher.js';
import { monotonicMs } from '../flow/deadline.js';
import type { CampaignRules } from '../model/campaign-rules.js';
import { mintCode } from '../model/codes.js';
import { conflict } from '../model/errors.js';
import { countRefusals, type Emit } from '../model/events.js';
import { METHODS } from '../model/methods.js';
import type { RefusalStatus } from '../model/result.js';
import { BATCH, type BatchMessage, type IssueMessage, messagesOf } from '../tracing/channels.js';
import { type Answered, answerOf, sendUntilNoneIsOpen } from './epoch.js';
import type { Leaving } from './joint-calls.js';
import type { CampaignKeys } from './keys.js';
import type { KnownCampaign } from './known-campaign.js';
import { answersOf, isCarried, type ReserveAnswer, refusedOr, tellsOf } from './reserve-replies.js';
import { column, type Replicas, type Reply, type ScriptCall } from './runner.js';
import { scripts } from './scripts.js';
import type { Sending } from './shard.js';
import { oneOf } from './words.js';

export interface ReserveRequest {
  readonly id: string;
  /** The id was made up for this call alone, so nobody repeats it. */
  readonly isMinted: boolean;
  readonly userId: string;
  /** Of a campaign that generates codes: minted when it is first sent, by the rules that hold then. Empty: not yet. */
  code: string;
  /** Data of the caller as JSON text; empty: none. */
  readonly data: string;
  /** Monotonic ms. A request still in the queue by then is not sent. */
  readonly deadlineAt: number;
  /** Nobody waits for it any more: it is not sent. */
  readonly abandoned: boolean;
  /** Set once it was sent: from then on only Redis knows whether it holds a unit. */
  sent: boolean;
  /** That of its call, if anybody listens to calls. */
  readonly message?: IssueMessage | null;
}

export interface ReserveOptions {
  readonly replicas: Replicas | null;
  readonly emit: Emit;
  /** For admitted users, so that no line is passed. */
  readonly fromLine: boolean;
}

type Open = readonly number[];
type ReserveArgs = (typeof scripts.reserve.args)[number];

const NONE: Open = [];
const EXPIRED: ReserveAnswer = { word: 'expired' };
/** A script's reply has a limit of values, and each user's grants are part of it. */
const MAX_GRANTS_PER_BATCH = 1_500;
/** The words that are no refusals. */
const TAKING: ReadonlySet<string> = new Set(['new', 'existing', 'unattended', 'issued', 'expired']);

export function usersPerCall(perUser: number): number {
  return Math.max(1, Math.floor(MAX_GRANTS_PER_BATCH / perUser));
}

/** A line for each; empty where nobody has any, so that the others pay for no more than that. */
export function dataLines(requests: readonly { readonly data: string }[]): string {
  return requests.some(({ data }) => data !== '') ? requests.map(({ data }) => data).join('\n') : '';
}

/** The words of users that hold something, or might. */
const HOLDING: ReadonlySet<string> = new Set([...TAKING, 'already_issued', 'revoked']);

/** Whether a user may hold something after this answer. */
export function mayHold(answer: ReserveAnswer | undefined): boolean {
  return !answer || HOLDING.has(answer.word);
}

/**
 * Takes a unit for each user, or says why not: tells one answer each, in order. One round trip, which other campaigns
 * may share, unless a call has to be sent again.
 */
export function reserveAll(
  campaign: KnownCampaign,
  requests: readonly ReserveRequest[],
  options: ReserveOptions,
  told: Caller<readonly ReserveAnswer[]>,
): void {
  if (!BATCH.isHeard) {
    new ReserveBatch(campaign, requests, options, told).send();
    return;
  }
  const message: BatchMessage = {
    step: 'reserve',
    campaignId: campaign.id,
    size: requests.length,
    calls: messagesOf(requests),
    issued: 0,
  };
  const ask = () =>
    new Promise<readonly ReserveAnswer[]>((resolve, reject) =>
      new ReserveBatch(campaign, requests, options, { resolve, reject }).send(),
    );
  const note = (answers: readonly ReserveAnswer[]) => {
    message.issued = answers.filter((answer) => answer.word === 'issued' && answer.isNew).length;
  };
  BATCH.run(message, ask, note).then(
    (answers) => told.resolve(answers),
    (error: unknown) => told.reject(error),
  );
}

/** The requests of one batch, until each has its answer. */
class ReserveBatch implements Caller<Reply> {
  readonly campaign: KnownCampaign;
  readonly requests: readonly ReserveRequest[];
  readonly options: ReserveOptions;
  readonly answers: ReserveAnswer[];
  readonly deadlineAt: number;
  /** Whether anything was sent. */
  isSent = false;
  readonly #told: Caller<readonly ReserveAnswer[]>;
  readonly #first: ReserveCall;

  constructor(
    campaign: KnownCampaign,
    requests: readonly ReserveRequest[],
    options: ReserveOptions,
    told: Caller<readonly ReserveAnswer[]>,
  ) {
    this.campaign = campaign;
    this.requests = requests;
    this.options = options;
    this.answers = new Array<ReserveAnswer>(requests.length).fill(EXPIRED);
    this.deadlineAt = requests.reduce((latest, request) => Math.max(latest, request.deadlineAt), 0);
    this.#told = told;
    this.#first = new ReserveCall(this, [...requests.keys()]);
  }

  /** The first call of nearly every batch is the only one, and needs no promise. */
  send(): void {
    const { shard } = this.campaign;
    shard.handJointly(shard.context.reserves, this.#first, this);
  }

  /** The reply to the first call. */
  resolve(reply: Reply): void {
    try {
      const open = this.#first.judge(reply);
      if (Array.isArray(open) && open.length === 0) this.#tell();
      else this.#goOn(open);
    } catch (error) {
      this.reject(error);
    }
  }

  reject(error: unknown): void {
    this.#told.reject(error);
  }

  #goOn(first: Open | Promise<Open>): void {
    let given: Open | Promise<Open> | null = first;
    const send = async (open: Open) => {
      const left = given ?? this.#sendAgain(open);
      given = null;
      return left;
    };
    const unanswered = 'reserve was sent several times without an answer for all';
    sendUntilNoneIsOpen([...this.requests.keys()], unanswered, send, this.deadlineAt).then(
      () => this.#tell(),
      (error: unknown) => this.reject(error),
    );
  }

  async #sendAgain(open: Open): Promise<Open> {
    const { shard } = this.campaign;
    const call = new ReserveCall(this, open);
    return call.judge(await shard.runJointly(shard.context.reserves, call));
  }

  #tell(): void {
    const refused: RefusalStatus[] = [];
    for (const { word } of this.answers) if (!TAKING.has(word)) refused.push(word as RefusalStatus);
    countRefusals(this.options.emit, this.campaign.id, refused);
    this.#told.resolve(this.answers);
  }
}

/** One send of the requests of a batch that are open, under a fresh call number. */
class ReserveCall implements Leaving<ReserveArgs, never> {
  readonly #batch: ReserveBatch;
  #open: Open;
  /** Those that it was sent with, as of the moment in which it left. */
  #sent: Open = [];
  #firsts: Open = [];
  #items: readonly ReserveRequest[] = [];
  #at: Sending | null = null;
  #connection: unknown = null;

  constructor(batch: ReserveBatch, open: Open) {
    this.#batch = batch;
    this.#open = open;
  }

  get size(): number {
    return this.#open.length;
  }

  get deadlineAt(): number {
    return this.#batch.deadlineAt;
  }

  call(): ScriptCall<keyof CampaignKeys, ReserveArgs, never> | null {
    const { campaign, requests, options, isSent } = this.#batch;
    const { shard } = campaign;
    const { perUser, generateCodes } = campaign.equippedRules();
    if (!isSent) this.#open = this.#waiting();
    if (this.#open.length === 0) return null;
    this.#batch.isSent = true;
    // Since the last send each user may have more grants.
    this.#sent = this.#open.slice(0, usersPerCall(perUser));
    this.#firsts = this.#sent.filter((i) => requests[i]!.isMinted && !requests[i]!.sent);
    this.#items = this.#sent.map((i) => prepared(requests[i]!, generateCodes));
    const { sender, nextCall, runner } = shard.context;
    this.#connection = runner.connection;
    this.#at = shard.sending();
    const items = this.#items;
    // Written out: what a spread makes is several times as large.
    return {
      keys: shard.keys,
      args: {
        epoch: this.#at.epoch,
        fence: this.#at.fence,
        sender,
        call: String(nextCall()),
        fromLine: options.fromLine ? '1' : '',
        perUser: String(perUser),
        users: column(items.map(({ userId }) => userId)),
        ids: column(items.map(({ id }) => id)),
        codes: generateCodes ? column(items.map(({ code }) => code)) : '',
        data: dataLines(items),
      },
    };
  }

  /** Whoever gave up meanwhile is not sent. */
  #waiting(): Open {
    const now = monotonicMs();
    const { requests } = this.#batch;
    return this.#open.filter((i) => !requests[i]!.abandoned && requests[i]!.deadlineAt > now);
  }

  /**
   * Notes the answers. Returns the requests that are still open: of a call that lapsed and takes nothing any more, and
   * those that had no place in this one. A promise where something has to be asked first.
   */
  judge(given: Reply): Open | Promise<Open> {
    if (!this.#at) return [];
    const reply = this.#batch.campaign.shard.known(given);
    if (reply[0] !== 'ok' || this.#batch.options.replicas) return this.#ask(reply, this.#at);
    this.#note(reply);
    return this.#take({ ...this.#at, reply, refused: null }, false);
  }

  async #ask(given: Reply, at: Sending): Promise<Open> {
    const { campaign, requests, answers } = this.#batch;
    const answered = await answerOf(campaign.shard, at, given);
    if (!answered) return this.#open;
    const { reply, refused } = answered;
    if (refused) {
      // The script looked for the coupons of the users that it was sent, and of no others.
      for (const i of this.#sent) answers[i] = refusedOr(campaign.shard, reply, requests[i]!, refused);
      return this.#open.slice(this.#sent.length);
    }
    // This call would pass the users in line.
    if (reply[0] === 'queued')
      throw conflict(
        campaign.id,
        { what: 'has a waiting room', cure: `Call ${METHODS.join}()` },
        'nothing was reserved',
      );
    oneOf(scripts.reserve.name, ['ok'], reply[0]);
    this.#note(reply);
    return this.#take(answered, await this.#isUnsafe(reply));
  }

  /** A row says more than a replica. */
  async #isUnsafe(reply: Reply): Promise<boolean> {
    const { campaign, options } = this.#batch;
    const rules = campaign.equippedRules();
    if (!options.replicas || !tellsOf(reply, replicatedWords(rules))) return false;
    const isSafe = await campaign.shard.context.runner.replicated(options.replicas, this.#connection);
    return !isSafe && !rules.needs.includes('persistence');
  }

  #note(reply: Reply): void {
    const { campaign, options } = this.#batch;
    campaign.shard.sawStamp(Number(reply[1]));
    if (reply[2] === '1') options.emit({ type: 'exhausted', campaignId: campaign.id });
  }

  #take(answered: Answered, unsafe: boolean): Open {
    const { campaign, requests, answers } = this.#batch;
    const lapsed: number[] = [];
    const told = answersOf(campaign.shard, answered, this.#items);
    for (let nth = 0; nth < told.length; nth++) {
      const [i, answer] = [this.#sent[nth]!, told[nth]!];
      if (!answer) lapsed.push(i);
      else {
        answers[i] = unsafe && isCarried(answer) ? { ...answer, unsafe } : answer;
        if ('reservation' in answer) answer.reservation.message = requests[i]!.message ?? null;
      }
    }
    // No other copy of this call ran: nobody but settle can save these ids, and under the same serials.
    if (campaign.shard.context.runner.isUnbroken(this.#connection)) {
      for (const i of this.#firsts) {
        const answer = answers[i]!;
        if (answer.word === 'new') answer.reservation.isNewId = true;
      }
    }
    return lapsed.length === 0 && this.#sent.length === this.#open.length
      ? NONE
      : lapsed.concat(this.#open.slice(this.#sent.length));
  }
}

/**
 * The words that wait for replicas: of a coupon that Redis alone keeps. A repeat or a copy tells of an earlier write,
 * which a WAIT after it covers on the same connection. In write-behind a record that is issued has a row.
 */
function replicatedWords({ needs, saveMode }: CampaignRules): readonly string[] {
  if (!needs.includes('persistence')) return ['new', 'existing', 'issued'];
  return saveMode === 'write-behind' ? ['new'] : [];
}

function prepared(request: ReserveRequest, generateCodes: boolean): ReserveRequest {
  request.sent = true;
  request.code = generateCodes ? request.code || mintCode() : '';
  return request;
}
