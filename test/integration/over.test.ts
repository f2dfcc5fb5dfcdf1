import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type CouponEvent, CouponIssuer, type CouponIssuerOptions, MemoryPersistence } from '../../src/index.js';
import { registryKeys } from '../../src/redis/keys.js';
import type { Script } from '../../src/redis/runner.js';
import { scripts } from '../../src/redis/scripts.js';
import { until } from '../support/checks/until.js';
import { withEach } from '../support/scenes/campaigns.js';
import { type NamedDefinition, openNamed, rebuildNamed } from '../support/scenes/named.js';
import { CountingClient } from '../support/servers/counting-client.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { shaOf } from '../support/servers/sent.js';

const ID = 'spring';
const DEFINITION: NamedDefinition = { id: ID, stock: { kind: 'counted', total: 5 } };
let server: RedisServer;
let redis: Redis;
let persistence: MemoryPersistence;
let operator: CouponIssuer;
/** Another process. */
let web: CouponIssuer;

const issuerWith = (options: Partial<CouponIssuerOptions> = {}) => new CouponIssuer({ redis, persistence, ...options });
const issueTo = (userId: string, by = web, campaignId = ID) => by.campaign(campaignId).issue({ userId });
const keysOfCampaigns = () => redis.keys('{coupon:*');

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redis.flushall();
  persistence = new MemoryPersistence();
  [operator, web] = [issuerWith(), issuerWith()];
});

/** A campaign with one coupon, which the web process has met, is closed; its keys expire at once. */
async function expire(definition = DEFINITION): Promise<void> {
  await openNamed(operator, definition);
  if (!definition.admission) await issueTo('ann');
  await web.idle();
  await operator.campaign(ID).closeForGood({ retainMs: 0 });
  await until(async () => (await keysOfCampaigns()).length === 0);
}

async function purge(): Promise<void> {
  await openNamed(operator, DEFINITION);
  await web.campaign(ID).inspect();
  await operator.campaign(ID).closeForGood();
  await operator.campaign(ID).purge();
}

/** A process that stalls before it sends a script for the first time, until something else has happened. */
const stallingAt = (script: Pick<Script, 'sha1' | 'joint'>, meanwhile: () => Promise<void>): CouponIssuer => {
  let stalls = true;
  const evalsha = async (sha1: string, ...args: [number, ...string[]]): Promise<unknown> => {
    if (sha1 === shaOf(script) && stalls) {
      stalls = false;
      await meanwhile();
    }
    return redis.evalsha(sha1, ...args);
  };
  return issuerWith({ redis: { evalsha, eval: (...args: [string, number, ...string[]]) => redis.eval(...args) } });
};

describe.each([
  ['whose keys expired', expire],
  ['that was purged', purge],
])('a campaign %s', (_, end) => {
  test('answers a late call with closed, in the process that met it and in one that did not', async () => {
    await end();
    expect(await issueTo('bob', web)).toEqual({ status: 'closed', closedAt: expect.any(Date) });
    expect(await issueTo('bob', issuerWith())).toEqual({ status: 'closed', closedAt: expect.any(Date) });
    expect(await web.campaign(ID).join({ userId: 'bob' })).toMatchObject({ status: 'closed' });
    expect(await keysOfCampaigns()).toEqual([]);
  });

  test('tells each other call that it is over', async () => {
    await end();
    const calls = [
      web.campaign(ID).userStatus({ userId: 'ann' }),
      web.campaign(ID).inspect(),
      web.campaign(ID).pause(),
      web.campaign(ID).restock({ add: 1, requestId: 'more' }),
      web.campaign(ID).settle(),
      web.campaign(ID).reconcile(),
      web.campaign(ID).leave({ userId: 'ann' }),
      web.campaign(ID).watch({ userId: 'ann' }).next(),
    ];
    for (const call of await Promise.allSettled(calls)) {
      expect(call).toMatchObject({ status: 'rejected', reason: { code: 'CAMPAIGN_CONFLICT' } });
      expect(String((call as PromiseRejectedResult).reason)).toContain('is over: it was closed at 20');
    }
  });

  test('is no fault to settling and to a worker, and leaves both', async () => {
    await end();
    const events: CouponEvent[] = [];
    const settler = issuerWith({ onEvent: (event) => events.push(event) });
    expect(await settler.settle()).toEqual({ settled: 0, pending: 0, failed: 0 });
    expect(await redis.hkeys('coupon:registry')).toEqual([]);
    await redis.hset('coupon:registry', ID, '1');
    const worker = settler.startWorker({ intervalMs: 5 });
    await until(async () => (await redis.hlen('coupon:registry')) === 0);
    await until(async () => (await worker.health()).campaigns.length === 0);
    await settler.close();
    expect(events.filter(({ type }) => type === 'fault')).toEqual([]);
  });
});

