import type { IncomingMessage, ServerResponse } from 'node:http';
import { onAbort } from '../flow/abort-group.js';
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
    const signal = signalOf(request, response);
    const answer = await routes.answer({
      method: request.method ?? '',
      path: (request.url ?? '').split('?')[0]!,
      header: (name) => headerOf(request, name),
      user: () => user(request),
      body: () => bodyOf(request),
      signal,
    });
    // Koa waits for the routes after this one, and hears of their errors.
    if (answer === null && next) await next();
    else await send(request, response, answer ?? notFound(), signal);
  };
}

export function headerOf({ headers }: IncomingMessage, name: string): string | null {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : (value ?? null);
}

/** The part of a stream of HTTP/2 that is needed here. */
interface Http2Stream {
  readonly destroyed: boolean;
  readonly endAfterHeaders: boolean;
  once(event: 'close', listener: () => void): unknown;
  close(code: number): void;
}

function http2StreamOf(request: IncomingMessage): Http2Stream | undefined {
  return request.httpVersionMajor === 2 ? (request as { readonly stream?: Http2Stream }).stream : undefined;
}

/** Made where it is needed alone: most requests need none. */
export function signalOf(request: IncomingMessage, response: ServerResponse): () => AbortSignal {
  let signal: AbortSignal | null = null;
  return () => {
    if (signal) return signal;
    const leaving = new AbortController();
    signal = leaving.signal;
    // A response that waits behind another one of its connection hears of no end.
    const forget = onAbort(endOf(http2StreamOf(request) ?? request.socket), () => leaving.abort());
    if (response.destroyed) leaving.abort();
    response.once('close', () => {
      forget();
      leaving.abort();
    });
    return signal;
  };
}

type Connection = Pick<Http2Stream, 'destroyed' | 'once'>;

const ends = new WeakMap<Connection, AbortSignal>();

/** One for all requests of a connection, because Node warns from the eleventh listener on. */
function endOf(connection: Connection): AbortSignal {
  const known = ends.get(connection);
  if (known) return known;
  const end = new AbortController();
  if (connection.destroyed) end.abort();
  else connection.once('close', () => end.abort());
  ends.set(connection, end.signal);
  return end.signal;
}

export function bodyOf(request: IncomingMessage & { readonly body?: unknown }): GivenBody {
  if (ArrayBuffer.isView(request.body)) throw bodyTaken('let a parser of JSON read it, or none');
  return request.body === undefined ? bytesOf(request) : { parsed: request.body };
}

/** The body where no parser in front knows its type. Express 4 calls it `{}` all the same. */
export function bytesOf(request: IncomingMessage): AsyncIterable<Uint8Array> | null {
  if (request.readableDidRead) throw bodyTaken('leave it in request.body');
  // No header tells it: over HTTP/2 a body needs none.
  if (request.readableEnded) return null;
  // Not destroyed when it is too long, or the answer would not arrive either.
  return request.iterator?.({ destroyOnReturn: false }) ?? request;
}

export async function send(
  request: IncomingMessage,
  response: ServerResponse,
  answer: RouteAnswer,
  signal: () => AbortSignal,
): Promise<void> {
  const { status, headers, body } = answer;
  if (response.destroyed || response.headersSent) {
    if (body !== null && typeof body !== 'string') await body.cancel();
    return;
  }
  // The rest of a body that was not read is not waited for.
  const unread = request.httpVersionMajor === 1 && !request.complete ? { Connection: 'close' } : {};
  if (body !== null && typeof body !== 'string') {
    response.writeHead(status, { ...headers, ...unread });
    await pump(body, response, signal());
    return;
  }
  const bytes = body === null ? null : new TextEncoder().encode(body);
  response.writeHead(status, { ...headers, ...unread, ...(bytes && { 'Content-Length': bytes.byteLength }) });
  response.end(bytes ?? undefined);
  const stream = http2StreamOf(request);
  if (!stream || stream.endAfterHeaders || request.readableEnded) return;
  // Tells the client to send no more, once the answer is sent. A stream ends when its rest is read.
  stream.close(0);
  request.resume();
}

/** Reads on only when the client took what was written. The stream ends by its signal when the client goes away. */
async function pump(stream: ReadableStream<Uint8Array>, response: ServerResponse, signal: AbortSignal): Promise<void> {
  const reader = stream.getReader();
  // A client that goes away in the middle of a write is no fault.
  response.on('error', () => {});
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done || response.destroyed) break;
      if (!response.write(value)) await drained(response, signal);
    }
    response.end();
  } catch {
    // Cut off, so that the browser connects again.
    response.destroy();
  }
}

function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      response.off('drain', settle);
      unlisten();
      resolve();
    };
    response.once('drain', settle);
    const unlisten = onAbort(signal, () => queueMicrotask(settle));
  });
}
