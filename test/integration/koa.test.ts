// cspell:ignore fserver
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startBrowser, stumblingBlocks, Visitor } from '../support/actors/browser.js';
import { installed } from '../support/actors/installed.js';
import { own } from '../support/checks/own.js';
import { Database, rowsOf } from '../support/servers/database.js';
import { ownPort } from '../support/servers/port.js';
import { RedisServer } from '../support/servers/redis-server.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SOURCE = join(ROOT, 'examples/koa');
const TOKEN = 'an-operators-token-for-tests';
const PHONE = { viewport: { width: 360, height: 740 } };
/** Where pictures of the pages go, for somebody who wants to look at them. */
const SHOTS = process.env.KOA_SHOTS;

let dir: string;
let server: RedisServer;
let database: Database;
let browser: Browser;
beforeAll(async () => {
  dir = installed('examples/koa');
  [server, database, browser] = await Promise.all([RedisServer.start(), Database.create(), startBrowser()]);
});
afterAll(async () => {
  await browser.close();
  await Promise.all([server.stop(), database.stop()]);
  rmSync(dir, { recursive: true, force: true });
});

function packageOf(file: string) {
  return JSON.parse(readFileSync(join(SOURCE, file), 'utf8'));
}

let campaigns = 0;

interface Call {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

class Example {
  readonly #child: ChildProcess;
  readonly exited: Promise<number | null>;
  readonly campaignId: string;
  port = 0;
  output = '';

  private constructor(env: Record<string, string>) {
    const { PATH = '' } = process.env;
    this.campaignId = env.CAMPAIGN_ID!;
    this.#child = spawn(process.execPath, ['server.js'], { cwd: dir, env: { PATH, PORT: '0', ...env } });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.on('data', (data: Buffer) => {
        this.output += data;
      });
    }
    this.exited = new Promise((resolve) => this.#child.once('close', resolve));
  }

  /** On the real servers; nobody is let through until somebody says so. */
  static start(env: Record<string, string> = {}): Promise<Example> {
    return Example.with({
      ...{ REDIS_URL: `redis://127.0.0.1:${server.port}`, DATABASE_URL: database.url },
      ...{ CAMPAIGN_ID: `koa-${++campaigns}`, OPERATOR_TOKEN: TOKEN, RATE: '0', ...env },
    });
  }

  static async with(env: Record<string, string>): Promise<Example> {
    const example = new Example(env);
    example.port = await new Promise<number>((resolve, reject) => {
      example.#child.stdout!.on('data', () => {
        const port = /the operator: http:\/\/localhost:(\d+)\/operator.*\n/.exec(example.output)?.[1];
        if (port) resolve(Number(port));
      });
      example.exited.then(() => reject(new Error(`the example ended: ${example.output}`)));
    });
    return example;
  }

  /** Its output when it refuses to start. */
  static async refused(env: Record<string, string>): Promise<{ code: number | null; output: string }> {
    const example = new Example(env);
    return { code: await example.exited, output: example.output };
  }

  url(path = '/'): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  fetch(path: string, { method = 'GET', headers = {}, body }: Call = {}): Promise<Response> {
    return fetch(this.url(path), { method, headers, ...(body !== undefined && { body }) });
  }

  /** A route of the line, as the page asks for it. */
  line(verb: 'join' | 'leave' | 'events', headers: Record<string, string> = {}): Promise<Response> {
    const path = `/api/line/${this.campaignId}/${verb}`;
    if (verb === 'events') return this.fetch(path, { headers });
    return this.fetch(path, { method: 'POST', headers: { 'content-type': 'application/json', ...headers } });
  }

  operate(path = '', { method = 'POST', body, ...rest }: Omit<Call, 'body'> & { body?: unknown } = {}) {
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', ...rest.headers };
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return this.fetch(`/api/operator${path}`, { method, headers, ...(body !== undefined && { body: text }) });
  }

  // biome-ignore lint/suspicious/noExplicitAny: whatever the server says
  async state(): Promise<any> {
    return (await this.operate('', { method: 'GET' })).json();
  }

  /** Visitors without a browser, as the README puts them into the line. */
  async crowd(count: number): Promise<string> {
    const { stdout } = await promisify(execFile)(process.execPath, ['crowd.js', String(count)], {
      cwd: dir,
      env: { PATH: process.env.PATH, URL: this.url() },
    });
    return stdout;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.signal('SIGKILL');
    await this.exited;
  }
}

