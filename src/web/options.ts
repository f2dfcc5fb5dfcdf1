import type { UserCalls } from '../campaign/user-calls.js';
import type { JsonObject } from '../model/caller-data.js';
import { assertFunction, assertInteger, assertName, ownCopy } from '../model/check.js';
import { invalid } from '../model/errors.js';
import { DEFAULT_KEEP_ALIVE_MS } from '../model/event-format.js';

/** The part of an issuer that the routes use. */
export interface RoutedIssuer {
  campaign(id: string): UserCalls;
}

/** The id of the user that is logged in, or none. */
export type AskedUser = string | null | undefined | PromiseLike<string | null | undefined>;

/** The data of a call, or none. */
export type PickedData = JsonObject | undefined | PromiseLike<JsonObject | undefined>;

/** The options of `handler` and of `nodeHandler`, without `user`. */
export interface RouteOptions {
  /**
   * The campaigns that these routes serve: their ids, or a function that says yes with `true`. Every other id gets 404,
   * without any I/O. The function is asked for well-formed ids alone, by users that are logged in.
   */
  readonly campaigns: readonly string[] | ((campaignId: string, userId: string) => boolean | PromiseLike<boolean>);
  /** The path before `/{campaign}/{route}`, such as `/coupons`. Default: none. */
  readonly basePath?: string | undefined;
  /**
   * Returns the `data` of `issue()` and `join()` from the body of the request, a JSON object: `{}` where there is no
   * body. Pick each field, because the user wrote the body. Default: no data. An `InvalidArgumentError` of it is
   * a 400.
   */
  readonly data?: ((body: JsonObject) => PickedData) | undefined;
  /** How often an event stream sends a comment: 1,000–600,000 ms, default 15,000. */
  readonly keepAliveMs?: number | undefined;
  /** The event streams that are open at once: 1–1,000,000, default 10,000. One more gets 503. */
  readonly maxStreams?: number | undefined;
  /** The same for one user: 1–1,000, default 6. One more gets 429. */
  readonly maxStreamsPerUser?: number | undefined;
  /**
   * Receives each error whose answer is 500 or above, and each fault of an event stream. `instance` is the one of the
   * problem that the client got.
   */
  readonly onError?: ((error: unknown, problem: { instance: string; status: number }) => void) | undefined;
}

export interface CheckedRouteOptions {
  readonly serves: (campaignId: string) => boolean;
  readonly mayUse: (campaignId: string, userId: string) => boolean | PromiseLike<boolean>;
  readonly basePath: string;
  readonly data: ((body: JsonObject) => PickedData) | null;
  readonly keepAliveMs: number;
  readonly maxStreams: number;
  readonly maxStreamsPerUser: number;
  readonly onError: NonNullable<RouteOptions['onError']>;
}

const NAMES = ['campaigns', 'user', 'basePath', 'data', 'keepAliveMs', 'maxStreams', 'maxStreamsPerUser', 'onError'];
const BASE_PATH = /^(?:\/[\w.~-]+)*$/;

/** Throws `InvalidArgumentError`. `call`: the function whose options these are. */
export function checkedRouteOptions(
  call: string,
  given: RouteOptions & { readonly user: unknown },
): CheckedRouteOptions {
  const own = ownCopy(`the second argument of ${call}()`, given, NAMES);
  const { campaigns, basePath = '', data = null, keepAliveMs = DEFAULT_KEEP_ALIVE_MS } = own;
  const { maxStreams = 10_000, maxStreamsPerUser = 6, onError = () => {} } = own;
  if (typeof own.user !== 'function') throw invalid('user', 'must be a function');
  if (typeof basePath !== 'string' || !BASE_PATH.test(basePath)) {
    throw invalid('basePath', "must be a path such as '/coupons', without a slash at its end");
  }
  for (const [name, value] of Object.entries({ data: own.data, onError })) assertFunction(name, value);
  assertInteger('keepAliveMs', keepAliveMs, 1_000, 600_000);
  assertInteger('maxStreams', maxStreams, 1, 1_000_000);
  assertInteger('maxStreamsPerUser', maxStreamsPerUser, 1, 1_000);
  return { ...served(campaigns), basePath, data, keepAliveMs, maxStreams, maxStreamsPerUser, onError };
}

function served(campaigns: RouteOptions['campaigns']): Pick<CheckedRouteOptions, 'serves' | 'mayUse'> {
  if (typeof campaigns === 'function') return { serves: () => true, mayUse: campaigns };
  if (!Array.isArray(campaigns)) throw invalid('campaigns', 'must be an array of ids, or a function');
  for (const [i, id] of campaigns.entries()) assertName(`campaigns[${i}]`, id);
  const ids = new Set<string>(campaigns);
  return { serves: (campaignId) => ids.has(campaignId), mayUse: () => true };
}
