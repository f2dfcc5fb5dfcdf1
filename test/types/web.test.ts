import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expectTypeOf, test } from 'vitest';
import type { FetchHandler, NodeHandler } from '../../src/web/index.js';

/** A request of Next.js, as far as a route handler sees it. */
interface NextRequest extends Request {
  readonly cookies: ReadonlyMap<string, string>;
  readonly nextUrl: URL;
}

describe('the handlers of coupon-issuer/web', () => {
  test('are route handlers of the App Router, as a route file exports them', () => {
    type Route = (
      request: NextRequest,
      context: { params: Promise<Record<string, string | string[] | undefined>> },
    ) => Response | Promise<Response>;
    expectTypeOf<FetchHandler>().toExtend<Route>();
  });

  test('are what fetch servers take: with the request alone, or with what the server adds', () => {
    expectTypeOf<FetchHandler>().toExtend<(request: Request) => Promise<Response>>();
    expectTypeOf<FetchHandler>().toExtend<(request: Request, server: { port: number }) => Promise<Response>>();
    expectTypeOf<FetchHandler<{ user: string }>>().parameters.toEqualTypeOf<[Request, { user: string }]>();
  });

  test('are listeners of Node, and middleware', () => {
    expectTypeOf<NodeHandler>().toExtend<(request: IncomingMessage, response: ServerResponse) => Promise<void>>();
    type Middleware = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => unknown;
    expectTypeOf<NodeHandler>().toExtend<Middleware>();
  });
});