test('a campaign whose keys expired is not opened again by the next start of a process', async () => {
  await expire();
  await expect(openNamed(operator, DEFINITION)).rejects.toMatchObject({ code: 'CAMPAIGN_CONFLICT' });
  await expect(openNamed(issuerWith(), DEFINITION)).rejects.toThrow(/is over: it was closed at 20.*purge\(\)/);
  expect(await keysOfCampaigns()).toEqual([]);
});

test('without a database too, a campaign whose keys expired is not opened again by the next start', async () => {
  [operator, web] = [new CouponIssuer({ redis }), new CouponIssuer({ redis })];
  await expire();
  await expect(openNamed(new CouponIssuer({ redis }), DEFINITION)).rejects.toThrow('is over');
  await operator.campaign(ID).purge();
  expect(await openNamed(operator, DEFINITION)).toMatchObject({ status: 'opened' });
  expect(await issueTo('bob')).toMatchObject({ status: 'issued' });
});

test('the state of a campaign that is lost before its keys were to expire is missing, and not over', async () => {
  await openNamed(operator, DEFINITION);
  await issueTo('ann');
  await web.idle();
  await operator.campaign(ID).closeForGood({ retainMs: 3_600_000 });
  await redis.del(...(await keysOfCampaigns()));
  expect(await issueTo('bob')).toEqual({ status: 'not_ready', reason: 'missing' });
  await expect(web.campaign(ID).inspect()).rejects.toMatchObject({ code: 'NOT_READY', reason: 'missing' });
});

test('a campaign that was opened again under its id and then lost is missing, and not over', async () => {
  await purge();
  await openNamed(operator, DEFINITION, { skipRowCheck: true });
  expect(await issueTo('bob')).toMatchObject({ status: 'issued' });
  await web.idle();
  await redis.del(...(await keysOfCampaigns()));
  expect(await issueTo('cho')).toEqual({ status: 'not_ready', reason: 'missing' });
});

test('a late copy of the note that a campaign is over is refused', async () => {
  const { over } = registryKeys('coupon');
  const note = (sentAt: number) =>
    redis.eval(scripts.noteOver.source, 1, over, ID, String(sentAt), String(sentAt), String(sentAt));
  const [seconds] = await redis.time();
  expect(await note((Number(seconds) - 61) * 1000)).toEqual(['late']);
  expect(await redis.exists(over)).toBe(0);
  expect(await note(Number(seconds) * 1000)).toEqual(['noted']);
});

test('of the campaigns that are over the newest 10,000 are remembered', async () => {
  const { over } = registryKeys('coupon');
  const older = Array.from({ length: 20_000 }, (_, i) => [String(i + 1), `closed:old-${i}`]).flat();
  for (let i = 0; i < older.length; i += 2_000) await redis.zadd(over, ...older.slice(i, i + 2_000));
  await purge();
  expect(await redis.zcard(over)).toBe(20_000);
  expect(await issueTo('bob')).toMatchObject({ status: 'closed' });
});

