// What the tests use of frameworks that bring no types.
declare module 'express' {
  import type { IncomingMessage, ServerResponse } from 'node:http';

  type Handler = (request: unknown, response: ServerResponse & { set(headers: object): void }) => void;
  type Middleware = (request: IncomingMessage, response: ServerResponse, next: () => void) => unknown;
  interface App {
    (request: IncomingMessage, response: ServerResponse): void;
    get(path: string, handler: Handler): void;
    use(handler: Middleware): void;
    use(path: string, handler: Middleware): void;
  }
  export function json(): Middleware;
  export function raw(options: { type: string }): Middleware;
  export function text(options: { type: string }): Middleware;
  export default function express(): App;
}

declare module 'koa' {
  import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

  interface Context {
    set(headers: object): void;
    body: unknown;
    status: number;
    readonly path: string;
    respond: boolean;
    readonly req: IncomingMessage;
    readonly res: ServerResponse;
  }
  export default class Koa {
    silent: boolean;
    use(handler: (ctx: Context, next: () => Promise<void>) => unknown): void;
    callback(): RequestListener;
  }
}
