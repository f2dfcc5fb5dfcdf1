import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkCounters } from '../support/checks/invariants.js';
import { dump } from '../support/scenes/campaigns.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { columnsOf, ISSUED_ROW, idOf, openWorld, type World } from './world.js';

const STAMP = expect.stringMatching(/^\d+$/);

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());

const recordOf = async ({ key }: World, user: string) => redis.hget(key('grants'), `1:${user}`);
const serialOf = async (world: World, user: string) => (await recordOf(world, user))!.split(':')[2]!;

interface How {
  readonly frees?: boolean;
  readonly returns?: boolean;
  readonly serial?: string;
}

async function unitOf(world: World, user: string, how: How = {}) {
  const { frees = false, returns = false, serial = await serialOf(world, user) } = how;
  return { id: idOf(user), userId: user, serial, frees: frees ? '1' : '', returns: returns ? '1' : '' };
}

/** The words of a take-back; the campaign adds up afterwards. */
async function takeBack(world: World, ...items: Record<string, string>[]) {
  const [word, stamp, ended, ...words] = await world.run({ ...world.calls['take-back']!, items });
  expect([word, stamp, ended]).toEqual(['ok', STAMP, '0']);
  await checkCounters({ redis, campaignId: 'launch' });
  return words;
}

async function counters({ key }: World) {
  const names = ['reserved', 'issued', 'revoked', 'withdrawn', 'total', 'replaced', 'data', 'revoking'];
  const values = await redis.hmget(key('campaign'), ...names);
  return Object.fromEntries(names.map((name, i) => [name, Number(values[i] ?? 0)]));
}

/** A reserve of `u1` under this id. */
function reserveOf({ calls }: World, id: string, others: Record<string, string> = {}) {
  const { script, args } = calls.reserve!;
  return { script, args: { ...args, ...columnsOf([{ id, userId: 'u1', code: '' }]), ...others } };
}

/** Puts the record of `u1` into this state. u1 has data, and its reservation lasts for another lease. */
async function inState(world: World, state: string): Promise<void> {
  const { run, calls } = world;
  if (state === 'i') await run(calls.confirm!);
  if (state === 't') await run(reserveOf(world, idOf('u1')));
  expect((await recordOf(world, 'u1'))![0]).toBe(state);
}

describe.each([
  ['counted', 'r'],
  ['counted', 't'],
  ['counted', 'i'],
  ['codes', 'r'],
  ['codes', 't'],
  ['codes', 'i'],
] as const)('the unit of a revoked coupon of $0 stock in the state $1', (kind, state) => {
  const returned = kind === 'counted' ? 1 : 0;

  test('is marked where the grant is kept, once, and leaves no lease and no data', async () => {
    const world = await openWorld(redis, kind);
    await inState(world, state);
    const before = await counters(world);
    const [, , serial, issuedAt, id, code] = (await recordOf(world, 'u1'))!.split(':');
    const unit = await unitOf(world, 'u1', { returns: true });
    expect(await takeBack(world, unit)).toEqual(['taken_back']);
    expect(await recordOf(world, 'u1')).toBe(`i1:0:${serial}:${issuedAt}:${id}:${code}`);
    expect(await redis.zscore(world.key('leases'), '1:u1')).toBeNull();
    expect(await redis.hget(world.key('data'), '1:u1')).toBeNull();
    const after = await counters(world);
    const settled = state === 'i' ? 0 : 1;
    expect(after).toMatchObject({
      reserved: before.reserved! - settled,
      issued: before.issued! + settled,
      revoked: 1,
      withdrawn: before.withdrawn,
      total: before.total! + returned,
      replaced: returned,
    });
    const state2 = await dump(redis);
    expect(await takeBack(world, unit)).toEqual(['before']);
    expect(await dump(redis)).toEqual(state2);
  });

  test('is withdrawn where the grant is freed, once, and the user may have another one', async () => {
    const world = await openWorld(redis, kind);
    await inState(world, state);
    const before = await counters(world);
    const unit = await unitOf(world, 'u1', { frees: true, returns: true });
    expect(await takeBack(world, unit)).toEqual(['taken_back']);
    expect(await recordOf(world, 'u1')).toBeNull();
    expect(await redis.zscore(world.key('leases'), '1:u1')).toBeNull();
    expect(await redis.hget(world.key('data'), '1:u1')).toBeNull();
    expect(await counters(world)).toMatchObject({
      [state === 'i' ? 'issued' : 'reserved']: before[state === 'i' ? 'issued' : 'reserved']! - 1,
      revoked: 0,
      withdrawn: before.withdrawn! + 1,
      total: before.total! + returned,
      replaced: returned,
    });
    const state2 = await dump(redis);
    expect(await takeBack(world, unit)).toEqual(['gone']);
    expect(await dump(redis)).toEqual(state2);
    const reserve = (call: string, id: string) => world.run(reserveOf(world, id, { call }));
    // A repeat under the same id is told so, and takes nothing.
    const told = await reserve('9', idOf('u1'));
    expect(told.slice(4, 6)).toEqual(['issued', '0']);
    expect(told[6]).toMatch(new RegExp(`^i1:0:${unit.serial}:`));
    expect(await recordOf(world, 'u1')).toBeNull();
    // Where Redis has forgotten the id, the repeat has another unit, and that one is nobody's to take.
    await redis.hdel(world.key('campaign'), `freed:${idOf('u1')}`);
    expect((await reserve('10', idOf('u1')))[4]).toBe('new');
    expect(await serialOf(world, 'u1')).not.toBe(unit.serial);
    const repeated = await dump(redis);
    expect(await takeBack(world, unit)).toEqual(['gone']);
    expect(await dump(redis)).toEqual(repeated);
  });
});