const arrive = (options: BrowserContextOptions & { watched?: string[] } = {}) => own(Visitor.arrive(browser, options));
const poll = <T>(look: () => T | Promise<T>) => expect.poll(look, { timeout: 30_000 });
const heading = (page: Page, name: string) => page.getByRole('heading', { level: 1, name });
const position = async (page: Page) => Number(await page.locator('#position').textContent());
const digest = (text: string) => createHash('sha256').update(text).digest('base64url');

async function shoot(page: Page, name: string): Promise<void> {
  if (SHOTS) await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
}

async function cookieOf(visitor: Visitor) {
  const [cookie] = await visitor.context.cookies();
  return cookie!;
}

async function expectProblem(response: Response, status: number, type = 'about:blank'): Promise<void> {
  expect(response.status).toBe(status);
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(await response.json()).toMatchObject({
    type,
    status,
    title: expect.any(String),
    detail: expect.any(String),
    instance: expect.stringMatching(/^urn:uuid:/),
  });
}

describe('a line of two browsers and 200 others', () => {
  test('falls live and never grows, stands still while paused, survives a reload, and ends in the rows of PostgreSQL', async () => {
    const example = await own(Example.start({ STOCK: '300' }));
    const watched = ['position', 'live'];
    const [first, second, operator] = await Promise.all([
      arrive({ watched, ...PHONE, permissions: ['clipboard-read', 'clipboard-write'] }),
      arrive({ watched }),
      arrive(),
    ]);

    expect(await example.crowd(100)).toBe('100 visitors: 100 waiting\n');
    await first.page.goto(example.url());
    await heading(first.page, 'A coupon for everyone in line').waitFor();
    // With the keyboard alone.
    await first.page.keyboard.press('Tab');
    await first.page.keyboard.press('Enter');
    await heading(first.page, 'You are in line').waitFor();
    expect(await position(first.page)).toBe(101);

    await example.crowd(100);
    await second.page.goto(example.url());
    await second.page.getByRole('button', { name: 'Join the line' }).click();
    await heading(second.page, 'You are in line').waitFor();
    expect(await position(second.page)).toBe(202);
    await shoot(first.page, 'visitor-waiting-phone');

    await operator.page.goto(example.url(`/operator#${TOKEN}`));
    await heading(operator.page, example.campaignId).waitFor();
    expect(operator.page.url()).toBe(example.url('/operator'));
    await poll(() => operator.page.locator('#waiting').textContent()).toBe('202');
    const rate = operator.page.getByRole('spinbutton', { name: 'At most per second' });
    // Slowly, so that both still wait when the line is paused, on however slow a machine.
    await rate.fill('6');
    await rate.press('Enter');

    await poll(() => position(first.page)).toBeLessThan(90);
    await shoot(operator.page, 'operator-desktop');
    await shoot(second.page, 'visitor-waiting');
    await second.page.getByText(/^(About a minute|Less than a minute|Only a few seconds) left$/).waitFor();
    await operator.page.getByRole('button', { name: 'Pause' }).press('Space');
    for (const { page } of [first, second]) await page.getByText('The line is paused for a moment.').first().waitFor();
    const stood = [await position(first.page), await position(second.page)];
    await shoot(second.page, 'visitor-paused');
    expect(await stumblingBlocks(second.page)).toEqual([]);
    await first.page.reload();
    await heading(first.page, 'You are in line').waitFor();
    // Measured over the last seconds, nobody was let through.
    await poll(() => operator.page.locator('#measured').textContent()).toBe('0.0');
    expect([await position(first.page), await position(second.page)]).toEqual(stood);

    await rate.fill('20');
    await rate.press('Enter');
    await operator.page.getByRole('button', { name: 'Resume' }).press('Space');
    for (const { page } of [first, second]) await page.locator('#note').waitFor({ state: 'hidden' });
    for (const { page } of [first, second]) await heading(page, 'Here is your coupon').waitFor({ timeout: 40_000 });
    await shoot(first.page, 'visitor-issued-phone');
    await shoot(second.page, 'visitor-issued');
    await poll(async () => (await example.state()).issued).toBe(202);

    const rows = await rowsOf(database, example.campaignId);
    expect(rows.map(({ serial }) => serial)).toEqual(Array.from({ length: 202 }, (_, i) => i + 1));
    expect(new Set(rows.map(({ code }) => code)).size).toBe(202);
    for (const [visitor, serial] of [
      [first, 101],
      [second, 202],
    ] as const) {
      const { value, httpOnly, sameSite } = await cookieOf(visitor);
      expect({ httpOnly, sameSite }).toEqual({ httpOnly: true, sameSite: 'Lax' });
      const code = await visitor.page.getByRole('status', { name: 'Coupon code' }).textContent();
      expect(rows[serial - 1]).toMatchObject({ userId: digest(value), code });
      expect(example.output).not.toContain(code);
      expect(example.output).not.toContain(value);

      const positions = visitor.seen.position!.map(({ text }) => Number(text));
      expect(positions).toEqual([...positions].sort((a, b) => b - a));
      expect(new Set(positions).size).toBeGreaterThan(10);
      expectCalmAnnouncements(visitor);
    }
    expect(example.output).not.toContain(TOKEN);

    await first.page.getByRole('button', { name: 'Copy code' }).press('Enter');
    await first.page.getByRole('button', { name: 'Copied' }).waitFor();
    expect(await first.page.evaluate('navigator.clipboard.readText()')).toBe(rows[100]!.code);
    for (const visitor of [first, second, operator]) expect(visitor.troubles).toEqual([]);
  });
});

