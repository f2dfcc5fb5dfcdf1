import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { CouponIssuer, generateCodes, MemoryPersistence, type RedisClient, RedisError } from '../../src/index.js';
import { scripts } from '../../src/redis/scripts.js';
import { dump } from '../support/scenes/campaigns.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { columnsOf, dataOf, idOf, openWorld } from './world.js';

const names = Object.values(scripts).map(({ name }) => name);
const READERS = [
  'know-campaign',
  'know-codes',
  'find-over',
  'list-campaigns',
  'list-workers',
  'inspect',
  'find-user',
  'find-in-pool',
  'list-loads',
  'list-quarantined',
  'inspect-server',
  'check-rights',
  'scan-grants',
  'read-grants',
  'scan-free',
  'announce',
  'find-announced',
];
/** They note when somebody was seen or looked, which a second run does anew. */
const NOTING = ['find-places', 'tend-line'];
/** A number that is skipped, a later mark, a later lease of a drop, or bytes that count twice harm nobody: a copy may take one too. */
const COUNTING = ['register-campaign', 'next-generation', 'drop-cached', 'count-bytes', 'note-worker'];
/** They find in the world what they would write. */
const DONE_BEFORE = ['open-campaign'];
const POOL_ONLY = ['load-codes', 'rebuild-codes', 'list-loads', 'find-in-pool', 'replace-code'];
/** What ends a reservation, a value or a lease has to work while memory is full, or full memory would never empty. */
const FREEING = [
  'confirm',
  'release',
  'withdraw',
  'adopt-row',
  'take-back',
  'drop-announced',
  'purge-campaign',
  'note-over',
  'drop-over',
  'forget-campaign',
  'forget-worker',
  'mend-row',
  'claim-due',
  'close-campaign',
  'leave-line',
  'give-up-load',
  'drop-cached',
];
/** What a script is given for the common expiry, or for the other kind of stock, and does not look at. */
function notLookedAt(name: string, kind: 'counted' | 'codes'): string[] {
  const otherStock = kind === 'codes' ? 'returned' : 'pool';
  const line = ['queue', 'tickets', 'presence', 'ended'];
  const siblings = ['grants', 'senders', 'leases', 'returned', 'pool', 'data', 'codes', ...line];
  const unseen: Record<string, string[]> = {
    reserve: ['old'],
    'join-line': ['old'],
    confirm: ['senders', 'returned', 'pool', 'codes', ...line],
    withdraw: ['senders', 'returned', 'pool', 'codes', ...line],
    'take-back': ['senders', 'returned', 'pool', 'codes', ...line],
    release: ['senders', 'codes', otherStock, ...line],
    // The data of a reservation that gets another unit stays as it is.
    reassign: ['senders', 'data', 'codes', otherStock, ...line],
    'adopt-row': ['senders', otherStock, ...line],
    'mend-row': line,
    'reopen-grant': ['codes', ...line],
    'inspect-server': ['campaign'],
    'check-rights': ['rights'],
    announce: ['campaign'],
    'tend-line': ['codes'],
    inspect: ['codes'],
    'scan-free': [otherStock],
    'begin-rebuild': [...siblings, 'old', 'kept', 'known'],
    'finish-rebuild': ['senders', 'codes', 'old', 'known', ...line],
    'open-campaign': siblings,
    'close-campaign': siblings,
    'purge-campaign': siblings,
  };
  return unseen[name] ?? [];
}

const kindFor = (name: string) =>
  (POOL_ONLY.includes(name) ? ['codes'] : name === 'restock' ? ['counted'] : ['counted', 'codes']) as (
    | 'counted'
    | 'codes'
  )[];
const cases = names.flatMap((name) => kindFor(name).map((kind) => ({ name, kind })));
// Some scripts have a shorter way for a batch in which nothing is unusual.

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterEach(async () => {
  await redis.config('SET', 'maxmemory', '0');
  await redis.replicaof('NO', 'ONE');
});
afterAll(() => server.stop());

const faultOf = async (work: Promise<unknown>): Promise<unknown> => {
  try {
    await work;
    return null;
  } catch (error) {
    return error;
  }
};

function expectNotApplied(fault: unknown): void {
  expect(fault).toBeInstanceOf(RedisError);
  expect((fault as RedisError).outcome).toBe('not_applied');
}

