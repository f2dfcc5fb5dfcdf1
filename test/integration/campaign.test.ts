import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type CouponEvent,
  CouponIssuer,
  type CouponIssuerOptions,
  isValidCode,
  type LoadResult,
  MemoryPersistence,
  NotDeliveredError,
  OverloadedError,
} from '../../src/index.js';
import { checkInvariants, expireLeases } from '../support/checks/invariants.js';
import { until } from '../support/checks/until.js';
import { answers, fails, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { issueNamed, type NamedDefinition, openNamed, rebuildNamed } from '../support/scenes/named.js';
import { RedisServer } from '../support/servers/redis-server.js';

let server: RedisServer;
let redis: Redis;
let persistence: ScriptedPersistence;
let id = '';
let campaigns = 0;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(() => {
  persistence = new ScriptedPersistence();
  id = `campaign-${++campaigns}`;
});

const issuerWith = (options: Partial<CouponIssuerOptions> = {}) => new CouponIssuer({ redis, persistence, ...options });
const counted = (total: number) => ({ id, stock: { kind: 'counted', total } }) as const;
const audit = async () => checkInvariants({ redis, campaignId: id, rows: await persistence.rows(id), settled: true });
const loadResult = (told: Partial<LoadResult>) => ({
  loaded: 0,
  duplicates: 0,
  firstDuplicates: [],
  resumedAt: 0,
  ...told,
});
const minutes = (count: number) => new Date(Date.now() + count * 60_000);

describe('opening', () => {
  test('a second opening with the same definition finds the campaign as it is: a restart resets nothing', async () => {
    const issuer = issuerWith();
    expect(await openNamed(issuer, counted(2))).toMatchObject({ status: 'opened', campaign: { available: 2 } });
    await issuer.campaign(id).issue({ userId: 'ann' });
    await issuer.idle();
    const restarted = issuerWith();
    expect(await openNamed(restarted, counted(2))).toMatchObject({
      status: 'exists',
      campaign: { available: 1, issued: 1 },
    });
  });

  test('another definition is a conflict that names the difference', async () => {
    const issuer = issuerWith();
    await openNamed(issuer, counted(2));
    await expect(openNamed(issuer, { ...counted(3), perUser: 2 })).rejects.toMatchObject({
      code: 'CAMPAIGN_CONFLICT',
      message: expect.stringMatching(/total is 2, not 3; perUser is 1, not 2/),
    });
  });

  test('another definition is a conflict that says which call changes what differs', async () => {
    const issuer = issuerWith();
    const first = counted(2);
    await openNamed(issuer, first);
    await issuer.campaign(id).restock({ add: 3, requestId: 'more' });
    const cureFor = async (change: Partial<NamedDefinition>) => {
      const told = String(await openNamed(issuer, { ...first, ...change }).catch((error: unknown) => error));
      return /Open it with the definition of its opening, or of its last rebuild(.*)$/.exec(told)?.[1];
    };
    expect(await cureFor(counted(5))).toBe('; restock() changes total');
    expect(await cureFor({ perUser: 2 })).toBe('; update() changes perUser');
    expect(await cureFor({ ...counted(5), perUser: 2, closesAt: new Date('2040-01-01') })).toBe(
      '; restock() changes total, and update() changes perUser and closesAt',
    );
    expect(await cureFor({ saveMode: 'write-behind' })).toBe('');
    expect(await openNamed(issuer, first)).toMatchObject({ status: 'exists', campaign: { total: 5 } });
  });

  test('after a loss and a rebuild, the definition of the opening is a conflict if the total has grown', async () => {
    const [before, after] = [issuerWith(), issuerWith()];
    await openNamed(before, counted(2));
    await before.campaign(id).restock({ add: 3, requestId: 'more' });
    await redis.flushall();
    await after.campaign(id).rebuild({ stock: counted(5).stock });
    await expect(openNamed(issuerWith(), counted(2))).rejects.toMatchObject({
      code: 'CAMPAIGN_CONFLICT',
      message: expect.stringContaining('total is 5, not 2; nothing was changed. Open it with'),
    });
    expect(await openNamed(issuerWith(), counted(5))).toMatchObject({ status: 'exists', campaign: { total: 5 } });
  });

  test('a process with other hooks than the campaign was opened with is misconfigured, for issue and for settle', async () => {
    await openNamed(issuerWith(), counted(2));
    for (const other of [new CouponIssuer({ redis }), issuerWith({ deliver: () => {} })]) {
      await expect(other.campaign(id).issue({ userId: 'ann' })).rejects.toMatchObject({ code: 'MISCONFIGURED' });
      await expect(other.campaign(id).settle()).rejects.toMatchObject({ code: 'MISCONFIGURED' });
    }
  });

  test('keys that a lost campaign left behind are not taken for a new one', async () => {
    const issuer = issuerWith();
    await openNamed(issuer, counted(2));
    await issuer.campaign(id).issue({ userId: 'ann' });
    await issuer.idle();
    await redis.unlink(`{coupon:${id}}:campaign`);
    await expect(openNamed(issuerWith(), counted(2))).rejects.toMatchObject({ code: 'CAMPAIGN_CONFLICT' });
  });

  test('an adapter whose list throws leaves a campaign that does not serve until it was opened again', async () => {
    const broken = issuerWith({
      persistence: {
        save: (issuances) => persistence.save(issuances),
        list: async () => {
          throw new Error('down');
        },
      },
    });
    await expect(openNamed(broken, counted(1))).rejects.toMatchObject({ code: 'HOOK' });
    expect(await broken.campaign(id).issue({ userId: 'ann' })).toEqual({ status: 'not_ready', reason: 'missing' });
    const issuer = issuerWith();
    await openNamed(issuer, counted(1));
    expect(await issuer.campaign(id).issue({ userId: 'ann' })).toMatchObject({ status: 'issued' });
  });
});

describe('the window and the operator', () => {
  test('before the opening not_open says when, after the end closed says since when', async () => {
    const issuer = issuerWith();
    const opensAt = minutes(5);
    await openNamed(issuer, { ...counted(1), opensAt });
    expect(await issuer.campaign(id).issue({ userId: 'ann' })).toEqual({ status: 'not_open', opensAt });
    expect(await issuer.campaign(id).inspect()).toMatchObject({ state: 'scheduled', opensAt });
    id = `${id}-over`;
    const closesAt = new Date(Date.now() + 1_000);
    await openNamed(issuer, { ...counted(1), opensAt: minutes(-10), closesAt });
    await until(async () => (await issuer.campaign(id).inspect()).state === 'closed');
    expect(await issuer.campaign(id).issue({ userId: 'ann' })).toEqual({ status: 'closed', closedAt: closesAt });
    expect(await issuer.campaign(id).inspect()).toMatchObject({ state: 'closed', available: 1 });
  });

  test('a campaign that would be over before it began is refused, and leaves nothing behind', async () => {
    const issuer = issuerWith();
    const closesAt = minutes(-5).toISOString();
    const opening = openNamed(issuer, { ...counted(1), closesAt });
    await expect(opening).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(opening).rejects.toThrow(`closesAt ${closesAt} is past, by the clock of Redis (`);
    await expect(issuer.campaign(id).inspect()).rejects.toMatchObject({ code: 'UNKNOWN_CAMPAIGN' });
    expect(await openNamed(issuer, counted(1))).toMatchObject({ status: 'opened' });
  });

  test('a campaign that is over is found under its definition, and rebuilt under it', async () => {
    const issuer = issuerWith();
    // Long enough for a busy machine to open it before.
    const closesAt = new Date(Date.now() + 1_000);
    const definition = { ...counted(2), closesAt };
    await openNamed(issuer, definition);
    await until(async () => (await issuer.campaign(id).inspect()).state === 'closed');
    await expect(openNamed(issuer, { ...definition, closesAt: closesAt.toISOString() })).resolves.toMatchObject({
      status: 'exists',
      campaign: { state: 'closed' },
    });
    expect(await rebuildNamed(issuer, definition)).toMatchObject({ campaign: { state: 'closed', closesAt } });
  });

  test('a pause refuses, a resume goes on, and who has a coupon keeps it through both', async () => {
    const issuer = issuerWith();
    await openNamed(issuer, counted(2));
    const request = { campaignId: id, userId: 'ann', requestId: 'one' };
    const issued = await issueNamed(issuer, request);
    await issuer.idle();
    await issuer.campaign(id).pause();
    expect(await issuer.campaign(id).inspect()).toMatchObject({ state: 'paused' });
    expect(await issuer.campaign(id).issue({ userId: 'bob' })).toEqual({ status: 'paused' });
    expect(await issueNamed(issuer, request)).toEqual({ ...issued, replayed: true });
    await issuer.campaign(id).resume();
    expect(await issuer.campaign(id).issue({ userId: 'bob' })).toMatchObject({ status: 'issued' });
  });

  test('a close is final; all keys expire together, and only once nothing is reserved', async () => {
    const issuer = issuerWith();
    await openNamed(issuer, counted(3));
    persistence.next(fails(new Error('lost')), fails(new Error('lost')));
    await issuer.campaign(id).issue({ userId: 'ann' });
    await issuer.campaign(id).closeForGood({ retainMs: 60_000 });
    const keys = await redis.keys(`{coupon:${id}}:*`);
    const ttls = () => Promise.all(keys.map((key) => redis.pttl(key)));
    expect(new Set(await ttls())).toEqual(new Set([-1]));
    await expireLeases(redis, id);
    expect(await issuer.campaign(id).settle()).toMatchObject({ settled: 1, pending: 0 });
    const left = await Promise.all((await redis.keys(`{coupon:${id}}:*`)).map((key) => redis.pexpiretime?.(key) ?? 0));
    expect(new Set(left).size).toBe(1);
    for (const ttl of await ttls()) expect(ttl).not.toBe(-1);
    await expect(issuer.campaign(id).resume()).rejects.toMatchObject({ code: 'CAMPAIGN_CONFLICT' });
  });

  test('a campaign that lost a part of its keys is a fault of settle, not a campaign with nothing to do', async () => {
    const issuer = issuerWith({ prefix: 'partial' });
    await openNamed(issuer, counted(2));
    persistence.next(fails(new Error('lost')), fails(new Error('lost')));
    await issuer.campaign(id).issue({ userId: 'ann' });
    await redis.unlink(`{partial:${id}}:leases`);
    await expect(issuer.settle()).rejects.toMatchObject({ code: 'NOT_READY', reason: 'missing' });
  });

  test('a campaign whose keys expired is closed, and does not stop the settling of others', async () => {
    const issuer = issuerWith();
    await openNamed(issuer, counted(1));
    // A close within the millisecond of the opening is taken for one of before, and not noted.
    const clock = async () => (await redis.time()).map(Number) as [number, number];
    const msOf = ([seconds, micros]: [number, number]) => seconds * 1_000 + Math.floor(micros / 1_000);
    const openedBy = msOf(await clock());
    await until(async () => msOf(await clock()) > openedBy);
    await issuer.campaign(id).closeForGood({ retainMs: 0 });
    expect(await redis.keys(`{coupon:${id}}:*`)).toEqual([]);
    expect(await issuer.campaign(id).issue({ userId: 'ann' })).toEqual({
      status: 'closed',
      closedAt: expect.any(Date),
    });
    await expect(issuer.campaign(id).closeForGood()).rejects.toMatchObject({ code: 'CAMPAIGN_CONFLICT' });
    expect(await issuer.settle()).toMatchObject({ settled: 0, failed: 0 });
  });
});

describe('what a user may have', () => {
  test('perUser 3: three coupons and then already_issued with all of them', async () => {
    const issuer = issuerWith();
    await openNamed(issuer, { ...counted(10), perUser: 3 });
    const results = await Promise.all(Array.from({ length: 5 }, () => issuer.campaign(id).issue({ userId: 'ann' })));
    await issuer.idle();
    expect(results.map(({ status }) => status)).toEqual([
      'issued',
      'issued',
      'issued',
      'already_issued',
      'already_issued',
    ]);
    const again = await issuer.campaign(id).issue({ userId: 'ann' });
    expect(again).toMatchObject({ status: 'already_issued', issuances: [{ grant: 1 }, { grant: 2 }, { grant: 3 }] });
    await audit();
  });

  test('already_issued carries the coupon, and hides the code of a reservation that is not confirmed', async () => {
    const issuer = issuerWith();
    await issuer.campaign(id).open({ stock: { kind: 'codes' } });
    await issuer.campaign(id).loadCodes(['A', 'B']);
    const end = persistence.hold();
    const saving = persistence.reached();
    const first = issuer.campaign(id).issue({ userId: 'ann' });
    await saving;
    const hidden = { status: 'already_issued', issuances: [{ serial: 1, code: null, state: 'reserved' }] };
    expect(await issuer.campaign(id).issue({ userId: 'ann' })).toMatchObject(hidden);
    expect(await issuer.campaign(id).userStatus({ userId: 'ann' })).toMatchObject({
      status: 'reserved',
      issuances: [{ code: null }],
    });
    end();
    expect(await first).toMatchObject({ status: 'issued', issuance: { code: 'A' } });
    await issuer.idle();
    const shown = { status: 'already_issued', issuances: [{ serial: 1, code: 'A', state: 'issued' }] };
    expect(await issuer.campaign(id).issue({ userId: 'ann' })).toMatchObject(shown);
    expect(await issuer.campaign(id).userStatus({ userId: 'bob' })).toEqual({ status: 'none', issuances: [] });
  });

  test('the same request id in one process shares one flight and in another finds the same coupon', async () => {
    const issuer = issuerWith();
    await openNamed(issuer, counted(5));
    const request = { campaignId: id, userId: 'ann', requestId: 'one' };
    const results = await Promise.all(Array.from({ length: 20 }, () => issueNamed(issuer, request)));
    const repeated = { ...results[0], replayed: true };
    expect(results).toEqual(results.map((_, i) => (i === 0 ? results[0] : repeated)));
    await issuer.idle();
    expect(await issueNamed(issuerWith(), request)).toEqual(repeated);
    expect(persistence.saves).toHaveLength(1);
    expect(await issueNamed(issuer, { ...request, userId: 'bob' })).not.toEqual(results[0]);
  });

  test('the own rule refuses before anything is reserved, but not a repeat that holds its coupon', async () => {
    const barred = new Set(['bob']);
    const issuer = issuerWith({ eligible: ({ userId }) => (barred.has(userId) ? { reason: 'under age' } : true) });
    await openNamed(issuer, counted(5));
    expect(await issuer.campaign(id).issue({ userId: 'bob', requestId: 'one' })).toEqual({
      status: 'not_eligible',
      reason: 'under age',
    });
    const request = { campaignId: id, userId: 'ann', requestId: 'one' };
    const issued = await issueNamed(issuer, request);
    await issuer.idle();
    barred.add('ann');
    expect(await issueNamed(issuer, request)).toEqual({ ...issued, replayed: true });
    expect(await issuer.campaign(id).issue({ userId: 'ann' })).toMatchObject({ status: 'not_eligible' });
  });
});

test('a reason of the own rule that no client can be told is a fault, and the longest one is told', async () => {
  let reason: unknown;
  const issuer = issuerWith({ eligible: () => ({ reason }) as { reason: string } });
  await openNamed(issuer, counted(5));
  for (reason of ['', 'x'.repeat(129), 'two\nlines', '\ud800', 7, null]) {
    await expect(issuer.campaign(id).issue({ userId: 'ann' })).rejects.toMatchObject({ code: 'HOOK' });
  }
  reason = 'x'.repeat(128);
  expect(await issuer.campaign(id).issue({ userId: 'ann' })).toEqual({ status: 'not_eligible', reason });
});

describe('stock', () => {
  test('unlimited with generated codes: everybody gets one valid code, once', async () => {
    const issuer = issuerWith();
    await issuer.campaign(id).open({ stock: { kind: 'unlimited', generateCodes: true } });
    const users = Array.from({ length: 300 }, (_, i) => `user-${i % 200}`);
    const results = await Promise.all(users.map((userId) => issuer.campaign(id).issue({ userId })));
    await issuer.idle();
    const codes = results.flatMap((result) => (result.status === 'issued' ? [result.issuance.code] : []));
    expect(codes).toHaveLength(200);
    expect(codes.every(isValidCode)).toBe(true);
    expect(await issuer.campaign(id).inspect()).toMatchObject({ total: null, available: null, issued: 200 });
    await audit();
  });

  test('a generated code that collides is minted again; the serial stays', async () => {
    const issuer = issuerWith();
    await issuer.campaign(id).open({ stock: { kind: 'counted', total: 3, generateCodes: true } });
    persistence.next(answers({ verdict: 'code_conflict' }));
    expect(await issuer.campaign(id).issue({ userId: 'ann' })).toMatchObject({
      status: 'issued',
      issuance: { serial: 1 },
    });
    await issuer.idle();
    expect(await issuer.campaign(id).inspect()).toMatchObject({ available: 2, withdrawn: 0, issued: 1 });
    await audit();
  });

  test('a load resumes under its loadId, skips duplicates, and a reload never offers an issued code again', async () => {
    const issuer = issuerWith();
    await issuer.campaign(id).open({ stock: { kind: 'codes' } });
    const codes = Array.from({ length: 1200 }, (_, i) => `code-${i}`);
    async function* interrupted() {
      yield* codes.slice(0, 700);
      throw new Error('the file ended early');
    }
    await expect(issuer.campaign(id).loadCodes(interrupted(), { loadId: 'june' })).rejects.toThrow(
      'the file ended early',
    );
    expect(await issuer.campaign(id).inspect()).toMatchObject({ total: 500 });
    expect(await issuer.campaign(id).loadCodes(codes, { loadId: 'june' })).toEqual(
      loadResult({ read: 1200, loaded: 700, total: 1200, resumedAt: 500 }),
    );
    expect(await issuer.campaign(id).loadCodes(codes, { loadId: 'june' })).toEqual(
      loadResult({ read: 1200, total: 1200, resumedAt: 1200 }),
    );
    await issuer.campaign(id).issue({ userId: 'ann' });
    await issuer.idle();
    const firstDuplicates = Array.from({ length: 20 }, (_, i) => i + 1);
    expect(await issuer.campaign(id).loadCodes([...codes, 'new', 'new'])).toEqual(
      loadResult({ read: 1202, loaded: 1, duplicates: 1201, firstDuplicates, total: 1201 }),
    );
    expect(await redis.lrange(`{coupon:${id}}:pool`, 0, 0)).toEqual(['2:code-1']);
    await audit();
  });

  test('a code is replaced while it is in the pool, and not once it is out', async () => {
    const issuer = issuerWith();
    await issuer.campaign(id).open({ stock: { kind: 'codes' } });
    await issuer.campaign(id).loadCodes(Array.from({ length: 1100 }, (_, i) => `code-${i}`));
    const replace = (code: string, replacement: string) => issuer.campaign(id).replaceCode({ code, replacement });
    expect(await replace('code-0', 'first')).toEqual({ status: 'replaced' });
    expect(await replace('code-1099', 'last')).toEqual({ status: 'replaced' });
    expect(await replace('code-5', 'code-6')).toEqual({ status: 'duplicate' });
    expect(await issuer.campaign(id).issue({ userId: 'ann' })).toMatchObject({ issuance: { code: 'first' } });
    await issuer.idle();
    expect(await replace('first', 'other')).toEqual({ status: 'not_in_pool' });
    expect(await issuer.campaign(id).loadCodes(['more', 'code-0'])).toEqual(
      loadResult({ read: 2, loaded: 1, duplicates: 1, firstDuplicates: [2], total: 1101 }),
    );
  });

  test('the last unit ends the stock with one event, and refusals are counted per batch', async () => {
    const events: CouponEvent[] = [];
    const issuer = issuerWith({ onEvent: (event) => void events.push(event) });
    await openNamed(issuer, counted(2));
    await Promise.all(['a', 'b', 'c', 'd'].map((userId) => issuer.campaign(id).issue({ userId })));
    await issuer.idle();
    await issuer.campaign(id).issue({ userId: 'e' });
    expect(events.filter(({ type }) => type === 'exhausted')).toEqual([{ type: 'exhausted', campaignId: id }]);
    const refused = events.filter(({ type }) => type === 'refused');
    expect(refused).toMatchObject([
      { status: 'sold_out', count: 2 },
      { status: 'sold_out', count: 1 },
    ]);
  });

  test('without persistence and delivery the grant is recorded as issued at once', async () => {
    const issuer = new CouponIssuer({ redis });
    await openNamed(issuer, counted(1));
    expect(await issuer.campaign(id).issue({ userId: 'ann' })).toMatchObject({
      status: 'issued',
      issuance: { serial: 1 },
    });
    expect(await issuer.campaign(id).inspect()).toMatchObject({ available: 0, reserved: 0, issued: 1 });
  });
});

describe('limits of a call', () => {
  test('an aborted signal stops the waiting, not the issuing', async () => {
    const issuer = issuerWith();
    await openNamed(issuer, counted(2));
    const end = persistence.hold();
    const saving = persistence.reached();
    const abort = new AbortController();
    const call = issuer.campaign(id).issue({ userId: 'ann', signal: abort.signal });
    await saving;
    abort.abort(new Error('the browser went away'));
    await expect(call).rejects.toThrow('the browser went away');
    end();
    await issuer.idle();
    expect(await issuer.campaign(id).userStatus({ userId: 'ann' })).toMatchObject({ status: 'issued' });
    await expect(issuer.campaign(id).issue({ userId: 'bob', signal: AbortSignal.abort() })).rejects.toThrow();
    expect(await issuer.campaign(id).userStatus({ userId: 'bob' })).toMatchObject({ status: 'none' });
  });

  test('a call whose own time runs out during the save is told accepted', async () => {
    const issuer = issuerWith();
    await openNamed(issuer, counted(2));
    const end = persistence.hold();
    expect(await issuer.campaign(id).issue({ userId: 'ann', timeoutMs: 500 })).toMatchObject({
      status: 'accepted',
      issuance: { code: null },
    });
    end();
    await issuer.idle();
    expect(await issuer.campaign(id).userStatus({ userId: 'ann' })).toMatchObject({ status: 'issued' });
  });

  test('a call that was told accepted keeps its unit, though the delivery then fails for certain', async () => {
    let refuse = () => {};
    const issuer = issuerWith({
      deliver: () =>
        new Promise((_, reject) => {
          refuse = () => reject(new NotDeliveredError('no'));
        }),
    });
    await openNamed(issuer, counted(2));
    expect(await issuer.campaign(id).issue({ userId: 'ann', timeoutMs: 500 })).toMatchObject({ status: 'accepted' });
    refuse();
    await issuer.idle();
    expect(await issuer.campaign(id).userStatus({ userId: 'ann' })).toMatchObject({ status: 'reserved' });
    expect(await issuer.campaign(id).inspect()).toMatchObject({ available: 1, reserved: 1 });
  });

  test('hooks that never answer cost a call its time-out, not its end', async () => {
    const never = () => new Promise<never>(() => {});
    const timeoutMs = 500;
    const asking = issuerWith({ timeoutMs, eligible: never });
    await openNamed(asking, counted(2));
    await expect(asking.campaign(id).issue({ userId: 'ann' })).rejects.toMatchObject({ code: 'HOOK' });

    id = `${id}-listing`;
    const listing = issuerWith({ timeoutMs, persistence: { save: (all) => persistence.save(all), list: never } });
    await expect(openNamed(listing, counted(2))).rejects.toMatchObject({ code: 'HOOK' });

    id = `${id}-recalling`;
    const recalling = issuerWith({ timeoutMs, deliver: () => {}, recall: never });
    await openNamed(recalling, counted(2));
    persistence.next(answers({ verdict: 'serial_conflict' }));
    expect(await recalling.campaign(id).issue({ userId: 'ann' })).toMatchObject({ status: 'not_ready' });

    id = `${id}-finding`;
    let delivers = false;
    const finding = issuerWith({
      timeoutMs,
      persistence: { save: (all) => persistence.save(all), find: never },
      deliver: () => {
        if (!delivers) throw new Error('down');
      },
    });
    await openNamed(finding, counted(2));
    expect(await finding.campaign(id).issue({ userId: 'ann' })).toMatchObject({ status: 'accepted' });
    delivers = true;
    await expireLeases(redis, id);
    expect(await finding.campaign(id).settle()).toEqual({ settled: 1, pending: 0, failed: 0 });
    await Promise.all([asking, listing, recalling, finding].map((issuer) => issuer.close()));
  });

  test('a code that was recalled is not given to the same user in the next round', async () => {
    const recalled: (string | null)[] = [];
    const issuer = issuerWith({ deliver: () => {}, recall: ({ code }) => void recalled.push(code) });
    await issuer.campaign(id).open({ stock: { kind: 'counted', total: 5, generateCodes: true }, perUser: 2 });
    const row = { id: 'a'.repeat(22), campaignId: id, userId: 'ann', grant: 1, serial: 5, code: 'OLD', epoch: '1-old' };
    await persistence.memory.save([{ ...row, issuedAt: new Date(), state: 'reserved' }]);
    const told = await issuer.campaign(id).issue({ userId: 'ann' });
    expect(told).toMatchObject({ status: 'issued', issuance: { grant: 2 } });
    expect(recalled).toHaveLength(1);
    expect(told.status === 'issued' && told.issuance.code).not.toBe(recalled[0]);
  });

  test('a batch that was gathered under other rules is sent in pieces that the new ones allow', async () => {
    const old = new CouponIssuer({ redis });
    await old.campaign(id).open({ stock: { kind: 'unlimited' } });
    await redis.unlink(...(await redis.keys(`{coupon:${id}}:*`)));
    const other = new CouponIssuer({ redis });
    await other.campaign(id).open({ stock: { kind: 'unlimited' }, perUser: 100 });
    const users = Array.from({ length: 60 }, (_, i) => `user-${i}`);
    for (let grant = 1; grant <= 100; grant++) {
      await Promise.all(users.map((userId) => other.campaign(id).issue({ userId })));
    }
    const told = await Promise.all([...users, 'newcomer'].map((userId) => old.campaign(id).issue({ userId })));
    expect(
      told.slice(0, -1).every((result) => result.status === 'already_issued' && result.issuances.length === 100),
    ).toBe(true);
    expect(told.at(-1)).toMatchObject({ status: 'issued' });
    expect(await other.campaign(id).inspect()).toMatchObject({ issued: 6001, reserved: 0 });
  });

  test.each(['issue', 'join'] as const)('a full queue of %j says what its caller is left with', async (call) => {
    const issuer = issuerWith({ maxQueued: 1, maxBatch: 1, maxInFlight: 1 });
    await openNamed(issuer, { ...counted(100), ...(call === 'join' && { admission: 'queued' }) });
    const calls = Array.from({ length: 30 }, (_, i) => issuer.campaign(id)[call]({ userId: `user-${i}` }));
    const told = await Promise.allSettled(calls);
    await issuer.idle();
    const messages = told.flatMap((one) => (one.status === 'rejected' ? [String(one.reason.message)] : []));
    const left = call === 'join' ? 'no place was taken' : 'nothing was reserved';
    expect(messages.length).toBeGreaterThan(0);
    for (const message of messages) expect(message).toContain(`(maxQueued 1); ${left};`);
  });

  test('a full queue refuses at once and reserves nothing', async () => {
    const issuer = issuerWith({ maxQueued: 10, maxBatch: 5, maxInFlight: 1 });
    await openNamed(issuer, counted(100));
    const results = await Promise.all(
      Array.from({ length: 30 }, (_, i) =>
        issuer
          .campaign(id)
          .issue({ userId: `user-${i}` })
          .catch((error) => error),
      ),
    );
    await issuer.idle();
    const refused = results.filter((result) => result instanceof OverloadedError);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0]).toMatchObject({ code: 'OVERLOADED', retryAfterMs: expect.any(Number) });
    expect(await issuer.campaign(id).inspect()).toMatchObject({ issued: 30 - refused.length, reserved: 0 });
    await audit();
  });

  test('close refuses new calls and finishes what is in flight; the client stays open', async () => {
    const issuer = issuerWith();
    await openNamed(issuer, counted(2));
    const end = persistence.hold();
    const saving = persistence.reached();
    const call = issuer.campaign(id).issue({ userId: 'ann' });
    await saving;
    const closing = issuer.close();
    await expect(issuer.campaign(id).issue({ userId: 'bob' })).rejects.toMatchObject({ code: 'CLOSED' });
    end();
    expect(await call).toMatchObject({ status: 'issued' });
    await closing;
    expect(await redis.ping()).toBe('PONG');
    await audit();
  });

  test('hooks run in the async context of the call they belong to, whoever shares its batches', async () => {
    const context = new AsyncLocalStorage<string>();
    const seen: [string, string | undefined][] = [];
    const see = ({ userId }: { userId: string }) => void seen.push([userId, context.getStore()]);
    const onEvent = (event: CouponEvent) => void ('userId' in event && see(event));
    const users = ['ann', 'bob', 'cho'];
    for (const [name, hooks, expected] of [
      ['delivers', { onEvent, deliver: see }, ['delivered', 'issued']],
      ['saves', { onEvent }, ['issued']],
    ] as const) {
      const issuer = issuerWith(hooks);
      const campaignId = `${id}-${name}`;
      await issuer.campaign(campaignId).open({ stock: { kind: 'counted', total: 9 } });
      await Promise.all(
        users.map((userId) => context.run(userId, () => issuer.campaign(campaignId).issue({ userId }))),
      );
      await issuer.idle();
      expect(seen.splice(0).sort()).toEqual(users.flatMap((userId) => expected.map(() => [userId, userId])));
    }
  });

  test('a confirm that comes after the user closed the client is an event, not an unhandled rejection', async () => {
    const own = server.client({ maxRetriesPerRequest: 0, enableOfflineQueue: false });
    await once(own, 'ready');
    const events: CouponEvent[] = [];
    const issuer = new CouponIssuer({ redis: own, persistence, onEvent: (event) => void events.push(event) });
    await openNamed(issuer, counted(2));
    persistence.next((issuances, memory) => {
      own.disconnect();
      return memory.save(issuances);
    });
    expect(await issuer.campaign(id).issue({ userId: 'ann' })).toMatchObject({ status: 'issued' });
    await issuer.idle();
    expect(events.filter(({ type }) => type === 'fault')).toMatchObject([{ during: 'confirm', campaignId: id }]);
    await expireLeases(redis, id);
    expect(await issuerWith().campaign(id).settle()).toEqual({ settled: 1, pending: 0, failed: 0 });
    await audit();
  });

  test('campaigns under different prefixes do not see each other', async () => {
    const [one, two] = [
      issuerWith({ prefix: 'one' }),
      issuerWith({ prefix: 'two', persistence: new MemoryPersistence() }),
    ];
    await openNamed(one, counted(1));
    await expect(two.campaign(id).issue({ userId: 'ann' })).rejects.toMatchObject({ code: 'UNKNOWN_CAMPAIGN' });
    await openNamed(two, counted(1));
    expect(await one.campaign(id).issue({ userId: 'ann' })).toMatchObject({ status: 'issued' });
    expect(await two.campaign(id).issue({ userId: 'ann' })).toMatchObject({ status: 'issued' });
  });
});
