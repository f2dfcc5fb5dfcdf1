import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type CampaignUpdate,
  CouponIssuer,
  type CouponIssuerOptions,
  issuanceOf,
  MemoryPersistence,
} from '../../src/index.js';
import { scripts } from '../../src/redis/scripts.js';
import { until } from '../support/checks/until.js';
import { dump, loadScripts, recording, withEach } from '../support/scenes/campaigns.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { callsOf, replyOf, shaOf } from '../support/servers/sent.js';

const ID = 'launch';
const KEY = `{coupon:${ID}}:campaign`;
const COUNTED = { stock: { kind: 'counted', total: 20 } } as const;
const QUEUED = { ...COUNTED, admission: 'queued' } as const;
const [PAST, FUTURE, LATER] = ['2020-01-01', '2099-01-01', '2099-02-01'].map((day) => new Date(day)) as [
  Date,
  Date,
  Date,
];
let server: RedisServer;
let redis: Redis;
let operator: CouponIssuer;
/** Another process, which remembers the campaign as it met it. */
let web: CouponIssuer;

const issuerWith = (options: Partial<CouponIssuerOptions> = {}) => new CouponIssuer({ redis, ...options });
const update = (change: CampaignUpdate, by = operator) => by.campaign(ID).update(change);
const issue = (userId: string, by = web) => by.campaign(ID).issue({ userId });
const CONFLICT = { code: 'CAMPAIGN_CONFLICT' };

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redis.flushall();
  await loadScripts(redis);
  [operator, web] = [issuerWith(), issuerWith()];
});

function gate() {
  let open = () => {};
  const isOpen = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { isOpen, open };
}

async function openFor(definition: Parameters<ReturnType<CouponIssuer['campaign']>['open']>[0]) {
  await operator.campaign(ID).open(definition);
  await web.campaign(ID).inspect();
}

describe('the window', () => {
  test('moves until the campaign opens, and the next call of every process sees it', async () => {
    await openFor({ ...COUNTED, opensAt: FUTURE });
    expect(await issue('ann')).toEqual({ status: 'not_open', opensAt: FUTURE });
    expect(await update({ opensAt: LATER, requestId: 'a' })).toEqual({ opensAt: LATER, closesAt: null, perUser: 1 });
    expect(await issue('ann')).toEqual({ status: 'not_open', opensAt: LATER });
    expect(await update({ opensAt: null, requestId: 'b' })).toEqual({ opensAt: null, closesAt: null, perUser: 1 });
    expect(await issue('ann')).toMatchObject({ status: 'issued' });
  });

  test('does not begin later once the campaign has opened, whether it had an opening or none', async () => {
    await openFor(COUNTED);
    const before = await dump(redis);
    await expect(update({ opensAt: FUTURE, requestId: 'a' })).rejects.toMatchObject(CONFLICT);
    expect(await dump(redis)).toEqual(before);
    await redis.hset(KEY, 'opensAt', String(PAST.getTime()));
    for (const opensAt of [FUTURE, null]) {
      await expect(update({ opensAt, requestId: 'b' })).rejects.toMatchObject(CONFLICT);
    }
    expect(await update({ opensAt: PAST, perUser: 2, requestId: 'c' })).toMatchObject({ opensAt: PAST, perUser: 2 });
  });

  test('ends earlier, and a campaign that closed by time opens again', async () => {
    await openFor({ ...COUNTED, closesAt: FUTURE });
    await update({ closesAt: PAST, requestId: 'a' });
    expect(await issue('ann')).toEqual({ status: 'closed', closedAt: PAST });
    await update({ closesAt: LATER, requestId: 'b' });
    expect(await issue('ann')).toMatchObject({ status: 'issued' });
    expect(await update({ closesAt: null, requestId: 'c' })).toMatchObject({ closesAt: null });
    expect(await operator.campaign(ID).inspect()).toMatchObject({ state: 'open', closesAt: null });
  });

  test.each([{ given: { opensAt: LATER } }, { given: { closesAt: PAST } }])(
    'never ends before it begins, also where only one bound is given: $given',
    async ({ given }) => {
      await openFor({ ...COUNTED, opensAt: FUTURE, closesAt: new Date(FUTURE.getTime() + 1_000) });
      const before = await dump(redis);
      await expect(update({ ...given, requestId: 'a' })).rejects.toMatchObject(CONFLICT);
      expect(await dump(redis)).toEqual(before);
    },
  );

  test('of a campaign that is closed for good does not move', async () => {
    await openFor(COUNTED);
    await operator.campaign(ID).closeForGood();
    await expect(update({ closesAt: FUTURE, requestId: 'a' })).rejects.toMatchObject(CONFLICT);
    expect(await issue('ann')).toMatchObject({ status: 'closed' });
  });

  test('moves while the campaign is paused', async () => {
    await openFor(COUNTED);
    await operator.campaign(ID).pause();
    await update({ closesAt: FUTURE, requestId: 'a' });
    expect(await operator.campaign(ID).inspect()).toMatchObject({ state: 'paused', closesAt: FUTURE });
  });

  test('is judged anew once a refusal that is remembered has run out', async () => {
    web = issuerWith({ refusalCacheMs: 1 });
    await openFor({ ...COUNTED, closesAt: FUTURE });
    await update({ closesAt: PAST, requestId: 'a' });
    expect(await issue('ann')).toMatchObject({ status: 'closed' });
    await update({ closesAt: null, requestId: 'b' });
    let told = await issue('ann');
    while (told.status === 'closed') told = await issue('ann');
    expect(told.status).toBe('issued');
  });
});

