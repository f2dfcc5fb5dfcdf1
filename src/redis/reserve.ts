import { monotonicMs } from '../flow/deadline.js';
import type { CampaignRules } from '../model/campaign-rules.js';
import { mintCode } from '../model/codes.js';
import { conflict } from '../model/errors.js';
import { countRefusals, type Emit } from '../model/events.js';
import { ID_LENGTH } from '../model/issuance.js';
import { METHODS } from '../model/methods.js';
import type { RefusalStatus } from '../model/result.js';
import { BATCH, type BatchMessage, type IssueMessage, messagesOf } from '../tracing/channels.js';
import { answerOf, sendUntilNoneIsOpen } from './epoch.js';
import type { KnownCampaign } from './known-campaign.js';
import { answersOf, isCarried, type ReserveAnswer, refusedOr, tellsOf } from './reserve-replies.js';
import { column, type Replicas } from './runner.js';
import { scripts } from './scripts.js';
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
 * Takes a unit for each user, or says why not; one answer each, in order. One round trip, unless a call has to be sent
 * again.
 */
export function reserveAll(
  campaign: KnownCampaign,
  requests: readonly ReserveRequest[],
  options: ReserveOptions,
): Promise<ReserveAnswer[]> {
  if (!BATCH.isHeard) return askAll(campaign, requests, options);
  const message: BatchMessage = {
    step: 'reserve',
    campaignId: campaign.id,
    size: requests.length,
    calls: messagesOf(requests),
    issued: 0,
  };
  return BATCH.run(
    message,
    () => askAll(campaign, requests, options),
    (answers) => {
      message.issued = answers.filter((answer) => answer.word === 'issued' && answer.isNew).length;
    },
  );
}

async function askAll(
  campaign: KnownCampaign,
  requests: readonly ReserveRequest[],
  options: ReserveOptions,
): Promise<ReserveAnswer[]> {
  const answers = new Array<ReserveAnswer>(requests.length).fill(EXPIRED);
  const now = monotonicMs();
  const open: number[] = [];
  let deadlineAt = 0;
  for (let i = 0; i < requests.length; i++) {
    const request = requests[i]!;
    deadlineAt = Math.max(deadlineAt, request.deadlineAt);
    if (!request.abandoned && request.deadlineAt > now) open.push(i);
  }
  const send = (some: readonly number[]) => sendSome(campaign, requests, some, { ...options, answers, deadlineAt });
  await sendUntilNoneIsOpen(open, 'reserve was sent several times without an answer for all', send, deadlineAt);
  const refused: RefusalStatus[] = [];
  for (const { word } of answers) if (!TAKING.has(word)) refused.push(word as RefusalStatus);
  countRefusals(options.emit, campaign.id, refused);
  return answers;
}

/**
 * Sends the open requests under a fresh call number. Returns the requests that are still open: of a call that lapsed
 * and takes nothing any more, and those that had no place in this one.
 */
async function sendSome(
  campaign: KnownCampaign,
  requests: readonly ReserveRequest[],
  open: readonly number[],
  { answers, deadlineAt, replicas, emit, fromLine }: ReserveOptions & { answers: ReserveAnswer[]; deadlineAt: number },
): Promise<readonly number[]> {
  const { shard } = campaign;
  const { sender, nextCall, runner } = shard.context;
  const { connection } = runner;
  const rules = campaign.equippedRules();
  const at = shard.sending();
  // Since the last send each user may have more grants.
  const sent = open.slice(0, usersPerCall(rules.perUser));
  const firsts = sent.filter((i) => requests[i]!.isMinted && !requests[i]!.sent);
  const items = sent.map((i) => prepared(requests[i]!, rules.generateCodes));
  const args = {
    epoch: at.epoch,
    fence: at.fence,
    sender,
    call: String(nextCall()),
    fromLine: fromLine ? '1' : '',
    perUser: String(rules.perUser),
    ...columnsOf(items, rules.generateCodes),
  };
  const given = await shard.run(scripts.reserve, args, undefined, deadlineAt - at.sentAt);
  const answered = await answerOf(shard, at, given);
  if (!answered) return open;
  const { reply, refused } = answered;
  if (refused) {
    // The script looked for the coupons of the users that it was sent, and of no others.
    for (const i of sent) answers[i] = refusedOr(shard, reply, requests[i]!, refused);
    return open.slice(sent.length);
  }
  // This call would pass the users in line.
  if (reply[0] === 'queued')
    throw conflict(campaign.id, { what: 'has a waiting room', cure: `Call ${METHODS.join}()` }, 'nothing was reserved');
  oneOf(scripts.reserve.name, ['ok'], reply[0]);
  shard.sawStamp(Number(reply[1]));
  if (reply[2] === '1') emit({ type: 'exhausted', campaignId: campaign.id });
  const waits = replicas && tellsOf(reply, replicatedWords(rules));
  const isSafe = !waits || (await runner.replicated(replicas, connection));
  // A row says more than a replica.
  const unsafe = !isSafe && !rules.needs.includes('persistence');
  const lapsed: number[] = [];
  const told = answersOf(shard, answered, items);
  for (let nth = 0; nth < told.length; nth++) {
    const [i, answer] = [sent[nth]!, told[nth]!];
    if (!answer) lapsed.push(i);
    else {
      answers[i] = unsafe && isCarried(answer) ? { ...answer, unsafe } : answer;
      if ('reservation' in answer) answer.reservation.message = requests[i]!.message ?? null;
    }
  }
  // No other copy of this call ran: nobody but settle can save these ids, and under the same serials.
  if (runner.isUnbroken(connection)) {
    for (const i of firsts) {
      const answer = answers[i]!;
      if (answer.word === 'new') answer.reservation.isNewId = true;
    }
  }
  return lapsed.concat(open.slice(sent.length));
}

/**
 * The words that wait for replicas: of a coupon that Redis alone keeps. A repeat or a copy tells of an earlier write,
 * which a WAIT after it covers on the same connection. In write-behind a record that is issued has a row.
 */
function replicatedWords({ needs, saveMode }: CampaignRules): readonly string[] {
  if (!needs.includes('persistence')) return ['new', 'existing', 'issued'];
  return saveMode === 'write-behind' ? ['new'] : [];
}

/** The arguments with a text for each user. */
function columnsOf(items: readonly ReserveRequest[], generateCodes: boolean) {
  const ids = items.map(({ id }) => id);
  return {
    users: column(items.map(({ userId }) => userId)),
    ids: column(ids),
    idLength: ids.every(({ length }) => length === ID_LENGTH) ? String(ID_LENGTH) : '',
    codes: generateCodes ? column(items.map(({ code }) => code)) : '',
    data: dataLines(items),
  };
}

function prepared(request: ReserveRequest, generateCodes: boolean): ReserveRequest {
  request.sent = true;
  request.code = generateCodes ? request.code || mintCode() : '';
  return request;
}
