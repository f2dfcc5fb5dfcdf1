import type { Campaign } from '../campaign/campaign.js';
import type { CouponIssuer } from '../issuer.js';
import { assertFunction, ownCopy } from '../model/check.js';
import { invalid } from '../model/errors.js';

/** The part of an issuer that the dashboard uses. */
export interface ShownIssuer
  extends Pick<CouponIssuer, 'id' | 'campaigns' | 'coupons' | 'findByCode' | 'workers' | 'audit'> {
  campaign(id: string): ShownCampaign;
}

/** The part of a campaign that the dashboard uses. */
export type ShownCampaign = Pick<
  Campaign,
  | 'inspect'
  | 'userStatus'
  | 'tally'
  | 'loads'
  | 'loadCodes'
  | 'coupons'
  | 'quarantine'
  | 'reconcile'
  | 'pause'
  | 'resume'
  | 'setPace'
  | 'update'
  | 'restock'
  | 'closeForGood'
>;

/** A person at the dashboard. */
export interface DashboardUser {
  /** `read` sees everything but codes, and changes nothing. */
  readonly role: 'read' | 'write';
  /** For `audit` events: 1–128 bytes without control characters. */
  readonly name: string;
}

export interface DashboardOptions<Req = Request> {
  /**
   * Returns the person that asks, from a session or a header that your server has checked; `null`: nobody, who gets 401. It is
   * asked on every request. If it throws, or returns anything else, the request gets 403.
   */
  readonly authorize: (request: Req) => DashboardUser | null | PromiseLike<DashboardUser | null>;
  /**
   * The values of `Host` that are answered, such as `admin.shop.example` or `127.0.0.1:8080`; 1–100 of them. Give them
   * where a browser reaches the server without a proxy that checks it. Default: every host.
   */
  readonly hosts?: readonly string[] | undefined;
  /** The path before the dashboard, such as `/admin/coupons`. Default: none. */
  readonly basePath?: string | undefined;
  /** Receives each error whose answer is 500 or above, and each error of `authorize`. `instance` is the one of the problem. */
  readonly onError?: ((error: unknown, problem: { instance: string; status: number }) => void) | undefined;
}

export interface CheckedDashboard {
  readonly hosts: ReadonlySet<string> | null;
  readonly basePath: string;
  readonly onError: NonNullable<DashboardOptions['onError']>;
}

const BASE_PATH = /^(?:\/[\w.~-]+)*$/;
const HOST = /^[a-z0-9.[\]:-]{1,260}$/;

/** Throws `InvalidArgumentError`. `call`: the function whose options these are. */
export function checkedDashboard<Req>(
  call: string,
  given: DashboardOptions<Req>,
): CheckedDashboard & Pick<DashboardOptions<Req>, 'authorize'> {
  const own = ownCopy(`the second argument of ${call}()`, given, ['authorize', 'hosts', 'basePath', 'onError']);
  const { authorize, hosts, basePath = '', onError = () => {} } = own;
  if (typeof authorize !== 'function') throw invalid('authorize', 'must be a function: there is no open dashboard');
  if (typeof basePath !== 'string' || !BASE_PATH.test(basePath)) {
    throw invalid('basePath', "must be a path such as '/admin', without a slash at its end");
  }
  assertFunction('onError', onError);
  return { authorize, hosts: hosts === undefined ? null : checkedHosts(hosts), basePath, onError };
}

function checkedHosts(hosts: readonly string[]): Set<string> {
  if (!Array.isArray(hosts) || hosts.length < 1 || hosts.length > 100) {
    throw invalid('hosts', 'must be an array of 1 to 100 hosts');
  }
  const own = hosts.map((host: unknown) => (typeof host === 'string' ? host.toLowerCase() : ''));
  const odd = own.findIndex((host) => !HOST.test(host));
  if (odd !== -1) throw invalid(`hosts[${odd}]`, "must be a host such as 'admin.shop.example' or '127.0.0.1:8080'");
  return new Set(own);
}