describe('a waiting room', () => {
  test('with a draw keeps its opening movable until the draw began, and always has one', async () => {
    await openFor({ ...QUEUED, opensAt: FUTURE, drawAtOpen: true });
    await web.campaign(ID).join({ userId: 'ann' });
    await expect(update({ opensAt: null, requestId: 'a' })).rejects.toMatchObject(CONFLICT);
    expect(await update({ opensAt: PAST, requestId: 'b' })).toMatchObject({ opensAt: PAST });
    // Open by the clock, and nobody was drawn yet.
    expect(await update({ opensAt: LATER, requestId: 'c' })).toMatchObject({ opensAt: LATER });
    expect(await web.campaign(ID).admit({ count: 1 })).toEqual({ status: 'not_open' });
    await update({ opensAt: PAST, requestId: 'd' });
    expect(await web.campaign(ID).admit({ count: 1 })).toMatchObject({ admitted: 1 });
    await expect(update({ opensAt: LATER, requestId: 'e' })).rejects.toMatchObject(CONFLICT);
  });

  test('that closed by time takes people in again, and lets them through', async () => {
    await openFor(QUEUED);
    await web.campaign(ID).join({ userId: 'ann' });
    await update({ closesAt: PAST, requestId: 'a' });
    expect(await web.campaign(ID).join({ userId: 'bob' })).toEqual({ status: 'closed', closedAt: PAST });
    expect(await web.campaign(ID).admit({ count: 1 })).toEqual({ status: 'closed' });
    await update({ closesAt: null, requestId: 'b' });
    for (const userId of ['ann', 'bob']) {
      expect(await web.campaign(ID).join({ userId })).toMatchObject({ status: 'waiting' });
    }
    expect(await web.campaign(ID).admit({ count: 2 })).toMatchObject({ admitted: 2 });
  });
});