test('a second close with another retainMs is refused and changes nothing; without one, or with the same, it is done', async () => {
  await openNamed(operator, DEFINITION);
  await operator.campaign(ID).closeForGood();
  await operator.campaign(ID).closeForGood({ retainMs: 60_000 });
  const expiry = await redis.pexpiretime(`{coupon:${ID}}:campaign`);
  await expect(web.campaign(ID).closeForGood({ retainMs: 600_000 })).rejects.toMatchObject({
    code: 'CAMPAIGN_CONFLICT',
  });
  await web.campaign(ID).closeForGood({ retainMs: 60_000 });
  await web.campaign(ID).closeForGood();
  expect(await redis.pexpiretime(`{coupon:${ID}}:campaign`)).toBe(expiry);
});

describe('round trips', () => {
  let counting: CountingClient;
  beforeEach(() => {
    counting = new CountingClient(redis);
    web = issuerWith({ redis: counting });
  });
  const cost = async (call: () => Promise<unknown>) => {
    const before = counting.sent;
    await call().catch(() => {});
    return counting.sent - before;
  };

  test('an id that nobody opened costs them once a second, however often it is asked for', async () => {
    // A script that Redis does not have yet is sent twice.
    await issueTo('ann', operator, 'another').catch(() => {});
    expect(await cost(() => issueTo('ann', web, 'made-up'))).toBe(3);
    for (let i = 0; i < 5; i++) expect(await cost(() => issueTo('ann', web, 'made-up'))).toBe(0);
  });

  test('a campaign that is opened by this very process is not taken for one that nobody opened', async () => {
    await issueTo('ann').catch(() => {});
    await openNamed(web, DEFINITION);
    expect(await issueTo('ann')).toMatchObject({ status: 'issued' });
  });

  test('a process forgets what others purged when it meets another campaign', async () => {
    await purge();
    await openNamed(operator, { ...DEFINITION, id: 'summer' });
    await web.campaign('summer').inspect();
    expect(await cost(() => issueTo('ann'))).toBe(0);
    expect(await issueTo('ann')).toMatchObject({ status: 'closed' });
  });
});

test('a note that is late by less than a minute does not end the campaign that has the id by now', async () => {
  const arrivals: (() => Promise<unknown>)[] = [];
  const evalsha = async (sha1: string, ...args: [number, ...string[]]): Promise<unknown> => {
    if (sha1 !== shaOf(scripts.noteOver)) return redis.evalsha(sha1, ...args);
    arrivals.push(() => redis.evalsha(sha1, ...args).catch(() => redis.eval(scripts.noteOver.source, ...args)));
    return ['noted'];
  };
  const slow = issuerWith({
    redis: { evalsha, eval: (...args: [string, number, ...string[]]) => redis.eval(...args) },
  });
  await openNamed(slow, DEFINITION);
  await slow.campaign(ID).closeForGood();
  await slow.campaign(ID).purge();
  await openNamed(operator, DEFINITION);
  for (const arrive of arrivals) await arrive();
  await issueTo('ann');
  await web.idle();
  await redis.del(...(await keysOfCampaigns()));
  expect(await issueTo('bob')).toEqual({ status: 'not_ready', reason: 'missing' });
});