describe('a take-back', () => {
  test('of another serial, another id or another user changes nothing', async () => {
    const world = await openWorld(redis, 'counted');
    const unit = await unitOf(world, 'u1', { frees: true, returns: true });
    const before = await dump(redis);
    const words = await takeBack(
      world,
      { ...unit, serial: '9' },
      { ...unit, id: 'another' },
      { ...unit, userId: 'u3' },
      { ...unit, userId: 'nobody' },
    );
    expect(words).toEqual(['gone', 'gone', 'gone', 'gone']);
    expect(await dump(redis)).toEqual(before);
  });

  test('of one coupon twice in a batch, and of several users at once, counts each once', async () => {
    const world = await openWorld(redis, 'counted');
    const kept = await unitOf(world, 'u1', { returns: true });
    const freed = await unitOf(world, 'u3', { frees: true, returns: true });
    expect(await takeBack(world, kept, freed, kept, freed)).toEqual(['taken_back', 'taken_back', 'before', 'gone']);
    expect(await counters(world)).toMatchObject({ reserved: 1, issued: 1, revoked: 1, withdrawn: 1, replaced: 2 });
  });

  test('reaches each grant of a user, also a reservation in quarantine', async () => {
    const world = await openWorld(redis, 'counted');
    await redis.hset(world.key('campaign'), 'perUser', '3');
    const record = (await recordOf(world, 'u2'))!;
    await redis.hdel(world.key('grants'), '1:u2');
    await redis.hset(world.key('grants'), '3:u2', record.replace(/^r/, 't10001'));
    await redis.zrem(world.key('leases'), '1:u2');
    await redis.zadd(world.key('leases'), '9007199254740991', '3:u2');
    const unit = { id: idOf('u2'), userId: 'u2', serial: record.split(':')[2]!, frees: '', returns: '' };
    await redis.hdel(world.key('data'), '1:u2');
    await redis.hincrby(world.key('campaign'), 'data', -1);
    expect(await takeBack(world, unit)).toEqual(['taken_back']);
    expect(await redis.hget(world.key('grants'), '3:u2')).toMatch(/^i1:0:/);
    expect(await redis.zscore(world.key('leases'), '3:u2')).toBeNull();
  });

  test('of an unlimited campaign returns nothing, because nothing can run out', async () => {
    const world = await openWorld(redis, 'counted');
    await redis.hset(world.key('campaign'), 'kind', 'unlimited');
    await redis.hdel(world.key('campaign'), 'total', 'opened');
    expect(await takeBack(world, await unitOf(world, 'u1', { returns: true }))).toEqual(['taken_back']);
    expect(await redis.hmget(world.key('campaign'), 'total', 'replaced')).toEqual([null, null]);
  });

  test('is refused while the campaign is made again, and its announcement stays', async () => {
    const world = await openWorld(redis, 'counted', 'rebuild-rows');
    await world.run(world.calls['announce-revoke']!);
    const before = await dump(redis);
    expect(await world.run(world.calls['take-back']!)).toEqual(['rebuilding']);
    expect(await dump(redis)).toEqual(before);
    expect(await counters(world)).toMatchObject({ revoking: 2 });
  });

  test('of a campaign that is closed and has nothing else reserved sets the expiry of its keys', async () => {
    const world = await openWorld(redis, 'counted');
    const { run, calls, key } = world;
    await redis.hset(key('campaign'), { closedAt: String(Date.now()), retainMs: '60000', waiting: '0' });
    await takeBack(world, await unitOf(world, 'u1'), await unitOf(world, 'u2'));
    expect(await redis.pttl(key('campaign'))).toBe(-1);
    await takeBack(world, await unitOf(world, 'u3', { frees: true }));
    expect(await redis.pttl(key('campaign'))).toBeGreaterThan(0);
    expect((await run(calls['find-announced']!))[0]).toBe('ok');
  });
});

