import { monotonicMs } from '../flow/deadline.js';
import { asNotReady, type Eligible, refusalOfRule, unlessHeld } from '../issue/eligibility.js';
import { callersData } from '../issue/request.js';
import type { Steps } from '../issue/steps.js';
import type { JsonObject } from '../model/caller-data.js';
import { assertText, ownCopy } from '../model/check.js';
import { OverloadedError } from '../model/errors.js';
import { countRefusals, type Emit } from '../model/events.js';
import { deriveId, mintId } from '../model/issuance.js';
import type { JoinResult } from '../model/place.js';
import type { Campaigns } from '../redis/campaigns.js';
import type { Line } from '../redis/line.js';
import { CampaignOverError } from '../redis/registry.js';
import type { Lines } from './lines.js';

export interface JoinRequest {
  /** 1–128 bytes of well-formed UTF-8 without U+0000. A number is refused: use `String(user.id)`. */
  readonly userId: string;
  /**
   * Names this attempt, within this campaign and user. A repeat finds its own answer, also after the coupon was issued.
   * If a user in line joins again under another id, the first one stays.
   */
  readonly requestId?: string | undefined;
  /** As of `issue()`: kept while the user waits, and then by the reservation. A user in line keeps the first. */
  readonly data?: JsonObject | undefined;
}

export interface JoinParts {
  readonly campaigns: Campaigns;
  readonly lines: Lines;
  readonly eligible: Eligible | undefined;
  readonly timeoutMs: number;
  readonly emit: Emit;
  /** Gives up the place of a user. */
  readonly leave: (line: Line, userId: string) => Promise<unknown>;
}

const FULL_RETRY_MS = 5_000;

type CheckedJoin = Omit<JoinRequest, 'data'> & { readonly data: string };

export function checkedJoin(given: JoinRequest, steps: Steps): CheckedJoin {
  const own = ownCopy('the argument of join()', given, ['userId', 'requestId', 'data']);
  assertText('userId', own.userId);
  if (own.requestId !== undefined) assertText('requestId', own.requestId);
  return { ...own, data: callersData(own.data, steps) };
}

/** A place in line, or why not. */
export async function join(campaignId: string, request: CheckedJoin, parts: JoinParts): Promise<JoinResult> {
  try {
    return await joinLine(campaignId, request, parts);
  } catch (error) {
    if (!(error instanceof CampaignOverError)) throw error;
    countRefusals(parts.emit, campaignId, ['closed']);
    return { status: 'closed', closedAt: error.closedAt };
  }
}

async function joinLine(campaignId: string, request: CheckedJoin, parts: JoinParts): Promise<JoinResult> {
  const { campaigns, lines, eligible, timeoutMs, emit } = parts;
  const { userId, requestId, data } = request;
  const refuse = (result: Extract<JoinResult, { reason: string }>): JoinResult => {
    countRefusals(emit, campaignId, [result.status]);
    return result;
  };
  await campaigns.assertNotAbsent(campaignId);
  const serving = await campaigns.equipped(campaignId, () => 'brief');
  if (typeof serving === 'string') return refuse({ status: 'not_ready', reason: serving });
  const line = lines.of(serving);
  const id = requestId === undefined ? mintId() : deriveId(campaignId, userId, requestId);
  const refused = eligible && (await refusalOfRule(eligible, serving.shard, request, timeoutMs));
  if (refused) {
    const unsure = await endPlace(line, userId, parts).catch(asNotReady);
    if (unsure) return refuse(unsure);
    // The user may have been let through before that.
    const refusal = requestId === undefined ? refused : await unlessHeld(refused, serving.shard, { id, userId });
    if (refusal) return refuse(refusal);
  }
  const answer = await line.join({ id, userId, data, deadlineAt: monotonicMs() + timeoutMs });
  if (answer.status === 'expired') {
    throw serving.shard.context.runner.unsent('no place was taken');
  }
  if (answer.status === 'full') {
    const most = serving.campaign.rules.room?.maxWaiting;
    throw new OverloadedError(
      `the waiting room is full (maxWaiting ${most}); no place was taken; try again after retryAfterMs`,
      FULL_RETRY_MS,
    );
  }
  const isRefused = answer.status !== 'waiting' && answer.status !== 'issued' && answer.status !== 'accepted';
  if (isRefused) countRefusals(emit, campaignId, [answer.status]);
  return answer;
}

/**
 * A user that your rule refuses has no place any more: the unit would be theirs after a refusal that is final. The look is
 * shared by calls of the same moment, because most of the refused have no place.
 */
async function endPlace(line: Line, userId: string, { leave }: JoinParts): Promise<void> {
  if ((await line.find(userId)).place) await leave(line, userId);
}
