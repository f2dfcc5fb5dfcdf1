import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { CouponIssuer, MemoryPersistence, type RedisClient } from '../../src/index.js';
import { scripts } from '../../src/redis/scripts.js';
import { until } from '../support/checks/until.js';
import { loadScripts } from '../support/scenes/campaigns.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { shaOf } from '../support/servers/sent.js';

const PRESENCE_MS = 1_000;
/** Longer than absence and grace. */
const LONG_MS = 10_000;

let server: RedisServer;
let redis: Redis;
let issuers: CouponIssuer[];
let campaigns = 0;
let campaignId: string;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
  await loadScripts(redis);
});
afterAll(() => server.stop());
beforeEach(() => {
  campaignId = `present-${++campaigns}`;
  issuers = [];
});
afterEach(async () => void (await Promise.all(issuers.map((issuer) => issuer.close()))));

/** A client whose looks the test holds, or lets fail. */
class SlowLooks implements RedisClient {
  isHeld = false;
  fails = false;
  /** The looks that wait, each with the users it asks for. */
  readonly waiting: { users: readonly string[]; go: () => void }[] = [];
  /** Looks that were answered. */
  answered = 0;

  async evalsha(sha1: string, numberOfKeys: number, ...args: (string | Buffer)[]): Promise<unknown> {
    if (sha1 !== shaOf(scripts.findPlaces)) return redis.evalsha(sha1, numberOfKeys, ...args);
    const users = args.slice(numberOfKeys + 5).map(String);
    if (this.fails) throw new Error('the connection is gone');
    if (this.isHeld) await new Promise<void>((go) => this.waiting.push({ users, go }));
    const reply = await redis.evalsha(sha1, numberOfKeys, ...args);
    this.answered++;
    return reply;
  }

  eval(script: string, numberOfKeys: number, ...args: (string | Buffer)[]): Promise<unknown> {
    return redis.eval(script, numberOfKeys, ...args);
  }

  letGo(): void {
    this.isHeld = false;
    for (const { go } of this.waiting.splice(0)) go();
  }
}