const withoutTimes = (state: Record<string, string>) =>
  Object.fromEntries(
    Object.entries(state).flatMap(([key, content]) =>
      key.endsWith(':presence') ? [] : [[key, content.replace(/\["(sweptAt|watchers)","[^"]+"\],?/g, '')]],
    ),
  );

describe.each(cases)('$name on $kind stock', ({ name, kind }) => {
  test('a second run with the same arguments changes nothing', async () => {
    const { run, calls } = await openWorld(redis, kind, name);
    const before = await dump(redis);
    await run(calls[name]!);
    const after = await dump(redis);
    if (READERS.includes(name) || DONE_BEFORE.includes(name)) expect(after).toEqual(before);
    else expect(after).not.toEqual(before);
    await run(calls[name]!);
    const again = await dump(redis);
    if (COUNTING.includes(name)) expect(Object.keys(again)).toEqual(Object.keys(after));
    else if (!NOTING.includes(name)) expect(again).toEqual(after);
    else expect(withoutTimes(again)).toEqual(withoutTimes(after));
  });

  test('a key of the wrong type is an error, and nothing is written', async () => {
    for (const keyName of Object.values(scripts).find((script) => script.name === name)!.keys) {
      const { run, calls, key } = await openWorld(redis, kind, name);
      await redis.del(key(keyName));
      await redis.set(key(keyName), 'not what it should be');
      const before = await dump(redis);
      const fault = await faultOf(run(calls[name]!));
      if (notLookedAt(name, kind).includes(keyName)) {
        expect(fault).toBeNull();
        continue;
      }
      expectNotApplied(fault);
      expect(await dump(redis), keyName).toEqual(before);
    }
  });

  test('when memory is full it refuses having written nothing, or does all its work', async () => {
    const { run, calls } = await openWorld(redis, kind, name);
    const expected = await run(calls[name]!);
    const world = await openWorld(redis, kind, name);
    const before = await dump(redis);
    await redis.config('SET', 'maxmemory', '1');
    const outcome = await world.run(world.calls[name]!).then(
      (reply) => ({ reply, fault: null }),
      (fault: unknown) => ({ reply: null, fault }),
    );
    await redis.config('SET', 'maxmemory', '0');
    if (READERS.includes(name) || FREEING.includes(name)) {
      expect(outcome.fault).toBeNull();
      expect(outcome.reply![0]).toBe(expected[0]);
      if (FREEING.includes(name)) expect(await dump(redis)).not.toEqual(before);
    } else if (outcome.fault !== null) {
      expectNotApplied(outcome.fault);
      expect(await dump(redis)).toEqual(before);
    } else {
      expect(DONE_BEFORE).toContain(name);
    }
  });

  test('on a replica it writes nothing and says so', async () => {
    const { run, calls } = await openWorld(redis, kind, name);
    const before = await dump(redis);
    await redis.replicaof('127.0.0.1', 1);
    const fault = await faultOf(run(calls[name]!));
    if (READERS.includes(name) || name === 'open-campaign') expect(fault).toBeNull();
    else expectNotApplied(fault);
    expect(await dump(redis)).toEqual(before);
  });
});

const epochal = Object.values(scripts).filter(({ args }) => (args as readonly string[]).includes('epoch'));
const UNDER_OTHER_EPOCH: Record<string, string> = { 'open-campaign': 'exists' };

test.each(epochal.map(({ name }) => name))('%s under another epoch changes nothing', async (name) => {
  const { run, calls } = await openWorld(redis, 'codes');
  const before = await dump(redis);
  const call = calls[name]!;
  const [word] = await run({ ...call, args: { ...call.args, epoch: '1-another' } });
  expect(word).toBe(UNDER_OTHER_EPOCH[name] ?? 'stale_epoch');
  expect(await dump(redis)).toEqual(before);
});

const ofState = Object.values(scripts).filter(
  ({ name, keys }) =>
    (keys as readonly string[]).includes('campaign') &&
    !['open-campaign', 'inspect-server', 'begin-rebuild', 'announce'].includes(name),
);

test.each(ofState.map(({ name }) => name))('%s on an empty Redis says missing, and makes nothing', async (name) => {
  const { run, calls } = await openWorld(redis, 'codes');
  await redis.flushall();
  // What is about to be opened is judged by the clock of Redis.
  const clock = name === 'inspect' ? [expect.stringMatching(/^\d{13}$/)] : [];
  expect(await run(calls[name]!)).toEqual(['missing', ...clock]);
  expect(await redis.dbsize()).toBe(0);
});

/** Those that take, take over or load must not act on a state that is not whole. */
const LINED = ['join-line', 'leave-line', 'find-places', 'admit-line', 'tend-line', 'draw-line'];
const WHOLE = ['reserve', 'claim-due', 'load-codes', ...LINED];

test.each(WHOLE)('%s refuses while any key of the campaign is lost', async (name) => {
  for (const kind of kindFor(name)) {
    const inUse =
      kind === 'codes' ? ['grants', 'senders', 'leases', 'pool'] : ['grants', 'senders', 'leases', 'returned'];
    if (name === 'load-codes') inUse.push('codes');
    if (LINED.includes(name)) inUse.push('queue', 'tickets', 'presence');
    for (const lost of inUse) {
      const { run, calls, key } = await openWorld(redis, kind, name);
      expect(await redis.del(key(lost)), `${lost} is in use`).toBe(1);
      const before = await dump(redis);
      expect(await run(calls[name]!), lost).toEqual(['missing']);
      expect(await dump(redis)).toEqual(before);
    }
  }
});

test.each(['reserve', 'claim-due', ...LINED])('%s refuses a state that is behind what its caller saw', async (name) => {
  const { run, calls, key } = await openWorld(redis, 'counted', name);
  const stamp = Number(await redis.hget(key('campaign'), 'stamp'));
  const before = await dump(redis);
  const call = calls[name]!;
  expect(await run({ ...call, args: { ...call.args, fence: String(stamp + 1) } })).toEqual(['rolled_back']);
  expect(await dump(redis)).toEqual(before);
  expect(['ok', 'absent', 'more']).toContain((await run({ ...call, args: { ...call.args, fence: String(stamp) } }))[0]);
});

const HELD = ['confirm', 'release', 'withdraw', 'reassign', 'adopt-row'];

test.each(HELD)('%s with a stamp or an id of before changes nothing', async (name) => {
  const { run, calls } = await openWorld(redis, 'counted');
  const before = await dump(redis);
  const call = calls[name]!;
  const [item] = call.items!;
  const { field, id, stamp } = calls.release!.items![0]!;
  const word = async (change: { id?: string; stamp?: string; field?: string }) => {
    const named = { field, id, stamp, ...change } as { field: string; id: string; stamp: string };
    const columns = name === 'confirm' ? { ids: named.id } : {};
    const items = [{ ...item, ...named, fields: named.field }];
    const reply = await run({ ...call, args: { ...call.args, ...columns }, items });
    return reply[name === 'release' || name === 'confirm' ? 2 : 3];
  };
  expect(await word({ stamp: String(Number(stamp) - 1) })).toBe('retaken');
  expect(await word({ id: 'another' })).toBe('gone');
  // The beginning of the id that is there.
  expect(await word({ id: id!.slice(0, 4) })).toBe('gone');
  expect(await word({ field: '1:nobody' })).toBe('gone');
  expect(await dump(redis)).toEqual(before);
});

test('confirm knows a reservation by its id and stamp, though a try was counted since its caller read it', async () => {
  const { run, calls, key } = await openWorld(redis, 'counted');
  const record = (await redis.hget(key('grants'), '1:u1'))!;
  await redis.hset(key('grants'), '1:u1', record.replace('r:', 'r10001:'));
  expect(await run(calls.confirm!)).toEqual(['ok', '0', 'confirmed']);
  expect(await redis.hget(key('grants'), '1:u1')).toBe(record.replace(/^r:\d+:/, 'i:0:'));
  expect(await run(calls.confirm!)).toEqual(['ok', '0', 'issued']);
});

test('a repeat under a new call number takes over: the same unit, a new stamp, and the old one opens nothing', async () => {
  const { run, calls, key } = await openWorld(redis, 'counted');
  const before = await redis.hget(key('grants'), '1:u1');
  const users = columnsOf([{ id: idOf('u1'), userId: 'u1', code: '' }]);
  const again = { ...calls.reserve!, args: { ...calls.reserve!.args, ...users, data: dataOf('another') } };
  const reply = await run(again);
  const after = await redis.hget(key('grants'), '1:u1');
  // Its data is that of the first call, whatever this one brings.
  expect(reply.slice(4)).toEqual(['existing', '1', after, dataOf('u1')]);
  const unit = (record: string | null) => record!.split(':').slice(2);
  expect([before?.[0], after?.[0]]).toEqual(['r', 't']);
  expect(unit(after)).toEqual(unit(before));
  expect(after).not.toBe(before);
  expect((await run(calls.release!))[2]).toBe('taken_over');
});

test('a late copy of a call takes nothing, and says of each id what is known', async () => {
  const { run, calls } = await openWorld(redis, 'counted');
  const call = calls.reserve!;
  const first = await run(call);
  const state = await dump(redis);
  const words = async (n: string, users: string[]) => {
    const asking = columnsOf(users.map((userId) => ({ id: idOf(userId), userId, code: '' })));
    const reply = await run({ ...call, args: { ...call.args, ...asking, call: n } });
    return wordsIn(reply);
  };
  const wordsIn = (reply: readonly unknown[]) => String(reply[4]).split(' ');
  // u4 and u5 were taken by that call, u1 was taken over: only what was taken may be released, what was taken over lapses.
  expect(wordsIn(first).filter((word) => word === 'existing')).toHaveLength(1);
  const again = wordsIn(await run(call));
  expect(again).toEqual(wordsIn(first).map((word) => (word === 'existing' ? 'lapsed' : word)));
  expect(await words('2', ['u4', 'late'])).toEqual(['new', 'lapsed']);
  expect(await words('1', ['u4', 'late', 'gone'])).toEqual(['lapsed', 'lapsed', 'lapsed']);
  expect(await dump(redis)).toEqual(state);
});

test('a campaign is not opened over what a lost one left behind, and nothing is written', async () => {
  for (const name of ['grants', 'senders', 'leases', 'returned', 'pool', 'codes']) {
    const { run, calls, key } = await openWorld(redis, 'counted');
    await redis.flushall();
    await redis.set(key(name), 'left behind');
    const before = await dump(redis);
    expect(await run(calls['open-campaign']!)).toEqual(['partial']);
    expect(await dump(redis)).toEqual(before);
  }
});

test('when memory is full a campaign is not opened, and nothing is written', async () => {
  const { run, calls } = await openWorld(redis, 'counted');
  await redis.flushall();
  await redis.config('SET', 'maxmemory', '1');
  expectNotApplied(await faultOf(run(calls['open-campaign']!)));
  expect(await redis.dbsize()).toBe(0);
});

test('a whole campaign goes well although Redis forgets its scripts before every call', async () => {
  await redis.flushall();
  let flushed = 0;
  const forgetful: RedisClient = {
    evalsha: async (...call) => {
      await redis.script('FLUSH');
      flushed++;
      return redis.evalsha(...call);
    },
    eval: (...call) => redis.eval(...call),
  };
  const issuer = new CouponIssuer({ redis: forgetful, persistence: new MemoryPersistence() });
  await issuer.campaign('launch').open({ stock: { kind: 'codes' } });
  await issuer.campaign('launch').loadCodes(['AAA', 'BBB']);
  await issuer.campaign('launch').replaceCode({ code: 'BBB', replacement: 'CCC' });
  await issuer.campaign('launch').pause();
  await issuer.campaign('launch').resume();
  const statuses = [];
  for (const userId of ['kim', 'kim', 'lee', 'park']) {
    statuses.push((await issuer.campaign('launch').issue({ userId })).status);
    await issuer.idle();
  }
  expect(statuses).toEqual(['issued', 'already_issued', 'issued', 'sold_out']);
  expect(await issuer.settle()).toEqual({ settled: 0, pending: 0, failed: 0 });
  await issuer.campaign('launch').closeForGood();
  expect(await issuer.campaign('launch').inspect()).toMatchObject({ state: 'closed', ready: true, issued: 2 });
  expect(flushed).toBeGreaterThan(15);
});

test('when memory is full issue() fails with nothing reserved, and goes on once there is room', async () => {
  await redis.flushall();
  const issuer = new CouponIssuer({ redis, persistence: new MemoryPersistence() });
  await issuer.campaign('launch').open({ stock: { kind: 'counted', total: 5 } });
  const before = await dump(redis);
  await redis.config('SET', 'maxmemory', '1');
  expectNotApplied(await faultOf(issuer.campaign('launch').issue({ userId: 'kim' })));
  expect(await dump(redis)).toEqual(before);
  await redis.config('SET', 'maxmemory', '0');
  expect((await issuer.campaign('launch').issue({ userId: 'kim' })).status).toBe('issued');
});

test.each([
  { kind: 'counted', limit: 150 },
  { kind: 'codes', limit: 220 },
] as const)('a settled issuance of $kind stock takes at most $limit bytes of Redis', async ({ kind, limit }) => {
  const count = 20_000;
  await redis.flushall();
  const issuer = new CouponIssuer({ redis, persistence: new MemoryPersistence(), maxQueued: count });
  await issuer.campaign('launch').open({ stock: kind === 'codes' ? { kind } : { kind, total: count } });
  if (kind === 'codes') await issuer.campaign('launch').loadCodes(generateCodes({ count }));
  const users = Array.from({ length: count }, (_, i) => String(10_000_000 + i));
  const results = await Promise.all(users.map((userId) => issuer.campaign('launch').issue({ userId })));
  await issuer.idle();
  expect(results.every(({ status }) => status === 'issued')).toBe(true);
  let bytes = 0;
  for (const key of await redis.keys('*')) bytes += Number(await redis.memory('USAGE', key, 'SAMPLES', 0));
  console.info(`${kind}: ${(bytes / count).toFixed(1)} bytes an issuance`);
  expect(bytes / count).toBeLessThanOrEqual(limit);
});
