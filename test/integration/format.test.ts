import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type Campaign,
  type CouponEvent,
  CouponIssuer,
  type CouponIssuerOptions,
  httpAnswer,
  type ListedCampaign,
} from '../../src/index.js';
import { until } from '../support/checks/until.js';
import { dump, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { CountingClient } from '../support/servers/counting-client.js';
import { RedisServer } from '../support/servers/redis-server.js';

const ID = 'launch';
const COUNTED = { stock: { kind: 'counted', total: 5 } } as const;
const QUEUED = { ...COUNTED, admission: 'queued' } as const;
const REFUSED = { status: 'rejected', reason: { code: 'MISCONFIGURED', name: 'MisconfiguredError' } };

let server: RedisServer;
let redis: Redis;
let persistence: ScriptedPersistence;
let issuers: CouponIssuer[];
let events: CouponEvent[];

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redis.flushall();
  persistence = new ScriptedPersistence();
  [issuers, events] = [[], []];
});
afterEach(() => Promise.all(issuers.map((issuer) => issuer.close())));

function newIssuer(options: Partial<CouponIssuerOptions> = {}): CouponIssuer {
  const onEvent = (event: CouponEvent) => void events.push(event);
  const issuer = new CouponIssuer({ redis, persistence, onEvent, ...options });
  issuers.push(issuer);
  return issuer;
}

const faults = () => events.filter(({ type }) => type === 'fault');

/** From now on a newer version has the campaign: all that this one knows of it is that it cannot read it. */
const upgrade = (id = ID) => redis.hset(`{coupon:${id}}:campaign`, 'format', '2');

/** What Redis holds of one campaign. */
async function kept(id = ID): Promise<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(await dump(redis)).filter(([key]) => key.startsWith(`{coupon:${id}}`)));
}

/** Each of them acts on a campaign, or reads it. */
const CALLS: Record<string, (launch: Campaign) => Promise<unknown>> = {
  open: (launch) => launch.open(QUEUED),
  rebuild: (launch) => launch.rebuild(QUEUED),
  purge: (launch) => launch.purge(),
  issue: (launch) => launch.issue({ userId: 'bob' }),
  join: (launch) => launch.join({ userId: 'bob' }),
  leave: (launch) => launch.leave({ userId: 'ann' }),
  watch: (launch) => launch.watch({ userId: 'ann' }).next(),
  admit: (launch) => launch.admit({ count: 1 }),
  userStatus: (launch) => launch.userStatus({ userId: 'ann' }),
  inspect: (launch) => launch.inspect(),
  pause: (launch) => launch.pause(),
  setPace: (launch) => launch.setPace({ savesPerSecond: 1 }),
  restock: (launch) => launch.restock({ add: 1, requestId: 'more' }),
  update: (launch) => launch.update({ perUser: 2, requestId: 'more' }),
  settle: (launch) => launch.settle(),
  reconcile: (launch) => launch.reconcile({ repair: 'safe' }),
  closeForGood: (launch) => launch.closeForGood(),
  'quarantine.list': (launch) => launch.quarantine.list().next(),
};

describe.each(['a process that knew it before', 'a process that meets it'])(
  'a campaign that a newer version made is refused by %s',
  (process) => {
    test.each(Object.keys(CALLS))('in %s(), and is left as it is', async (name) => {
      await newIssuer().campaign(ID).open(QUEUED);
      await newIssuer().campaign(ID).join({ userId: 'ann' });
      const issuer = newIssuer();
      if (process.includes('before')) await issuer.campaign(ID).inspect();
      await upgrade();
      const before = await kept();
      const [answer] = await Promise.allSettled([CALLS[name]!(issuer.campaign(ID))]);
      expect(answer).toMatchObject(REFUSED);
      const { reason } = answer as PromiseRejectedResult;
      expect(reason.message).toMatch(/newer version .* nothing was written\. Upgrade/);
      expect(httpAnswer(reason)).toMatchObject({ body: { title: 'Misconfigured' } });
      expect(await kept()).toEqual(before);
    });
  },
);