describe('a closed campaign that is rebuilt', () => {
  const closeAndRebuild = async (retainMs: number, meanwhile = async () => {}) => {
    await openNamed(operator, DEFINITION);
    await operator.campaign(ID).closeForGood({ retainMs });
    await rebuildNamed(stallingAt(scripts.finishRebuild, meanwhile), DEFINITION);
  };
  const gone = () => until(async () => (await keysOfCampaigns()).length === 0);

  test('is over once its keys expired, and does not begin again', async () => {
    await closeAndRebuild(1_500);
    expect(await operator.campaign(ID).inspect()).toMatchObject({ state: 'closed' });
    await gone();
    await expect(openNamed(issuerWith(), DEFINITION)).rejects.toThrow('is over');
    expect(await issueTo('bob', issuerWith())).toMatchObject({ status: 'closed' });
  });

  test('is over if that instant passes meanwhile', async () => {
    const [seconds, micros] = await redis.time();
    const nowMs = 1_000 * Number(seconds) + Number(micros) / 1_000;
    const passed = () => until(async () => Number((await redis.time())[0]) * 1_000 > nowMs + 2_500);
    await expect(closeAndRebuild(1_000, passed)).rejects.toThrow('is over');
    expect(await issueTo('bob', issuerWith())).toMatchObject({ status: 'closed' });
  });

  test('and was lost before is made anew, and is lost if it is lost again', async () => {
    await openNamed(operator, DEFINITION);
    await operator.campaign(ID).closeForGood({ retainMs: 1_000 });
    const goneAt = await redis.zscore(registryKeys('coupon').over, `gone:${ID}`);
    await redis.del(...(await keysOfCampaigns()));
    await rebuildNamed(operator, DEFINITION);
    await redis.del(...(await keysOfCampaigns()));
    await until(async () => Number((await redis.time())[0]) * 1_000 > Number(goneAt));
    expect(await issueTo('bob', issuerWith())).toEqual({ status: 'not_ready', reason: 'missing' });
  });
});

describe('an id that is used again stays in the registry', () => {
  test.each([
    ['a purge that', (slow: CouponIssuer) => slow.campaign(ID).purge()],
    ['a settler that', (slow: CouponIssuer) => slow.settle()],
  ])('though %s found the campaign of before strikes it off later', async (_, call) => {
    await openNamed(operator, DEFINITION);
    await operator.campaign(ID).closeForGood({ retainMs: 0 });
    await until(async () => (await keysOfCampaigns()).length === 0);
    const slow = stallingAt(scripts.forgetCampaign, async () => {
      await operator.campaign(ID).purge();
      await openNamed(operator, DEFINITION);
    });
    await call(slow);
    expect(await redis.hkeys(registryKeys('coupon').registry)).toEqual([ID]);
    expect(await issueTo('ann')).toMatchObject({ status: 'issued' });
  });

  test('though a settler strikes off its first registration while it is opened', async () => {
    await purge();
    const settler = issuerWith();
    await openNamed(
      stallingAt(scripts.openCampaign, async () => void (await settler.settle())),
      DEFINITION,
    );
    expect(await redis.hkeys(registryKeys('coupon').registry)).toEqual([ID]);
  });

  test('though a purge that saw the campaign of before strikes it off while it is rebuilt', async () => {
    await openNamed(operator, DEFINITION);
    await operator.campaign(ID).closeForGood();
    const rebuilder = stallingAt(scripts.beginRebuild, () => operator.campaign(ID).purge());
    await rebuildNamed(rebuilder, DEFINITION);
    expect(await redis.hkeys(registryKeys('coupon').registry)).toEqual([ID]);
  });
});

test('a late copy of what an opening dropped does not let the campaign begin again once it is over', async () => {
  const copies: (() => Promise<unknown>)[] = [];
  const client = withEach(redis, async (sha1, send) => {
    if (sha1 === shaOf(scripts.dropOver)) copies.push(send);
    return send();
  });
  await openNamed(issuerWith({ redis: client }), DEFINITION);
  await expireAgain();
  for (const copy of copies) await copy();
  await expect(openNamed(issuerWith(), DEFINITION)).rejects.toThrow('is over');

  async function expireAgain() {
    const { over } = registryKeys('coupon');
    // Not in the millisecond of the opening.
    await until(async () => Number((await redis.zscore(over, `closed:${ID}`))!) < Date.now());
    await operator.campaign(ID).closeForGood({ retainMs: 0 });
    await until(async () => (await keysOfCampaigns()).length === 0);
  }
});