test('a late verb of a reservation that was taken back does nothing, and the mark outlives it', async () => {
  const world = await openWorld(redis, 'counted');
  const { run, calls } = world;
  await takeBack(world, await unitOf(world, 'u1'));
  const before = await dump(redis);
  expect(await run(calls.confirm!)).toEqual(['ok', '0', 'issued']);
  expect((await run(calls.release!)).slice(2)).toEqual(['issued', await recordOf(world, 'u1')]);
  expect((await run(calls.withdraw!)).slice(3)).toEqual(['issued']);
  expect((await run(calls.reassign!)).slice(3)).toEqual(['issued', await recordOf(world, 'u1')]);
  expect((await run(calls['adopt-row']!)).slice(3)).toEqual(['issued']);
  expect((await run(calls.postpone!)).slice(1)).toEqual(['issued']);
  expect(await run(calls['reopen-grant']!)).toEqual(['moved']);
  expect(await dump(redis)).toEqual(before);
});

test('a claim tells how many revocations are announced, whether or not a reservation is due', async () => {
  const world = await openWorld(redis, 'counted');
  const claimed = async () => (await world.run(world.calls['claim-due']!))[3];
  expect(await claimed()).toBe('0');
  await world.run(world.calls['announce-revoke']!);
  expect(await claimed()).toBe('2');
});

describe('an announcement', () => {
  test('is found from the instant on at which it is due, and one of a later version replaces it', async () => {
    const { run, calls, key } = await openWorld(redis, 'counted', 'find-announced');
    const serial = (await redis.hget(key('grants'), '1:u1'))!.split(':')[2]!;
    expect(await run(calls['find-announced']!)).toEqual(['ok', '0', [idOf('u1'), '3', serial, 'u1']]);
    await run(calls['announce-revoke']!);
    expect(await run(calls['find-announced']!)).toEqual(['ok', '0']);
    expect(await redis.hget(key('campaign'), `revoking:${idOf('u1')}`)).toMatch(/^4:\d{13}:/);
  });

  test('of a user with colons in the name is read as it was written', async () => {
    const { run, calls, key } = await openWorld(redis, 'counted');
    const items = [{ id: idOf('u1'), version: '0', serial: '7', userId: ':a:1:b' }];
    await run({ ...calls['announce-revoke']!, items });
    const [text] = await redis.hmget(key('campaign'), `revoking:${idOf('u1')}`);
    await redis.hset(key('campaign'), `revoking:${idOf('u1')}`, text!.replace(/:\d{13}:/, ':1:'));
    expect((await run(calls['find-announced']!))[2]).toEqual([idOf('u1'), '0', '7', ':a:1:b']);
  });

  test('of an earlier version, or a copy, changes nothing', async () => {
    const { run, calls } = await openWorld(redis, 'counted', 'take-back');
    const before = await dump(redis);
    const call = calls['announce-revoke']!;
    for (const version of ['2', '3']) await run({ ...call, items: [{ ...call.items![0]!, version }] });
    expect(await dump(redis)).toEqual(before);
  });

  test('is dropped by its own version or a later one alone', async () => {
    const { run, calls, key } = await openWorld(redis, 'counted', 'drop-announced');
    const drop = (version: string) =>
      run({
        ...calls['drop-announced']!,
        items: [
          { id: idOf('u1'), version },
          { id: 'nobody', version },
        ],
      });
    const before = await dump(redis);
    expect(await drop('2')).toEqual(['dropped']);
    expect(await dump(redis)).toEqual(before);
    await drop('3');
    expect(await redis.hmget(key('campaign'), `revoking:${idOf('u1')}`, 'revoking')).toEqual([null, '1']);
  });

  test('is made also while the campaign is made again, and the next state has it', async () => {
    const { run, calls, key } = await openWorld(redis, 'counted', 'finish-rebuild');
    await run(calls['announce-revoke']!);
    expect((await run(calls['finish-rebuild']!))[0]).toBe('done');
    expect(await redis.hget(key('campaign'), 'revoking')).toBe('2');
  });
});

