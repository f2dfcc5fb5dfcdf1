import { monotonicMs } from '../flow/deadline.js';
import type { CampaignRules } from '../model/campaign-rules.js';
import { mintCode } from '../model/codes.js';
import { conflict } from '../model/errors.js';
import type { Emit } from '../model/events.js';
import { METHODS } from '../model/methods.js';
import type { IssueMessage } from '../tracing/channels.js';
import { type Answered, answerOf } from './epoch.js';
import type { Leaving } from './joint-calls.js';
import type { CampaignKeys } from './keys.js';
import type { KnownCampaign } from './known-campaign.js';
import { oneOf } from './reply-words.js';
import { answersOf, isCarried, type ReserveAnswer, refusedOr, tellsOf } from './reserve-replies.js';
import { column, type Replicas, type Reply, type ScriptCall } from './runner.js';
import { scripts } from './scripts.js';
import type { Sending } from './shard.js';

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

/** Places in the batch. */
export type Open = readonly number[];
type ReserveArgs = (typeof scripts.reserve.args)[number];

const NONE: Open = [];
/** A script's reply has a limit of values, and each user's grants are part of it. */
const MAX_GRANTS_PER_BATCH = 1_500;
export function usersPerCall(perUser: number): number {
  return Math.max(1, Math.floor(MAX_GRANTS_PER_BATCH / perUser));
}

/** A line for each; empty where nobody has any, so that the others pay for no more than that. */
export function dataLines(requests: readonly { readonly data: string }[]): string {
  return requests.some(({ data }) => data !== '') ? requests.map(({ data }) => data).join('\n') : '';
}

/** Requests that share calls until each has its answer. */
interface ReserveTogether {
  readonly campaign: KnownCampaign;
  readonly requests: readonly ReserveRequest[];
  readonly options: ReserveOptions;
  readonly answers: ReserveAnswer[];
  readonly deadlineAt: number;
  /** Whether anything was sent. */
  isSent: boolean;
}

/** One send of the requests of a batch that are open, under a fresh call number. */
export class ReserveCall implements Leaving<ReserveArgs, never> {
  readonly #batch: ReserveTogether;
  #open: Open;
  /** Those that it was sent with, as of the moment in which it left. */
  #sent: Open = [];
  #firsts: Open = [];
  #items: readonly ReserveRequest[] = [];
  #at: Sending | null = null;
  #connection: unknown = null;

  constructor(batch: ReserveTogether, open: Open) {
    this.#batch = batch;
    this.#open = open;
  }

  get grants(): number {
    return this.#open.length * this.#batch.campaign.rules.perUser;
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

  /** Without those that gave up meanwhile. */
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
    this.#note(this.#at, reply);
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
    this.#note(answered, reply);
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

  #note({ epoch }: Sending, reply: Reply): void {
    const { campaign, options } = this.#batch;
    campaign.shard.sawStamp(epoch, Number(reply[1]));
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
