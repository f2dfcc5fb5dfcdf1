import type { IssueRequest } from '../issue/request.js';
import type { JoinResult, LeaveResult, WaitingChange } from '../model/place.js';
import type { IssueResult } from '../model/result.js';
import type { UserStatus } from '../operate/user-status.js';
import type { JoinRequest } from '../waiting-room/join.js';
import type { WatchRequest } from '../waiting-room/room.js';

/** The calls of a campaign for one user: a coupon, a place in the line, and the answer to both. */
export interface UserCalls {
  /**
   * Gives a user a coupon, or returns the reason for a refusal. A normal outcome is a value (`IssueResult`); a fault is
   * thrown.
   *
   * Costs two round trips to Redis, the second one after the answer, and one statement in the database. Calls of the
   * same moment share all three. The first call for a campaign reads it, and the first call on a connection checks the
   * rights of the Redis user: one more round trip each. Throws `InvalidArgumentError`, `UnknownCampaignError`,
   * `CampaignConflictError` (it has a waiting room: call `join`), `MisconfiguredError`, `OverloadedError`,
   * `RedisError`, `NotIssuedError`, `HookError` (`eligible` failed), `ClosedError`, and the reason of an aborted
   * signal.
   *
   * @example
   * ```ts
   * const result = await launch.issue({ userId: String(user.id), requestId: 'order-7' });
   * switch (result.status) {
   *   case 'issued':
   *     response.status(201).json({ code: result.issuance.code });
   *     break;
   *   default:
   *     response.status(httpStatus(result)).json({ status: result.status });
   * }
   * ```
   */
  issue(request: IssueRequest): Promise<IssueResult>;

  /**
   * Gives a user a place in the line of a campaign with a waiting room, or returns the reason for a refusal. If the
   * user is in line already, the place is kept; if `eligible` refuses such a user, it ends. `waiting` carries ticket, position and time. An admitted user gets the
   * answer of `issue()`. Tickets of Redis decide the order; no clock does.
   *
   * One round trip, shared by calls of the same moment. One more if the line was empty: it wakes the workers. Throws
   * `InvalidArgumentError`, `UnknownCampaignError`, `CampaignConflictError` (no waiting room), `MisconfiguredError`,
   * `OverloadedError` (the line has `maxWaiting` users; no place was taken), `RedisError`, `HookError`, `ClosedError`.
   *
   * @example
   * ```ts
   * const result = await launch.join({ userId });
   * if (result.status === 'waiting') console.log(result.position, result.etaMs);
   * ```
   */
  join(request: JoinRequest): Promise<JoinResult>;

  /**
   * Gives up the place of a user in line. `left`: the place is gone, by this call or an earlier one. Any other status
   * is the reason why there was no place: `reserved` and `issued` mean that the user was admitted first. The user may
   * join again, at the end of the line.
   *
   * One round trip, and one more to tell watchers. Throws `InvalidArgumentError`, `UnknownCampaignError`,
   * `CampaignConflictError` (no waiting room), `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * const { status } = await launch.leave({ userId });
   * ```
   */
  leave(request: { userId: string }): Promise<LeaveResult>;

  /**
   * Returns an async iterator over the changes of a waiting user. The first change is the present position; the last
   * one is the final answer. The iterator also ends if you leave the loop, abort `signal` or close the issuer. Watching
   * is a sign of life for `presenceMs`.
   *
   * It keeps only the newest change: a slow reader misses steps and never the end. All watchers share one subscription
   * on a connection of its own (`redis.duplicate()`), which tells the process when to look. Without that connection it
   * looks once a second. One round trip per 500 watchers and look, at most 20 looks a second.
   *
   * The call throws `InvalidArgumentError` and `ClosedError`. The iterator throws `UnknownCampaignError` and
   * `CampaignConflictError`, and `RedisError` if the Redis user lacks a right. While Redis is away, the iterator waits.
   *
   * @example
   * ```ts
   * for await (const change of launch.watch({ userId })) {
   *   if (change.status === 'waiting') console.log(change.position);
   *   if (change.status === 'issued') console.log(change.issuance.code);
   * }
   * ```
   */
  watch(request: WatchRequest): AsyncIterableIterator<WaitingChange>;

  /**
   * Returns the coupons of a user in this campaign, and their place if it has a waiting room. The call is a sign of
   * life there. One round trip. Throws `InvalidArgumentError`, `UnknownCampaignError`, `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * const { status, issuances } = await launch.userStatus({ userId });
   * ```
   */
  userStatus(query: { userId: string }): Promise<UserStatus>;
}
