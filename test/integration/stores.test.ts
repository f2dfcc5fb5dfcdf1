import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  CouponIssuer,
  type CouponIssuerOptions,
  HookError,
  type Issuance,
  MemoryPersistence,
  MisconfiguredError,
  NotIssuedError,
  type PersistenceAdapter,
} from '../../src/index.js';
import { mintId } from '../../src/model/issuance.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { openNamed, rebuildNamed } from '../support/scenes/named.js';
import { Database, rowsOf } from '../support/servers/database.js';
import { RedisServer } from '../support/servers/redis-server.js';

let server: RedisServer;
let redis: Redis;
let production: Database;
let staging: Database;
beforeAll(async () => {
  server = await RedisServer.start();
  redis = new Redis(server.port);
  [production, staging] = await Promise.all([Database.create(), Database.create()]);
  for (const { pool } of [production, staging]) await new PostgresPersistence(pool).createTable();
});
afterAll(async () => {
  redis.disconnect();
  await Promise.all([server.stop(), production.stop(), staging.stop()]);
});

const STOCK = { kind: 'counted', total: 100 } as const;

/** A process, its campaign, and the faults that it was told. */
function processOn(persistence: PersistenceAdapter, options: Partial<CouponIssuerOptions> = {}): CouponIssuer {
  return new CouponIssuer({ redis, persistence, timeoutMs: 2_000, ...options });
}

const postgres = ({ pool }: Database) => new PostgresPersistence(pool);
const idOf = async ({ pool }: Database) => (await pool.query('SELECT id FROM coupon_issuances_store')).rows[0].id;

/** Roles are of the whole server. */
const role = () => `role_${mintId().toLowerCase().replaceAll('-', '_')}`;

/** A campaign that production has opened, and a coupon of it. */
async function opened(definition: object = {}): Promise<{ id: string; issuer: CouponIssuer }> {
  const id = `campaign-${mintId()}`;
  const issuer = processOn(postgres(production));
  await issuer.campaign(id).open({ stock: STOCK, ...definition });
  return { id, issuer };
}

/** An adapter whose check answers what it is told. */
class Checked extends MemoryPersistence {
  checks = 0;
  identities = 0;
  saves = 0;
  check: () => Promise<void> = async () => {
    this.checks++;
    await this.answer();
  };
  answer: () => Promise<void> = async () => {};

  async identity(): Promise<string | null> {
    this.identities++;
    return 'a-database';
  }

  override async save(issuances: Parameters<MemoryPersistence['save']>[0]) {
    this.saves++;
    return super.save(issuances);
  }
}

const wrong = async () => {
  throw new MisconfiguredError('the table lacks a key');
};
const away = async () => {
  throw Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
};

test('a campaign is bound to the database that it was opened with, and shows which', async () => {
  const { id, issuer } = await opened();
  expect(await issuer.campaign(id).inspect()).toMatchObject({ store: await idOf(production) });
  expect(await idOf(production)).not.toBe(await idOf(staging));
  expect(await processOn(new MemoryPersistence()).campaign(mintId()).open({ stock: STOCK })).toMatchObject({
    campaign: { store: null },
  });
});

test('a process with another database takes nothing, claims nothing, and saves nothing there', async () => {
  const { id, issuer } = await opened();
  expect(await issuer.campaign(id).issue({ userId: 'ann' })).toMatchObject({ status: 'issued' });
  await issuer.idle();
  const before = await issuer.campaign(id).inspect();
  const stranger = processOn(postgres(staging));
  const kept = `campaign ${id} keeps its issuances in the database ${await idOf(production)}`;
  const refused = {
    issue: () => stranger.campaign(id).issue({ userId: 'bob' }),
    open: () => stranger.campaign(id).open({ stock: STOCK }),
    settle: () => stranger.campaign(id).settle(),
    withdraw: () => stranger.campaign(id).quarantine.withdraw({ all: true }),
    repair: () => stranger.campaign(id).reconcile({ repair: 'safe' }),
  };
  for (const [name, call] of Object.entries(refused)) {
    await expect(call(), name).rejects.toThrow(MisconfiguredError);
    await expect(call(), name).rejects.toThrow(kept);
  }
  const { reserved, issued, available } = await issuer.campaign(id).inspect();
  expect({ reserved, issued, available }).toEqual({ reserved: 0, issued: before.issued, available: before.available });
  expect(await rowsOf(staging, id)).toEqual([]);
});

