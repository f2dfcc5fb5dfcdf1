import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CouponIssuer, type PersistenceAdapter } from '../../src/index.js';
import { checkInvariants, checkRows, expireLeases } from '../support/checks/invariants.js';
import { Ledger } from '../support/checks/ledger.js';
import { SEED } from '../support/checks/lengths.js';
import { own } from '../support/checks/own.js';
import { seeded } from '../support/checks/random.js';
import { issueNamed } from '../support/scenes/named.js';
import { type WatchedBook, watchedBook } from '../support/scenes/postgres-books.js';
import { holdSerial, someWait } from '../support/scenes/postgres-run.js';
import { Database } from '../support/servers/database.js';
import { client } from '../support/servers/fault-clients.js';
import { RedisServer } from '../support/servers/redis-server.js';

let database: Database;
let server: RedisServer;
beforeAll(async () => {
  [database, server] = await Promise.all([Database.create(), RedisServer.start()]);
});
afterAll(async () => {
  await Promise.all([database?.stop(), server?.stop()]);
});

/** Saves through connections of its own, with its own settings. */
async function bookWith(options = '-c deadlock_timeout=10s'): Promise<WatchedBook> {
  const saving = new pg.Pool({ connectionString: database.url, max: 4, options });
  saving.on('error', () => {});
  await own({ stop: () => saving.end() });
  return watchedBook(saving, database.pool);
}

const issuerWith = (persistence: PersistenceAdapter, prefix = 'coupon') =>
  new CouponIssuer({ redis: client(server.client()), persistence, prefix, timeoutMs: 5_000 });

const ROUNDS = 5;
const users = (count: number) => Array.from({ length: count }, (_, i) => `user-${i + 1}`);
const count = (statuses: string[], status: string) => statuses.filter((one) => one === status).length;

test.each(['ROLLBACK', 'COMMIT'] as const)(
  'a save that a dead-lock with somebody else ended is tried again, and their %s decides who has which unit',
  async (end) => {
    const campaignId = `locked-${end.toLowerCase()}`;
    const book = await bookWith('-c deadlock_timeout=500ms');
    const issuer = issuerWith(book);
    await issuer.campaign(campaignId).open({ stock: { kind: 'counted', total: 30 } });
    const somebody = await database.pool.connect();
    await somebody.query("BEGIN; SET LOCAL deadlock_timeout = '60s'");
    await holdSerial(somebody, campaignId, 15);
    const issuing = Promise.all(users(20).map((userId) => issuer.campaign(campaignId).issue({ userId })));
    expect(await someWait(database, 5_000), 'the save waits for serial 15').toBe(true);
    await holdSerial(somebody, campaignId, 3);
    await somebody.query(end);
    somebody.release();

    expect(
      count(
        (await issuing).map(({ status }) => status),
        'issued',
      ),
    ).toBe(20);
    await issuer.idle();
    expect(book.failed(/^40P01$/)).toBe(1);
    const rows = await book.rows(campaignId);
    checkRows(rows, { total: 30, perUser: 1 });
    expect(rows).toHaveLength(end === 'COMMIT' ? 22 : 20);
    const campaign = await issuer.campaign(campaignId).inspect();
    expect(campaign).toMatchObject({ issued: 20, reserved: 0, withdrawn: end === 'COMMIT' ? 2 : 0 });
  },
);

test('two processes save the same batch at once: the second waits for the first, and each coupon is there once', async () => {
  const campaignId = 'overlap';
  const [first, second] = await Promise.all([bookWith(), bookWith()]);
  const [owner, settler] = [issuerWith(first), issuerWith(second)];
  await owner.campaign(campaignId).open({ stock: { kind: 'counted', total: 40, generateCodes: true } });
  const somebody = await database.pool.connect();
  await somebody.query('BEGIN');
  await holdSerial(somebody, campaignId, 30);
  const issuing = Promise.all(users(40).map((userId) => owner.campaign(campaignId).issue({ userId })));
  expect(await someWait(database, 5_000), 'the owner waits for serial 30').toBe(true);
  await expireLeases(server.client(), campaignId);
  const settling = settler.campaign(campaignId).settle();
  expect(await someWait(database, 5_000, 2), 'settle waits for the owner').toBe(true);
  await somebody.query('ROLLBACK');
  somebody.release();

  const told = await issuing;
  expect(await settling).toEqual({ settled: 40, pending: 0, failed: 0 });
  await owner.idle();
  const rows = await first.rows(campaignId);
  const codes = new Map(rows.map(({ userId, code }) => [userId, code]));
  for (const result of told) {
    if (result.status !== 'issued') throw new Error(`told ${result.status}`);
    expect(codes.get(result.issuance.userId)).toBe(result.issuance.code);
  }
  expect([...first.failures]).toEqual([]);
  // It met the rows of the owner when they were committed, and skipped them in a second statement.
  expect([...second.failures]).toEqual([['23505', 1]]);
  await checkInvariants({ redis: server.client(), campaignId, rows, settled: true });
});

test('two Redis states of one campaign, whose batches lock each other out: the database gives each unit once, and what was told is true', async () => {
  const campaignId = 'torn';
  const total = 60;
  // Each row takes a moment, so that two batches meet half way.
  await database.pool.query(`
    CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.002); RETURN NEW; END';
    CREATE TRIGGER slowly BEFORE INSERT ON coupon_issuances FOR EACH ROW WHEN (NEW.campaign_id = '${campaignId}') EXECUTE FUNCTION slowly();`);
  const ledger = new Ledger();
  const random = seeded(SEED);
  const books = await Promise.all([0, 1].map(() => bookWith('-c deadlock_timeout=5ms')));
  const issuers = books.map((book, i) => issuerWith(book, `half-${i}`));
  for (const issuer of issuers) {
    await issuer.campaign(campaignId).open({ stock: { kind: 'counted', total } }, { skipRowCheck: true });
  }
  // The halves give out different units to the same users, who ask both at once.
  await server.client().hset(`{half-1:${campaignId}}:campaign`, 'lastSerial', total / 2);
  for (let round = 0; round < ROUNDS; round++) {
    const asks = issuers.flatMap((issuer) =>
      users((total / 2 / ROUNDS) * (round + 1))
        .sort(() => random() - 0.5)
        .map((userId) => ({
          issuer,
          ask: { campaignId, userId, requestId: `${userId} ${Math.floor(1e9 * random())}` },
        })),
    );
    const tell = async ({ issuer, ask }: (typeof asks)[number]) =>
      ledger.told(ask, await issueNamed(issuer, ask).catch((error: Error) => error), 0);
    await Promise.all(asks.map(tell));
  }
  for (const [i, issuer] of issuers.entries()) {
    await issuer.idle();
    await expireLeases(server.client(), campaignId, `half-${i}`);
    await issuer.campaign(campaignId).settle();
    expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ reserved: 0 });
  }
  const rows = await books[0]!.rows(campaignId);
  checkRows(rows, { total, perUser: 1 });
  expect(ledger.violations(campaignId, rows, false)).toEqual([]);
  const deadlocks = books.reduce((sum, book) => sum + book.failed(/^40P01$/), 0);
  process.stdout.write(`two halves: seed=${SEED} ${JSON.stringify(ledger.counts)} dead-locks=${deadlocks}\n`);
  expect(deadlocks, 'the batches locked each other out').toBeGreaterThan(0);
});
