import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RouteAnswer } from './answer.js';
import { bodyTaken, type GivenBody } from './body.js';
import { notFound } from './fetch.js';
import { type AskedUser, checkedRouteOptions, type RoutedIssuer, type RouteOptions } from './options.js';
import { Routes } from './routes.js';

export interface NodeHandlerOptions<Req extends IncomingMessage = IncomingMessage> extends RouteOptions {
  /** Returns the id of the user that is logged in: from a session, never a name that the request chose. `null` gets 401. */
  readonly user: (request: Req) => AskedUser;
}

/** Answers one request. A path that is no route goes to `next`; without a `next` it gets 404. It rejects as `next` does. */
export type NodeHandler<Req extends IncomingMessage = IncomingMessage> = (
  request: Req,
  response: ServerResponse,
  next?: () => unknown,
) => Promise<void>;

/**
 * The same routes as `handler`, for Express, Koa and `http.createServer`. In Express, `app.use('/coupons', …)` takes the
 * path off, so `basePath` stays away. A body that a parser before it has read is taken from `request.body`.
 *
 * Throws `InvalidArgumentError` for an option outside its range.
 *
 * @example
 * ```ts
 * import { createServer } from 'node:http';
 * import { nodeHandler } from 'coupon-issuer/web';
 *
 * const sessions = new Map<string, string>();
 * const user = ({ headers }: { headers: { cookie?: string | undefined } }) => sessions.get(headers.cookie ?? '');
 * createServer(nodeHandler(issuer, { campaigns: ['launch'], user })).listen(3000);
 * ```
 */
export function nodeHandler<Req extends IncomingMessage = IncomingMessage>(
  issuer: RoutedIssuer,
  options: NodeHandlerOptions<Req>,
): NodeHandler<Req> {
  const routes = new Routes(issuer, checkedRouteOptions('nodeHandler', options));
  const { user } = options;
  return async (request, response, next) => {
    const answer = await routes.answer({
      method: request.method ?? '',
      path: (request.url ?? '').split('?')[0]!,
      header: (name) => headerOf(request, name),
      user: () => user(request),
      body: () => bodyOf(request),
      signal: signalOf(response),
    });
    // Koa waits for the routes after this one, and hears of their errors.
    if (answer === null && next) await next();
    else await send(request, response, answer ?? notFound());
  };
}

export function headerOf({ headers }: IncomingMessage, name: string): string | null {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : (value ?? null);
}

/** Made where it is needed alone: most requests need none. */
export function signalOf(response: ServerResponse): () => AbortSignal {
  let leaving: AbortController | null = null;
  return () => {
    if (!leaving) {
      const controller = new AbortController();
      leaving = controller;
      if (response.destroyed) controller.abort();
      else response.once('close', () => controller.abort());
    }
    return leaving.signal;
  };
}

export function bodyOf(request: IncomingMessage & { readonly body?: unknown }): GivenBody {
  if (ArrayBuffer.isView(request.body)) throw bodyTaken('let a parser of JSON read it, or none');
  if (request.body !== undefined) return { parsed: request.body };
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = request.headers;
  if (length === '0' && encoding === undefined) return null;
  if (request.readableEnded) throw bodyTaken('leave it in request.body');
  // Not destroyed when it is too long, or the answer would not arrive either.
  return request.iterator?.({ destroyOnReturn: false }) ?? request;
}

export async function send(request: IncomingMessage, response: ServerResponse, answer: RouteAnswer): Promise<void> {
  const { status, headers, body } = answer;
  if (response.destroyed || response.headersSent) {
    if (body !== null && typeof body !== 'string') await body.cancel();
    return;
  }
  // The rest of a body that was not read is not waited for.
  const unread = request.httpVersionMajor === 1 && !request.complete ? { Connection: 'close' } : {};
  if (body !== null && typeof body !== 'string') {
    response.writeHead(status, { ...headers, ...unread });
    await pump(body, response);
    return;
  }
  const bytes = body === null ? null : new TextEncoder().encode(body);
  response.writeHead(status, { ...headers, ...unread, ...(bytes && { 'Content-Length': bytes.byteLength }) });
  response.end(bytes ?? undefined);
}

/** Reads on only when the client took what was written. The stream ends by its signal when the client goes away. */
async function pump(stream: ReadableStream<Uint8Array>, response: ServerResponse): Promise<void> {
  const reader = stream.getReader();
  // A client that goes away in the middle of a write is no fault.
  response.on('error', () => {});
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done || response.destroyed) break;
      if (!response.write(value)) await drained(response);
    }
    response.end();
  } catch {
    // Cut off, so that the browser connects again.
    response.destroy();
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      response.off('drain', settle);
      response.off('close', settle);
      resolve();
    };
    response.once('drain', settle);
    response.once('close', settle);
  });
}