test('a campaign is not compared with the rows of another database, where each would be missing', async () => {
  const { id, issuer } = await opened();
  await issuer.campaign(id).issue({ userId: 'ann' });
  await issuer.idle();
  const stranger = processOn(postgres(staging));
  await expect(stranger.campaign(id).reconcile()).rejects.toThrow(MisconfiguredError);
  expect((await issuer.campaign(id).reconcile()).findings).toEqual([]);
  // A table that is not fit can still be compared, and so can a campaign by a process that lacks its hooks.
  const unfit = Object.assign(postgres(production), { check: () => Promise.reject(new MisconfiguredError('no key')) });
  const auditor = processOn(unfit, { deliver: async () => {} });
  await expect(auditor.campaign(id).reconcile()).resolves.toMatchObject({ rows: 1 });
});

test('an adapter that wraps another one and forgets its identity is told so', async () => {
  const { id } = await opened();
  const inner = postgres(production);
  const forgetful = { save: (batch: readonly Issuance[]) => inner.save(batch) };
  await expect(processOn(forgetful).campaign(id).issue({ userId: 'ann' })).rejects.toThrow(
    'its adapter has no identity(). An adapter that wraps another one has to pass check and identity on',
  );
  const whole = { ...forgetful, check: () => inner.check(), identity: () => inner.identity() };
  expect(await processOn(whole).campaign(id).issue({ userId: 'ann' })).toMatchObject({ status: 'issued' });
});

test('a process with another database neither joins nor lets anybody through', async () => {
  const { id, issuer } = await opened({ admission: 'queued' });
  const stranger = processOn(postgres(staging));
  await expect(stranger.campaign(id).join({ userId: 'bob' })).rejects.toThrow(MisconfiguredError);
  await issuer.campaign(id).join({ userId: 'ann' });
  await expect(stranger.campaign(id).admit({ count: 1 })).rejects.toThrow(MisconfiguredError);
  expect(await issuer.campaign(id).admit({ count: 1 })).toMatchObject({ status: 'admitted', issued: 1 });
});

test.each([
  ['returned', true],
  ['returned', false],
  ['kept', true],
  ['kept', false],
] as const)('a process with another database takes no unit back: unit %s, again %s', async (unit, again) => {
  const { id, issuer } = await opened();
  const issued = await issuer.campaign(id).issue({ userId: 'ann' });
  if (issued.status !== 'issued') throw new Error(issued.status);
  await issuer.idle();
  const before = await issuer.campaign(id).inspect();
  const copy = postgres(staging);
  await copy.save([{ ...issued.issuance, state: 'reserved' }]);
  const stranger = processOn(copy);
  const request = { userId: 'ann', id: issued.issuance.id, revocationId: 'R', unit, again };
  await expect(stranger.campaign(id).revoke(request)).rejects.toThrow(MisconfiguredError);
  expect((await copy.list(id, { afterSerial: 0, limit: 1 }))[0]!.life?.state).not.toBe('revoked');
  // A row that is revoked already says nothing of the units either.
  const revoked = { version: 0, unexpired: false, to: { state: 'revoked', by: 'R' }, unitReturned: true } as const;
  const ref = { campaignId: id, id: request.id, userId: 'ann' };
  await copy.change([{ ref, ...revoked, ...(again && { freesGrant: true as const }) }]);
  expect(await stranger.campaign(id).revoke(request)).toMatchObject({ status: 'taken_back', stock: 'pending' });
  expect(await issuer.campaign(id).inspect()).toEqual(before);
  expect(await issuer.campaign(id).revoke(request)).toMatchObject({ status: 'taken_back', stock: 'done' });
});

test('the worker of another database claims nothing and says why', async () => {
  const { id, issuer } = await opened({ saveMode: 'write-behind' });
  expect(await issuer.campaign(id).issue({ userId: 'ann' })).toMatchObject({ status: 'accepted' });
  const faults: string[] = [];
  const stranger = processOn(postgres(staging), {
    onEvent: (event) => {
      if (event.type === 'fault') faults.push(event.error.name);
    },
  });
  const worker = stranger.startWorker({ campaigns: [id], intervalMs: 5 });
  await expect.poll(() => faults.length).toBeGreaterThan(0);
  await worker.stop();
  expect(new Set(faults)).toEqual(new Set(['MisconfiguredError']));
  expect(await rowsOf(staging, id)).toEqual([]);
  expect(await issuer.campaign(id).settle()).toMatchObject({ settled: 1 });
  expect(await rowsOf(production, id)).toHaveLength(1);
});