test('the first 1,000 of 1,500 visitors get a row and a code each, and the others hear that nothing is left', async () => {
  const example = await own(Example.start({ STOCK: '1000' }));
  expect(await example.crowd(1_500)).toBe('1500 visitors: 1000 waiting, 500 Sold out\n');
  await example.operate('/rate', { body: { perSecond: 10_000 } });
  await poll(async () => (await example.state()).issued).toBe(1_000);
  const rows = await rowsOf(database, example.campaignId);
  expect(rows.map(({ serial }) => serial)).toEqual(Array.from({ length: 1_000 }, (_, i) => i + 1));
  for (const name of ['code', 'userId'] as const) expect(new Set(rows.map((row) => row[name])).size).toBe(1_000);
  expect(await example.crowd(1)).toBe('1 visitors: 1 Sold out\n');
});

/** Where they stand is told again and again, but not more often than somebody can listen; the end is told. */
function expectCalmAnnouncements({ seen }: Visitor): void {
  const said = seen.live!.filter(({ text }) => text !== '');
  const places = said.filter(({ text }) => /^You are number \d+ in line/.test(text));
  expect(places.length).toBeGreaterThan(2);
  // A reload begins anew.
  const gaps = places.slice(1).map(({ at }, i) => at - places[i]!.at);
  expect(gaps.filter((gap) => gap < 4_900).length).toBeLessThanOrEqual(1);
  expect(said.at(-1)!.text).toBe('Your coupon is here.');
}

test('the time to wait is told roughly', async () => {
  const { etaInWords, positionInWords } = await import(join(SOURCE, 'public/words.js'));
  const words = [null, 900, 30_000, 59_000, 89_000, 150_000, 3_500_000, 3_700_000, 9_000_000].map(etaInWords);
  expect(words).toEqual([
    'The waiting time is not known yet',
    'Only a few seconds left',
    'Less than a minute left',
    'About a minute left',
    'About a minute left',
    'About 3 minutes left',
    'About 58 minutes left',
    'About an hour left',
    'About 3 hours left',
  ]);
  expect(positionInWords(null)).toBe('Your place is drawn when the line opens');
});