test.each([
  ['before it reads the note', scripts.findOver],
  ['before it drops the note', scripts.dropOver],
])('an opening that another one overtook %s keeps the note of its end', async (_, script) => {
  const overtaking = async () => {
    await openNamed(operator, DEFINITION);
    await operator.campaign(ID).closeForGood({ retainMs: 0 });
    await until(async () => (await keysOfCampaigns()).length === 0);
  };
  await openNamed(stallingAt(script, overtaking), DEFINITION, { skipRowCheck: true }).catch(() => {});
  await expect(openNamed(issuerWith(), DEFINITION)).rejects.toThrow('is over');
});

test('a note of the very millisecond in which the id was given anew is late', async () => {
  const { over } = registryKeys('coupon');
  const nowMs = async () => {
    const [seconds, micros] = await redis.time();
    return 1_000 * Number(seconds) + Number(micros) / 1_000;
  };
  let sentAt: number;
  do {
    sentAt = await nowMs();
    await redis.eval(scripts.dropOver.source, 1, over, ID, (await redis.zscore(over, `closed:${ID}`)) ?? '');
  } while (Math.floor(await nowMs()) !== Math.floor(sentAt));
  const note = (at: number) => redis.eval(scripts.noteOver.source, 1, over, ID, String(at), '', String(at));
  expect(await note(sentAt)).toEqual(['late']);
  expect(await note(sentAt + 1)).toEqual(['noted']);
});

test('a campaign that was opened while the clock of Redis was ahead is over once its keys expired', async () => {
  await openNamed(operator, DEFINITION);
  await redis.zadd(registryKeys('coupon').over, Date.now() + 86_400_000, `closed:${ID}`);
  await operator.campaign(ID).closeForGood({ retainMs: 0 });
  await until(async () => (await keysOfCampaigns()).length === 0);
  await expect(openNamed(issuerWith(), DEFINITION)).rejects.toThrow('is over');
});

test('an opening finds the campaign that another process opened and sold from before it looked for rows', async () => {
  let looks = 0;
  const list = async (...args: Parameters<MemoryPersistence['list']>) => {
    if (looks++ === 0) {
      await openNamed(operator, DEFINITION);
      await issueTo('ann', operator);
      await operator.idle();
    }
    return persistence.list(...args);
  };
  const slow = issuerWith({ persistence: { save: (rows) => persistence.save(rows), list } });
  expect(await openNamed(slow, DEFINITION)).toMatchObject({ campaign: { ready: true } });
  expect(await issueTo('bob', slow)).toMatchObject({ status: 'issued' });
});

test('a campaign that is being rebuilt is not opened, whether it has rows or not', async () => {
  await openNamed(operator, DEFINITION);
  const stopped = rebuildNamed(operator, DEFINITION, { signal: AbortSignal.abort() });
  await expect(stopped).rejects.toThrow('aborted');
  const rebuilding = { code: 'NOT_READY', reason: 'rebuilding' };
  await expect(openNamed(issuerWith(), DEFINITION)).rejects.toMatchObject(rebuilding);
  await rebuildNamed(operator, DEFINITION);
  await issueTo('ann');
  await web.idle();
  const again = rebuildNamed(operator, DEFINITION, { signal: AbortSignal.abort() });
  await expect(again).rejects.toThrow('aborted');
  await expect(openNamed(issuerWith(), DEFINITION)).rejects.toMatchObject(rebuilding);
});