test('inspecting, pausing, closing and purging ask nobody for a database', async () => {
  const { id } = await opened();
  const stranger = processOn(postgres(staging));
  await stranger.campaign(id).pause();
  expect(await stranger.campaign(id).inspect()).toMatchObject({ state: 'paused' });
  await stranger.campaign(id).resume();
  await stranger.campaign(id).closeForGood();
  await stranger.campaign(id).purge();
});

test("rebinding is a word of the operator's own: from then on the other database serves, and the first does not", async () => {
  const { id, issuer } = await opened();
  const moved = processOn(postgres(staging));
  await expect(moved.campaign(id).issue({ userId: 'ann' })).rejects.toThrow("{ store: 'rebind' }");
  const definition = { id, stock: STOCK };
  const rebound = await openNamed(moved, definition, { store: 'rebind' }).catch((error: unknown) => error);
  expect(rebound).toMatchObject({ status: 'exists', campaign: { store: await idOf(staging) } });
  expect(await moved.campaign(id).issue({ userId: 'ann' })).toMatchObject({ status: 'issued' });
  expect(await rowsOf(staging, id)).toHaveLength(1);
  await expect(processOn(postgres(production)).campaign(id).issue({ userId: 'bob' })).rejects.toThrow(
    MisconfiguredError,
  );
  // A process that has served so far notices at its next call.
  await openNamed(issuer, definition, { store: 'rebind' });
  await expect(moved.campaign(id).issue({ userId: 'cho' })).rejects.toThrow(MisconfiguredError);
  expect(await rowsOf(staging, id)).toHaveLength(1);
  await expect(openNamed(issuer, definition, { store: 'anything' as 'rebind' })).rejects.toThrow(
    "store must be 'rebind'",
  );
}, 15_000);

test('a process that was refused serves once the campaign is bound to its database', async () => {
  const { id } = await opened();
  const moved = processOn(postgres(staging));
  await expect(moved.campaign(id).issue({ userId: 'ann' })).rejects.toThrow(MisconfiguredError);
  await processOn(postgres(staging)).campaign(id).open({ stock: STOCK }, { store: 'rebind' });
  await expect
    .poll(
      () =>
        moved
          .campaign(id)
          .issue({ userId: 'ann' })
          .then(
            (result) => result.status,
            (error: Error) => error.name,
          ),
      { timeout: 5_000 },
    )
    .toBe('issued');
});

test('a copy that got an identity of its own is another database', async () => {
  const { id } = await opened();
  const copy = await Database.create();
  await postgres(copy).createTable();
  await copy.pool.query('UPDATE coupon_issuances_store SET id = $1', [await idOf(production)]);
  expect(await processOn(postgres(copy)).campaign(id).issue({ userId: 'ann' })).toMatchObject({ status: 'issued' });
  await copy.pool.query('UPDATE coupon_issuances_store SET id = gen_random_uuid()');
  await expect(processOn(postgres(copy)).campaign(id).issue({ userId: 'bob' })).rejects.toThrow(MisconfiguredError);
  await copy.stop();
});

test('a rebuild binds the campaign to the database that it was made from', async () => {
  const { id, issuer } = await opened();
  await issuer.campaign(id).issue({ userId: 'ann' });
  const other = processOn(postgres(staging));
  const { campaign } = await other.campaign(id).rebuild({ stock: STOCK });
  expect(campaign.store).toBe(await idOf(staging));
  await expect(issuer.campaign(id).issue({ userId: 'bob' })).rejects.toThrow(MisconfiguredError);
});

