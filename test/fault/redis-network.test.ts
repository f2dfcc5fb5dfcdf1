import { afterAll, beforeAll, expect, test } from 'vitest';
import { scripts } from '../../src/redis/scripts.js';
import { type Book, postgresBook } from '../support/checks/books.js';
import { LIMIT, length, SEED } from '../support/checks/lengths.js';
import { own } from '../support/checks/own.js';
import { seeded } from '../support/checks/random.js';
import { LAG_MS } from '../support/checks/timers.js';
import { pause, until } from '../support/checks/until.js';
import { campaignsOf } from '../support/scenes/fault-campaigns.js';
import { FaultRun } from '../support/scenes/fault-run.js';
import { Database } from '../support/servers/database.js';
import { clientsOf } from '../support/servers/fault-clients.js';
import { LossyProxy } from '../support/servers/proxy.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { shaOf } from '../support/servers/sent.js';

const TIMEOUT_MS = 1_000;
let database: Database;
let book: Book;
beforeAll(async () => {
  database = await Database.create();
  book = await postgresBook(database);
});
afterAll(() => database.stop());

/** Processes that reach a server through a proxy, users who ask, and a first part of the coupons issued. */
async function underLoad(
  fault: string,
  name: string,
  { total = 2_000, ...load }: { total?: number; timeoutMs?: number; within?: readonly number[] } = {},
) {
  const server = await own(RedisServer.start());
  const proxy = await own(LossyProxy.start(server.port));
  const run = await FaultRun.open({
    fault,
    processes: clientsOf(proxy.port),
    book,
    campaigns: campaignsOf(name, total),
    issuer: { timeoutMs: TIMEOUT_MS },
  });
  const loaded = run.load(load);
  await loaded.gets(200, ['issued']);
  return { proxy, run, load: loaded, redis: server.client() };
}

test.each([
  ['arrives', 'late', { timeoutMs: TIMEOUT_MS, within: [TIMEOUT_MS, LAG_MS] }],
  // Without a limit of its own a call has the deadline of its batch, which is that of the youngest call in it.
  ['is dead', 'dead', { within: [TIMEOUT_MS, TIMEOUT_MS, LAG_MS] }],
] as const)(
  'connections half open under load, and what was sent %s: each call ends in its time, service goes on, nothing is lost',
  async (afterwards, name, times) => {
    const fault = `Half-open, and what was sent ${afterwards}`;
    const { proxy, run, load, redis } = await underLoad(fault, name, times);
    proxy.hold();
    await pause(length(3_000, 30_000));
    proxy.release(afterwards);
    await load.gets(300, ['issued']);
    await load.stop();
    expect(run.ledger.count('REDIS:unknown')).toBeGreaterThan(0);
    expect(run.ledger.slowestMs).toBeGreaterThanOrEqual(TIMEOUT_MS - 1);
    expect(run.ledger.late).toBe(0);
    await run.end({ injected: { 'pieces held back': proxy.injected.swallowed }, redis, kept: true });
  },
  LIMIT,
);

test(
  'replies that come later than anybody waits: each call ends in its time, and what they took is found',
  async () => {
    const { proxy, run, load, redis } = await underLoad('Replies delayed', 'delayed', {
      within: [TIMEOUT_MS, TIMEOUT_MS, LAG_MS],
    });
    proxy.delay(1.5 * TIMEOUT_MS);
    await load.gets(length(50, 1_000), ['REDIS:unknown']);
    proxy.delay(0);
    await load.gets(300, ['issued']);
    await load.stop();
    expect(run.ledger.late).toBe(0);
    await run.end({ injected: { 'late replies': proxy.injected.delayed }, redis, kept: true });
  },
  LIMIT,
);

test(
  'connections reset again and again under load: nothing is lost and nothing is taken twice',
  async () => {
    const { proxy, run, load, redis } = await underLoad('Connections reset', 'reset');
    for (let time = 0; time < length(20, 500); time++) {
      await load.gets(30, ['issued', 'already_issued', 'sold_out']);
      proxy.reset();
    }
    await load.gets(100);
    await load.stop();
    await run.end({ injected: { resets: proxy.injected.reset }, redis, kept: true });
  },
  LIMIT,
);

test(
  'replies cut at any byte under load: nothing is lost and nothing is taken twice',
  async () => {
    const random = seeded(SEED);
    const { proxy, run, load, redis } = await underLoad('Replies cut', 'cut', { total: length(2_000, 20_000) });
    const names = ['reserve', 'confirm', 'claimDue'] as const;
    const harm = () => proxy.injected.cut + proxy.injected.lost;
    for (let time = 0; time < length(45, 300); time++) {
      const before = harm();
      proxy.cutReplyTo(shaOf(scripts[names[time % names.length]!]), Math.floor(200 * random() ** 2));
      await until(() => harm() > before);
    }
    await load.gets(100);
    await load.stop();
    const { cut, lost } = proxy.injected;
    await run.end({ injected: { 'replies cut': cut, 'replies lost': lost }, redis, kept: true });
  },
  LIMIT,
);
