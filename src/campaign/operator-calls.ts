import type { CampaignDefinition, CampaignSnapshot } from '../model/campaign-rules.js';
import type { Pace, PaceChange } from '../model/pace.js';
import type { OpenOptions } from '../operate/open.js';
import type { CampaignUpdate } from '../operate/update.js';
import type { RunningRules } from '../redis/update.js';
import type { AdmitResult } from '../waiting-room/admission.js';

/** The calls of an operator: to open, steer and end a campaign. */
export interface OperatorCalls {
  /**
   * Opens a campaign (`opened`), or finds it open with the same definition (`exists`). Live stock is never reset.
   *
   * If Redis has no state of the campaign, the adapter's `list` is asked first. Rows there mean that Redis lost the
   * state. Then `open` throws `CampaignConflictError`, and `rebuild()` makes the state again. `skipRowCheck` leaves
   * this question out. The campaign is bound to the database of this process (`identity` of the adapter).
   * `store: 'rebind'` binds a campaign of another database to this one, under a new epoch.
   *
   * Four round trips; for a new campaign twelve, and one to the database. Throws `MisconfiguredError` for a Redis that
   * may evict keys, a replica, a table that is not fit, and another database. Also throws `CampaignConflictError`
   * (another definition, or rows without state), `InvalidArgumentError`, `HookError` (`list` failed), `NotReadyError`,
   * `RedisError`, `ClosedError`.
   *
   * @example
   * ```ts
   * const { status } = await launch.open({
   *   stock: { kind: 'counted', total: 1000, generateCodes: true },
   *   opensAt: new Date('2030-05-01T10:00:00+09:00'),
   * });
   * ```
   */
  open(
    definition: CampaignDefinition,
    options?: OpenOptions,
  ): Promise<{ status: 'opened' | 'exists'; campaign: CampaignSnapshot }>;

  /**
   * Returns the campaign at one instant of Redis. One round trip. Throws `UnknownCampaignError`, `NotReadyError`,
   * `RedisError`.
   *
   * @example
   * ```ts
   * const { state, available, reserved, issued } = await launch.inspect();
   * ```
   */
  inspect(): Promise<CampaignSnapshot>;

  /**
   * Moves the window of a running campaign, or raises its limit per user. Returns the rules that hold now. The next
   * call of every process sees them; with `refusalCacheMs`, after that time. The change happens once per `requestId`
   * (1–128 bytes), also if the reply is lost.
   *
   * `open()` still finds the campaign by the definition that it was opened with, and also by the one that holds now. A
   * later `closesAt` opens a campaign again that closed by time; users of its line have to join again.
   *
   * One round trip, two if it was updated before. Throws `CampaignConflictError`, and nothing was changed, if the
   * campaign is closed for good or would close before it opens. The same if `opensAt` would move although the campaign
   * has opened, if `perUser` would fall, or if the request id has made another change. Also throws
   * `InvalidArgumentError`, `UnknownCampaignError`, `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * const { closesAt, perUser } = await launch.update({ closesAt: null, perUser: 2, requestId: 'longer' });
   * ```
   */
  update(change: CampaignUpdate): Promise<RunningRules>;

  /**
   * Pauses the campaign: `issue()` answers `paused`. A repeat of an earlier call still finds its coupon. One round
   * trip. Throws `CampaignConflictError` (closed for good), `UnknownCampaignError`, `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * await launch.pause();
   * ```
   */
  pause(): Promise<void>;

  /**
   * Ends a pause. One round trip. Throws the errors of `pause`.
   *
   * @example
   * ```ts
   * await launch.resume();
   * ```
   */
  resume(): Promise<void>;

  /**
   * Changes the pace of a campaign: how fast its workers go, all of them together. Returns the pace that holds now. An
   * absent field stays as it is; `null` removes its cap. Each worker of every process follows within one `intervalMs`.
   * `inspect()` shows the pace. A closed campaign has a pace too, until everything is settled.
   *
   * A wave that came keeps the places that it has left, unless the change takes a wave out of the list. Two round
   * trips, one for the first change. Throws `CampaignConflictError` (`admitPerSecond` or `waves` without a waiting
   * room: nothing was changed), `InvalidArgumentError`, `UnknownCampaignError`, `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * await launch.setPace({ savesPerSecond: 100 / 60 });
   * const { savesPerSecond } = await launch.setPace({ savesPerSecond: null });
   * ```
   */
  setPace(change: PaceChange): Promise<Pace>;

  /**
   * Admits the first `count` users (1–1,000,000) of the line, in the order of their tickets. One script takes them
   * from the line and reserves for them. Deliver, save and confirm follow as in `issue()`. Settle finishes the rest;
   * no user goes back into the line.
   *
   * Two round trips for the line. Per batch two more to Redis, up to two messages to watchers, and one statement in the
   * database. Throws `InvalidArgumentError`, `UnknownCampaignError`, `CampaignConflictError` (no waiting room),
   * `MisconfiguredError`, `NotReadyError`, `RedisError` (settle finishes admitted users after their lease).
   *
   * @example
   * ```ts
   * const result = await launch.admit({ count: 100 });
   * if (result.status === 'admitted') console.log(result.issued, result.waiting);
   * ```
   */
  admit(options: { count: number }): Promise<AdmitResult>;

  /**
   * Closes a campaign for good. Reservations are still settled. With `retainMs` (0 to ten years), all keys expire
   * together that long after the close, but not while something is reserved. If Redis loses them after that instant, the
   * campaign counts as over, so settle first, and look into the quarantine. By default the keys stay. Users in line get
   * `closed`: one more round trip per 500 users. The keys of a campaign with a line stay for a minute at least.
   *
   * One round trip, two with `retainMs`. Throws `CampaignConflictError` (closed with another `retainMs`),
   * `InvalidArgumentError`, `UnknownCampaignError`, `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * await launch.closeForGood({ retainMs: 30 * 86_400_000 });
   * ```
   */
  closeForGood(options?: { retainMs?: number | undefined }): Promise<void>;

  /**
   * Removes a campaign that is closed, for good or by time, from Redis: all its keys at once, and its entry in the
   * registry. The rows in your database stay. Use it for campaigns that were closed without `retainMs`, and for entries
   * with expired keys.
   *
   * Five round trips. Throws `CampaignConflictError` (not closed, or something is reserved: nothing was removed; or it
   * was purged before), `UnknownCampaignError`, `RedisError`.
   *
   * @example
   * ```ts
   * await launch.purge();
   * ```
   */
  purge(): Promise<void>;
}
