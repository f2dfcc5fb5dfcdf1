import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { scripts } from '../../src/redis/scripts.js';
import { dump } from '../support/scenes/campaigns.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { type Call, dataOf, EPOCH, ISSUED, openWorld, type World } from './world.js';

/** Later than any clock of the tests. */
const AHEAD = 8_000_000_000_000_000;
const STAMP = expect.stringMatching(/^\d+$/);

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());

test.each(['reserve', 'claim-due', 'reassign', 'retry-quarantined', 'reopen-grant'])(
  'when the clock of Redis was set back %s still gives a later stamp than any before',
  async (name) => {
    const { run, calls, key } = await openWorld(redis, 'counted', name);
    const grants = async () => Object.values(await redis.hgetall(key('grants')));
    const before = await grants();
    await redis.hset(key('campaign'), 'stamp', AHEAD);
    await run(calls[name]!);
    const written = (await grants()).filter((record) => !before.includes(record));
    expect(written.length).toBeGreaterThan(0);
    for (const record of written) expect(Number(record.split(':')[1])).toBeGreaterThan(AHEAD);
    expect(Number(await redis.hget(key('campaign'), 'stamp'))).toBeGreaterThan(AHEAD);
  },
);

test.each(['reserve', 'admit-line'])(
  'by %s no unit is taken without the code that its campaign generates',
  async (name) => {
    const { run, calls, key } = await openWorld(redis, 'counted', name);
    await redis.hset(key('campaign'), 'generate', '1');
    const before = await dump(redis);
    expect(await run(calls[name]!)).toEqual(['no_code']);
    expect(await dump(redis)).toEqual(before);
  },
);

/** The scripts of each row of a table in the chapter about the fence, by its first column. */
function tableOf(heading: string): Map<string, string[]> {
  const readme = readFileSync(new URL('../../lua/README.md', import.meta.url), 'utf8');
  const [, table] = readme.split('## The fence\n')[1]!.split('\n## ')[0]!.split(`| ${heading} |`);
  const rows = new Map<string, string[]>();
  for (const [, first, names] of table!.split('\n\n')[0]!.matchAll(/^\| (\w+) \| ([^|]+) \|/gm)) {
    const more = [...names!.matchAll(/`([a-z-]+)`/g)].map(([, name]) => name!);
    rows.set(first!, [...(rows.get(first!) ?? []), ...more]);
  }
  return rows;
}
const [fences, stamps] = [tableOf('fence'), tableOf('stamp')];
const FENCED = Object.values(scripts).filter(({ args }) => (args as readonly string[]).includes('fence'));

test.each(FENCED.map(({ name }) => name))(
  '%s refuses a state that is behind what its caller saw, and nothing is written',
  async (name) => {
    const { run, calls, key } = await openWorld(redis, name === 'restock' ? 'counted' : 'codes', name);
    const seen = Number(await redis.hget(key('campaign'), 'stamp'));
    const before = await dump(redis);
    const call = calls[name]!;
    const under = (fence: number) => run({ ...call, args: { ...call.args, fence: String(fence) } });
    expect(await under(seen + 1)).toEqual(['rolled_back']);
    expect(await dump(redis)).toEqual(before);
    expect(await under(seen)).not.toEqual(['rolled_back']);
  },
);

test('each script that names an epoch is listed as one that sends the fence, or as one that needs none', () => {
  const epochal = Object.values(scripts).filter(({ args }) => (args as readonly string[]).includes('epoch'));
  const listed = (fence: string) => [...(fences.get(fence) ?? [])];
  expect(listed('yes').sort()).toEqual(FENCED.map(({ name }) => name).sort());
  const fenced = new Set<string>(FENCED.map(({ name }) => name));
  expect(listed('no').sort()).toEqual(
    epochal
      .map(({ name }) => name)
      .filter((name) => !fenced.has(name))
      .sort(),
  );
});

