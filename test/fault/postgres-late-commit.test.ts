import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type CouponEvent, CouponIssuer } from '../../src/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { checkInvariants, expireLeases } from '../support/checks/invariants.js';
import { length, SEED } from '../support/checks/lengths.js';
import { own } from '../support/checks/own.js';
import { seeded } from '../support/checks/random.js';
import { pause, until } from '../support/checks/until.js';
import { issueNamed, type NamedDefinition, openNamed } from '../support/scenes/named.js';
import { rowsIn, watched } from '../support/scenes/postgres-books.js';
import { someWait } from '../support/scenes/postgres-run.js';
import { Database } from '../support/servers/database.js';
import { client } from '../support/servers/fault-clients.js';
import { RedisServer } from '../support/servers/redis-server.js';

/** After so long a caller gives up. A busy machine has reserved and sent the save by then. */
const GIVES_UP_MS = length(500, 1_000);
/** The commit comes once to five times as long after that. */
const LATER_MS = length(100, 1_000);
const random = seeded(SEED);

let database: Database;
let server: RedisServer;
let campaigns = 0;
let events: CouponEvent[];

beforeAll(async () => {
  [database, server] = await Promise.all([Database.create(), RedisServer.start()]);
  await new PostgresPersistence(database.pool).createTable();
  // The row is written at once, and its commit waits as long as the test holds the lock.
  await database.pool.query(`
    CREATE FUNCTION commit_late() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0 AS $$ BEGIN
      PERFORM pg_advisory_xact_lock_shared(1);
      RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER commit_late AFTER INSERT ON coupon_issuances DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION commit_late();`);
});
afterAll(async () => {
  await Promise.all([database?.stop(), server?.stop()]);
});
beforeEach(() => {
  events = [];
});

/** From now on nothing is committed, until the lock is given back; at the latest when the test is over, so that the next one begins without it. */
async function holdCommits(): Promise<() => Promise<void>> {
  const holder = await database.pool.connect();
  await holder.query('SELECT pg_advisory_lock(1)');
  let isHeld = true;
  const commit = async () => {
    if (!isHeld) return;
    isHeld = false;
    await holder.query('SELECT pg_advisory_unlock(1)');
    holder.release();
  };
  await own({ stop: commit });
  return commit;
}

/** Who gives up on the save, how many sessions of theirs wait then, and what the client says. */
const GIVING_UP = {
  'the issuer gave up': { waiting: 1, timeoutMs: GIVES_UP_MS, pool: {}, says: [] },
  'the client of the database gave up, twice': {
    waiting: 2,
    timeoutMs: 10 * GIVES_UP_MS,
    pool: { query_timeout: GIVES_UP_MS },
    says: ['Query read timeout'],
  },
  'the client gave up, and the next attempt was refused for certain': {
    waiting: 1,
    timeoutMs: 10 * GIVES_UP_MS,
    pool: { query_timeout: GIVES_UP_MS, options: `-c lock_timeout=${GIVES_UP_MS / 4}` },
    says: ['Query read timeout', '55P03'],
  },
};

const STOCKS = {
  counted: { kind: 'counted', total: 3, generateCodes: true },
  codes: { kind: 'codes' },
} as const;

const cases = Object.entries(GIVING_UP).flatMap(([who, how]) =>
  (['before', 'after'] as const).flatMap((when) =>
    (['counted', 'codes'] as const).map((kind) => [who, when, kind, how] as const),
  ),
);

async function issuerWith(timeoutMs: number, pool: pg.PoolConfig, failures = new Map<string, number>()) {
  const saving = new pg.Pool({ connectionString: database.url, max: 4, ...pool });
  saving.on('error', () => {});
  await own({ stop: () => saving.end() });
  return new CouponIssuer({
    redis: client(server.client()),
    persistence: new PostgresPersistence(watched(saving, failures)),
    leaseMs: 60_000,
    timeoutMs,
    onEvent: (event) => events.push(event),
  });
}

test.each(cases)(
  'the commit comes after %s, settle %s it: the unit is never given back and never issued twice (%s)',
  async (_, when, kind, how) => {
    const campaignId = `late-${++campaigns}`;
    const definition: NamedDefinition = { id: campaignId, stock: STOCKS[kind] };
    const failures = new Map<string, number>();
    const hasty = await issuerWith(how.timeoutMs, how.pool, failures);
    const patient = await issuerWith(30_000, {});
    await openNamed(patient, definition);
    if (kind === 'codes') await patient.campaign(campaignId).loadCodes(['A', 'B', 'C']);
    const commit = await holdCommits();
    const request = { campaignId, userId: 'ann', requestId: 'one' };
    const rows = () => rowsIn(database.pool, campaignId);

    const told = await issueNamed(hasty, request);
    if (told.status !== 'accepted') throw new Error(`told ${told.status}`);
    expect(await rows(), 'not committed when the caller was told').toEqual([]);
    let settled = 0;
    const settle = async () => {
      await expireLeases(server.client(), campaignId);
      settled += (await patient.campaign(campaignId).settle()).settled;
    };
    const settling = when === 'before' ? settle() : null;
    const waiting = how.waiting + (settling ? 1 : 0);
    expect(await someWait(database, 5_000, waiting), 'the save, and settle, wait for the commit').toBe(true);
    await pause(LATER_MS * (1 + 4 * random()));
    await commit();
    await settling;
    await until(async () => (await rows()).length === 1);
    if (when === 'after') await settle();

    expect(settled).toBe(1);
    const [row] = await rows();
    expect(row).toMatchObject({ id: told.issuance.id, serial: told.issuance.serial, userId: request.userId });
    const issuance = { id: row!.id, serial: row!.serial, code: row!.code };
    for (const issuer of [hasty, patient]) {
      expect(await issueNamed(issuer, request)).toMatchObject({ status: 'issued', issuance });
      await issuer.idle();
    }
    expect(await patient.campaign(campaignId).inspect()).toMatchObject({
      available: 2,
      reserved: 0,
      issued: 1,
      withdrawn: 0,
    });
    expect(events.filter(({ type }) => type === 'released' || type === 'withdrawn')).toEqual([]);
    // An attempt that waited for the late commit meets its row, and is answered by a second statement.
    const gaveUp = [...failures.keys()].filter((code) => code !== '23505');
    expect(gaveUp, 'how the client gave up').toEqual(how.says);
    await checkInvariants({ redis: server.client(), campaignId, rows: await rows(), settled: true });
  },
);

test('while nobody knows how a save ends, a repeat is told accepted and keeps the unit', async () => {
  const campaignId = `late-${++campaigns}`;
  const hasty = await issuerWith(GIVES_UP_MS, {});
  await hasty.campaign(campaignId).open({ stock: STOCKS.counted });
  const request = { campaignId, userId: 'ann', requestId: 'one' };
  const commit = await holdCommits();
  const first = await issueNamed(hasty, request);
  const again = await issueNamed(hasty, request);
  expect([first.status, again.status]).toEqual(['accepted', 'accepted']);
  expect(again).toEqual({ ...first, replayed: true });
  await commit();
  await until(async () => (await rowsIn(database.pool, campaignId)).length === 1);
  expect(await issueNamed(hasty, request)).toMatchObject({ status: 'issued' });
  await hasty.idle();
  expect(await hasty.campaign(campaignId).inspect()).toMatchObject({ reserved: 0, issued: 1, available: 2 });
});
