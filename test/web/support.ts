import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'vitest';
import { handler, nodeHandler, type RoutedIssuer, type RouteOptions } from '../../src/web/index.js';

/** The user of a request is a header here, so that a test is any user it likes. */
export const USER = 'x-user';

export interface Asked {
  readonly method?: string;
  readonly user?: string | null;
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array | ReadableStream<Uint8Array>;
  readonly signal?: AbortSignal;
}

export type Ask = (path: string, asked?: Asked) => Promise<Response>;

export interface Shop {
  readonly ask: Ask;
  stop(): Promise<void>;
}

export type UserOf = (name: string | null) => string | null | Promise<string | null>;

type Options = Partial<RouteOptions> & { readonly userOf?: UserOf };

/** As a page of the shop asks: a POST is JSON. */
function initOf({ method = 'POST', user = 'kim', headers = {}, body, signal }: Asked): RequestInit {
  const json = method === 'POST' ? { 'content-type': 'application/json' } : {};
  const known = user === null ? {} : { [USER]: user };
  return {
    method,
    headers: { ...json, ...known, ...headers },
    ...(body !== undefined && { body, duplex: 'half' as const }),
    ...(signal && { signal }),
  };
}

export const post = (ask: Ask, path: string, asked: Asked = {}): Promise<Response> => ask(path, asked);
export const get = (ask: Ask, path: string, asked: Asked = {}): Promise<Response> =>
  ask(path, { method: 'GET', ...asked });

export function fetchShop(issuer: RoutedIssuer, { userOf = (name) => name, ...options }: Options = {}): Shop {
  const answer = handler(issuer, {
    campaigns: ['launch', 'line'],
    user: ({ headers }) => userOf(headers.get(USER)),
    ...options,
  });
  return {
    ask: (path, asked = {}) => answer(new Request(`http://shop.test${path}`, initOf(asked))),
    stop: async () => {},
  };
}

export async function listen(server: Server): Promise<{ port: number; stop(): Promise<void> }> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stop = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { port: (server.address() as AddressInfo).port, stop };
}

export async function nodeShop(
  issuer: RoutedIssuer,
  { userOf = (name) => name, ...options }: Options = {},
): Promise<Shop & { readonly port: number }> {
  const answer = nodeHandler<IncomingMessage>(issuer, {
    campaigns: ['launch', 'line'],
    user: ({ headers }) => userOf((headers[USER] as string | undefined) ?? null),
    ...options,
  });
  const { port, stop } = await listen(createServer(answer));
  return { port, stop, ask: (path, asked = {}) => fetch(`http://127.0.0.1:${port}${path}`, initOf(asked)) };
}

/** Both forms of the routes: what holds for one holds for the other. */
export const FORMS: [form: string, open: (issuer: RoutedIssuer, options?: Options) => Shop | Promise<Shop>][] = [
  ['the fetch form', fetchShop],
  ['the Node form', nodeShop],
];

export async function expectProblem(response: Response, status: number, type = 'about:blank'): Promise<string> {
  const body = (await response.json()) as { instance: string };
  expect({ status: response.status, ...body }).toEqual({
    type,
    status,
    title: expect.any(String),
    detail: expect.any(String),
    instance: expect.stringMatching(/^urn:uuid:[0-9a-f-]{36}$/),
    ...(type !== 'about:blank' && { ...body }),
  });
  expect(body).toMatchObject({ type, status });
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  expectGuarded(response);
  return body.instance;
}

/** No cache keeps an answer, and no browser takes it for another type. */
export function expectGuarded({ headers }: Response): void {
  expect(headers.get('cache-control')).toMatch(/^no-store(?:, no-transform)?$/);
  expect(headers.get('x-content-type-options')).toBe('nosniff');
}

/** The events of a stream until it ends. */
export async function eventsOf(response: Response): Promise<{ id?: string; data: Record<string, unknown> }[]> {
  const blocks = (await response.text()).split('\n\n').filter((block) => block !== '' && !block.startsWith(':'));
  return blocks.map((block) => {
    const lines = new Map(block.split('\n').map((line) => line.split(/: (.*)/s, 2) as [string, string]));
    const id = lines.get('id');
    return { ...(id !== undefined && { id }), data: JSON.parse(lines.get('data')!) };
  });
}
