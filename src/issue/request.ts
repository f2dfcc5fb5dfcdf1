import { monotonicMs } from '../flow/deadline.js';
import type { PendingWork } from '../flow/pending-work.js';
import { dataText, type JsonObject } from '../model/caller-data.js';
import { assertInteger, assertSignal, assertText, ownCopy } from '../model/check.js';
import { HookError, invalid, NotIssuedError } from '../model/errors.js';
import { deriveId, mintId } from '../model/issuance.js';
import { inCall } from '../model/methods.js';
import type { IssueResult, NotReadyReason, RefusalStatus } from '../model/result.js';
import type { PersistenceAdapter } from '../persistence/adapter.js';
import { assertUserId } from '../persistence/user-id.js';
import type { Campaigns, Patience } from '../redis/campaigns.js';
import { CampaignOverError } from '../redis/registry.js';
import type { Serving } from '../redis/serving.js';
import { ISSUE, type IssueMessage } from '../tracing/channels.js';
import type { Eligible } from './eligibility.js';
import { refusalOfRule, unlessHeld } from './eligibility.js';
import { issueFast } from './fast-path.js';
import { issue } from './issue.js';
import { SharedCall } from './shared-call.js';
import type { IssueCall, Steps } from './steps.js';

/** One attempt to get one user a coupon. */
export interface IssueRequest {
  /** 1–128 bytes of well-formed UTF-8 without U+0000. A number is refused: use `String(user.id)`. */
  readonly userId: string;
  /** Names this attempt, within this campaign and user. A repeat under it finds its own answer. */
  readonly requestId?: string | undefined;
  /**
   * A plain object of JSON for `deliver`, `recall` and the row, at most 1 KiB as text. The call that takes the unit
   * decides: a repeat with other data changes nothing. No result, event or error has it.
   */
  readonly data?: JsonObject | undefined;
  /** Ends the waiting, not the attempt. Once it was sent, the attempt goes on, and `userStatus()` shows its end. */
  readonly signal?: AbortSignal | undefined;
  /** A shorter deadline for this call: whole ms, from 1 to the issuer's `timeoutMs`. */
  readonly timeoutMs?: number | undefined;
}

export interface RequestParts {
  readonly campaigns: Campaigns;
  readonly steps: Steps;
  readonly pending: PendingWork;
  readonly eligible: Eligible | undefined;
  readonly adapter: PersistenceAdapter | undefined;
  readonly timeoutMs: number;
  /** Throws `ClosedError`. */
  readonly assertNotClosing: () => void;
}

/** The attempts under way in this process; calls with one request id share one. */
export class Requests {
  readonly #parts: RequestParts;
  readonly #flights = new Map<string, SharedCall>();

  constructor(parts: RequestParts) {
    this.#parts = parts;
  }