describe('the page of a visitor', () => {
  let example: Example;
  beforeAll(async () => {
    example = await Example.start();
  });
  afterAll(async () => {
    await example.stop();
  });

  test('lets them leave and join again at the end, with the keyboard alone', async () => {
    const visitor = await arrive();
    const { page } = visitor;
    await page.goto(example.url());
    await heading(page, 'A coupon for everyone in line').waitFor();
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Join the line');
    await page.keyboard.press('Enter');
    await heading(page, 'You are in line').waitFor();
    await example.crowd(3);
    const { waiting } = await example.state();
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Leave the line');
    await page.keyboard.press('Enter');
    await heading(page, 'You left the line').waitFor();
    expect((await example.state()).waiting).toBe(waiting - 1);
    expect(await page.getByRole('status').textContent()).toContain('You left the line');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await heading(page, 'You are in line').waitFor();
    expect(await position(page)).toBe(waiting);
    expect(visitor.troubles).toEqual([]);
  });

  /** As every answer to a look has it. */
  const CAMPAIGN = { id: 'mocked', state: 'open', opensAt: null, soldOut: false };
  const ENDS = {
    left: 'You left the line',
    absent: 'Your place was given up',
    sold_out: 'Sold out',
    closed: 'The line is closed',
    lost: 'The line had to start anew',
    none: 'You are not in line',
  };
  test.each(Object.entries(ENDS))('has words for an end that is %s', async (status, title) => {
    const { page } = await arrive();
    await page.route('**/api/line', (route) => route.fulfill({ json: { status: 'none', campaign: CAMPAIGN } }));
    await page.route('**/api/line/mocked/join', (route) =>
      route.fulfill({ json: { status: 'waiting', ticket: 7, position: 7, etaMs: 60_000 } }),
    );
    await page.route('**/api/line/mocked/events', (route) =>
      route.fulfill({ contentType: 'text/event-stream', body: `data: {"status":"${status}"}\n\n` }),
    );
    await page.goto(example.url());
    await page.getByRole('button', { name: 'Join the line' }).click();
    await heading(page, title).waitFor();
    expect(await page.getByRole('status').textContent()).toContain(title);
    expect(await stumblingBlocks(page)).toEqual([]);
  });

  const REFUSALS = {
    sold_out: 'Sold out',
    closed: 'The line is closed',
    paused: 'The line is paused',
    not_ready: 'The line is being checked',
    not_open: 'The line is not open yet',
    not_eligible: 'This coupon is not for you',
    overloaded: 'The line is full',
    redis: 'No answer',
    anything: 'Something went wrong',
  };
  test.each(Object.entries(REFUSALS))('has words for a refusal that is %s', async (kind, title) => {
    const { page } = await arrive();
    await page.goto(example.url());
    await page.route('**/api/line/*/join', (route) =>
      route.fulfill({ status: 409, contentType: 'application/problem+json', json: { type: `/problems/${kind}` } }),
    );
    await page.getByRole('button', { name: 'Join the line' }).click();
    await heading(page, title).waitFor();
    expect(await page.getByRole('status').textContent()).toContain(title);
  });

  test('says while it waits that the line is being checked, and that the turn has come', async () => {
    const { page } = await arrive();
    const changes = [
      { status: 'waiting', ticket: 7, position: 7, etaMs: 60_000 },
      { status: 'not_ready', reason: 'rebuilding' },
    ];
    // The next change comes once the page has shown the one before, however long that takes.
    let next: object = changes[1] as object;
    await page.route('**/api/line/mocked/events', (route) =>
      route.fulfill({
        contentType: 'text/event-stream',
        // A stream that ends is opened again soon.
        body: `retry: 20\ndata: ${JSON.stringify(next)}\n\n`,
      }),
    );
    await page.route('**/api/line', (route) => route.fulfill({ json: { ...changes[0], campaign: CAMPAIGN } }));
    await page.goto(example.url());
    await page.getByText('One moment: the line is being checked. You keep your place.').first().waitFor();
    next = { status: 'reserved', coupon: {} };
    await heading(page, 'It is your turn').waitFor();
    expect(await stumblingBlocks(page)).toEqual([]);
  });

  test.each(['accepted', 'already_issued', 'reserved'])(
    'shows no code while a coupon is being saved: %s',
    async (status) => {
      const { page } = await arrive();
      await page.route('**/api/line', (route) =>
        route.fulfill({ json: { status, coupons: [{ code: null }], campaign: CAMPAIGN } }),
      );
      await page.route('**/api/line/mocked/events', (route) =>
        route.fulfill({ contentType: 'text/event-stream', body: 'retry: 600000\n\n' }),
      );
      await page.goto(example.url());
      await heading(page, 'It is your turn').waitFor();
      await page.locator('#code').waitFor({ state: 'hidden' });
    },
  );

  test.each(['light', 'dark'] as const)('is readable and complete on a phone and a desk, %s', async (colorScheme) => {
    for (const size of [{}, PHONE]) {
      const visitor = await arrive({ ...size, colorScheme, reducedMotion: 'reduce' });
      const { page } = visitor;
      await page.goto(example.url());
      await heading(page, 'A coupon for everyone in line').waitFor();
      expect(await stumblingBlocks(page)).toEqual([]);
      await page.getByRole('button', { name: 'Join the line' }).click();
      await heading(page, 'You are in line').waitFor();
      expect(await stumblingBlocks(page)).toEqual([]);
      expect(await page.evaluate('getComputedStyle(document.querySelector(".place"), "::before").animationName')).toBe(
        'none',
      );
      await page.getByRole('banner').waitFor();
      await page.getByRole('contentinfo').waitFor();
      await page.getByRole('main').getByRole('progressbar', { name: 'Your way to the front' }).waitFor();
      await page.getByRole('button', { name: 'Leave the line' }).focus();
      await page.keyboard.press('Shift+Tab');
      await page.keyboard.press('Tab');
      const ring = await page.evaluate('getComputedStyle(document.activeElement).outlineStyle');
      expect(ring).toBe('solid');
      await shoot(page, `visitor-${colorScheme}-${size === PHONE ? 'phone' : 'desktop'}`);
      expect(visitor.troubles).toEqual([]);
    }
  });
});

