import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { CouponIssuer } from '../../src/index.js';
import { nodeHandler } from '../../src/web/index.js';
import { blocksOf } from '../docs/markdown.js';
import { mockIssuer } from '../mock/support.js';
import { startBrowser, Visitor } from '../support/actors/browser.js';
import { own } from '../support/checks/own.js';
import { ScriptedPersistence } from '../support/scenes/campaigns.js';
import { listen } from './support.js';

/** The page of docs/http.md, as it is printed. */
const PAGE = blocksOf('docs/http.md').find(({ language }) => language === 'html')!.text;

let browser: Browser;
let issuer: CouponIssuer;
let persistence: ScriptedPersistence;
beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(() => browser.close());
beforeEach(async () => {
  persistence = new ScriptedPersistence();
  issuer = mockIssuer({ persistence });
  const stock = { kind: 'counted', total: 9, generateCodes: true } as const;
  // Two coupons, so that a second attempt would get a second one.
  await issuer.campaign('launch').open({ stock, perUser: 2 });
  await issuer.campaign('line').open({ stock, admission: 'queued' });
});
afterEach(() => issuer.close());

/** Answers a request in place of the routes: `true` if it did. */
type Fault = (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;

async function shop(...faults: Fault[]) {
  const asked: string[] = [];
  const coupons = nodeHandler(issuer, {
    campaigns: ['launch', 'line'],
    basePath: '/coupons',
    user: ({ headers }) => /session=(\w+)/.exec(headers.cookie ?? '')?.[1],
  });
  const answer: RequestListener = async (request, response) => {
    const { url, headers } = request;
    if (url === '/favicon.ico') return response.writeHead(204).end();
    if (url === '/')
      return response.writeHead(200, { 'content-type': 'text/html', 'set-cookie': 'session=kim' }).end(PAGE);
    asked.push(`${url} ${headers['idempotency-key'] ?? headers['last-event-id'] ?? ''}`.trim());
    if (!(await faults.shift()?.(request, response))) await coupons(request, response);
  };
  const server = createServer(answer);
  const { port } = await own(listen(server));
  const { page } = await own(Visitor.arrive(browser));
  await page.goto(`http://127.0.0.1:${port}/`);
  const words = () => page.locator('#words').textContent();
  return { page, port, asked, server, words };
}

const refused =
  (status: number): Fault =>
  (_, response) => {
    response.writeHead(status, { 'retry-after': '1' }).end();
    return true;
  };

test('the page of the docs asks again under one Idempotency-Key, and a coupon whose answer was lost is found', async () => {
  const lost: Fault = async (request) => {
    const requestId = request.headers['idempotency-key'] as string;
    await issuer.campaign('launch').issue({ userId: 'kim', requestId });
    request.socket.destroy();
    return true;
  };
  const { page, asked, words } = await shop(refused(503), lost);
  await page.getByRole('button', { name: 'Get a coupon' }).click();
  await expect.poll(words, { timeout: 20_000 }).toMatch(/^[0-9A-Z]{13}$/);
  const rows = await persistence.rows('launch');
  expect(rows.map(({ code }) => code)).toEqual([await words()]);
  expect(asked.length).toBeGreaterThanOrEqual(3);
  expect(new Set(asked).size).toBe(1);
  await page.reload();
  await page.getByRole('button', { name: 'Get a coupon' }).click();
  await expect.poll(words, { timeout: 20_000 }).toBe(rows[0]!.code);
  expect(await persistence.rows('launch')).toHaveLength(1);
});

test('the page of the docs follows its place over a cut stream and a 503, and asks no more after the coupon', async () => {
  const none: Fault = () => false;
  const { page, asked, server, words } = await shop(none, none, refused(503));
  await page.getByRole('button', { name: 'Join the line' }).click();
  await expect.poll(words, { timeout: 20_000 }).toBe('number 1');
  await expect.poll(() => asked.length, { timeout: 20_000 }).toBe(2);
  server.closeAllConnections();
  // The browser comes back and hears 503, and then the page does.
  await expect.poll(() => asked.length, { timeout: 20_000 }).toBe(4);
  await issuer.campaign('line').admit({ count: 1 });
  await expect.poll(words, { timeout: 20_000 }).toMatch(/^[0-9A-Z]{13}$/);
  const [row] = await persistence.rows('line');
  expect(row!.code).toBe(await words());
  expect(asked).toHaveLength(4);
});

test('the page of the docs asks under a new key after a coupon was revoked with again', async () => {
  const { page, asked, words } = await shop();
  const keys = () => asked.filter((one) => one.startsWith('/coupons/line/join')).map((one) => one.split(' ')[1]);
  const press = () => page.getByRole('button', { name: 'Join the line' }).click();
  const served = async () => {
    await expect.poll(words, { timeout: 20_000 }).toBe('number 1');
    await issuer.campaign('line').admit({ count: 1 });
    await expect.poll(words, { timeout: 20_000 }).toMatch(/^[0-9A-Z]{13}$/);
    return (await words())!;
  };
  await press();
  for (const revocationId of ['first', 'second']) {
    const code = await served();
    await issuer.campaign('line').revoke({ code, revocationId, again: true });
    await press();
    await expect.poll(words, { timeout: 20_000 }).toMatch(/revoked/i);
    await press();
  }
  await served();
  expect(keys()).toHaveLength(5);
  expect(new Set(keys()).size).toBe(3);
});

test('the page of the docs asks again while a coupon of before is being saved', async () => {
  await issuer.campaign('launch').issue({ userId: 'kim' });
  const saving: Fault = (_, response) => {
    const body = {
      status: 'already_issued',
      coupons: [
        { state: 'revoked', code: null },
        { state: 'reserved', code: null },
      ],
    };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    return true;
  };
  const { page, asked, words } = await shop(saving);
  await page.getByRole('button', { name: 'Get a coupon' }).click();
  await expect.poll(words, { timeout: 20_000 }).toMatch(/^[0-9A-Z]{13}$/);
  expect(asked).toHaveLength(2);
});

test('a page of another origin issues nothing: its form has the wrong type, and its script may not ask', async () => {
  const { page, port, asked } = await shop();
  const form = `<form method="post" enctype="text/plain" action="http://127.0.0.1:${port}/coupons/launch/issue"><input name='{"a":"' value='"}'></form>`;
  const other = await own(
    listen(createServer((_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end(form))),
  );
  await page.goto(`http://127.0.0.1:${other.port}/`);
  const script = `fetch('http://127.0.0.1:${port}/coupons/launch/issue', { method: 'POST', credentials: 'include', headers: { 'Content-Type': 'application/json' } }).then(() => 'answered', () => 'refused')`;
  expect(await page.evaluate(script)).toBe('refused');
  const [response] = await Promise.all([page.waitForNavigation(), page.evaluate('document.forms[0].submit()')]);
  expect(response!.status()).toBe(415);
  expect(asked).toHaveLength(2);
  expect(await persistence.rows('launch')).toEqual([]);
});
