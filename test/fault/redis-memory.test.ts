import { afterAll, beforeAll, expect, test } from 'vitest';
import { CouponIssuer, type Issuance, NotSavedError } from '../../src/index.js';
import { type Book, memoryBook, postgresBook, unreliable } from '../support/checks/books.js';
import { checkInvariants } from '../support/checks/invariants.js';
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

/** Leaves it no more memory than it has in use and a little. */
async function fill(redis: ReturnType<RedisServer['client']>, left: number): Promise<void> {
  const used = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))![1]);
  await redis.config('SET', 'maxmemory', String(used + left));
}

test(
  'a Redis without memory under load says so, loses nothing, and goes on when it has some again',
  async () => {
    const server = await own(RedisServer.start(['--maxmemory-policy', 'noeviction']));
    const redis = server.client();
    const flaky = unreliable(book, SEED);
    const run = await FaultRun.open({
      fault: 'Redis out of memory',
      processes: clientsOf(server.port),
      book: flaky,
      campaigns: campaignsOf('full', length(2_000, 15_000)),
    });
    const load = run.load();
    let full = 0;
    for (let time = 0; time < length(3, 20); time++) {
      await load.gets(length(200, 100), ['issued']);
      await fill(redis, 50_000);
      await load.gets(length(300, 3_000), ['REDIS:not_applied']);
      full++;
      await redis.config('SET', 'maxmemory', '0');
    }
    await load.gets(200, ['issued']);
    await load.stop();
    await run.end({ injected: { 'times full': full, 'failed saves': flaky.failed }, redis, kept: true });
  },
  LIMIT,
);

test('what is reserved when the memory ends can still be confirmed and given back', async () => {
  const server = await own(RedisServer.start(['--maxmemory-policy', 'noeviction']));
  const redis = server.client();
  const memory = memoryBook();
  let save: (issuances: readonly Issuance[]) => ReturnType<Book['save']> = (issuances) =>
    memory.save(issuances, { signal });
  const signal = new AbortController().signal;
  const issuer = new CouponIssuer({ redis, persistence: { save: (issuances) => save(issuances) }, maxBatch: 1 });
  const campaignId = 'full';
  await issuer.campaign(campaignId).open({ stock: { kind: 'counted', total: 100 } });
  // The scripts have to be known: loading one needs memory too.
  save = () => Promise.reject(new NotSavedError('no'));
  await expect(issuer.campaign(campaignId).issue({ userId: 'first' })).rejects.toMatchObject({ code: 'NOT_ISSUED' });
  save = (issuances) => memory.save(issuances, { signal });
  await issuer.campaign(campaignId).issue({ userId: 'second' });
  await issuer.idle();

  save = async (issuances) => {
    await fill(redis, 0);
    if (issuances[0]!.userId === 'released') throw new NotSavedError('no');
    return memory.save(issuances, { signal });
  };
  expect(await issuer.campaign(campaignId).issue({ userId: 'confirmed' })).toMatchObject({ status: 'issued' });
  await issuer.idle();
  expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ reserved: 0, issued: 2 });
  await expect(issuer.campaign(campaignId).issue({ userId: 'refused' })).rejects.toMatchObject({
    code: 'REDIS',
    outcome: 'not_applied',
    message: expect.stringContaining('OOM'),
  });
  await redis.config('SET', 'maxmemory', '0');
  await expect(issuer.campaign(campaignId).issue({ userId: 'released' })).rejects.toMatchObject({ code: 'NOT_ISSUED' });
  expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ reserved: 0, issued: 2, available: 98 });
  await checkInvariants({ redis, campaignId, rows: await memory.rows(campaignId), settled: true });
});
