import type { IncomingMessage, RequestListener } from 'node:http';
import { createServer } from 'node:http';
import express, { json, raw, text } from 'express';
import Koa from 'koa';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { CouponIssuer } from '../../src/index.js';
import { type NodeHandler, type NodeHandlerOptions, nodeHandler } from '../../src/web/index.js';
import { mockIssuer } from '../mock/support.js';
import { own } from '../support/checks/own.js';
import { ScriptedPersistence } from '../support/scenes/campaigns.js';
import { expectProblem, listen, USER } from './support.js';

let issuer: CouponIssuer;
let persistence: ScriptedPersistence;
beforeEach(async () => {
  persistence = new ScriptedPersistence();
  issuer = mockIssuer({ persistence });
  await issuer.campaign('launch').open({ stock: { kind: 'counted', total: 3, generateCodes: true } });
});
afterEach(() => issuer.close());

type Shown = IncomingMessage & { readonly shopUser?: string };
const options: NodeHandlerOptions<Shown> = {
  campaigns: ['launch'],
  user: ({ shopUser, headers }) => shopUser ?? (headers[USER] as string | undefined),
};
const coupons = (more: Partial<NodeHandlerOptions<Shown>> = {}): NodeHandler<Shown> =>
  nodeHandler(issuer, { ...options, ...more });

async function served(app: RequestListener): Promise<string> {
  const { port } = await own(listen(createServer(app)));
  return `http://127.0.0.1:${port}`;
}
const issue = (url: string, body?: string) =>
  fetch(`${url}/launch/issue`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', [USER]: 'kim' },
    ...(body !== undefined && { body }),
  });

test('Express mounts the routes beside its own, and answers the rest itself', async () => {
  const app = express();
  app.use('/coupons', coupons());
  app.get('/coupons/launch/terms', (_, response) => response.end('terms'));
  const url = await served(app);
  expect((await issue(`${url}/coupons`)).status).toBe(201);
  expect(await (await fetch(`${url}/coupons/launch/terms`)).text()).toBe('terms');
  expect((await fetch(`${url}/coupons`)).headers.get('content-type')).toMatch(/^text\/html/);
});

test('a body that a parser of Express has read is used', async () => {
  const app = express();
  app.use(json());
  app.use('/coupons', coupons({ data: ({ source }) => ({ source: String(source) }) }));
  const url = await served(app);
  expect((await issue(`${url}/coupons`, '{"source":"mail"}')).status).toBe(201);
  const [row] = await persistence.rows('launch');
  expect(row).toMatchObject({ data: { source: 'mail' } });
});

test('a body that a parser of Express has read has the same limit as any other', async () => {
  const app = express();
  app.use(json());
  app.use('/coupons', coupons());
  const url = await served(app);
  const deep = `{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`;
  for (const body of [
    JSON.stringify({ source: 'x'.repeat(50_000) }),
    JSON.stringify({ source: '\u20ac'.repeat(1_400) }),
    deep,
  ]) {
    await expectProblem(await issue(`${url}/coupons`, body), 413);
  }
  expect(persistence.saves).toEqual([]);
  expect((await issue(`${url}/coupons`, JSON.stringify({ source: 'x'.repeat(4_000) }))).status).toBe(201);
});

test('a body that a parser of Express has read as text is used', async () => {
  const app = express();
  app.use(text({ type: '*/*' }));
  app.use('/coupons', coupons());
  const url = `${await served(app)}/coupons`;
  expect((await issue(url, '{"source":"mail"}')).status).toBe(201);
  expect((await issue(url)).status).toBe(200);
  await expectProblem(await issue(url, '{'), 400);
  await expectProblem(await issue(url, JSON.stringify({ source: 'x'.repeat(5_000) })), 413);
});

test('a body that was read and kept elsewhere is a fault of the server, and nothing is issued', async () => {
  const heard: unknown[] = [];
  const answer = coupons({ onError: (error) => heard.push(error) });
  const url = await served(async (request, response) => {
    for await (const _ of request);
    await answer(request, response);
  });
  await expectProblem(await issue(url, '{}'), 500);
  expect(String(heard[0])).toContain('leave it in request.body');
  expect(persistence.saves).toEqual([]);
  expect((await issue(url)).status).toBe(201);
});

test('Koa gives the answer to the routes, with a user that it knows', async () => {
  const answer = coupons();
  const app = new Koa();
  app.use(async (ctx, next) => {
    ctx.respond = false;
    await answer(Object.assign(ctx.req, { shopUser: 'lee' }), ctx.res, () => {
      ctx.respond = true;
      return next();
    });
  });
  app.use((ctx) => {
    ctx.body = 'the shop';
  });
  const url = await served(app.callback());
  expect((await issue(url)).status).toBe(201);
  expect((await issuer.campaign('launch').userStatus({ userId: 'lee' })).status).toBe('issued');
  expect(await (await fetch(url)).text()).toBe('the shop');
});

test('Koa waits for the routes after these, and hears of their errors', async () => {
  const answer = coupons();
  const failed: unknown[] = [];
  const app = new Koa();
  app.silent = true;
  app.use(async (ctx, next) => {
    await next().catch((error: unknown) => {
      failed.push(error);
      ctx.status = 502;
    });
  });
  app.use(async (ctx, next) => {
    ctx.respond = false;
    await answer(ctx.req, ctx.res, () => {
      ctx.respond = true;
      return next();
    });
  });
  const broken = new Error('the shop is broken');
  app.use(async (ctx) => {
    await new Promise((resolve) => setImmediate(resolve));
    if (ctx.path === '/broken') throw broken;
    ctx.body = 'the shop';
  });
  const url = await served(app.callback());
  expect(await (await fetch(url)).text()).toBe('the shop');
  expect((await fetch(`${url}/broken`)).status).toBe(502);
  expect(failed).toEqual([broken]);
});

test('a body that a parser of Express has left as bytes is a fault of the server', async () => {
  const heard: unknown[] = [];
  const app = express();
  app.use(raw({ type: 'application/json' }));
  app.use(coupons({ onError: (error) => heard.push(error) }));
  await expectProblem(await issue(await served(app), '{"source":"mail"}'), 500);
  expect(String(heard[0])).toContain('let a parser of JSON read it');
  expect(persistence.saves).toEqual([]);
});

test('headers that were set before are sent along', async () => {
  const answer = coupons();
  const url = await served((request, response) => {
    response.setHeader('Access-Control-Allow-Origin', 'https://shop.test');
    return answer(request, response);
  });
  const response = await issue(url);
  expect(response.headers.get('access-control-allow-origin')).toBe('https://shop.test');
  await response.body?.cancel();
});

test('without a next every other path is a problem', async () => {
  const url = await served(coupons());
  await expectProblem(await fetch(`${url}/elsewhere`), 404);
});