describe('the limit', () => {
  test('rises for every process, and never falls', async () => {
    await openFor(COUNTED);
    expect(await issue('ann')).toMatchObject({ status: 'issued' });
    expect(await issue('ann')).toMatchObject({ status: 'already_issued' });
    await update({ perUser: 3, requestId: 'a' });
    expect(await issue('ann')).toMatchObject({ issuance: { grant: 2 } });
    const before = await dump(redis);
    await expect(update({ perUser: 2, requestId: 'b' })).rejects.toMatchObject(CONFLICT);
    expect(await dump(redis)).toEqual(before);
    expect(await issue('ann')).toMatchObject({ issuance: { grant: 3 } });
    expect(await issue('ann')).toMatchObject({ status: 'already_issued', issuances: { length: 3 } });
  });

  test.each([
    ['issue', COUNTED],
    ['join', QUEUED],
    ['userStatus', QUEUED],
  ] as const)(
    'that rose to 100 makes the batches of %s() smaller in a process that knows the old one',
    async (call, of) => {
      const batched = [scripts.reserve, scripts.joinLine, scripts.findPlaces];
      const argumentsOf: number[] = [];
      const evalsha = async (sha1: string, keys: number, ...rest: string[]) => {
        const reply = (await redis.evalsha(sha1, keys, ...rest)) as unknown[];
        const script = batched.find((one) => shaOf(one) === sha1);
        if (script && replyOf(reply)[0] !== 'stale_rules')
          for (const args of callsOf(script, rest.slice(keys))) argumentsOf.push(args.join('\0').split('\0').length);
        return reply;
      };
      web = issuerWith({ redis: { evalsha, eval: (source, keys, ...rest) => redis.eval(source, keys, ...rest) } });
      await openFor({ ...of, stock: { kind: 'unlimited' } });
      const users = Array.from({ length: 500 }, (_, i) => `user-${i}`);
      const first = call === 'issue' ? call : 'join';
      await Promise.all(users.map((userId) => web.campaign(ID)[first]({ userId })));
      await web.idle();
      await update({ perUser: 100, requestId: 'a' });
      argumentsOf.length = 0;
      const told = await Promise.all(users.map((userId) => web.campaign(ID)[call]({ userId })));
      const expected = { issue: 'issued', join: 'waiting', userStatus: 'waiting' }[call];
      expect(told.filter(({ status }) => status !== expected)).toEqual([]);
      // 15 users with 100 grants each fit into a reply. A user takes at most three arguments.
      expect(argumentsOf.length).toBeGreaterThanOrEqual(500 / 15);
      expect(Math.max(...argumentsOf)).toBeLessThan(60);
      if (call === 'join') expect(await web.campaign(ID).admit({ count: 500 })).toMatchObject({ admitted: 500 });
    },
  );

  test.each([
    ['issue', COUNTED, scripts.reserve],
    ['join', QUEUED, scripts.joinLine],
  ] as const)(
    'that rose to 100 hides no coupon from a repeat of %s(), though a rebuild begins before the next send',
    async (call, of, script) => {
      const persistence = new MemoryPersistence();
      const definition = { ...of, stock: { kind: 'counted', total: 100 } } as const;
      const [underWay, told] = [gate(), gate()];
      const redisOfRebuild = withEach(redis, async (sha1, send) => {
        if (sha1 !== shaOf(scripts.finishRebuild)) return send();
        underWay.open();
        await told.isOpen;
        return send();
      });
      let rebuilt: Promise<unknown> | null = null;
      const redisOfWeb = withEach(redis, async (sha1, send) => {
        const reply = (await send()) as unknown[];
        if (sha1 !== shaOf(script) || replyOf(reply)[0] !== 'stale_rules') return reply;
        rebuilt ??= issuerWith({ persistence, redis: redisOfRebuild }).campaign(ID).rebuild(definition);
        await underWay.isOpen;
        return reply;
      });
      [operator, web] = [issuerWith({ persistence }), issuerWith({ persistence, redis: redisOfWeb })];
      await openFor(definition);
      const users = Array.from({ length: 60 }, (_, i) => `user-${i}`);
      const ask = () => Promise.all(users.map((userId) => web.campaign(ID)[call]({ userId, requestId: 'once' })));
      await ask();
      if (call === 'join') await operator.campaign(ID).admit({ count: 60 });
      await Promise.all([web.idle(), operator.idle()]);
      await update({ perUser: 100, requestId: 'a' });
      const answers = await ask();
      told.open();
      expect(await rebuilt).toMatchObject({ campaign: { perUser: 100 } });
      expect(answers.filter(({ status }) => status !== 'issued')).toEqual([]);
    },
  );

  test('that rose is known to a worker when it judges a row that Redis had forgotten', async () => {
    const persistence = new MemoryPersistence();
    const faults: unknown[] = [];
    const onEvent = (event: { type: string }) => void (event.type === 'fault' && faults.push(event));
    [operator, web] = [issuerWith({ persistence }), issuerWith({ persistence })];
    await openFor({ ...COUNTED, saveMode: 'write-behind' });
    const lone = issuerWith({ persistence, onEvent, maxTries: 1 });
    await lone.campaign(ID).inspect();
    await lone.campaign(ID).settle();
    await update({ perUser: 2, requestId: 'a' });
    for (const nth of [1, 2])
      expect(await issue('ann')).toMatchObject({ status: 'accepted', issuance: { grant: nth } });
    const { epoch } = await operator.campaign(ID).inspect();
    const row = { ...issuanceOf({ campaignId: ID, userId: 'ann', serial: 15, issuedAt: PAST }), grant: 2, epoch };
    await persistence.save([row]);
    const worker = lone.startWorker({ campaigns: [ID], intervalMs: 5 });
    await until(async () => (await operator.campaign(ID).inspect()).issued >= 2 || faults.length > 0);
    expect(faults).toEqual([]);
    await worker.stop();
    expect(await operator.campaign(ID).inspect()).toMatchObject({ reserved: 0, issued: 2 });
    expect(faults).toEqual([]);
  });

  test('that rose lets a user who was let through join again', async () => {
    await openFor(QUEUED);
    await web.campaign(ID).join({ userId: 'ann' });
    await web.campaign(ID).admit({ count: 1 });
    await update({ perUser: 2, requestId: 'a' });
    expect(await web.campaign(ID).join({ userId: 'ann' })).toMatchObject({ status: 'waiting' });
    expect(await web.campaign(ID).admit({ count: 1 })).toMatchObject({ admitted: 1 });
    expect((await web.campaign(ID).userStatus({ userId: 'ann' })).issuances).toHaveLength(2);
  });
});

