// What the tests use of frameworks that bring no types.
declare module 'express' {
  import type { RequestListener, ServerResponse } from 'node:http';

  type Handler = (request: unknown, response: ServerResponse & { set(headers: object): void }) => void;
  export default function express(): RequestListener & { get(path: string, handler: Handler): void };
}

declare module 'koa' {
  import type { RequestListener } from 'node:http';

  export default class Koa {
    use(handler: (ctx: { set(headers: object): void; body: unknown }) => void): void;
    callback(): RequestListener;
  }
}
