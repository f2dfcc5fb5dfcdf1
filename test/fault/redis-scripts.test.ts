import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Book, postgresBook, unreliable } from '../support/checks/books.js';
import { LIMIT, length, SEED } from '../support/checks/lengths.js';
import { own } from '../support/checks/own.js';
import { campaignsOf } from '../support/scenes/fault-campaigns.js';
import { FaultRun } from '../support/scenes/fault-run.js';
import { Database } from '../support/servers/database.js';
import { clientsOf } from '../support/servers/fault-clients.js';
import { RedisServer } from '../support/servers/redis-server.js';

let database: Database;
let book: Book;
beforeAll(async () => {
  database = await Database.create();
  book = await postgresBook(database);
});
afterAll(() => database.stop());

test(
  'scripts that Redis forgets again and again under load: nobody notices',
  async () => {
    const server = await own(RedisServer.start());
    const redis = server.client();
    const flaky = unreliable(book, SEED);
    const run = await FaultRun.open({
      fault: 'SCRIPT FLUSH',
      processes: clientsOf(server.port),
      book: flaky,
      campaigns: campaignsOf('forgotten', length(1_500, 3_000)),
    });
    const load = run.load();
    const flushes = length(100, 1_000);
    for (let flush = 0; flush < flushes; flush++) {
      // The load sets the pace: many times faster than ten a second.
      await load.gets(20);
      await redis.script('FLUSH');
    }
    await load.stop();
    expect(run.ledger.counts).not.toHaveProperty(['REDIS:unknown']);
    expect(run.ledger.counts).not.toHaveProperty(['REDIS:not_applied']);
    const forgot = Number(/errorstat_NOSCRIPT:count=(\d+)/.exec(await redis.info('errorstats'))?.[1] ?? 0);
    await run.end({ injected: { 'SCRIPT FLUSHes': flushes, 'NOSCRIPT replies': forgot }, redis, kept: true });
  },
  LIMIT,
);
