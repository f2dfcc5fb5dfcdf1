import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Book, postgresBook, unreliable } from '../support/checks/books.js';
import { LIMIT, length, SEED } from '../support/checks/lengths.js';
import { own } from '../support/checks/own.js';
import { campaignsOf } from '../support/scenes/fault-campaigns.js';
import { FaultRun } from '../support/scenes/fault-run.js';
import { openNamed } from '../support/scenes/named.js';
import { Database } from '../support/servers/database.js';
import { clientsOf } from '../support/servers/fault-clients.js';
import { KEEPS, removeData } from '../support/servers/redis-data.js';
import { RedisServer } from '../support/servers/redis-server.js';

const TOTAL = length(1_500, 3_000);
let database: Database;
let book: Book;
beforeAll(async () => {
  database = await Database.create();
  book = await postgresBook(database);
});
afterAll(() => database.stop());

async function restartedEmpty(server: RedisServer): Promise<void> {
  expect(await server.kill()).toBe('SIGKILL');
  removeData(server.dir);
  await server.restart();
}

async function flushed(server: RedisServer): Promise<void> {
  expect(await server.client().flushall()).toBe('OK');
}

/** As another program would that shares the server, or a policy that evicts. */
async function partly(server: RedisServer): Promise<void> {
  const redis = server.client();
  const keys = await redis.keys('*:grants');
  expect(keys.length).toBe(3);
  expect(await redis.unlink(...keys)).toBe(3);
}

test.each([
  ['Redis restarted empty', { name: 'emptied', lose: restartedEmpty, known: false }],
  ['FLUSHALL', { name: 'flushed', lose: flushed, known: false }],
  ['The grants lost', { name: 'torn', lose: partly, known: true }],
])(
  '%s under load: everybody is told missing, nothing is issued, the database stays as it is, and a rebuild gives out every unit',
  async (fault, { name, lose, known }) => {
    const server = await own(RedisServer.with({ args: KEEPS.written }));
    const flaky = unreliable(book, SEED);
    const processes = clientsOf(server.port);
    const run = await FaultRun.open({ fault, processes, book: flaky, campaigns: campaignsOf(name, TOTAL) });
    const load = run.load();
    await load.gets(500, ['issued']);
    await lose(server);
    await load.gets(100, ['not_ready:missing']);
    await run.refuses(load, 'missing', length(1_000, 10_000));
    await run.quiet(load);
    const before = await run.rows();
    const stranger = run.process();
    for (const { id: campaignId, definition, rows } of before) {
      expect(rows.length).toBeGreaterThan(0);
      const told = await stranger
        .campaign(campaignId)
        .issue({ userId: 'ann' })
        .catch(({ code }) => code);
      expect(told).toEqual(known ? { status: 'not_ready', reason: 'missing' } : 'UNKNOWN_CAMPAIGN');
      if (known) continue;
      await expect(openNamed(stranger, definition)).rejects.toMatchObject({ code: 'CAMPAIGN_CONFLICT' });
      expect(await stranger.campaign(campaignId).issue({ userId: 'ann' })).toMatchObject({ status: 'not_ready' });
    }
    expect(await run.rows()).toEqual(before);

    load.goOn();
    await run.rebuild();
    await load.gets(300, ['issued']);
    const injected = { losses: 1, 'failed saves': flaky.failed };
    await run.end({ injected, redis: server.client(), kept: false });
  },
  LIMIT,
);