describe('the stamp after a change', () => {
  const written = Object.values(scripts).filter(
    ({ keys, reads }) => (keys as readonly string[]).includes('campaign') && !reads,
  );
  const CLOCK = 1e15;
  /** Where the call of the world changes nothing. */
  const changing: Record<string, (world: World) => Promise<Call>> = {
    'draw-line': async ({ calls }) => ({
      ...calls['draw-line']!,
      items: ['w1', 'w2', 'w3'].map((userId) => ({ userId, key: '0.5' })),
    }),
    'tend-line': async ({ calls, redis, key }) => {
      await redis.hset(key('campaign'), 'closedAt', '1');
      return calls['tend-line']!;
    },
  };

  test('is listed for each script that writes', () => {
    const listed = [...stamps.values()].flat();
    expect(listed.sort()).toEqual(written.map(({ name }) => name).sort());
  });

  test.each([...stamps].flatMap(([stamp, names]) => names.map((name) => ({ name, stamp }))))(
    'of $name is as listed ($stamp), and its caller is told',
    async ({ name, stamp }) => {
      const world = await openWorld(redis, name === 'restock' ? 'counted' : 'codes', name);
      const call = (await changing[name]?.(world)) ?? world.calls[name]!;
      await redis.hset(world.key('campaign'), 'stamp', '500');
      const reply = await world.run(call);
      const after = await redis.hget(world.key('campaign'), 'stamp');
      if (stamp === 'clock') expect(Number(after)).toBeGreaterThan(CLOCK);
      else if (name !== 'purge-campaign') expect(after).toBe(stamp === 'one' ? '501' : '500');
      if (stamp !== 'no') expect(reply.map(String)).toContain(after);
    },
  );

  // A process that was told more than Redis has takes a whole state for one that went back, for good.
  test.each([...stamps].flatMap(([stamp, names]) => (stamp === 'no' ? [] : names.map((name) => ({ name })))))(
    'of $name that is called again is told only as it was written',
    async ({ name }) => {
      const world = await openWorld(redis, name === 'restock' ? 'counted' : 'codes', name);
      const call = (await changing[name]?.(world)) ?? world.calls[name]!;
      await redis.hset(world.key('campaign'), 'stamp', '500');
      await world.run(call);
      const told = (await world.run(call)).map(Number);
      const written = Number(await redis.hget(world.key('campaign'), 'stamp'));
      expect(told).not.toContain(written + 1);
      // The clock of this process has whole ms.
      const now = (Date.now() + 1) * 1_000;
      expect(told.filter((value) => value > CLOCK && value > Math.max(written, now))).toEqual([]);
    },
  );
});

test('a reservation that somebody else holds by now is neither postponed nor put into quarantine', async () => {
  const { run, calls } = await openWorld(redis, 'counted');
  const before = await dump(redis);
  const call = calls.postpone!;
  const item = call.items![0]!;
  for (const delayMs of ['', '5000']) {
    const late = { ...item, stamp: String(Number(item.stamp) - 1), delayMs };
    expect(await run({ ...call, items: [late] })).toEqual(['ok', 'retaken']);
    expect(await run({ ...call, items: [{ ...late, stamp: item.stamp!, id: 'another' }] })).toEqual(['ok', 'gone']);
  }
  expect(await dump(redis)).toEqual(before);
});

test('a retry names the issuance that is in quarantine, and lets no other one out', async () => {
  const { run, calls } = await openWorld(redis, 'counted');
  const before = await dump(redis);
  const call = calls['retry-quarantined']!;
  expect(await run({ ...call, items: [{ ...call.items![0]!, id: 'another' }] })).toEqual([
    'ok',
    STAMP,
    'not_quarantined',
  ]);
  expect(await dump(redis)).toEqual(before);
});

describe('a chunk of codes', () => {
  test('that begins beyond what its load has come to is refused, and nothing is written', async () => {
    const { run, calls } = await openWorld(redis, 'codes');
    const before = await dump(redis);
    const call = calls['load-codes']!;
    expect(await run({ ...call, args: { ...call.args, offset: '1' } })).toEqual(['gap']);
    expect(await dump(redis)).toEqual(before);
  });

  test('of another list is refused, and nothing is written', async () => {
    const { run, calls } = await openWorld(redis, 'codes');
    const call = calls['load-codes']!;
    await run(call);
    const before = await dump(redis);
    const under = (args: Record<string, string>) => run({ ...call, args: { ...call.args, ...args } });
    expect(await under({ after: 'others' })).toEqual(['another_list']);
    expect(await under({ offset: '2', before: 'others', after: 'more' })).toEqual(['another_list']);
    expect(await dump(redis)).toEqual(before);
    expect((await under({ offset: '2', before: 'all', after: 'more' }))[0]).toBe('ok');
  });

  test('that is loaded again is told as it was the first time', async () => {
    const { run, calls } = await openWorld(redis, 'codes');
    const first = await run(calls['load-codes']!);
    expect(await run(calls['load-codes']!)).toEqual(first);
  });
});

describe('a row that is written back', () => {
  const adopt = async (change: Record<string, string>) => {
    const { run, calls, key } = await openWorld(redis, 'counted');
    const call = calls['adopt-row']!;
    expect(await run({ ...call, items: [{ ...call.items![0]!, ...change }] })).toEqual(['ok', STAMP, '0', 'adopted']);
    const withdrawn = Number(await redis.hget(key('campaign'), 'withdrawn'));
    return { returned: await redis.lrange(key('returned'), 0, -1), withdrawn };
  };

  test('gives the unit back that was reserved in its place, and withdraws it if it was delivered', async () => {
    const skipped = ['5', '6', '7', '8'];
    expect(await adopt({})).toEqual({ returned: ['2', '1', ...skipped], withdrawn: 0 });
    expect(await adopt({ delivered: '1' })).toEqual({ returned: ['1', ...skipped], withdrawn: 1 });
  });

  test('keeps the unit if it is the very one that was reserved', async () => {
    expect(await adopt({ rowSerial: '2' })).toEqual({ returned: ['1'], withdrawn: 0 });
  });

  test.each([
    ['its unit is no longer free', { serial: '2' }],
    ['nothing was withdrawn that could be its unit', { serial: '2', place: 'nobody' }],
    ['its grant is there by now', { field: '1:u1' }],
  ])('is left where %s', async (_, change) => {
    const { run, calls } = await openWorld(redis, 'counted', 'mend-row');
    const before = await dump(redis);
    const call = calls['mend-row']!;
    expect(await run({ ...call, args: { ...call.args, ...change } })).toEqual(['moved']);
    expect(await dump(redis)).toEqual(before);
  });
});