test('a list of all campaigns shows it as unreadable, with the error, beside the others', async () => {
  const issuer = newIssuer();
  for (const id of [ID, 'other']) await issuer.campaign(id).open(COUNTED);
  await upgrade();
  const listed: Record<string, ListedCampaign> = {};
  for await (const campaign of newIssuer().campaigns()) listed[campaign.id] = campaign;
  expect(listed).toMatchObject({
    [ID]: { ready: false, state: 'unreadable', error: { code: 'MISCONFIGURED' } },
    other: { ready: true, state: 'open' },
  });
});

test('settling all campaigns settles the others, and then throws its error', async () => {
  const issuer = newIssuer();
  for (const id of [ID, 'other']) await issuer.campaign(id).open({ ...COUNTED, saveMode: 'write-behind' });
  expect((await issuer.campaign('other').issue({ userId: 'ann' })).status).toBe('accepted');
  await upgrade();
  await expect(newIssuer().settle()).rejects.toMatchObject({ code: 'MISCONFIGURED' });
  expect(await persistence.rows('other')).toHaveLength(1);
});

/** Counts the scripts that are sent for each campaign. */
class CampaignClient extends CountingClient {
  readonly #sent = new Map<string, number>();

  override evalsha(sha1: string, numberOfKeys: number, ...args: string[]): Promise<unknown> {
    const [key = ''] = args;
    this.#sent.set(key, this.of(key) + 1);
    return super.evalsha(sha1, numberOfKeys, ...args);
  }

  of(key: string): number {
    return this.#sent.get(key) ?? 0;
  }
}

test('a worker reports it once, looks ever more seldom, and serves the others', async () => {
  const operator = newIssuer();
  for (const id of [ID, 'other']) await operator.campaign(id).open({ ...COUNTED, saveMode: 'write-behind' });
  const client = new CampaignClient(redis);
  const looks = (id: string) => client.of(`{coupon:${id}}:campaign`);
  const worker = newIssuer({ redis: client }).startWorker({ intervalMs: 5 });
  const saved = (count: number) => until(async () => (await persistence.rows('other')).length === count);
  expect((await operator.campaign('other').issue({ userId: 'ann' })).status).toBe('accepted');
  await saved(1);
  await upgrade();
  await until(async () => faults().length > 0);
  expect((await operator.campaign('other').issue({ userId: 'bob' })).status).toBe('accepted');
  await saved(2);
  const lastError = { error: expect.objectContaining({ name: 'MisconfiguredError' }), at: expect.any(Date) };
  const refused = { campaignId: ID, backlog: null, oldestMs: null, quarantined: null, lastError };
  const served = { campaignId: 'other', backlog: 0, oldestMs: null, quarantined: 0, lastError: null };
  await expect(worker.health()).resolves.toEqual({
    running: true,
    campaigns: expect.arrayContaining([refused, served]),
  });
  // Its pauses double, and those of the other one do not.
  const [ofThis, ofOther] = [looks(ID), looks('other')];
  await until(async () => looks('other') > ofOther + 100);
  expect(looks(ID) - ofThis).toBeLessThan(50);
  await worker.stop();
  expect(faults()).toHaveLength(1);
  expect(faults()[0]).toMatchObject({ type: 'fault', during: 'settle', campaignId: ID });
});

test('a coupon whose row is committed meanwhile is issued, and its reservation is left to the newer version', async () => {
  const issuer = newIssuer();
  await issuer.campaign(ID).open(COUNTED);
  let before: Record<string, unknown> = {};
  persistence.next(async (issuances, memory) => {
    await upgrade();
    before = await kept();
    return memory.save(issuances);
  });
  expect((await issuer.campaign(ID).issue({ userId: 'ann' })).status).toBe('issued');
  await issuer.idle();
  expect(faults()).toEqual([]);
  expect(await kept()).toEqual(before);
});