test('a line that is not open, paused or sold out says so instead of offering a place', async () => {
  const scheduled = await own(Example.start({ OPENS_AT: '2100-05-01T10:00:00+09:00' }));
  const { page } = await arrive({ timezoneId: 'Asia/Seoul' });
  await page.goto(scheduled.url());
  await heading(page, 'The line is not open yet').waitFor();
  await page.getByText('It opens on May 1, 2100 at 10:00').first().waitFor();
  await shoot(page, 'visitor-not-open');
  await expectProblem(await scheduled.line('join'), 403, '/problems/not_open');

  const example = await own(Example.start({ STOCK: '1', RATE: '100' }));
  await example.operate('/pause');
  await page.goto(example.url());
  await heading(page, 'The line is paused').waitFor();
  await expectProblem(await example.line('join'), 503, '/problems/paused');
  await example.operate('/resume');
  await page.getByRole('button', { name: 'Look again' }).click();
  await page.getByRole('button', { name: 'Join the line' }).click();
  await heading(page, 'Here is your coupon').waitFor();
  await page.reload();
  await heading(page, 'Here is your coupon').waitFor();
  const late = await arrive();
  await late.page.goto(example.url());
  await heading(late.page, 'Sold out').waitFor();
  await expectProblem(await example.line('join'), 409, '/problems/sold_out');
});

describe('the page of the operator', () => {
  let example: Example;
  beforeAll(async () => {
    example = await Example.start();
    await example.crowd(5);
  });
  afterAll(async () => {
    await example.stop();
  });

  test('asks for the token, restocks, sets the rate, and is readable everywhere', async () => {
    const visitor = await arrive({ reducedMotion: 'reduce' });
    const { page } = visitor;
    await page.goto(example.url('/operator'));
    await heading(page, 'Operator token').waitFor();
    expect(await stumblingBlocks(page)).toEqual([]);
    expect(visitor.troubles).toEqual([]);
    await page.getByLabel('Token', { exact: true }).fill('not the token, and long enough');
    await page.getByRole('button', { name: 'Open' }).click();
    await page.getByText('This token is not the right one.').waitFor();
    await page.getByLabel('Token', { exact: true }).fill(TOKEN);
    await page.getByLabel('Token', { exact: true }).press('Enter');
    await heading(page, example.campaignId).waitFor();
    await page.reload();
    await poll(() => page.locator('#waiting').textContent()).toBe('5');

    await page.getByRole('spinbutton', { name: 'Add to the stock' }).fill('25');
    await page.getByRole('button', { name: 'Restock' }).press('Enter');
    await poll(() => page.locator('#available').textContent()).toBe('525');
    expect(await page.getByRole('status').textContent()).toBe('The stock changed by 25.');
    await page.getByRole('spinbutton', { name: 'Add to the stock' }).fill('-1000');
    await page.getByRole('button', { name: 'Restock' }).press('Enter');
    await page.getByText('has only 525 units that nobody has; nothing was changed').waitFor();
    expect((await example.state()).total).toBe(525);

    await page.getByRole('spinbutton', { name: 'At most per second' }).fill('7.5');
    await page.getByRole('button', { name: 'Set rate' }).press('Enter');
    await page.getByText('At most 7.5 per second are admitted now.').waitFor();
    await poll(() => page.locator('#issued').textContent()).toBe('5');
    await page.setViewportSize(PHONE.viewport);
    expect(await stumblingBlocks(page)).toEqual([]);
    await shoot(page, 'operator-phone');
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await stumblingBlocks(page)).toEqual([]);
    await shoot(page, 'operator-phone-dark');
  });
});