describe('a row that is written back', () => {
  const row = (serial: number, became: string, returned = '') => ({
    ...ISSUED_ROW,
    rowField: became === 'freed' ? '0:u1' : '1:u1',
    rowId: 'the-row'.padEnd(22, '0'),
    rowSerial: String(serial),
    rowIssuedAt: '1',
    rowCode: '',
    rowBecame: became,
    rowReturned: returned,
  });
  const adopt = async (met: Record<string, string>) => {
    const world = await openWorld(redis, 'counted');
    const items = [{ ...world.calls['adopt-row']!.items![0]!, ...met }];
    expect((await world.run({ ...world.calls['adopt-row']!, items }))[3]).toBe('adopted');
    await checkCounters({ redis, campaignId: 'launch' });
    return { world, record: await recordOf(world, 'u1'), ...(await counters(world)) };
  };

  test.each([
    // Of this unit nobody knew in Redis, so nobody had taken it back either.
    ['from the units that came back', 1, 1],
    ['from beyond the last serial', 9, 1],
    ['from its own reservation', 2, 1],
  ])('is marked if it is revoked, and brings the unit that was returned (%s)', async (_, serial, replaced) => {
    const kept = await adopt(row(serial, 'revoked'));
    expect(kept).toMatchObject({ record: expect.stringMatching(/^i1:0:/), issued: 1, revoked: 1, withdrawn: 0 });
    expect(await adopt(row(serial, 'revoked', '1'))).toMatchObject({ revoked: 1, total: 10 + replaced, replaced });
  });

  test.each([
    ['1, which came back', 1, 1],
    ['9, which nobody had', 9, 1],
    // Somebody holds it: Redis cannot tell whether it was taken back before.
    ['4, which another user holds', 4, 0],
  ])('of a freed grant leaves no grant, and its unit %s is in nobody’s hands', async (_, serial, taken) => {
    const freed = await adopt(row(serial, 'freed', '1'));
    expect(freed).toMatchObject({ record: null, issued: 0, reserved: 2, withdrawn: taken, replaced: taken });
    expect(await redis.lrange(freed.world.key('returned'), 0, -1)).toContain('2');
    expect(await adopt({ ...row(serial, 'freed'), delivered: '1' })).toMatchObject({
      withdrawn: taken + 1,
      replaced: 0,
    });
  });

  test.each([
    ['revoked', 'free', '1'],
    ['freed', 'free', '1'],
    ['revoked', 'beyond', '6'],
    ['freed', 'beyond', '6'],
    ['revoked', 'nobody', '3'],
  ])('by a repair, %s and %s, adds up and brings the unit that was returned', async (became, place, serial) => {
    const world = await openWorld(redis, 'counted', 'mend-row');
    if (place === 'nobody') await takeBack(world, await unitOf(world, 'u2', { frees: true }));
    const call = world.calls['mend-row']!;
    const args = { ...call.args, field: '1:u8', serial, became, returned: '1', place };
    expect(await world.run({ ...call, args })).toEqual(['mended', STAMP]);
    await checkCounters({ redis, campaignId: 'launch' });
    const isFreed = became === 'freed';
    expect(await counters(world)).toMatchObject({ replaced: 1, revoked: isFreed ? 0 : 1, withdrawn: isFreed ? 1 : 0 });
    expect(await recordOf(world, 'u8')).toEqual(isFreed ? null : expect.stringMatching(/^i1:0:/));
  });

  test('of a freed grant is not repaired where its unit is in nobody’s hands already', async () => {
    const world = await openWorld(redis, 'counted', 'mend-row');
    await takeBack(world, await unitOf(world, 'u2', { frees: true }));
    const before = await dump(redis);
    const call = world.calls['mend-row']!;
    const args = { ...call.args, field: '0:u8', serial: '3', became: 'freed', place: 'nobody' };
    expect(await world.run({ ...call, args })).toEqual(['moved']);
    expect(await dump(redis)).toEqual(before);
  });
});

