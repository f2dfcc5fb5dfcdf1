import type { IncomingMessage, ServerResponse } from 'node:http';
import { bodyOf, notFound } from '../web/fetch.js';
import { bodyOf as bodyOfMessage, bytesOf, headerOf, send, signalOf } from '../web/node.js';
import { Dashboard } from './dashboard.js';
import { checkedDashboard, type DashboardOptions, type ShownIssuer } from './options.js';

export type { DashboardOptions, DashboardUser, ShownCampaign, ShownIssuer } from './options.js';

/**
 * Makes the dashboard as a function from a `Request` to a `Response`: a page, and the API of that page. Operators see
 * every campaign, find coupons, and steer, as far as `authorize` lets them. Each change is an `audit` event.
 *
 * Codes are masked for everybody. The page docs/dashboard.md says how to mount it. It never rejects, and it has no I/O
 * before a request. Throws `InvalidArgumentError` for an option outside its range.
 *
 * @example
 * ```ts
 * import { dashboard } from 'coupon-issuer/dashboard';
 *
 * const operators = new Map([['s3ss10n', { role: 'write', name: 'kim' } as const]]);
 * const answer = dashboard(issuer, {
 *   authorize: (request) => operators.get(request.headers.get('x-session') ?? '') ?? null,
 * });
 * const { status } = await answer(new Request('http://localhost/'));
 * ```
 */
export function dashboard(issuer: ShownIssuer, options: DashboardOptions): (request: Request) => Promise<Response> {
  const { authorize, ...own } = checkedDashboard('dashboard', options);
  const served = new Dashboard(issuer, own);
  return async (request) => {
    const url = new URL(request.url);
    const answer = await served.answer({
      method: request.method,
      path: url.pathname,
      header: (name) => request.headers.get(name),
      host: () => url.host,
      user: () => authorize(request),
      body: () => bodyOf(request),
      file: () => bodyOf(request),
      signal: () => request.signal,
    });
    const { status, headers, body } = answer ?? notFound();
    return new Response(body, { status, headers });
  };
}

/**
 * The same dashboard for Express and `http.createServer`. A path that is none of the dashboard goes to `next`; without a
 * `next` it gets 404. In Express, `app.use('/admin', …)` takes the path off, so `basePath` stays away.
 *
 * Throws `InvalidArgumentError` for an option outside its range.
 *
 * @example
 * ```ts
 * import { createServer } from 'node:http';
 * import { nodeDashboard } from 'coupon-issuer/dashboard';
 *
 * const operators = new Map([['s3ss10n', { role: 'read', name: 'lee' } as const]]);
 * const authorize = ({ headers }: { headers: { cookie?: string | undefined } }) =>
 *   operators.get(headers.cookie ?? '') ?? null;
 * createServer(nodeDashboard(issuer, { authorize, hosts: ['127.0.0.1:3001'] })).listen(3001, '127.0.0.1');
 * ```
 */
export function nodeDashboard<Req extends IncomingMessage = IncomingMessage>(
  issuer: ShownIssuer,
  options: DashboardOptions<Req>,
): (request: Req, response: ServerResponse, next?: () => unknown) => Promise<void> {
  const { authorize, ...own } = checkedDashboard('nodeDashboard', options);
  const served = new Dashboard(issuer, own);
  return async (request, response, next) => {
    const signal = signalOf(request, response);
    const answer = await served.answer({
      method: request.method ?? '',
      path: (request.url ?? '').split('?')[0]!,
      header: (name) => headerOf(request, name),
      host: () => headerOf(request, ':authority') ?? '',
      user: () => authorize(request),
      body: () => bodyOfMessage(request),
      file: () => bytesOf(request),
      signal,
    });
    // Koa waits for the routes after this one, and hears of their errors.
    if (answer === null && next) await next();
    else await send(request, response, answer ?? notFound(), signal);
  };
}
