import { isReason } from '../model/check.js';
import { read } from '../model/foreign.js';
import { HttpProblem, ofShop } from '../web/answer.js';
import { isJson } from '../web/routes.js';
import type { DashboardCall } from './dashboard.js';
import type { CheckedDashboard, DashboardUser } from './options.js';

/** A page of another site sends this header only if the server allows it first, and this one never does. */
const CSRF_HEADER = 'x-coupon-issuer';

/** A name that an attacker bound to this server is another host. */
export function assertHost({ header, host }: DashboardCall, { hosts }: CheckedDashboard): void {
  const asked = (header('host') ?? host()).toLowerCase();
  if (hosts && !hosts.has(asked)) throw new HttpProblem(403, 'this host is not served: add it to the option hosts');
}

/** The type of a file, which no form of another site sends either. */
const BYTES = 'application/octet-stream';

/** Only the page itself calls the API: neither a form nor a script of another site. `isFile`: a file comes with it. */
export function assertOwnPage({ header, host }: DashboardCall, { hosts }: CheckedDashboard, isFile: boolean): void {
  const type = header('content-type');
  const isOfPage = isFile ? type === BYTES : isJson(type);
  if (!isOfPage) throw new HttpProblem(415, `send a Content-Type of ${isFile ? BYTES : 'application/json'}`);
  if (header(CSRF_HEADER) !== 'dashboard') throw new HttpProblem(403, `send the header ${CSRF_HEADER}: dashboard`);
  const origin = header('origin');
  if (origin === null) return;
  const from = read(() => new URL(origin).host) ?? '';
  const isOwn = hosts ? hosts.has(from) : from === (header('host') ?? host()).toLowerCase();
  if (!isOwn) throw new HttpProblem(403, 'this is a page of another origin: only the dashboard itself may ask');
}

/** Throws `HttpProblem` for nobody and for an odd answer. Rejects with what `authorize` threw. */
export async function userOf(call: DashboardCall): Promise<DashboardUser> {
  const given: unknown = await ofShop(call.user);
  if (given === null) throw new HttpProblem(401, 'log in first');
  const [role, name] = [read(() => (given as DashboardUser).role), read(() => (given as DashboardUser).name)];
  if ((role !== 'read' && role !== 'write') || !isReason(name)) {
    throw new TypeError("authorize must return null, or { role: 'read' | 'write', name }; the request was refused");
  }
  return { role, name };
}
