import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RedisServer } from '../support/servers/redis-server.js';
import { columnsOf, ISSUED_ROW, idOf, openWorld, type World } from './world.js';

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());

interface Books {
  readonly available: number;
  readonly reserved: number;
  readonly issued: number;
  readonly withdrawn: number;
}

/** What is counted, after a look whether it is there and adds up. */
async function books({ key }: World): Promise<Books> {
  const campaign = await redis.hgetall(key('campaign'));
  const count = (name: string) => Number(campaign[name] ?? 0);
  const free = campaign.kind === 'codes' ? 'pool' : 'returned';
  const grants = Object.values(await redis.hgetall(key('grants')));
  expect(await redis.llen(key(free))).toBe(count(free));
  expect(await redis.zcard(key('leases'))).toBe(count('reserved'));
  expect(await redis.scard(key('codes'))).toBe(count('codes'));
  expect(grants.filter((record) => record.startsWith('i')).length).toBe(count('issued'));
  const untaken = campaign.kind === 'codes' ? 0 : count('total') - count('lastSerial');
  const { reserved, issued, withdrawn } = {
    reserved: count('reserved'),
    issued: count('issued'),
    withdrawn: count('withdrawn'),
  };
  const available = untaken + count(free);
  expect(available + reserved + issued + withdrawn).toBe(count('total'));
  return { available, reserved, issued, withdrawn };
}

const row = (serial: number, code = '') => ({
  rowField: '1:u1',
  rowId: 'the-row'.padEnd(22, '0'),
  rowSerial: String(serial),
  rowIssuedAt: '1',
  rowCode: code,
  ...ISSUED_ROW,
});

/** The reservation of a user that meets this row. */
async function meets({ key }: World, user: string, met: Record<string, string>): Promise<Record<string, string>> {
  const [, stamp] = (await redis.hget(key('grants'), `1:${user}`))!.split(':');
  return { field: `1:${user}`, id: idOf(user), stamp: stamp!, delivered: '0', ...met };
}

async function adopt(world: World, ...items: Record<string, string>[]): Promise<Books> {
  const reply = await world.run({ ...world.calls['adopt-row']!, items });
  expect(reply).toEqual(['ok', expect.stringMatching(/^\d+$/), '0', ...items.map(() => 'adopted')]);
  return books(world);
}

/** What the database refuses: the unit of this user belongs to a row. */
async function refuse(world: World, user: string): Promise<Books> {
  const record = (await redis.hget(world.key('grants'), `1:${user}`))!.split(':');
  const item = { field: `1:${user}`, id: record[4]!, stamp: record[1]!, serial: record[2]!, keep: '0', code: '' };
  expect((await world.run({ ...world.calls.reassign!, items: [item] }))[3]).toBe('reassigned');
  return books(world);
}

function reserve(world: World, users: Parameters<typeof columnsOf>[0]) {
  const { args, script } = world.calls.reserve!;
  return world.run({ script, args: { ...args, ...columnsOf(users) } });
}

/** The new user who is given this unit, when three come. */
async function taker(world: World, serial: number): Promise<string> {
  const users = ['u6', 'u7', 'u8'].map((userId) => ({ id: idOf(userId), userId, code: '' }));
  await reserve(world, users);
  await books(world);
  const records = await Promise.all(users.map(({ userId }) => redis.hget(world.key('grants'), `1:${userId}`)));
  const at = records.findIndex((record) => record?.split(':')[2] === String(serial));
  expect(at).toBeGreaterThanOrEqual(0);
  return users[at]!.userId;
}

const free = (world: World, kind: 'returned' | 'pool') => redis.lrange(world.key(kind), 0, -1);

