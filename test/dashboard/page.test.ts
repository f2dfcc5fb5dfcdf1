import { createRequire } from 'node:module';
import { gzipSync } from 'node:zlib';
import type { Redis } from 'ioredis';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type CouponEvent, CouponIssuer, MemoryPersistence, NotSavedError } from '../../src/index.js';
import { startBrowser, stumblingBlocks, Visitor } from '../support/actors/browser.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { nodeDesk } from './support.js';

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const SHOTS = process.env.DASHBOARD_SHOTS;
let server: RedisServer;
let redis: Redis;
let browser: Browser;
let issuer: CouponIssuer;
let events: CouponEvent[];
let desk: Awaited<ReturnType<typeof nodeDesk>>;
let visitors: Visitor[];
let isFailing = false;
let round = 0;

class Failing extends MemoryPersistence {
  override async save(...args: Parameters<MemoryPersistence['save']>) {
    if (isFailing) throw new NotSavedError('refused');
    return super.save(...args);
  }
}

beforeAll(async () => {
  [server, browser] = await Promise.all([RedisServer.start(), startBrowser()]);
  redis = server.client();
});
afterAll(async () => {
  await browser?.close();
  await server.stop();
});
beforeEach(async () => {
  isFailing = false;
  events = [];
  visitors = [];
  const onEvent = (event: CouponEvent) => events.push(event);
  issuer = new CouponIssuer({ redis, persistence: new Failing(), prefix: `page-${++round}`, maxTries: 1, onEvent });
  await issuer.campaign('night').open({ stock: { kind: 'counted', total: 1_000 } });
  for (let i = 0; i < 120; i++) await issuer.campaign('night').issue({ userId: `user-${i}` });
  desk = await nodeDesk(issuer);
});
afterEach(async () => {
  for (const { troubles } of visitors) expect(troubles).toEqual([]);
  for (const visitor of visitors) await visitor.stop();
  await desk.stop();
  await issuer.close();
});

async function arrive(person: string, hash = '', options: Parameters<typeof Visitor.arrive>[1] = {}) {
  const visitor = await Visitor.arrive(browser, { extraHTTPHeaders: { 'x-person': person }, ...options });
  visitors.push(visitor);
  await visitor.page.goto(`http://127.0.0.1:${desk.port}/${hash}`);
  await visitor.page.getByRole('heading', { level: 1 }).waitFor();
  return visitor.page;
}

type OpenPage = Awaited<ReturnType<typeof arrive>>;

/** Nothing on it keeps a person out. `name`: of its screenshot, where a folder for them is set. */
async function expectGood(page: OpenPage, name: string): Promise<void> {
  if (SHOTS) await page.screenshot({ path: `${SHOTS}/${name}.png`, fullPage: true });
  expect(await stumblingBlocks(page)).toEqual([]);
  // The policy of the page lets no script in, but the protocol of the browser may run one.
  await page.evaluate((await import('node:fs')).readFileSync(AXE, 'utf8'));
  const violations = await page.evaluate(async () => {
    // biome-ignore lint/suspicious/noExplicitAny: the page's own world
    const { violations: all } = await (globalThis as any).axe.run();
    // biome-ignore lint/suspicious/noExplicitAny: a finding of axe
    return all.map(({ id, impact, nodes }: any) => `${impact} ${id}: ${nodes[0].html}`);
  });
  expect(violations.filter((one: string) => /^(serious|critical)/.test(one))).toEqual([]);
}

const tile = (page: OpenPage, name: string) =>
  page.locator('.tiles div', { has: page.locator('dt', { hasText: new RegExp(`^${name}$`) }) }).locator('dd');

test('an operator sees the campaigns, and pauses and resumes one', async () => {
  const page = await arrive('kim');
  await page.getByRole('link', { name: 'night' }).waitFor();
  expect(await tile(page, 'Open').innerText()).toBe('1');
  await expectGood(page, 'overview');
  await page.getByRole('link', { name: 'night' }).click();
  await tile(page, 'Issued').waitFor();
  expect(await tile(page, 'Issued').innerText()).toBe('120');
  expect(await tile(page, 'Available').innerText()).toBe('880');
  await page.getByText('880 + 0 + 120 + 0 = 1,000 in total').waitFor();
  await expectGood(page, 'campaign');
  await page.getByRole('button', { name: 'Pause' }).click();
  await expectGood(page, 'confirm');
  await page.getByRole('button', { name: 'Cancel' }).click();
  expect(await issuer.campaign('night').inspect()).toMatchObject({ state: 'open' });
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('button', { name: 'Yes' }).click();
  await page.getByText('The campaign is paused.').waitFor();
  expect(await issuer.campaign('night').inspect()).toMatchObject({ state: 'paused' });
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByRole('button', { name: 'Yes' }).click();
  await page.getByText('The campaign is resumed.').waitFor();
  expect(events.filter(({ type }) => type === 'audit')).toMatchObject([
    { action: 'pause', by: 'kim', done: true },
    { action: 'resume', by: 'kim', done: true },
  ]);
});