describe('in a rebuild', () => {
  const stretch = async (world: World, upTo: string, ...rows: Record<string, string>[]) => {
    const call = world.calls['rebuild-rows']!;
    const [word] = await world.run({ ...call, args: { ...call.args, upTo }, items: rows });
    return word;
  };
  const row = (user: string, serial: number, became: string, returned = '', code = '') => ({
    field: `${became === 'freed' ? 0 : 1}:${user}`,
    id: idOf(user),
    serial: String(serial),
    issuedAt: '1',
    code,
    became,
    returned,
  });

  test('a freed row takes its unit out of the stock, and ends the promise with its id alone', async () => {
    const world = await openWorld(redis, 'counted', 'rebuild-rows');
    // u1 is promised unit 2, u3 unit 4.
    expect(await stretch(world, '5', row('u1', 2, 'freed'), { ...row('u3', 5, 'freed'), id: 'another' })).toBe('ok');
    expect(await redis.hkeys(world.key('grants'))).toEqual(expect.arrayContaining(['1:u2', '1:u3']));
    expect(await recordOf(world, 'u1')).toBeNull();
    expect(await redis.lrange(world.key('returned'), 0, -1)).toEqual(['1']);
    await checkCounters({ redis, campaignId: 'launch' });
    expect(await counters(world)).toMatchObject({ reserved: 2, issued: 0, withdrawn: 2, revoked: 0 });
  });

  test('a freed row ends a promise of its id to another unit, which is free then', async () => {
    const world = await openWorld(redis, 'counted', 'rebuild-rows');
    expect(await stretch(world, '5', row('u1', 5, 'freed'))).toBe('ok');
    expect(await redis.lrange(world.key('returned'), 0, -1)).toEqual(['1', '2']);
    await checkCounters({ redis, campaignId: 'launch' });
  });

  test('two rows of a user in one stretch, the one freed and the other kept, end one promise once', async () => {
    const world = await openWorld(redis, 'counted', 'rebuild-rows');
    const other = { ...row('u1', 5, ''), id: 'another'.padEnd(22, '0') };
    expect(await stretch(world, '5', row('u1', 1, 'freed'), other)).toBe('ok');
    expect(await recordOf(world, 'u1')).toMatch(/^i:0:5:/);
    await checkCounters({ redis, campaignId: 'launch' });
    expect(await counters(world)).toMatchObject({ reserved: 2, issued: 1, withdrawn: 1 });
  });

  test('a serial above the total needs a unit that was returned up to it', async () => {
    const world = await openWorld(redis, 'counted', 'rebuild-rows');
    const top = row('u9', 11, '');
    const before = await dump(redis);
    expect(await stretch(world, '11', row('u1', 2, 'revoked'), top)).toBe('beyond');
    expect(await dump(redis)).toEqual(before);
    expect(await stretch(world, '11', row('u1', 2, 'revoked', '1'), top)).toBe('ok');
    await checkCounters({ redis, campaignId: 'launch' });
    expect(await counters(world)).toMatchObject({ total: 11, replaced: 1, revoked: 1, issued: 2 });
  });

  test('a marked record is no promise, and its code is given to nobody else', async () => {
    const world = await openWorld(redis, 'codes');
    const { run, calls, key } = world;
    await takeBack(world, await unitOf(world, 'u1'));
    await run(calls['begin-rebuild']!);
    await redis.hset(key('campaign'), 'epoch', '1-abc');
    await run(calls['keep-promised']!);
    expect(await recordOf(world, 'u1')).toBeNull();
    expect(await counters(world)).toMatchObject({ reserved: 2, revoked: 0 });
    const before = await run({ ...calls['know-codes']!, items: [{ code: 'BBB' }] });
    expect(before).toEqual(['ok', 'known']);
    expect(await redis.sismember(key('codes'), 'BBB')).toBe(1);
  });

  test('a restocked total is kept without the units that were returned: the rows bring those', async () => {
    const world = await openWorld(redis, 'counted');
    const { run, calls, key } = world;
    await redis.hset(key('campaign'), 'opened', '10');
    await run(calls.restock!);
    await takeBack(world, await unitOf(world, 'u1', { returns: true }));
    expect((await run(calls.restock!)).slice(0, 2)).toEqual(['done', '15']);
    const call = calls['begin-rebuild']!;
    await run({ ...call, items: [...call.items!, { name: 'opened', value: '10' }] });
    expect(await redis.hmget(key('campaign'), 'total', 'replaced', 'revoked')).toEqual(['15', '0', '0']);
  });

  test('a repeat is told that its coupon is revoked, whichever state has it', async () => {
    for (const name of ['', 'rebuild-rows']) {
      const world = await openWorld(redis, 'counted', name);
      const { run, calls, key } = world;
      if (name === '') {
        await takeBack(world, await unitOf(world, 'u1'));
        await run(calls['begin-rebuild']!);
      } else expect(await stretch(world, '5', row('u1', 2, 'revoked'))).toBe('ok');
      const epoch = (await redis.hget(key('campaign'), 'epoch'))!;
      const reply = await run(reserveOf(world, idOf('u1'), { epoch, call: '9' }));
      expect(reply).toEqual(['rebuilding', idOf('u1'), '1', expect.stringMatching(/^i1:0:2:/)]);
    }
  });
});