test('a late copy of a beginning does not stop a campaign that was made again since', async () => {
  const { run, calls } = await openWorld(redis, 'counted');
  const before = await dump(redis);
  const call = calls['begin-rebuild']!;
  expect(await run({ ...call, args: { ...call.args, from: '1-before' } })).toEqual(['stale_epoch', EPOCH]);
  expect(await dump(redis)).toEqual(before);
});

test('a closed campaign is not purged while it is rebuilt', async () => {
  const { run, calls, key } = await openWorld(redis, 'counted', 'rebuild-rows');
  await redis.hset(key('campaign'), { closedAt: '1', reserved: '0' });
  const before = await dump(redis);
  expect(await run(calls['purge-campaign']!)).toEqual(['rebuilding']);
  expect(await dump(redis)).toEqual(before);
});

test('a code that is promised is not loaded again by the rebuild, and another gets the first serial that nobody has', async () => {
  const { run, calls, key } = await openWorld(redis, 'codes', 'keep-known');
  const [vacant] = await redis.lrange(key('returned'), 0, 0);
  const promised = Object.values(await redis.hgetall(key('grants'))).flatMap((record) => record.split(':').slice(5));
  expect(promised).toContain('DDD');
  const codes = ['DDD', 'EEE'].map((code) => ({ code }));
  await run({ ...calls['rebuild-codes']!, items: codes });
  const pool = await redis.lrange(key('pool'), 0, -1);
  expect(pool).toEqual([`${vacant}:EEE`]);
  expect(await redis.lrange(key('returned'), 0, -1)).not.toContain(vacant);
});

test('a rebuild loads no codes while those that it knew are lost, and none into a campaign that serves', async () => {
  const { run, calls, key } = await openWorld(redis, 'codes', 'rebuild-codes');
  const call = calls['rebuild-codes']!;
  await redis.del(key('codes'));
  const before = await dump(redis);
  expect(await run(call)).toEqual(['missing']);
  expect(await dump(redis)).toEqual(before);
  const serving = await openWorld(redis, 'codes');
  expect(await serving.run(call)).toEqual(['stale_epoch']);
  expect(await redis.sismember(key('codes'), 'new')).toBe(0);
});

describe('a row of a user who was promised another unit', () => {
  const row = { field: '1:u1', id: 'the-row'.padEnd(22, '0'), serial: '5', issuedAt: '1', code: '', ...ISSUED };

  test.each([
    { needs: 'persistence', withdrawn: '0', known: 0 },
    { needs: 'deliver+persistence', withdrawn: '1', known: 1 },
  ])(
    'ends the promise, whose code is withdrawn if it may be out (needs $needs)',
    async ({ needs, withdrawn, known }) => {
      const { run, calls, key } = await openWorld(redis, 'codes', 'rebuild-rows');
      await redis.hset(key('campaign'), 'needs', needs);
      expect(await redis.sismember(key('codes'), 'BBB')).toBe(1);
      const call = { ...calls['rebuild-rows']!, items: [{ ...row, code: 'EEE' }] };
      if (known) {
        const before = await dump(redis);
        const promised = await redis.hget(key('grants'), '1:u1');
        expect(await run(call)).toEqual(['recall', '1:u1', promised, dataOf('u1')]);
        expect(await dump(redis)).toEqual(before);
      }
      const told = known ? '1' : '';
      expect((await run({ ...call, args: { ...call.args, told } }))[0]).toBe('ok');
      expect(await redis.hget(key('campaign'), 'withdrawn')).toBe(withdrawn);
      expect(await redis.sismember(key('codes'), 'BBB')).toBe(known);
      expect(await redis.lrange(key('returned'), 0, -1)).toEqual(['1', '2']);
    },
  );

  test('frees the unit of the promise, also where an earlier stretch had passed it', async () => {
    const { run, calls, key } = await openWorld(redis, 'counted', 'rebuild-rows');
    const call = calls['rebuild-rows']!;
    await run({ ...call, args: { ...call.args, after: '0', upTo: '3' }, items: [] });
    expect(await redis.lrange(key('returned'), 0, -1)).toEqual(['1']);
    await run({ ...call, args: { ...call.args, after: '3', upTo: '5' }, items: [row] });
    expect(await redis.lrange(key('returned'), 0, -1)).toEqual(['1', '2']);
  });
});