  /** Rejects, and never throws. */
  issue(campaignId: string, request: IssueRequest): Promise<IssueResult> {
    if (!ISSUE.isHeard) return this.#try(campaignId, request, null);
    const message: IssueMessage = { campaignId, status: null, replayed: false };
    const told = (result: IssueResult) => {
      message.status = result.status;
      message.replayed = 'replayed' in result;
    };
    return ISSUE.run(message, () => this.#try(campaignId, request, message), told);
  }

  #try(campaignId: string, request: IssueRequest, message: IssueMessage | null): Promise<IssueResult> {
    try {
      return this.#begin(campaignId, request, message);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #begin(campaignId: string, request: IssueRequest, message: IssueMessage | null): Promise<IssueResult> {
    const { campaigns, steps, adapter, timeoutMs: longest } = this.#parts;
    this.#parts.assertNotClosing();
    const { userId, requestId, data: given, signal, timeoutMs } = checkedRequest(request, longest);
    assertUserId(adapter, userId);
    const data = callersData(given, steps);
    signal?.throwIfAborted();
    const known = campaigns.known(campaignId);
    const refusal = known?.recentRefusal(userId);
    if (refusal) {
      steps.emit({ type: 'refused', campaignId, status: refusal.status, count: 1 });
      return Promise.resolve(refusal);
    }
    // First of all: if most calls end here, this check is their whole cost.
    const overload = requestId === undefined ? known?.reserves.overload() : null;
    if (overload) return Promise.reject(overload);
    const id = requestId === undefined ? mintId() : deriveId(campaignId, userId, requestId);
    const call = {
      id,
      isMinted: requestId === undefined,
      userId,
      code: '',
      data,
      deadlineAt: monotonicMs() + longest,
      abandoned: false,
      sent: false,
      reserved: null,
      promised: false,
      replayed: false,
      message,
    };
    const limited = signal !== undefined || timeoutMs !== undefined;
    if (requestId === undefined && !limited) return this.#fly(campaignId, known, call, false);
    const shared = this.#flights.get(id);
    if (shared) return shared.wait({ timeoutMs, signal }).then((result) => this.#ofRepeat(campaignId, result));
    const result = this.#fly(campaignId, known, call, requestId !== undefined).finally(() => this.#flights.delete(id));
    const flight = new SharedCall(call, result, campaigns.late);
    this.#flights.set(id, flight);
    return flight.wait({ timeoutMs, signal });
  }

  /** A campaign that is known, without a rule of the user's own: straight to reserve. */
  #fly(campaignId: string, serving: Serving | null, call: IssueCall, repeatable: boolean): Promise<IssueResult> {
    if (!serving?.campaign.isEquipped || this.#parts.eligible)
      return this.#parts.pending.track(this.#ask(campaignId, call, repeatable));
    return this.#issue(serving, call);
  }

  /** Finds the campaign, and asks the user's own rule. */
  async #ask(campaignId: string, call: IssueCall, repeatable: boolean): Promise<IssueResult> {
    const { eligible, timeoutMs } = this.#parts;
    let serving: Serving | NotReadyReason;
    try {
      serving = await this.#found(campaignId);
      if (typeof serving === 'string') return this.#refuse(campaignId, { status: 'not_ready', reason: serving });
      const { shard } = serving;
      const refused = eligible && (await refusalOfRule(eligible, shard, call, timeoutMs));
      const refusal = refused && repeatable ? await unlessHeld(refused, shard, call) : refused;
      if (refusal) return this.#refuse(campaignId, refusal);
    } catch (error) {
      if (!(error instanceof CampaignOverError)) throw error;
      return this.#refuse(campaignId, { status: 'closed', closedAt: error.closedAt });
    }
    return this.#issue(serving, call);
  }

  async #found(campaignId: string): Promise<Serving | NotReadyReason> {
    try {
      await this.#parts.campaigns.assertNotAbsent(campaignId);
      return await this.#parts.campaigns.equipped(campaignId, patienceOf);
    } catch (error) {
      throw inCall('issue', notIssued(error));
    }
  }

  #issue(serving: Serving, call: IssueCall): Promise<IssueResult> {
    return this.#parts.steps.deliveries ? issue(serving, call, this.#parts) : issueFast(serving, call, this.#parts);
  }

  /** Of one attempt that several calls share each gets a result of its own. All but the first are repeats. */
  #ofRepeat(campaignId: string, shared: IssueResult): IssueResult {
    const own = structuredClone(shared);
    if (own.status === 'issued' || own.status === 'accepted') return { ...own, replayed: true };
    return this.#refuse(campaignId, own);
  }

  #refuse(campaignId: string, result: Extract<IssueResult, { status: RefusalStatus }>): IssueResult {
    this.#parts.steps.emit({ type: 'refused', campaignId, status: result.status, count: 1 });
    return result;
  }
}

/** Calls that a worker saves later are accepted while the database is away. */
function patienceOf({ campaign }: Serving): Patience {
  return campaign.rules.saveMode === 'write-behind' ? 'brief' : 'patient';
}

/** A database that could not be asked cannot save: nothing is issued, as after a save that failed for certain. */
function notIssued(error: unknown): unknown {
  return error instanceof HookError ? new NotIssuedError(error.message, { cause: error.cause }) : error;
}

/** As JSON text; empty where there is none. Throws `InvalidArgumentError`, also where nobody would get it. */
export function callersData(data: unknown, { saves, deliveries }: Steps): string {
  if (data === undefined) return '';
  if (!saves && !deliveries) throw invalid('data', 'is for deliver and the row, and this issuer has neither');
  return dataText(data);
}

function checkedRequest(given: IssueRequest, longest: number): IssueRequest {
  const request = ownCopy('the argument of issue()', given, ['userId', 'requestId', 'data', 'signal', 'timeoutMs']);
  assertText('userId', request.userId);
  if (request.requestId !== undefined) assertText('requestId', request.requestId);
  if (request.signal !== undefined) assertSignal(request.signal);
  if (request.timeoutMs !== undefined) assertInteger('timeoutMs', request.timeoutMs, 1, longest);
  return request;
}