describe('a row that is written back to a counted campaign takes its unit', () => {
  test('from the units that came back', async () => {
    const world = await openWorld(redis, 'counted');
    expect(await adopt(world, await meets(world, 'u1', row(1)))).toMatchObject({
      available: 7,
      issued: 1,
      withdrawn: 0,
    });
    expect(await free(world, 'returned')).toEqual(['2']);
  });

  test('from beyond the last serial, and the units between become free', async () => {
    const world = await openWorld(redis, 'counted');
    expect(await adopt(world, await meets(world, 'u1', row(9)))).toMatchObject({
      available: 7,
      issued: 1,
      withdrawn: 0,
    });
    expect(await free(world, 'returned')).toEqual(['2', '1', '5', '6', '7', '8']);
    expect(await redis.hget(world.key('campaign'), 'lastSerial')).toBe('9');
  });

  test('from what was skipped for another row just before, also within one batch', async () => {
    const world = await openWorld(redis, 'counted');
    const second = { ...row(7), rowField: '1:u3', rowId: 'another-row'.padEnd(22, '0') };
    await adopt(world, await meets(world, 'u1', row(9)), await meets(world, 'u3', second));
    expect(await free(world, 'returned')).toEqual(['2', '4', '1', '5', '6', '8']);
    const third = { ...row(5), rowField: '2:u3', rowId: 'third-row'.padEnd(22, '0') };
    expect(await adopt(world, await meets(world, 'u2', third))).toMatchObject({ reserved: 0, issued: 3, withdrawn: 0 });
    expect(await free(world, 'returned')).toEqual(['3', '2', '4', '1', '6', '8']);
  });

  test('from its own reservation, where that is the very unit', async () => {
    const world = await openWorld(redis, 'counted');
    expect(await adopt(world, await meets(world, 'u1', row(2)))).toMatchObject({
      available: 7,
      issued: 1,
      withdrawn: 0,
    });
    expect(await free(world, 'returned')).toEqual(['1']);
  });

  test('from those withdrawn, where the database had refused it to another user before', async () => {
    const world = await openWorld(redis, 'counted');
    expect(await refuse(world, 'u3')).toMatchObject({ withdrawn: 1 });
    expect(await adopt(world, await meets(world, 'u1', row(4)))).toMatchObject({ issued: 1, withdrawn: 0 });
  });

  test('from another user who holds it, whose save the database refuses afterwards', async () => {
    const world = await openWorld(redis, 'counted');
    expect(await adopt(world, await meets(world, 'u1', row(4)))).toMatchObject({
      reserved: 2,
      issued: 1,
      withdrawn: -1,
    });
    expect(await refuse(world, 'u3')).toMatchObject({ reserved: 2, issued: 1, withdrawn: 0 });
  });

  test('from another user who gives it back first, and then from the next one who gets it', async () => {
    const world = await openWorld(redis, 'counted');
    const { run, calls } = world;
    const item = await meets(world, 'u3', {});
    await adopt(world, await meets(world, 'u1', row(4)));
    expect((await run({ ...calls.release!, items: [item] }))[2]).toBe('released');
    await books(world);
    expect(await refuse(world, await taker(world, 4))).toMatchObject({ issued: 1, withdrawn: 0 });
  });

  test.each([
    ['so far beyond the last serial that one script does not skip as much', 4_000, 5_000],
    ['beyond the total, because a restock was lost', 12, 10],
  ])('once it comes up, where it lies %s', async (_, serial, total) => {
    const world = await openWorld(redis, 'counted');
    await redis.hset(world.key('campaign'), 'total', total);
    expect(await adopt(world, await meets(world, 'u1', row(serial)))).toMatchObject({ issued: 1, withdrawn: -1 });
    expect(await redis.hget(world.key('campaign'), 'lastSerial')).toBe('4');
    // All units before it are taken by now, and there are some more.
    const withdrawn = serial - 1 - 4 - 1;
    await redis.hset(world.key('campaign'), { lastSerial: serial - 1, total: serial + 5, withdrawn });
    expect(await refuse(world, await taker(world, serial))).toMatchObject({ issued: 1, withdrawn: withdrawn + 1 });
  });

  test('and one script skips no more than 1,000 units, however many rows it writes', async () => {
    const world = await openWorld(redis, 'counted');
    await redis.hset(world.key('campaign'), 'total', '5000');
    const second = { ...row(1_700), rowField: '1:u3', rowId: 'another-row'.padEnd(22, '0') };
    const found = await adopt(world, await meets(world, 'u1', row(905)), await meets(world, 'u3', second));
    expect(found).toMatchObject({ issued: 2, withdrawn: -1 });
    expect(await redis.hget(world.key('campaign'), 'lastSerial')).toBe('905');
  });
});