describe('a request id', () => {
  test('makes its change once, and refuses another one', async () => {
    await openFor({ ...COUNTED, opensAt: FUTURE });
    await update({ opensAt: LATER, requestId: 'a' });
    await update({ opensAt: FUTURE, requestId: 'b' });
    const before = await dump(redis);
    expect(await update({ opensAt: LATER, requestId: 'a' }, web)).toMatchObject({ opensAt: FUTURE });
    await expect(update({ opensAt: LATER, perUser: 2, requestId: 'a' })).rejects.toMatchObject(CONFLICT);
    await expect(update({ opensAt: null, requestId: 'a' })).rejects.toMatchObject(CONFLICT);
    expect(await dump(redis)).toEqual(before);
    await operator.campaign(ID).closeForGood();
    expect(await update({ opensAt: LATER, requestId: 'a' })).toMatchObject({ opensAt: FUTURE });
  });

  test('whose call comes late, after another change, undoes nothing', async () => {
    await openFor(COUNTED);
    let late = async (): Promise<unknown> => null;
    const away = issuerWith({
      redis: withEach(redis, async (sha1, send) => {
        if (sha1 !== shaOf(scripts.updateCampaign)) return send();
        late = send;
        throw new Error('the connection is gone');
      }),
    });
    await expect(update({ closesAt: FUTURE, requestId: 'a' }, away)).rejects.toMatchObject({ code: 'REDIS' });
    await update({ closesAt: LATER, requestId: 'b' });
    expect(await late()).toEqual(['stale_rules', '1']);
    expect(await operator.campaign(ID).inspect()).toMatchObject({ closesAt: LATER });
    expect(await update({ closesAt: FUTURE, requestId: 'a' })).toMatchObject({ closesAt: FUTURE });
  });

  test('and another at once are both made, each on top of the other', async () => {
    await openFor({ ...COUNTED, opensAt: FUTURE });
    await Promise.all([
      update({ closesAt: LATER, requestId: 'a' }),
      update({ perUser: 2, requestId: 'b' }, web),
      update({ perUser: 2, requestId: 'b' }),
    ]);
    expect(await operator.campaign(ID).inspect()).toMatchObject({ opensAt: FUTURE, closesAt: LATER, perUser: 2 });
  });
});

