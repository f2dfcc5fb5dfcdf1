import { onAbort } from '../flow/abort-group.js';
import { answerOfError, HttpProblem, type RouteAnswer } from './answer.js';
import { bodyTaken, type GivenBody } from './body.js';
import { type AskedUser, checkedRouteOptions, type RoutedIssuer, type RouteOptions } from './options.js';
import { Routes } from './routes.js';

export interface HandlerOptions<Context = unknown> extends RouteOptions {
  /**
   * Returns the id of the user that is logged in: from a session, never a name that the request chose. `null` gets 401.
   * `context` is the second argument of the handler.
   */
  readonly user: (request: Request, context: Context) => AskedUser;
}

/** Answers one request. The second argument goes to `user`: the `c` of Hono, the server of Bun. It never rejects. */
export type FetchHandler<Context = unknown> = (
  request: Request,
  ...rest: unknown extends Context ? [context?: unknown] : [context: Context]
) => Promise<Response>;

/**
 * Makes the routes of the users as a function from a `Request` to a `Response`. It is for Hono, Next.js, Bun, Deno and
 * all that speaks fetch. The routes are `POST /{campaign}/issue`, `join` and `leave`, and `GET /{campaign}/status` and
 * `events`. The page docs/http.md has every status and header.
 *
 * Keep one handler per process, because it counts the open streams. It has no I/O of its own. Throws
 * `InvalidArgumentError` for an option outside its range.
 *
 * @example
 * ```ts
 * import { handler } from 'coupon-issuer/web';
 *
 * const sessions = new Map<string, string>();
 * const user = (request: Request) => sessions.get(request.headers.get('cookie') ?? '');
 * const coupons = handler(issuer, { campaigns: ['launch'], basePath: '/coupons', user });
 * const answer = await coupons(new Request('http://localhost/coupons/launch/status'));
 * ```
 */
export function handler<Context = unknown>(
  issuer: RoutedIssuer,
  options: HandlerOptions<Context>,
): FetchHandler<Context> {
  const routes = new Routes(issuer, checkedRouteOptions('handler', options));
  const { user } = options;
  return async (request, ...[context]) => {
    const answer = await routes.answer({
      method: request.method,
      path: new URL(request.url).pathname,
      header: (name) => request.headers.get(name),
      user: () => user(request, context as Context),
      body: () => bodyOf(request),
      signal: () => signalOf(request),
    });
    const { status, headers, body } = answer ?? notFound();
    return new Response(body, { status, headers });
  };
}

export function bodyOf(request: Request): GivenBody {
  if (request.bodyUsed) throw bodyTaken('give the handler a clone of the request');
  return request.body && untilGone(request.body, signalOf(request));
}

/** Node collects a `Request` that nobody holds, and then its signal is never aborted. */
const requests = new WeakMap<AbortSignal, Request>();

function signalOf(request: Request): AbortSignal {
  const { signal } = request;
  requests.set(signal, request);
  return signal;
}

/** Some servers abort the signal and leave the body open. It counts as cut off then, or nobody would be answered. */
async function* untilGone(body: ReadableStream<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  const end = () => void reader.cancel(signal.reason).catch(() => {});
  const forget = onAbort(signal, end);
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
    signal.throwIfAborted();
  } finally {
    forget();
    end();
  }
}

/** The answer to a path that is none of the routes. */
export function notFound(): RouteAnswer {
  return answerOfError(new HttpProblem(404, 'there is nothing at this path'));
}