describe('a row that is written back to a pool takes its unit', () => {
  test('from the pool, near either end', async () => {
    const world = await openWorld(redis, 'codes');
    expect(await adopt(world, await meets(world, 'u1', row(5, 'EEE')))).toMatchObject({ available: 7, issued: 1 });
    const last = { ...row(10, 'KKK'), rowField: '1:u3', rowId: 'another-row'.padEnd(22, '0') };
    expect(await adopt(world, await meets(world, 'u3', last))).toMatchObject({ available: 7, issued: 2, withdrawn: 0 });
    expect(await free(world, 'pool')).toEqual(['4:DDD', '2:BBB', '1:AAA', '6:FFF', '7:GGG', '8:HHH', '9:JJJ']);
  });

  test('from beyond what is loaded, and its code is never loaded again', async () => {
    const world = await openWorld(redis, 'codes');
    expect(await adopt(world, await meets(world, 'u1', row(15, 'ZZZ')))).toMatchObject({ issued: 1, withdrawn: 0 });
    expect(await redis.hget(world.key('campaign'), 'total')).toBe('11');
    const codes = [{ code: 'ZZZ' }, { code: 'YYY' }];
    await world.run({ ...world.calls['load-codes']!, items: codes });
    expect((await free(world, 'pool')).at(-1)).toBe('16:YYY');
    await books(world);
  });

  test('once it comes up, where it lies too deep in the pool to look for it', async () => {
    const world = await openWorld(redis, 'codes');
    const codes = Array.from({ length: 1_500 }, (_, i) => ({ code: `code-${i}` }));
    await world.run({ ...world.calls['load-codes']!, items: codes });
    expect(await adopt(world, await meets(world, 'u1', row(711, 'code-700')))).toMatchObject({
      issued: 1,
      withdrawn: -1,
    });
    // It comes up: those before it are gone.
    await redis.ltrim(world.key('pool'), 700 + 8, -1);
    await redis.hset(world.key('campaign'), { pool: 800, total: 800 + 2 + 1 - 1 });
    await books(world);
    await reserve(world, [{ id: idOf('u7'), userId: 'u7', code: '' }]);
    expect(await redis.hget(world.key('grants'), '1:u7')).toContain(':code-700');
    expect(await refuse(world, 'u7')).toMatchObject({ issued: 1, withdrawn: 0 });
  });
});

describe('a row that cannot be written back yet, because another grant of the user stands in its place,', () => {
  test('leaves its unit in nobody’s hands, and takes it from there once that grant meets it', async () => {
    const world = await openWorld(redis, 'counted');
    const met = { ...row(2), rowField: '1:u3' };
    expect(await adopt(world, await meets(world, 'u1', met))).toMatchObject({ reserved: 2, issued: 0, withdrawn: 1 });
    expect(await adopt(world, await meets(world, 'u3', met))).toMatchObject({ reserved: 1, issued: 1, withdrawn: 0 });
  });

  test('or the row itself does: whichever of two reservations meets it first', async () => {
    for (const order of [
      ['u1', 'u3'],
      ['u3', 'u1'],
    ]) {
      const world = await openWorld(redis, 'counted');
      const met = { ...row(2), rowField: '2:u1' };
      for (const user of order) await adopt(world, await meets(world, user, met));
      expect(await books(world)).toMatchObject({ reserved: 1, issued: 1, withdrawn: 0 });
    }
  });
});

test('a row is not written back from those withdrawn while more rows than that wait for their units', async () => {
  const world = await openWorld(redis, 'counted', 'mend-row');
  await adopt(world, await meets(world, 'u1', row(4)));
  const call = world.calls['mend-row']!;
  expect(await world.run({ ...call, args: { ...call.args, serial: '3', place: 'nobody' } })).toEqual(['moved']);
});
