import type { Caller } from '../flow/batcher.js';
import { countRefusals } from '../model/events.js';
import type { RefusalStatus } from '../model/result.js';
import { BATCH, type BatchMessage, messagesOf } from '../tracing/channels.js';
import { sendUntilNoneIsOpen } from './epoch.js';
import type { KnownCampaign } from './known-campaign.js';
import { type Open, ReserveCall, type ReserveOptions, type ReserveRequest } from './reserve-call.js';
import type { ReserveAnswer } from './reserve-replies.js';
import type { Reply } from './runner.js';

const EXPIRED: ReserveAnswer = { word: 'expired' };
/** The words that are no refusals. */
const TAKING: ReadonlySet<string> = new Set(['new', 'existing', 'unattended', 'issued', 'expired']);

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