test('a campaign that was opened where nobody knew the database is bound to none, until it is told to', async () => {
  const id = `campaign-${mintId()}`;
  const silent = processOn(new MemoryPersistence());
  await silent.campaign(id).open({ stock: STOCK });
  const checked = new Checked();
  const issuer = processOn(checked);
  expect((await issuer.campaign(id).open({ stock: STOCK })).campaign.store).toBeNull();
  expect(await issuer.campaign(id).issue({ userId: 'ann' })).toMatchObject({ status: 'issued' });
  expect((await issuer.campaign(id).open({ stock: STOCK }, { store: 'rebind' })).campaign.store).toBe('a-database');
  expect((await silent.campaign(id).open({ stock: STOCK }, { store: 'rebind' })).campaign.store).toBeNull();
});

test('a table of release 0.1 has no identity: nothing is bound, and nothing is refused', async () => {
  const old = await Database.create();
  await postgres(old).createTable();
  await old.pool.query('DROP TABLE coupon_issuances_store');
  const id = `campaign-${mintId()}`;
  const issuer = processOn(postgres(old));
  await postgres(old).createTable();
  expect((await issuer.campaign(id).open({ stock: STOCK })).campaign.store).toBeNull();
  expect(await issuer.campaign(id).issue({ userId: 'ann' })).toMatchObject({ status: 'issued' });
  // Whoever has lost the identity is not taken for the one that is known.
  const { id: bound } = await opened();
  await expect(issuer.campaign(bound).issue({ userId: 'ann' })).rejects.toThrow('does not say which it is');
  await postgres(old).upgradeTable();
  expect(await postgres(old).identity()).toMatch(/^[0-9a-f]{32}$/);
  await old.stop();
});

test('a role that may only SELECT and INSERT reads the identity', async () => {
  const { pool } = production;
  const clerk = role();
  await pool.query(`CREATE ROLE ${clerk} LOGIN PASSWORD 'clerk'; GRANT SELECT, INSERT ON coupon_issuances TO ${clerk}`);
  const url = new URL(production.url);
  const own = new pg.Pool({
    host: url.hostname,
    port: Number(url.port),
    database: url.pathname.slice(1),
    user: clerk,
    password: 'clerk',
  });
  expect(await new PostgresPersistence(own).identity()).toBe(await idOf(production));
  await own.end();
});

test('a database whose policies hide rows does not let a lost campaign be opened as a new one', async () => {
  const { id, issuer } = await opened();
  await issuer.campaign(id).issue({ userId: 'ann' });
  const { pool } = production;
  const tenant = role();
  await pool.query(`ALTER TABLE coupon_issuances ENABLE ROW LEVEL SECURITY;
    CREATE POLICY tenants ON coupon_issuances USING (user_id = current_setting('shop.tenant', true));
    CREATE ROLE ${tenant} LOGIN PASSWORD 'tenant'; GRANT SELECT, INSERT ON coupon_issuances TO ${tenant}`);
  const url = new URL(production.url);
  const own = new pg.Pool({
    host: url.hostname,
    port: Number(url.port),
    database: url.pathname.slice(1),
    user: tenant,
    password: 'tenant',
  });
  try {
    const process = () => processOn(new PostgresPersistence(own), { prefix: 'lost' });
    const elsewhere = process();
    await expect(elsewhere.campaign(id).open({ stock: STOCK })).rejects.toThrow(`may hide rows from ${tenant}`);
    await pool.query(`CREATE POLICY seen ON coupon_issuances FOR SELECT TO ${tenant} USING (true)`);
    await expect(elsewhere.campaign(id).open({ stock: STOCK })).rejects.toThrow('the database holds issuances');
    await pool.query('CREATE POLICY few ON coupon_issuances AS RESTRICTIVE FOR SELECT USING (false)');
    await expect(process().campaign(id).open({ stock: STOCK })).rejects.toThrow(`may hide rows from ${tenant}`);
  } finally {
    await own.end();
    await pool.query('ALTER TABLE coupon_issuances DISABLE ROW LEVEL SECURITY');
  }
});

test('a process asks its database once, before it reserves anything', async () => {
  const { id } = await openedInMemory();
  const checked = new Checked();
  const issuer = processOn(checked);
  const users = Array.from({ length: 50 }, (_, i) => `user-${i}`);
  await Promise.all(users.map((userId) => issuer.campaign(id).issue({ userId })));
  await issuer.campaign(id).settle();
  expect([checked.checks, checked.identities]).toEqual([1, 1]);
});

