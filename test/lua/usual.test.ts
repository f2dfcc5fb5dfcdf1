import type { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { type CampaignDefinition, CouponIssuer, MemoryPersistence } from '../../src/index.js';
import { campaignKeys } from '../../src/redis/keys.js';
import { type Joint, ScriptRunner } from '../../src/redis/runner.js';
import { scripts } from '../../src/redis/scripts.js';
import { KINDS, threeClients } from '../support/servers/three-clients.js';
import { columnsOf, idOf } from './world.js';

const COUNTED: CampaignDefinition = { stock: { kind: 'counted', total: 10 } };
const clients = threeClients();

let opened = 0;

/** A campaign, and its reserve as a process sends it. Without hooks if `saves` is false. */
async function campaignOn(redis: Redis, definition: CampaignDefinition, saves = true) {
  const id = `alike-${++opened}`;
  const persistence = new MemoryPersistence();
  const issuer = new CouponIssuer({ redis, ...(saves && { persistence }) });
  const campaign = issuer.campaign(id);
  await campaign.open(definition);
  const keys = campaignKeys('coupon', id);
  const epoch = (await redis.hget(keys.campaign, 'epoch'))!;
  const runner = new ScriptRunner(redis);
  let call = 0;
  const asked =
    (joint: Joint | null) =>
    (users: readonly string[], others: Record<string, string> = {}) => {
      const asking = users.map((userId, i) => ({ id: idOf(`${call}-${i}`), userId, code: '' }));
      const perUser = String(definition.perUser ?? 1);
      const own = { epoch, fence: '0', sender: 'tests', call: String(++call), fromLine: '', perUser };
      const args = { ...own, ...columnsOf(asking), data: '', ...others };
      return runner.run({ ...scripts.reserve, joint }, { keys, args }, 10_000);
    };
  const reserve = asked(scripts.reserve.joint);
  const reserveAlone = asked(null);
  /** Each run: the users of reservations that one call took. */
  const confirm = async (...runs: readonly (readonly string[])[]) => {
    const records = await redis.hmget(keys.grants, ...runs.flat().map((user) => `1:${user}`));
    const parts = records.map((record) => record!.split(':'));
    const items: { stamp: string; fields: string }[] = [];
    let at = 0;
    for (const users of runs) {
      items.push({ stamp: parts[at]![1]!, fields: users.map((user) => `1:${user}`).join('\0') });
      at += users.length;
    }
    const args = { epoch, ids: parts.map((part) => part[4]!).join('\0') };
    const reply = await runner.run(scripts.confirm, { keys, args, items }, 10_000);
    const left = await redis.hmget(keys.campaign, 'reserved', 'issued');
    expect([await redis.zcard(keys.leases), await redis.hlen(keys.grants)]).toEqual([
      Number(left[0]),
      Number(left[0]) + Number(left[1]),
    ]);
    return { words: reply[2], left: left.join(' ') };
  };
  const release = async (userId: string) => {
    const record = (await redis.hget(keys.grants, `1:${userId}`))!;
    const [, stamp, , , heldId] = record.split(':') as [string, string, string, string, string];
    const items = [{ field: `1:${userId}`, id: heldId, stamp }];
    expect((await runner.run(scripts.release, { keys, args: { epoch }, items }, 10_000))[2]).toBe('released');
  };
  return { redis, issuer, persistence, campaign, keys, reserve, reserveAlone, release, confirm };
}
type Opened = Awaited<ReturnType<typeof campaignOn>>;

/** All that a reserve changes, without the instants. */
async function stateOf({ redis, keys }: Opened) {
  const grants = await redis.hgetall(keys.grants);
  const records = Object.entries(grants).map(([field, record]) => [
    field,
    record.replace(/:\d{16}:(\d+):\d{13}:/, ':stamp:$1:at:'),
  ]);
  const { stamp, epoch, ...counters } = await redis.hgetall(keys.campaign);
  const leases = await redis.zrange(keys.leases, 0, -1);
  const noted = await redis.hgetall(keys.senders);
  const calls = Object.entries(noted).map(([sender, call]) => [sender, call.replace(/\d{16}/, 'stamp')]);
  return {
    records: records.sort(),
    leases: leases.sort(),
    calls,
    counters,
    hasStamp: Number(stamp) > 0 && epoch !== '',
  };
}

const wordsOf = (reply: readonly unknown[]) => String(reply[4]);

describe.each(KINDS)('on %s', (name) => {
  test.each([
    ['reserved', COUNTED, true, {}],
    ['issued at once', { stock: { kind: 'unlimited' } }, false, {}],
    ['given codes', { stock: { kind: 'counted', total: 3, generateCodes: true } }, true, { codes: 'AAA\0BBB\0CCC' }],
  ] as const)('users that are alike are %s as if each were looked at', async (_, definition, saves, others) => {
    const [together, apart] = await Promise.all(
      [0, 1].map(() => campaignOn(clients.get(name)!, definition as CampaignDefinition, saves)),
    );
    const users = ['한국', 'a:b', 'line\nline'];
    const told = await together!.reserve(users, others);
    // Without its usual case, the script looks at each.
    expect(wordsOf(await apart!.reserveAlone(users, others))).toBe('new new new');
    expect(told).toHaveLength(6);
    expect([told[0], wordsOf(told)]).toEqual(['ok', 'in_order']);
    expect(told[5]).toBe(await together!.redis.hget(together!.keys.grants, '1:한국'));
    const state = await stateOf(together!);
    expect(state).toEqual(await stateOf(apart!));
    expect(state.records).toHaveLength(3);
  });

  test('a confirm ends reservations of several calls, with one word if all are held', async () => {
    const { reserve, confirm, redis, keys } = await campaignOn(clients.get(name)!, COUNTED);
    await reserve(['ann', 'bob']);
    await reserve(['eve', 'kim', 'lee']);
    const before = (await redis.hget(keys.grants, '1:kim'))!;
    expect(await confirm(['ann'], ['eve', 'kim'], ['bob'])).toEqual({ words: 'confirmed', left: '1 4' });
    expect(await redis.hget(keys.grants, '1:kim')).toBe(before.replace(/^r:\d+:/, 'i:0:'));
    expect((await confirm(['lee', 'ann'])).words).toBe('confirmed issued');
  });

  test('an answer for all users in order is decoded as an answer for each', async () => {
    const { campaign, issuer, persistence } = await campaignOn(clients.get(name)!, {
      stock: { kind: 'counted', total: 40, generateCodes: true },
    });
    const users = Array.from({ length: 50 }, (_, i) => `user ${i}`);
    const told = await Promise.all(users.map((userId) => campaign.issue({ userId, requestId: 'one' })));
    await issuer.idle();
    const issued = told.flatMap((result) => (result.status === 'issued' ? [result.issuance] : []));
    expect(issued.map(({ serial }) => serial)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    expect(told.filter(({ status }) => status === 'sold_out')).toHaveLength(10);
    const rows = await persistence.list(campaign.id, { afterSerial: 0, limit: 50 });
    const shown = ({ id, userId, serial, code, issuedAt }: (typeof issued)[number]) => ({
      id,
      userId,
      serial,
      code,
      issuedAt,
    });
    expect(issued.map(shown)).toEqual(rows.map(shown));
    expect(new Set(issued.map(({ code }) => code)).size).toBe(40);
    // A repeat reads the record.
    const repeats = await Promise.all(users.slice(0, 40).map((userId) => campaign.issue({ userId, requestId: 'one' })));
    expect(repeats).toEqual(issued.map((issuance) => ({ status: 'issued', issuance, replayed: true })));
    expect(await campaign.inspect()).toMatchObject({ reserved: 0, issued: 40 });
  });
});

describe('among users that are not alike', () => {
  const on = (definition: CampaignDefinition) => campaignOn(clients.get('Redis')!, definition);
  const serials = async ({ redis, keys }: Opened) =>
    Object.entries(await redis.hgetall(keys.grants))
      .map(([field, record]) => `${field} ${record.split(':')[2]}`)
      .sort();

  test('a user that stands twice gets one unit', async () => {
    const opened = await on(COUNTED);
    expect(wordsOf(await opened.reserve(['ann', 'bob', 'ann']))).toBe('new new already_issued');
    expect(await serials(opened)).toEqual(['1:ann 1', '1:bob 2']);
  });

  test('a user that has a coupon gets no other one', async () => {
    const opened = await on(COUNTED);
    expect(wordsOf(await opened.reserve(['ann']))).toBe('in_order');
    expect(wordsOf(await opened.reserve(['bob', 'ann']))).toBe('new already_issued');
    expect(await serials(opened)).toEqual(['1:ann 1', '1:bob 2']);
  });

  test('a repeat of a coupon whose grant is free gets no unit', async () => {
    const opened = await on(COUNTED);
    const id = 'f'.repeat(22);
    await opened.redis.hset(opened.keys.campaign, { freed: '1', [`freed:${id}`]: `i1:0:9:1:${id}:` });
    const ids = `${id}\0${idOf('another')}`;
    expect((await opened.reserve(['ann', 'bob'], { ids })).slice(4, 7)).toEqual(['issued new', '0', `i1:0:9:1:${id}:`]);
    expect(await serials(opened)).toEqual(['1:bob 1']);
  });

  test('the last units go to the first users', async () => {
    const opened = await on({ stock: { kind: 'counted', total: 2 } });
    expect(wordsOf(await opened.reserve(['ann', 'bob', 'eve']))).toBe('new new sold_out');
    expect(await serials(opened)).toEqual(['1:ann 1', '1:bob 2']);
    expect((await opened.reserve(['kim', 'lee'])).slice(4)).toEqual(['sold_out']);
  });

  test('a unit that came back goes first', async () => {
    const opened = await on(COUNTED);
    await opened.reserve(['ann', 'bob']);
    await opened.release('ann');
    expect(wordsOf(await opened.reserve(['eve', 'kim']))).toBe('new new');
    expect(await serials(opened)).toEqual(['1:bob 2', '1:eve 1', '1:kim 3']);
  });

  test('ids of other lengths stay whole', async () => {
    const opened = await on(COUNTED);
    const ids = ['a'.repeat(21), 'b'.repeat(23)];
    expect(wordsOf(await opened.reserve(['ann', 'bob'], { ids: ids.join('\0') }))).toBe('new new');
    const last = ['c'.repeat(22), 'd'.repeat(23)];
    expect(wordsOf(await opened.reserve(['lee', 'max'], { ids: last.join('\0') }))).toBe('new new');
    expect((await opened.redis.hget(opened.keys.grants, '1:max'))!.split(':')[4]).toBe(last[1]);
    // So many characters, and more bytes.
    const korean = ['가'.repeat(22), '나'.repeat(22)];
    expect(wordsOf(await opened.reserve(['eve', 'kim'], { ids: korean.join('\0') }))).toBe('new new');
    const records = await opened.redis.hmget(opened.keys.grants, '1:ann', '1:bob', '1:eve', '1:kim');
    expect(records.map((record) => record!.split(':')[4])).toEqual([...ids, ...korean]);
  });

  test('a user who may have two gets one at a time', async () => {
    const opened = await on({ ...COUNTED, perUser: 2 });
    // 22 characters, and as many bytes as two ids of most users.
    const ids = ['가', '나'].map((end) => 'é'.repeat(21) + end).join('\0');
    expect(wordsOf(await opened.reserve(['ann', 'bob'], { ids }))).toBe('new new');
    expect(await serials(opened)).toEqual(['1:ann 1', '1:bob 2']);
  });

  test('the data of a user is kept', async () => {
    const opened = await on(COUNTED);
    expect(wordsOf(await opened.reserve(['ann', 'bob'], { data: '\n{"a":1}' }))).toBe('new new');
    expect(await opened.redis.hgetall(opened.keys.data)).toEqual({ '1:bob': '{"a":1}' });
  });

  test('a code of the pool goes with its unit', async () => {
    const opened = await on({ stock: { kind: 'codes' } });
    await opened.campaign.loadCodes(['AAA', 'BBB']);
    expect(wordsOf(await opened.reserve(['ann', 'bob']))).toBe('new new');
    const records = await opened.redis.hmget(opened.keys.grants, '1:ann', '1:bob');
    expect(records.map((record) => record!.split(':')[5])).toEqual(['AAA', 'BBB']);
  });

  test('in write-behind each unit has a stamp of its own', async () => {
    const opened = await on({ ...COUNTED, saveMode: 'write-behind' });
    expect(wordsOf(await opened.reserve(['ann', 'bob']))).toBe('new new');
    const records = await opened.redis.hmget(opened.keys.grants, '1:ann', '1:bob');
    const [ann, bob] = records.map((record) => record!.split(':'));
    expect([ann![0], bob![0], Number(bob![1]) - Number(ann![1])]).toEqual(['t', 't', 1]);
  });
});

test('a confirm ends reservations once though it stands twice', async () => {
  const { reserve, confirm } = await campaignOn(clients.get('Redis')!, COUNTED);
  await reserve(['ann', 'bob']);
  await reserve(['eve']);
  const told = await confirm(['ann'], ['eve'], ['ann', 'bob']);
  expect(told).toEqual({ words: 'confirmed confirmed issued confirmed', left: '0 3' });
});

test('a confirm ends reservations and nothing that was issued at once', async () => {
  const { reserve, confirm } = await campaignOn(clients.get('Redis')!, { stock: { kind: 'unlimited' } }, false);
  await reserve(['ann', 'bob']);
  expect(await confirm(['ann', 'bob'])).toEqual({ words: 'issued issued', left: '0 2' });
});

test('without hooks an answer for all users in order tells each of its own coupon', async () => {
  const { campaign, redis, keys } = await campaignOn(clients.get('Redis')!, { stock: { kind: 'unlimited' } }, false);
  const users = ['ann', 'bob', 'eve'];
  const told = await Promise.all(users.map((userId) => campaign.issue({ userId })));
  const records = await redis.hmget(keys.grants, ...users.map((userId) => `1:${userId}`));
  const kept = records.map((record) => record!.split(':'));
  expect(kept.map(([, , serial]) => serial)).toEqual(['1', '2', '3']);
  expect(told).toMatchObject(
    kept.map(([, , serial, , id], i) => ({
      issuance: { userId: users[i], serial: Number(serial), id, state: 'issued' },
    })),
  );
});

test('callers who are refused together get a result of their own each', async () => {
  const opened = await campaignOn(clients.get('Redis')!, COUNTED);
  await opened.campaign.closeForGood();
  expect((await opened.reserve(['ann', 'bob'])).slice(4)).toEqual(['closed closed']);
  const issuer = new CouponIssuer({ redis: opened.redis, persistence: new MemoryPersistence() });
  const [ann, bob] = await Promise.all(
    ['ann', 'bob'].map((userId) => issuer.campaign(opened.campaign.id).issue({ userId })),
  );
  if (ann?.status !== 'closed' || bob?.status !== 'closed') throw new Error(`told ${ann?.status}`);
  expect(bob.closedAt).toEqual(ann.closedAt);
  expect(bob.closedAt).not.toBe(ann.closedAt);
});

describe('what is unusual is left to the script', () => {
  const soon = String(Date.now() + 3_600_000);
  test.each<[string, Record<string, string>, string]>([
    ['an end that is past', { closesAt: '1' }, 'closed'],
    ['an opening that is to come', { opensAt: soon }, 'not_open'],
    ['a pause', { paused: '1' }, 'paused'],
    ['a state that is made', { verified: '0' }, 'missing'],
    ['data that is lost', { data: '1' }, 'missing'],
    ['another limit', { perUser: '2' }, 'stale_rules'],
    ['an empty pool', { kind: 'codes' }, 'sold_out'],
    ['a lost call number', { senders: '5' }, 'missing'],
    ['a lost lease', { reserved: '1', issued: '0' }, 'missing'],
    ['a lost grant', { issued: '2' }, 'missing'],
  ])('%s', async (_, fields, word) => {
    const { redis, keys, reserve } = await campaignOn(clients.get('Redis')!, COUNTED, false);
    await reserve(['ann']);
    await redis.hset(keys.campaign, fields);
    const reply = await reserve(['bob']);
    expect(reply[0] === 'ok' ? wordsOf(reply) : reply[0]).toBe(word);
    expect(await redis.hexists(keys.grants, '1:bob')).toBe(0);
  });
});

test('a confirm ends reservations under their own id and stamp alone', async () => {
  const { redis, issuer, campaign, keys, reserve } = await campaignOn(clients.get('Redis')!, COUNTED);
  await reserve(['ann']);
  const [, stamp, , , id] = (await redis.hget(keys.grants, '1:ann'))!.split(':') as [
    string,
    string,
    string,
    string,
    string,
  ];
  const epoch = (await redis.hget(keys.campaign, 'epoch'))!;
  const told = async (ids: string, as: string) => {
    const items = [{ stamp: as, fields: '1:ann' }];
    return (await new ScriptRunner(redis).run(scripts.confirm, { keys, args: { epoch, ids }, items }, 5_000))[2];
  };
  expect(await told(`${id.slice(0, 21)}#`, stamp)).toBe('gone');
  expect(await told('x'.repeat(22), stamp)).toBe('gone');
  expect(await told(id, '7')).toBe('retaken');
  expect(await campaign.inspect()).toMatchObject({ reserved: 1, issued: 0 });
  expect(await told(id, stamp)).toBe('confirmed');
  await issuer.close();
});

test('a confirm ends reservations of a closed campaign, and its keys expire', async () => {
  const { redis, campaign, keys, reserve, confirm } = await campaignOn(clients.get('Redis')!, COUNTED);
  await reserve(['ann']);
  await campaign.closeForGood({ retainMs: 60_000 });
  expect(await redis.pttl(keys.grants)).toBe(-1);
  expect((await confirm(['ann'])).words).toBe('confirmed');
  expect(await redis.pttl(keys.grants)).toBeGreaterThan(0);
});

test('a late copy of a call that the script refused takes nothing', async () => {
  const { campaign, reserve } = await campaignOn(clients.get('Redis')!, { stock: { kind: 'codes' } });
  expect(wordsOf(await reserve(['ann']))).toBe('sold_out');
  await campaign.loadCodes(['AAA']);
  expect(wordsOf(await reserve(['ann'], { call: '1' }))).toBe('lapsed');
  expect(wordsOf(await reserve(['ann']))).toBe('new');
});
