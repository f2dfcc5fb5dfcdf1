import { channel } from 'node:diagnostics_channel';
import type { CouponEvent, FaultSource } from '../model/events.js';
import type { CouponVerb } from '../model/life.js';
import type { IssueStatus } from '../model/result.js';
import { errorTypeOf, StepChannel, type StepMessage } from './step-channel.js';

/** `tracing:coupon-issuer:issue:*`: one call of `issue()`. */
export interface IssueMessage extends StepMessage {
  readonly campaignId: string;
  /** The status of its answer; `null` until then, and if it failed. */
  status: IssueStatus | null;
  /** A repeat of an attempt that took a unit. */
  replayed: boolean;
}

/**
 * `tracing:coupon-issuer:batch:*`: one batch of a campaign, until each of its calls has an answer of Redis. Other
 * campaigns may share the round trip.
 */
export interface BatchMessage extends StepMessage {
  readonly step: 'reserve' | 'confirm';
  readonly campaignId: string;
  readonly size: number;
  /** The messages of its calls, if anybody listens to `issue`. */
  readonly calls: readonly IssueMessage[];
  /** So many units became issued in Redis by it. Over all messages, each unit counts once at most. */
  issued: number;
}

/** `tracing:coupon-issuer:save:*`: one call of the adapter, which may save coupons of several campaigns. */
export interface SaveMessage extends StepMessage {
  readonly campaignIds: readonly string[];
  readonly size: number;
  /** The messages of its calls, if anybody listens to `issue`. */
  readonly calls: readonly IssueMessage[];
  /** So many rows are committed. */
  saved: number;
}

/** `tracing:coupon-issuer:deliver:*`: one call of your `deliver`. */
export interface DeliverMessage extends StepMessage {
  readonly campaignId: string;
  readonly size: 1;
  /** The messages of its calls, if anybody listens to `issue`. */
  readonly calls: readonly IssueMessage[];
}

/** `tracing:coupon-issuer:settle:*`: one batch of reservations whose leases ran out. */
export interface SettleMessage extends StepMessage {
  readonly campaignId: string;
  /** So many were claimed. */
  size: number;
  settled: number;
  failed: number;
}

/** `tracing:coupon-issuer:admit:*`: the first users of a line. */
export interface AdmitMessage extends StepMessage {
  readonly campaignId: string;
  /** So many were admitted. */
  size: number;
  /** So many units became issued in Redis at once. Those that are saved first count in `batch`. */
  issued: number;
}

/** `tracing:coupon-issuer:change:*`: one call of `redeem()`, `unredeem()`, `extend()` or `revoke()`. */
export interface ChangeMessage extends StepMessage {
  readonly campaignId: string;
  readonly verb: CouponVerb;
  /** The status of its answer; `null` until then, and if it failed. */
  status: string | null;
}

/** `tracing:coupon-issuer:redeem:*`: one batch of calls that change coupons. A call may be in several, or in none. */
export interface RedeemMessage extends StepMessage {
  readonly size: number;
}

/** `tracing:coupon-issuer:cache:*`: one key that is asked for. */
export interface CacheMessage extends StepMessage {
  readonly name: string;
  /**
   * `local`: from the memory of this process. `shared`: from Redis. `early`: from Redis, and refreshed behind the answer. `coalesced`: another call loaded.
   * `loaded`: this one did. `failed`: no value.
   */
  result: 'local' | 'shared' | 'early' | 'coalesced' | 'loaded' | 'failed';
}

/** `coupon-issuer:event`: each event, as `onEvent` gets it, without users, ids and serials. */
export interface EventMessage {
  /** The `id` of the issuer that tells it. */
  readonly issuerId: string;
  readonly type: CouponEvent['type'];
  /** `null`: of several campaigns, or of none. */
  readonly campaignId: string | null;
  readonly count: number;
  /** Of a fault: the step, and the kind of the error. */
  readonly during?: FaultSource;
  readonly errorType?: string;
  /** Of refusals: their status. Of places in line that ended: why. Of an audit: the action. */
  readonly reason?: string;
  /** Of an audit: `false` if the call threw. */
  readonly done?: boolean;
}

export const ISSUE = new StepChannel<IssueMessage>('issue');
export const BATCH = new StepChannel<BatchMessage>('batch');
export const SAVE = new StepChannel<SaveMessage>('save');
export const DELIVER = new StepChannel<DeliverMessage>('deliver');
export const SETTLE = new StepChannel<SettleMessage>('settle');
export const ADMIT = new StepChannel<AdmitMessage>('admit');
export const CHANGE = new StepChannel<ChangeMessage>('change');
export const REDEEM = new StepChannel<RedeemMessage>('redeem');
export const CACHE = new StepChannel<CacheMessage>('cache');

/** Those of the calls that are known. */
export function messagesOf(of: readonly { readonly message?: IssueMessage | null }[]): readonly IssueMessage[] {
  return ISSUE.isHeard ? of.flatMap(({ message }) => message ?? []) : [];
}

const EVENT = channel('coupon-issuer:event');

/** Tells an event without anything about a person. */
export function tellEvent(issuerId: string, event: CouponEvent): void {
  if (EVENT.hasSubscribers) EVENT.publish({ issuerId, ...messageOf(event) });
}

function messageOf(event: CouponEvent): Omit<EventMessage, 'issuerId'> {
  const { type, campaignId } = event;
  const count = 'count' in event ? (event.count ?? 1) : 1;
  if (type === 'fault') {
    return { type, campaignId, count, during: event.during, errorType: errorTypeOf(event.error) };
  }
  if (type === 'audit') return { type, campaignId, count, reason: event.action, done: event.done };
  const reason = type === 'refused' ? event.status : type === 'places_ended' ? event.reason : undefined;
  return { type, campaignId, count, ...(reason && { reason }) };
}