const watchers = async () => (await redis.hget(key('campaign'), 'watchers')) ?? '';
const key = (name: string) => `{coupon:${campaignId}}:${name}`;
const users = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name}-${i}`);

function issuerOn(client: RedisClient): CouponIssuer {
  const issuer = new CouponIssuer({ redis: client, persistence: new MemoryPersistence() });
  issuers.push(issuer);
  return issuer;
}

async function open(joining: readonly string[]): Promise<CouponIssuer> {
  const issuer = issuerOn(redis);
  const stock = { kind: 'counted', total: 10_000 } as const;
  await issuer.campaign(campaignId).open({ stock, admission: 'queued', presenceMs: PRESENCE_MS });
  for (const userId of ['first', ...joining]) await issuer.campaign(campaignId).join({ userId });
  return issuer;
}

/** Their final statuses, by user, as they come. */
function watch(issuer: CouponIssuer, names: readonly string[]): Map<string, string> {
  const ends = new Map<string, string>();
  for (const userId of names) {
    void (async () => {
      for await (const { status } of issuer.campaign(campaignId).watch({ userId })) ends.set(userId, status);
    })();
  }
  return ends;
}

/** As if all of this had been LONG_MS ago, with a worker that looked for the absent all the time. */
async function age({ rounds = true } = {}): Promise<void> {
  const seen = await redis.zrange(key('presence'), 0, -1);
  const aging = redis.multi();
  for (const userId of seen) aging.zincrby(key('presence'), -LONG_MS, userId);
  const older = (await watchers()).replace(
    /:(\d+):/g,
    (_, since: string) => `:${Math.max(0, Number(since) - LONG_MS)}:`,
  );
  if (rounds) aging.hset(key('campaign'), 'watchers', older);
  aging.hset(key('campaign'), 'sweptAt', String(Date.now()), 'graceUntil', '1');
  await aging.exec();
}

/** Ends the places of the absent, and lets the first of the line through. */
async function sweep(issuer: CouponIssuer): Promise<string[]> {
  await issuer.campaign(campaignId).userStatus({ userId: 'first' });
  expect(await issuer.campaign(campaignId).admit({ count: 1 })).toMatchObject({ status: 'admitted', admitted: 1 });
  return redis.zrange(key('presence'), 0, -1);
}

test('while the first round of looks is under way nobody who is watched for loses a place', async () => {
  const watched = users('watched', 30);
  const back = await open(watched);
  const looks = new SlowLooks();
  const web = new CouponIssuer({ redis: looks, persistence: new MemoryPersistence(), maxBatch: 10, maxInFlight: 1 });
  issuers.push(web);
  watch(web, watched);
  await until(async () => looks.answered > 0);
  looks.isHeld = true;
  await age({ rounds: false });
  expect((await sweep(back)).toSorted()).toEqual(watched.toSorted());
  looks.letGo();
});

test('however long a later round takes, nobody who is watched for loses a place, and others who are absent do', async () => {
  const watched = users('watched', 30);
  const back = await open([...watched, ...users('away', 5)]);
  const looks = new SlowLooks();
  watch(issuerOn(looks), watched);
  const since = async () => Number(/:(\d+):/.exec((await redis.hget(key('campaign'), 'watchers')) ?? '')?.[1] ?? 0);
  await until(async () => (await since()) > 0);
  for (const userId of users('away', 5)) await redis.zincrby(key('presence'), -LONG_MS, userId);
  looks.isHeld = true;
  await age();
  expect((await sweep(back)).toSorted()).toEqual(watched.toSorted());
  looks.letGo();
});

test('a process that watches and is slow keeps its users, beside one that is fast', async () => {
  const [slow, fast] = [users('slow', 20), users('fast', 20)];
  const back = await open([...slow, ...fast]);
  const looks = new SlowLooks();
  watch(issuerOn(looks), slow);
  watch(issuerOn(redis), fast);
  await until(async () => (await redis.hget(key('campaign'), 'watchers'))?.split(' ').length === 2);
  looks.isHeld = true;
  await age();
  const agedAt = Date.now() - LONG_MS;
  const isAhead = ([, since]: RegExpMatchArray) => Number(since) > agedAt;
  await until(async () => [...(await watchers()).matchAll(/:(\d+):/g)].some(isAhead));
  await redis.hset(key('campaign'), 'sweptAt', String(Date.now()), 'graceUntil', '1');
  expect((await sweep(back)).toSorted()).toEqual([...slow, ...fast].toSorted());
  looks.letGo();
});

test('a process that died while it watched is forgotten, and its users count as absent', async () => {
  const back = await open(users('watched', 5));
  await redis.hset(key('campaign'), 'watchers', 'dead:0:1');
  await age();
  expect(await sweep(back)).toEqual([]);
});

test('a process that watches nobody any more says so, and keeps nobody', async () => {
  const names = users('watched', 5);
  const back = await open(names);
  const web = issuerOn(redis);
  const watching = names.map((userId) => web.campaign(campaignId).watch({ userId }));
  for (const one of watching) await one.next();
  await until(async () => Boolean(await redis.hget(key('campaign'), 'watchers')));
  for (const one of watching) await one.return!();
  await until(async () => (await watchers()) === '', 5_000).catch(() => {});
  expect(await watchers()).toBe('');
  await age();
  expect(await sweep(back)).toEqual([]);
});

test('who begins to watch and could not be looked for is kept until a round is over', async () => {
  const back = await open(users('watched', 2));
  const looks = new SlowLooks();
  const web = issuerOn(looks);
  watch(web, ['watched-0']);
  await until(async () => /:[1-9]\d+:/.test(await watchers()));
  looks.fails = true;
  watch(web, ['watched-1']);
  await new Promise((resolve) => setImmediate(resolve));
  looks.fails = false;
  looks.isHeld = true;
  await until(async () => looks.waiting.length > 0);
  looks.isHeld = false;
  looks.waiting.shift()!.go();
  looks.isHeld = true;
  await until(async () => /:0:/.test(await watchers()), 5_000).catch(() => {});
  expect(await watchers()).toMatch(/^[^:]+:0:\d+$/);
  await age();
  expect(await sweep(back)).toEqual(['watched-0', 'watched-1']);
  looks.letGo();
});

test('a status is asked for between the looks of a round, and does not wait for all of them', async () => {
  const watched = users('watched', 2_500);
  const looks = new SlowLooks();
  const issuer = issuerOn(looks);
  const stock = { kind: 'counted', total: 10_000 } as const;
  await issuer.campaign(campaignId).open({ stock, admission: 'queued', presenceMs: PRESENCE_MS });
  await Promise.all([...watched, 'asking'].map((userId) => issuer.campaign(campaignId).join({ userId })));
  looks.isHeld = true;
  watch(issuer, watched);
  await until(async () => looks.waiting.length === 2);
  const status = issuer.campaign(campaignId).userStatus({ userId: 'asking' });
  await new Promise((resolve) => setImmediate(resolve));
  for (const { go } of looks.waiting.splice(0)) go();
  await until(async () => looks.waiting.length > 0);
  expect(looks.waiting.some(({ users: asked }) => asked.includes('asking'))).toBe(true);
  looks.letGo();
  expect(await status).toMatchObject({ status: 'waiting' });
});
