import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { CouponIssuer } from '../../src/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { startBrowser, stumblingBlocks, Visitor } from '../support/actors/browser.js';
import { seeded } from '../support/checks/random.js';
import { Database, rowsOf } from '../support/servers/database.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { nodeDesk } from './support.js';

const TOTAL = 7_000;
const [ROUNDS, CALLS] = [10, 2_000];
const POLL_MS = 2_000;
const LOOKS = [
  ['light', 'light', 1_280],
  ['dark', 'dark', 1_280],
  ['phone', 'light', 375],
] as const;
const SHOTS = process.env.DASHBOARD_SHOTS;

type Tiles = Readonly<Record<string, number>>;

let server: RedisServer;
let database: Database;
let browser: Browser;
beforeAll(async () => {
  [server, database, browser] = await Promise.all([RedisServer.start(), Database.create(), startBrowser()]);
});
afterAll(async () => {
  await browser?.close();
  await database?.stop();
  await server?.stop();
});

/** The calls of one round: fresh users, repeats of earlier calls, holders who want more, and bots. */
function callsOf(round: number, random: () => number) {
  const before = round * CALLS;
  return Array.from({ length: CALLS }, (_, i) => {
    const dice = random();
    if (dice < 0.05) return { userId: `bot-${before + i}`, requestId: 'first' };
    if (dice < 0.55 || before === 0) return { userId: `user-${before + i}`, requestId: 'first' };
    const userId = `user-${Math.floor(random() * before)}`;
    return { userId, requestId: dice < 0.8 ? 'first' : 'second' };
  });
}

/** Runs in the page: each state of the tiles that stands there. */
function keepTiles(): void {
  // biome-ignore lint/suspicious/noExplicitAny: the page's own world
  const world = globalThis as any;
  world.seenTiles = [];
  const note = () => {
    // biome-ignore lint/suspicious/noExplicitAny: an element
    const pairs = [...world.document.querySelectorAll('.tiles div')].map((div: any) => [
      div.querySelector('dt').textContent,
      Number(div.querySelector('dd').textContent.replaceAll(',', '')),
    ]);
    world.seenTiles.push(Object.fromEntries(pairs));
  };
  const watched = { childList: true, characterData: true, subtree: true };
  new world.MutationObserver(note).observe(world.document.querySelector('main'), watched);
}
// biome-ignore lint/suspicious/noExplicitAny: the page's own world
const seenTiles = (page: Page) => page.evaluate(() => (globalThis as any).seenTiles as Tiles[]);

test('the numbers on the page never run ahead of a sale of 20,000 calls, and equal its books at the end', async () => {
  const seed = 20261129;
  console.log(`seed ${seed}`);
  const random = seeded(seed);
  const persistence = new PostgresPersistence(database.pool);
  await persistence.createTable();
  const eligible = ({ userId }: { userId: string }) =>
    userId.startsWith('bot-') ? { reason: 'bot' } : (true as const);
  const issuer = new CouponIssuer({ redis: server.client(), persistence, eligible });
  const night = issuer.campaign('night');
  await night.open({ stock: { kind: 'counted', total: TOTAL } });
  const desk = await nodeDesk(issuer);
  const visitor = await Visitor.arrive(browser, { extraHTTPHeaders: { 'x-person': 'lee' } });
  const { page } = visitor;
  await page.clock.install();
  await page.goto(`http://127.0.0.1:${desk.port}/#/campaign/night`);
  await page.getByText('has answered no buyer').waitFor();
  await page.evaluate(keepTiles);

  let isOver = false;
  const watching = (async () => {
    // The page has a clock of the test's own, so that it asks again at once.
    while (!isOver) await page.clock.runFor(POLL_MS);
  })();
  const answers: Record<string, number> = {};
  for (let round = 0; round < ROUNDS; round++) {
    if (round === 4) await night.pause();
    if (round === 5) await night.resume();
    const results = await Promise.all(callsOf(round, random).map((call) => night.issue(call)));
    for (const result of results) {
      const answer = 'replayed' in result ? 'replayed' : result.status;
      answers[answer] = (answers[answer] ?? 0) + 1;
    }
  }
  await night.restock({ add: 250, requestId: 'more' });
  await issuer.idle();
  isOver = true;
  await watching;
  const rows = await rowsOf(database, 'night');
  const { issued, replayed, ...refused } = answers;
  await vi.waitFor(async () => {
    await page.clock.runFor(POLL_MS);
    const last = (await seenTiles(page)).at(-1)!;
    expect(last).toMatchObject({ Issued: rows.length, Available: 250, Reserved: 0, Withdrawn: 0 });
    expect(last).toMatchObject({ 'Issued here': issued, 'Refused here': sum(refused) });
    for (const [status, count] of Object.entries(refused)) {
      expect([status, last[`Refused: ${status.replaceAll('_', ' ')}`]]).toEqual([status, count]);
    }
  }, 10_000);
  await page.getByText('250 + 0 + 7,000 + 0 = 7,250 in total').waitFor();
  for (const [name, colorScheme, width] of LOOKS) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 800 });
    expect([name, await stumblingBlocks(page)]).toEqual([name, []]);
    if (SHOTS) await page.screenshot({ path: `${SHOTS}/live-sale-${name}.png`, fullPage: true });
  }

  const all = await seenTiles(page);
  expect(issued! + replayed! + sum(refused)).toBe(ROUNDS * CALLS);
  expect(new Set(rows.map(({ userId }) => userId)).size).toBe(rows.length);
  expect(rows).toHaveLength(TOTAL);
  expect(Object.keys(refused).sort()).toEqual(['already_issued', 'not_eligible', 'paused', 'sold_out']);
  expect(new Set(all.map((tiles) => tiles.Issued)).size, 'the page was seen to follow the sale').toBeGreaterThan(5);
  for (const [i, tiles] of all.entries()) {
    const { Available, Reserved, Issued } = tiles as { Available: number; Reserved: number; Issued: number };
    expect([TOTAL, 7_250]).toContain(Available + Reserved + Issued);
    const before = all[i - 1];
    for (const name of ['Issued', 'Issued here', 'Refused here']) {
      expect([name, tiles[name] ?? 0]).toEqual([name, Math.max(tiles[name] ?? 0, before?.[name] ?? 0)]);
    }
  }
  expect(visitor.troubles).toEqual([]);
  await visitor.stop();
  await desk.stop();
  await issuer.close();
});

function sum(counts: Record<string, number>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