test('an operator restocks, sets the pace and closes for good', async () => {
  const page = await arrive('kim', '#/campaign/night');
  await page.getByLabel('Units to add').fill('500');
  await page.getByRole('button', { name: 'Restock' }).click();
  await page.getByRole('button', { name: 'Yes' }).click();
  await page.getByText('The total is 1,500 now.').waitFor();
  await page.getByLabel('Saves per second').fill('50');
  await page.getByRole('button', { name: 'Set' }).click();
  await page.getByRole('button', { name: 'Yes' }).click();
  await page.getByText('The pace is set.').waitFor();
  expect(await issuer.campaign('night').inspect()).toMatchObject({ total: 1_500, pace: { savesPerSecond: 50 } });
  await page.getByRole('button', { name: 'Close for good' }).click();
  const yes = page.getByRole('dialog').getByRole('button', { name: 'Close for good' });
  expect(await yes.isDisabled()).toBe(true);
  await page.getByLabel('Type night').fill('night');
  await yes.click();
  await page.getByText('The campaign is closed for good.').waitFor();
  expect(await issuer.campaign('night').inspect()).toMatchObject({ state: 'closed' });
});

test('an operator retries and withdraws from the quarantine', async () => {
  const behind = issuer.campaign('behind');
  await behind.open({ stock: { kind: 'counted', total: 5 }, saveMode: 'write-behind' });
  isFailing = true;
  await behind.issue({ userId: 'user-1' });
  await behind.issue({ userId: 'user-2' });
  await behind.settle();
  const page = await arrive('kim', '#/campaign/behind');
  await page.getByRole('button', { name: 'Retry unit 1' }).waitFor();
  await expectGood(page, 'quarantine');
  await page.getByRole('button', { name: 'Withdraw unit 2' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Withdraw' }).click();
  await page.getByText('1 withdrawn.').waitFor();
  isFailing = false;
  await page.getByRole('button', { name: 'Retry all' }).click();
  await page.getByText('1 will be tried again.').waitFor();
  await behind.settle();
  expect(await behind.inspect()).toMatchObject({ quarantined: 0, withdrawn: 1, issued: 1 });
});

test('a reader sees everything but the actions', async () => {
  const page = await arrive('lee', '#/campaign/night');
  await tile(page, 'Issued').waitFor();
  await page.getByText('lee · read only').waitFor();
  expect(await page.getByRole('button').allInnerTexts()).toEqual(['Count the rows', 'Compare']);
  await page.getByRole('button', { name: 'Count the rows' }).click();
  await page.getByText('Of 120 rows').waitFor();
  expect(await tile(page, 'Not redeemed').innerText()).toBe('120');
  await page.getByRole('button', { name: 'Compare' }).click();
  await page.getByText('120 rows and 120 grants compared: no findings').waitFor();
  await page.getByRole('link', { name: 'Workers' }).click();
  await page.getByText('No worker runs').waitFor();
  await expectGood(page, 'workers');
  await issuer.campaign('night').issue({ userId: 'user-1' });
  await page.getByRole('link', { name: 'Events' }).click();
  await page.getByRole('row', { name: /refused 1 already issued night$/ }).waitFor();
  await expectGood(page, 'events');
});

test('a code is found, is masked, and is in no address', async () => {
  const code = 'PARTNER-CODE-7788';
  await issuer.campaign('codes').open({ stock: { kind: 'codes' } });
  await issuer.campaign('codes').loadCodes([code]);
  await issuer.campaign('codes').issue({ userId: 'user-1' });
  const page = await arrive('lee', '#/find');
  const addresses: string[] = [];
  page.on('request', (request) => addresses.push(request.url()));
  await page.getByLabel('By').selectOption('code');
  await page.getByLabel('Value').fill(code);
  await page.getByRole('button', { name: 'Find' }).click();
  await page.getByText('****7788').waitFor();
  await expectGood(page, 'find');
  addresses.push(page.url());
  expect(addresses.filter((address) => address.includes(code))).toEqual([]);
  expect(await page.locator('main').innerText()).not.toContain(code);
});

test('an operator checks a file of codes, imports it and sees the load', async () => {
  const codes = Array.from({ length: 1_200 }, (_, i) => `SECRET-${10_000 + i}`);
  const csv = (list: readonly string[]) => ({
    name: 'partner, April.csv',
    mimeType: 'text/csv',
    buffer: Buffer.from(`no;code\r\n${list.map((code, i) => `${i};${code}`).join('\r\n')}\r\n`),
  });
  await issuer.campaign('pool').open({ stock: { kind: 'codes' } });
  const page = await arrive('kim', '#/campaign/pool');
  await page.getByRole('link', { name: 'Codes of pool' }).click();
  await page.getByLabel('File').setInputFiles(csv(codes.with(700, 'BAD,CODE')));
  await page.getByRole('textbox', { name: 'Column' }).fill('code');
  await page.getByRole('button', { name: 'Check the file' }).click();
  await page.getByText('line 702 of the file').waitFor();
  await page.getByLabel('File').setInputFiles(csv(codes));
  expect(await page.getByLabel('Load id').inputValue()).toBe('partner, April.csv');
  await page.getByRole('button', { name: 'Import' }).click();
  await expectGood(page, 'import-confirm');
  await page.getByRole('dialog').getByRole('button', { name: 'Import' }).click();
  await page.getByText('1,200 codes were loaded. The pool has 1,200 now.').waitFor();
  await page.getByRole('row', { name: 'partner, April.csv 1,200' }).waitFor();
  expect(await tile(page, 'Free').innerText()).toBe('1,200');
  await expectGood(page, 'codes');
  await page.setViewportSize({ width: 375, height: 800 });
  await expectGood(page, 'codes-phone');
  expect(await page.locator('main').innerText()).not.toContain('SECRET');
  await (await arrive('lee', '#/codes/pool')).getByText('partner, April.csv').waitFor();
  expect(await visitors[1]!.page.getByRole('button').count()).toBe(0);
});

test('an operator moves the window, raises the limit and plans a wave', async () => {
  const room = { admission: 'queued', opensAt: new Date('2031-05-01T10:00:00Z') } as const;
  await issuer.campaign('room').open({ stock: { kind: 'counted', total: 50 }, ...room });
  const page = await arrive('kim', '#/campaign/room', { timezoneId: 'Asia/Seoul' });
  const say = async (button: string, words: string) => {
    await page.getByRole('button', { name: button }).click();
    await page.getByRole('button', { name: 'Yes' }).click();
    await page.getByText(words).waitFor();
  };
  await page.getByLabel('Closes at').fill('2031-05-01T23:00:00');
  await say('Move the end', 'The rules are changed.');
  await page.getByLabel('Next wave at').fill('2031-05-01T20:00:00');
  await page.getByLabel('Users admitted').fill('20');
  await expectGood(page, 'rules');
  await say('Add the wave', 'The waves are set.');
  await page.getByLabel('Coupons per user').fill('3');
  await say('Raise the limit', 'The rules are changed.');
  await say('Open now', 'The rules are changed.');
  await page.getByText('open', { exact: true }).waitFor();
  expect(await issuer.campaign('room').inspect()).toMatchObject({
    state: 'open',
    perUser: 3,
    closesAt: new Date('2031-05-01T14:00:00Z'),
    pace: { waves: [{ at: new Date('2031-05-01T11:00:00Z'), count: 20 }] },
  });
});

test('the keyboard alone is enough to pause a campaign', async () => {
  const page = await arrive('kim', '#/campaign/night');
  await page.getByRole('button', { name: 'Pause' }).waitFor();
  const focused = () =>
    // biome-ignore lint/suspicious/noExplicitAny: the page's own world
    page.evaluate(() => (globalThis as any).document.activeElement.textContent.trim() as string);
  for (let i = 0; i < 20 && (await focused()) !== 'Pause'; i++) await page.keyboard.press('Tab');
  expect(await focused()).toBe('Pause');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  expect(await focused()).toBe('Pause');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  expect(await focused()).toBe('Yes');
  await page.keyboard.press('Enter');
  await page.getByText('The campaign is paused.').waitFor();
  expect(await issuer.campaign('night').inspect()).toMatchObject({ state: 'paused' });
});

test.each([
  { name: 'dark', options: { colorScheme: 'dark' as const } },
  { name: 'phone', options: { viewport: { width: 375, height: 800 } } },
])('nothing is cut off or hard to read: $name', async ({ name, options }) => {
  await issuer.campaign('night').issue({ userId: 'user-1' });
  const page = await arrive('kim', '', options);
  await page.getByRole('link', { name: 'night' }).waitFor();
  await expectGood(page, `overview-${name}`);
  await page.getByRole('link', { name: 'night' }).click();
  await tile(page, 'Issued').waitFor();
  expect(await tile(page, 'Refused: already issued').innerText()).toBe('1');
  await expectGood(page, `campaign-${name}`);
});

test('1,000 campaigns are listed, those with an alarm first, and filtered by name', async () => {
  const ids = Array.from({ length: 999 }, (_, i) => `sale-${String(i).padStart(4, '0')}`);
  await Promise.all(ids.map((id) => issuer.campaign(id).open({ stock: { kind: 'counted', total: 10 } })));
  await issuer.campaign('sale-0900').pause();
  const page = await arrive('lee');
  await page.getByText('1,000 of 1,000 campaigns').waitFor();
  expect(await page.getByRole('row').count()).toBe(101);
  await page.getByRole('button', { name: 'Show 100 more' }).click();
  expect(await page.getByRole('row').count()).toBe(201);
  await page.getByLabel('Filter by name').fill('0900');
  await page.getByText('1 of 1,000 campaigns').waitFor();
  await page.getByRole('row', { name: /sale-0900 paused/ }).waitFor();
  await expectGood(page, 'many');
});

test('the page is small', async () => {
  const html = await (await desk.ask('/', { method: 'GET' })).text();
  expect(Buffer.byteLength(html)).toBeLessThan(60_000);
  expect(gzipSync(html).byteLength).toBeLessThan(24_000);
});