describe('a campaign that was updated', () => {
  const FIRST = { ...COUNTED, opensAt: FUTURE } as const;
  const NOW = { ...COUNTED, opensAt: PAST, closesAt: LATER, perUser: 2 } as const;
  const change = { opensAt: PAST, closesAt: LATER, perUser: 2, requestId: 'a' } as const;

  test('is found by the definition it was opened with and by the one that holds now, and nothing is changed', async () => {
    await openFor(FIRST);
    await update(change);
    const before = await dump(redis);
    for (const definition of [FIRST, NOW, FIRST]) {
      const found = await issuerWith().campaign(ID).open(definition);
      expect(found).toMatchObject({ status: 'exists', campaign: { opensAt: PAST, closesAt: LATER, perUser: 2 } });
    }
    for (const other of [{ ...FIRST, perUser: 2 }, { ...NOW, perUser: 1 }, COUNTED]) {
      await expect(issuerWith().campaign(ID).open(other)).rejects.toMatchObject(CONFLICT);
    }
    expect(await dump(redis)).toEqual(before);
  });

  test('is not found by a definition between the first one and the last', async () => {
    await openFor(FIRST);
    await update({ opensAt: LATER, requestId: 'between' });
    await update(change);
    await expect(operator.campaign(ID).open({ ...COUNTED, opensAt: LATER })).rejects.toMatchObject(CONFLICT);
    expect(await operator.campaign(ID).open(FIRST)).toMatchObject({ status: 'exists' });
  });

  describe('and is rebuilt', () => {
    const persistence = new MemoryPersistence();
    beforeEach(() => {
      [operator, web] = [issuerWith({ persistence }), issuerWith({ persistence })];
    });

    test.each([
      ['the definition it was opened with', FIRST],
      ['the definition that holds now', NOW],
    ])('under %s keeps the change, its request id and the first definition', async (_, definition) => {
      await openFor(FIRST);
      await update(change);
      const { campaign } = await operator.campaign(ID).rebuild(definition);
      expect(campaign).toMatchObject({ opensAt: PAST, closesAt: LATER, perUser: 2 });
      const before = await dump(redis);
      expect(await update(change)).toEqual({ opensAt: PAST, closesAt: LATER, perUser: 2 });
      for (const known of [FIRST, NOW]) expect(await web.campaign(ID).open(known)).toMatchObject({ status: 'exists' });
      expect(await dump(redis)).toEqual(before);
    });

    test('under another definition follows that one', async () => {
      await openFor(FIRST);
      await update(change);
      const other = { ...COUNTED, closesAt: FUTURE, perUser: 3 };
      const { campaign } = await operator.campaign(ID).rebuild(other);
      expect(campaign).toMatchObject({ opensAt: null, closesAt: FUTURE, perUser: 3 });
      expect(await operator.campaign(ID).open(other)).toMatchObject({ status: 'exists' });
      await expect(operator.campaign(ID).open(FIRST)).rejects.toMatchObject(CONFLICT);
    });

    test('is not changed meanwhile', async () => {
      await openFor(FIRST);
      let told: unknown;
      const redisOfRebuild = withEach(redis, async (sha1, send) => {
        if (sha1 === shaOf(scripts.finishRebuild)) told = await update(change, web).catch((error: unknown) => error);
        return send();
      });
      await issuerWith({ persistence, redis: redisOfRebuild }).campaign(ID).rebuild(FIRST);
      expect(told).toMatchObject({ code: 'NOT_READY', reason: 'rebuilding' });
      expect(await update(change, web)).toMatchObject({ perUser: 2 });
    });
  });
});

test.each([
  [{ requestId: 'a' }],
  [{ perUser: 101, requestId: 'a' }],
  [{ perUser: 0, requestId: 'a' }],
  [{ perUser: null as never, requestId: 'a' }],
  [{ perUser: 2 } as never],
  [{ perUser: 2, requestId: '' }],
  [{ opensAt: 'tomorrow', requestId: 'a' }],
  [{ opensAt: LATER, closesAt: FUTURE, requestId: 'a' }],
  [{ closesAt: FUTURE, retainMs: 1, requestId: 'a' } as never],
])('a bad change is refused before any I/O: %j', async (given: CampaignUpdate) => {
  const client = recording(redis);
  const issuer = issuerWith({ redis: client });
  await expect(update(given, issuer)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  expect(client.calls).toEqual([]);
});

test('a window that would end before it begins is an error of closesAt', async () => {
  const change = { opensAt: LATER, closesAt: FUTURE, requestId: 'a' };
  await expect(update(change, issuerWith())).rejects.toMatchObject({
    argument: 'closesAt',
    message: 'closesAt must be after opensAt',
  });
});