describe('generations', () => {
  /** As if the clock of Redis was far ahead when the campaign was opened, and was set right since. */
  const openAhead = async () => {
    const ahead = String(Date.now() + 86_400_000);
    await openNamed(operator, DEFINITION);
    await redis.hset(registryKeys('coupon').generation, 'last', ahead);
    await redis.hset(`{coupon:${ID}}:campaign`, 'epoch', `${ahead}-random`);
    await issueTo('ann');
    await web.idle();
  };

  test('a campaign that is opened again after the clock of Redis was set back serves every process', async () => {
    await openAhead();
    await operator.campaign(ID).closeForGood();
    await operator.campaign(ID).purge();
    await openNamed(issuerWith(), DEFINITION, { skipRowCheck: true });
    expect(await issueTo('bob', web)).toMatchObject({ status: 'issued' });
    expect(await openNamed(web, DEFINITION)).toMatchObject({ status: 'exists' });
  });

  test('a campaign that is rebuilt after Redis lost everything and its clock was set back serves every process', async () => {
    await openAhead();
    await redis.flushall();
    await rebuildNamed(issuerWith(), DEFINITION);
    expect(await issueTo('bob', web)).toMatchObject({ status: 'issued' });
    expect(await web.campaign(ID).userStatus({ userId: 'ann' })).toMatchObject({ status: 'issued' });
  });

  test('an opening that stalled while another one came and went serves every process', async () => {
    await openNamed(stallingAt(scripts.openCampaign, purge), DEFINITION);
    expect(await issueTo('bob', web)).toMatchObject({ status: 'issued' });
    expect(await openNamed(web, DEFINITION)).toMatchObject({ status: 'exists' });
  });

  test('a rebuild that stalled while another campaign came and went serves every process', async () => {
    await rebuildNamed(stallingAt(scripts.beginRebuild, purge), DEFINITION);
    expect(await issueTo('bob', web)).toMatchObject({ status: 'issued' });
  });

  test('an opening that another one overtook finds the campaign that serves', async () => {
    const open = async () => void (await openNamed(operator, DEFINITION));
    expect(await openNamed(stallingAt(scripts.activateCampaign, open), DEFINITION)).toMatchObject({
      campaign: { state: 'open', ready: true },
    });
    expect(await issueTo('bob', web)).toMatchObject({ status: 'issued' });
  });

  test('a rebuild counts the generation that it passes', async () => {
    await openAhead();
    await redis.del(registryKeys('coupon').generation);
    const { campaign } = await rebuildNamed(issuerWith(), DEFINITION);
    const last = Number(await redis.hget(registryKeys('coupon').generation, 'last'));
    expect(Number.parseInt(campaign.epoch, 10)).toBe(last);
  });

  test('no binding has the epoch of an earlier one, though Redis went back in between', async () => {
    await openAhead();
    const counter = registryKeys('coupon').generation;
    const before = await redis.hgetall(`{coupon:${ID}}:campaign`);
    const last = (await redis.hget(counter, 'last'))!;
    const bindTo = async (store: string) => {
      const { list } = persistence;
      const adapter = {
        save: persistence.save.bind(persistence),
        list: list.bind(persistence),
        identity: async () => store,
      };
      return (await openNamed(issuerWith({ persistence: adapter }), DEFINITION, { store: 'rebind' })).campaign;
    };
    const first = await bindTo('a-database');
    await redis.del(`{coupon:${ID}}:campaign`);
    await redis.hset(`{coupon:${ID}}:campaign`, before);
    await redis.hset(counter, 'last', last);
    const second = await bindTo('another');
    expect(second.store).toBe('another');
    expect(second.epoch).not.toBe(first.epoch);
  });

  test('a row with an epoch that no campaign had does not spoil the generations', async () => {
    await openNamed(operator, DEFINITION);
    const [row] = await Promise.all([issueTo('ann')]);
    if (row.status !== 'issued') throw new Error(row.status);
    await web.idle();
    for (const epoch of ['9007199254740990-x', 'migrated', '-5-x', '']) {
      await redis.flushall();
      const list = async (_: string, { afterSerial }: { afterSerial: number }) =>
        afterSerial === 0 ? [{ ...row.issuance, epoch }] : [];
      const other = issuerWith({ persistence: { save: (rows) => persistence.save(rows), list } });
      expect(await rebuildNamed(other, DEFINITION)).toMatchObject({ rows: 1, campaign: { issued: 1, available: 4 } });
      const last = Number(await redis.hget(registryKeys('coupon').generation, 'last'));
      expect(last).toBeLessThan(Date.now() + 60_000);
    }
  });
});