async function openedInMemory(definition: object = {}): Promise<{ id: string; other: CouponIssuer }> {
  const id = `campaign-${mintId()}`;
  const other = processOn(new MemoryPersistence());
  await other.campaign(id).open({ stock: STOCK, ...definition });
  return { id, other };
}

test('while the table is not fit nothing is reserved, it is asked once a second at most, and after the cure the process serves', async () => {
  const { id, other } = await openedInMemory();
  const checked = new Checked();
  checked.answer = wrong;
  const issuer = processOn(checked);
  const call = () => issuer.campaign(id).issue({ userId: 'ann' });
  for (let i = 0; i < 20; i++) await expect(call()).rejects.toThrow('the table lacks a key');
  expect(checked.checks).toBe(1);
  expect(checked.saves).toBe(0);
  expect(await other.campaign(id).inspect()).toMatchObject({ reserved: 0, available: 100 });
  checked.answer = async () => {};
  await expect
    .poll(
      () =>
        call().then(
          ({ status }) => status,
          (error: Error) => error.name,
        ),
      { timeout: 5_000 },
    )
    .toBe('issued');
});

test('a database that could not be asked is asked by the next call, and nothing is reserved meanwhile', async () => {
  const { id, other } = await openedInMemory();
  const checked = new Checked();
  checked.answer = away;
  const issuer = processOn(checked);
  const error = await issuer
    .campaign(id)
    .issue({ userId: 'ann' })
    .catch((error: unknown) => error);
  expect(error).toBeInstanceOf(NotIssuedError);
  expect(error).toMatchObject({ message: expect.stringContaining('ECONNREFUSED'), cause: { code: 'ECONNREFUSED' } });
  await expect(issuer.campaign(id).settle()).rejects.toThrow(HookError);
  expect(await other.campaign(id).inspect()).toMatchObject({ reserved: 0, available: 100 });
  checked.answer = async () => {};
  expect(await issuer.campaign(id).issue({ userId: 'ann' })).toMatchObject({ status: 'issued' });
  expect(checked.checks).toBe(3);
});

test.each([
  { what: 'refuses', answer: away },
  { what: 'hangs', answer: () => new Promise<void>(() => {}) },
])('while the database $what, what Redis alone answers is answered: write-behind and joining', async ({ answer }) => {
  const behind = await openedInMemory({ saveMode: 'write-behind' });
  const queued = await openedInMemory({ admission: 'queued' });
  const checked = new Checked();
  checked.answer = answer;
  const issuer = processOn(checked);
  expect(await issuer.campaign(behind.id).issue({ userId: 'ann' })).toMatchObject({ status: 'accepted' });
  expect(await issuer.campaign(queued.id).join({ userId: 'ann' })).toMatchObject({ status: 'waiting' });
  expect(await issuer.campaign(behind.id).open({ stock: STOCK, saveMode: 'write-behind' })).toMatchObject({
    status: 'exists',
  });
});

test('a new campaign is not opened while its database cannot be asked, and is opened by the same call later', async () => {
  const checked = new Checked();
  checked.answer = away;
  const issuer = processOn(checked);
  const definition = { id: `campaign-${mintId()}`, stock: STOCK };
  await expect(openNamed(issuer, definition)).rejects.toThrow(HookError);
  expect(
    await issuer
      .campaign(definition.id)
      .issue({ userId: 'ann' })
      .catch((error: Error) => error.name),
  ).toBe('NotIssuedError');
  const unbound = await issuer.campaign(`campaign-${mintId()}`).open({ stock: STOCK }, { skipRowCheck: true });
  expect(unbound).toMatchObject({ status: 'opened', campaign: { store: null } });
  checked.answer = wrong;
  await expect(openNamed(issuer, definition)).rejects.toThrow('the table lacks a key');
  await expect(rebuildNamed(issuer, definition)).rejects.toThrow(MisconfiguredError);
  checked.answer = async () => {};
  const other = processOn(new Checked());
  expect((await openNamed(other, definition)).campaign).toMatchObject({ store: 'a-database', ready: true });
});

test.each([7, '', 'x'.repeat(129), 'a\u0000b'])('the identity %j is none', async (identity) => {
  const { id } = await openedInMemory();
  const issuer = processOn(Object.assign(new MemoryPersistence(), { identity: async () => identity as string }));
  await expect(issuer.campaign(id).settle()).rejects.toThrow("the adapter's identity must");
});