describe('what is asked of the Koa example', () => {
  let example: Example;
  beforeAll(async () => {
    example = await Example.start();
  });
  afterAll(async () => {
    await example.stop();
  });

  test('bad input is answered with a problem, and nothing changes', async () => {
    const before = await example.state();
    for (const perSecond of [-1, 'fast', null, [], 1e9]) {
      await expectProblem(await example.operate('/rate', { body: { perSecond } }), 400, '/problems/invalid_argument');
    }
    for (const body of ['[]', 'null', '{"perSecond": secret', '{}', '3']) {
      await expectProblem(await example.operate('/rate', { body }), 400);
    }
    await expectProblem(await example.operate('/rate', { body: ' '.repeat(2_000) }), 413);
    const headers = { 'content-type': 'text/plain' };
    await expectProblem(await example.operate('/rate', { headers, body: '{"perSecond":1}' }), 415);
    await expectProblem(await example.operate('/rate'), 400);
    await expectProblem(await example.operate('/restock', { body: { add: 1 } }), 400);
    for (const add of ['1', 1.5, undefined, null]) {
      const key = { 'idempotency-key': `bad ${add}` };
      const answer = await example.operate('/restock', { headers: key, body: { add } });
      await expectProblem(answer, 400, '/problems/invalid_argument');
    }
    const long = { 'idempotency-key': 'x'.repeat(129) };
    const tooLong = await example.operate('/restock', { headers: long, body: { add: 1 } });
    await expectProblem(tooLong, 400, '/problems/invalid_argument');
    const tooMany = await example.operate('/restock', {
      headers: { 'idempotency-key': 'many' },
      body: { add: -9_999 },
    });
    await expectProblem(tooMany, 409, '/problems/campaign_conflict');
    const { measuredPerSecond, ...after } = await example.state();
    expect({ measuredPerSecond: before.measuredPerSecond, ...after }).toEqual(before);
    expect(example.output).not.toContain('secret');
  });

  test('a restock under the same Idempotency-Key is done once', async () => {
    const { total } = await example.state();
    for (let i = 0; i < 2; i++) {
      const answer = await example.operate('/restock', { headers: { 'idempotency-key': 'one' }, body: { add: 10 } });
      expect(await answer.json()).toEqual({ total: total + 10, available: total + 10 });
    }
  });

  test('the operator is let in by the token alone', async () => {
    for (const authorization of ['', 'Bearer', `Bearer ${TOKEN}x`, `Basic ${TOKEN}`, `Bearer ${TOKEN.slice(0, -1)}`]) {
      for (const [method, path] of [
        ['GET', ''],
        ['POST', '/pause'],
        ['POST', '/rate'],
      ] as const) {
        const answer = await example.operate(path, { method, headers: { authorization } });
        expect(answer.headers.get('www-authenticate')).toBe('Bearer');
        await expectProblem(answer, 401);
      }
    }
    expect((await example.state()).state).toBe('open');
  });

  test.each(['/API/OPERATOR', '/Api/Operator', '/api/OPERATOR', '/api/operator/', '//api/operator', '/api//operator'])(
    'no spelling of a path lets anybody past the token: %s',
    async (prefix) => {
      for (const [method, path] of [
        ['GET', ''],
        ['POST', '/pause'],
        ['POST', '/PAUSE'],
        ['POST', '/restock'],
        ['POST', '/rate/'],
      ] as const) {
        expect([401, 404, 405]).toContain(await statusOfRaw(example, `${prefix}${path}`, {}, method));
      }
      expect((await example.state()).state).toBe('open');
    },
  );

  test('a visitor is known whatever the case of the path, and their answers stay in no cache', async () => {
    const came = await example.fetch('/API/Line');
    expect(came.headers.get('cache-control')).toBe('no-store');
    const cookie = came.headers.get('set-cookie')!.split(';')[0]!;
    expect((await example.line('join', { cookie })).headers.get('cache-control')).toBe('no-store');
    const again = await example.fetch('/api/line', { headers: { cookie } });
    expect(await again.json()).toMatchObject({ status: 'waiting' });
  });

  test('only the pages and the routes are there, and no other file', async () => {
    await expectProblem(await example.fetch('/api/line/staff/status'), 404, '/problems/unknown_campaign');
    for (const path of [
      '/nowhere',
      '/server.js',
      '/api/line/else/else',
      '/package.json',
      '/api',
      '/api/line/else',
      '/problems/none',
    ]) {
      await expectProblem(await example.fetch(path), 404);
    }
    for (const path of ['/../server.js', '/..%2fserver.js', '/%2e%2e/server.js', '//etc/passwd', '/public/line.js']) {
      expect(await statusOfRaw(example, path)).toBe(404);
    }
    await expectProblem(await example.fetch('/api/line', { method: 'PUT' }), 405);
    expect(await (await example.fetch('/problems/sold_out')).json()).toMatchObject({ title: 'Sold out' });
  });

  test('pages come with strict headers, and unchanged ones are not sent again', async () => {
    for (const path of ['/', '/operator', '/line.js', '/operator.js', '/words.js', '/style.css', '/icon.svg']) {
      const answer = await example.fetch(path);
      expect(answer.status).toBe(200);
      expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'; script-src 'self'");
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      const text = await answer.text();
      expect(text).not.toMatch(/(?:src|href)="(?:https?:)?\/\/|url\(|@import/);
      const etag = answer.headers.get('etag')!;
      expect(await statusOfRaw(example, path, { 'if-none-match': etag })).toBe(304);
    }
  });

  test('a cookie that it did not make is replaced, and one visitor has one place', async () => {
    const forged = await example.fetch('/api/line', { headers: { cookie: 'line=../../etc' } });
    expect(forged.headers.get('set-cookie')).toMatch(
      /^line=[\w-]{22}; path=\/; expires=[^;]+; samesite=lax; httponly$/,
    );
    const cookie = forged.headers.get('set-cookie')!.split(';')[0]!;
    const joined = await example.line('join', { cookie });
    expect(joined.status).toBe(202);
    expect(joined.headers.get('set-cookie')).toBeNull();
    expect(joined.headers.get('cache-control')).toBe('no-store');
    const { ticket } = (await joined.json()) as { ticket: number };
    const again = await example.line('join', { cookie });
    expect(await again.json()).toMatchObject({ status: 'waiting', ticket });
    const events = await example.line('events', { cookie });
    expect(events.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    let text = '';
    for await (const chunk of events.body!) {
      text += Buffer.from(chunk).toString();
      if (text.includes('data: ')) break;
    }
    expect(text).toContain(`data: {"status":"waiting","ticket":${ticket}`);
    expect(await (await example.line('leave', { cookie })).json()).toEqual({
      status: 'left',
    });
  });

  test('one visitor has six streams of events at once, and another one when one of them is closed', async () => {
    const { headers } = await example.line('join');
    const cookie = headers.get('set-cookie')!.split(';')[0]!;
    const stop = new AbortController();
    const listen = (signal?: AbortSignal) =>
      fetch(example.url(`/api/line/${example.campaignId}/events`), { headers: { cookie }, ...(signal && { signal }) });
    const first = await listen(stop.signal);
    const others = await Promise.all(Array.from({ length: 5 }, () => listen()));
    for (const { status } of [first, ...others]) expect(status).toBe(200);
    await expectProblem(await listen(), 429);
    expect((await example.line('events')).status).toBe(200);
    stop.abort();
    let again: Response | undefined;
    await poll(async () => {
      again = await listen();
      return again.status;
    }).toBe(200);
    for (const { body } of [...others, again!]) await body!.cancel();
  });

  test('the README tells its routes and its commands as they are', async () => {
    const readme = readFileSync(join(SOURCE, 'README.md'), 'utf8');
    const routes = [...readme.matchAll(/^\| `(GET|POST) (\/[^`]*)` \|/gm)].map(([, ...route]) => route);
    expect(routes).toHaveLength(12);
    for (const [method, path] of routes as [string, string][]) {
      const filled = path.replace(':name', 'paused').replace(':campaign', example.campaignId);
      const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
      const answer = await example.fetch(filled, { method, headers });
      expect([404, 405, 500], `${method} ${path}`).not.toContain(answer.status);
      await answer.body?.cancel();
    }
    const { scripts, dependencies } = packageOf('package.json');
    expect(scripts).toEqual({ start: 'node server.js', crowd: 'node crowd.js' });
    for (const [, name] of readme.matchAll(/\bnpm (?:run )?(?!run\b)([a-z]+)/g)) {
      if (name !== 'ci' && name !== 'build') expect(Object.keys(scripts)).toContain(name);
    }
    for (const [, variable] of readme.matchAll(/^\| `([A-Z_]+)` \|/gm)) {
      expect(readFileSync(join(SOURCE, 'server.js'), 'utf8')).toContain(variable);
    }
    const lock = packageOf('package-lock.json');
    expect(lock.packages[''].dependencies).toEqual(dependencies);
    expect(JSON.stringify(lock)).not.toMatch(/"resolved":"https?:/);
  });
});

/** The request as it stands: `fetch` would tidy the path up, and add headers. */
function statusOfRaw(
  { port }: Example,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<number> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, headers, method }, (res) => resolve(res.resume().statusCode!))
      .once('error', reject)
      .end();
  });
}

describe('a shutdown of the Koa example', () => {
  let example: Example;
  beforeEach(async () => {
    example = await Example.start({ PORT: String(await ownPort()) });
  });
  afterEach(() => example.stop());

  test.each(['SIGTERM', 'SIGINT'] as const)(
    'on %s ends the open event streams and exits with 0; the page comes back to its place by itself',
    async (signal) => {
      const { page } = await arrive();
      await example.crowd(3);
      await page.goto(example.url());
      await page.getByRole('button', { name: 'Join the line' }).click();
      await heading(page, 'You are in line').waitFor();
      const streams = await Promise.all(
        Array.from({ length: 20 }, async () => {
          const joined = await example.line('join');
          const cookie = joined.headers.get('set-cookie')!.split(';')[0]!;
          return example.line('events', { cookie });
        }),
      );
      example.signal(signal);
      for (const stream of streams) expect(await stream.text()).toMatch(/^: watching\n\n/);
      expect(await example.exited).toBe(0);
      expect(example.output).not.toMatch(/Warning|Error/);
      await page.locator('#connection').waitFor();
      expect(await page.getByRole('status').textContent()).toContain('Connection lost. You keep your place');
      expect(await stumblingBlocks(page)).toEqual([]);

      example = await Example.start({ PORT: String(example.port), CAMPAIGN_ID: example.campaignId });
      await page.locator('#connection').waitFor({ state: 'hidden' });
      await heading(page, 'You are in line').waitFor();
      expect(await position(page)).toBe(4);
      await example.operate('/rate', { body: { perSecond: 100 } });
      await heading(page, 'Here is your coupon').waitFor();
    },
  );
});

describe('without addresses of servers the Koa example', () => {
  test('runs on stand-ins, says that they forget, and gives a coupon', async () => {
    const example = await own(Example.with({ RATE: '50' }));
    expect(example.output).toContain('they forget everything when it ends');
    const visitor = await arrive();
    const { page } = visitor;
    await page.goto(example.url());
    await page.getByRole('button', { name: 'Join the line' }).click();
    await heading(page, 'Here is your coupon').waitFor();
    const code = await page.getByRole('status', { name: 'Coupon code' }).textContent();
    expect(code).toMatch(/^[0-9A-Z-]{8,}$/);
    // The only place to read a token that was made at the start.
    const address = /the operator: http:\/\/localhost:\d+(\/operator#\S+)/.exec(example.output)![1]!;
    await page.goto(example.url(address));
    await poll(() => page.locator('#issued').textContent()).toBe('1');
    expect(visitor.troubles).toEqual([]);
    example.signal('SIGTERM');
    expect(await example.exited).toBe(0);
    expect(example.output).not.toContain(code);
  });

  test('refuses half of them, a short token, and numbers that are none, in one line', async () => {
    const cases: [Record<string, string>, RegExp][] = [
      [{ REDIS_URL: `redis://127.0.0.1:${server.port}` }, /set both REDIS_URL and DATABASE_URL, or neither/],
      [{ OPERATOR_TOKEN: 'short' }, /OPERATOR_TOKEN must have 16 characters/],
      [{ STOCK: 'many' }, /STOCK must be a number/],
      [{ STOCK: '' }, /STOCK must be a number/],
      [{ REDIS_URL: 'http://:hunter2secret@h', DATABASE_URL: database.url }, /REDIS_URL must be/],
      [
        {
          REDIS_URL: `redis://127.0.0.1:${server.port}`,
          DATABASE_URL: `postgres://u:hunter2secret@127.0.0.1:${await ownPort()}/x`,
        },
        /PostgreSQL at .*ECONNREFUSED/,
      ],
    ];
    for (const [env, line] of cases) {
      const { code, output } = await Example.refused(env);
      expect(code).toBe(1);
      expect(output).toMatch(/^[^\n]+\n$/);
      expect(output).toMatch(line);
      expect(output).not.toContain('hunter2secret');
    }
  });

  test('refuses an instant that would depend on the zone of the server', async () => {
    const { code, output } = await Example.refused({ OPENS_AT: '2100-01-01T10:00:00' });
    expect(code).toBe(1);
    expect(output).toMatch(/^opensAt has no offset/m);
  });
});
