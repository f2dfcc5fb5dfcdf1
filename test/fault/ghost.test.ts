import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { CouponIssuer, NotIssuedError, NotSavedError } from '../../src/index.js';
import { scripts } from '../../src/redis/scripts.js';
import { dump, fails, loadScripts, recording, ScriptedPersistence } from '../support/campaigns.js';
import { checkInvariants } from '../support/invariants.js';
import { RedisServer } from '../support/redis-server.js';

const ID = 'launch';
let server: RedisServer;
let redis: Redis;
let persistence: ScriptedPersistence;
let client: ReturnType<typeof recording>;
let issuer: CouponIssuer;

beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server.stop());
beforeEach(async () => {
  redis = server.client();
  await redis.flushall();
  await loadScripts(redis);
  persistence = new ScriptedPersistence();
  client = recording(redis);
  issuer = new CouponIssuer({ redis: client, persistence });
});

const open = (total: number) => issuer.openCampaign({ id: ID, stock: { kind: 'counted', total } });
const lastCall = (script: keyof typeof scripts) =>
  client.calls.filter(({ sha1 }) => sha1 === scripts[script].sha1).at(-1)!;
const audit = async () => checkInvariants({ redis, campaignId: ID, rows: await persistence.rows(ID), settled: true });

/** Runs a late copy of the last call of a script and returns what it answered; it must leave no trace. */
async function lateCopy(script: keyof typeof scripts): Promise<unknown[]> {
  const before = await dump(redis);
  const reply = (await lastCall(script).replay()) as unknown[];
  expect(await dump(redis), 'a late copy changes nothing').toEqual(before);
  return reply;
}

test('a copy of the reserve that runs after the release takes nothing', async () => {
  await open(1);
  persistence.next(fails(new NotSavedError('no')));
  await expect(issuer.issue({ campaignId: ID, userId: 'ann' })).rejects.toBeInstanceOf(NotIssuedError);
  expect((await lateCopy('reserve')).slice(4)).toEqual(['lapsed']);
  expect(await issuer.issue({ campaignId: ID, userId: 'bob' })).toMatchObject({
    status: 'issued',
    issuance: { serial: 1 },
  });
  await issuer.idle();
  await audit();
});

test('a copy of the reserve that runs after its refusal takes nothing, though a unit came back meanwhile', async () => {
  await open(1);
  const end = persistence.hold();
  const saving = persistence.reached();
  const ann = issuer.issue({ campaignId: ID, userId: 'ann' }).catch((error: unknown) => error);
  await saving;
  expect(await issuer.issue({ campaignId: ID, userId: 'bob' })).toEqual({ status: 'sold_out' });
  const refused = lastCall('reserve');
  end(new NotSavedError('no'));
  expect(await ann).toBeInstanceOf(NotIssuedError);
  const before = await dump(redis);
  expect(((await refused.replay()) as unknown[]).slice(4)).toEqual(['lapsed']);
  expect(await dump(redis)).toEqual(before);
  await audit();
});

test('a copy of the reserve that runs after a pause refused it, and the campaign went on, takes nothing', async () => {
  await open(1);
  await issuer.pause(ID);
  expect(await issuer.issue({ campaignId: ID, userId: 'ann' })).toEqual({ status: 'paused' });
  const refused = lastCall('reserve');
  await issuer.resume(ID);
  expect(((await refused.replay()) as unknown[]).slice(4)).toEqual(['lapsed']);
  expect(await issuer.inspect(ID)).toMatchObject({ available: 1, reserved: 0 });
});

test('a copy of the reserve that runs after the close takes nothing, and still finds what it had taken', async () => {
  await open(2);
  await issuer.issue({ campaignId: ID, userId: 'ann' });
  await issuer.idle();
  await issuer.closeCampaign({ id: ID });
  expect((await lateCopy('reserve'))[4]).toBe('issued');
  expect(await issuer.issue({ campaignId: ID, userId: 'bob' })).toMatchObject({ status: 'closed' });
  expect((await lateCopy('reserve'))[4]).toBe('closed');
});

test('a copy of the reserve that runs in a new epoch takes nothing', async () => {
  await open(1);
  persistence.next(fails(new NotSavedError('no')));
  await expect(issuer.issue({ campaignId: ID, userId: 'ann' })).rejects.toBeInstanceOf(NotIssuedError);
  const old = lastCall('reserve');
  await redis.flushall();
  await loadScripts(redis);
  await new CouponIssuer({ redis, persistence }).openCampaign({ id: ID, stock: { kind: 'counted', total: 1 } });
  const before = await dump(redis);
  expect(await old.replay()).toEqual(['stale_epoch']);
  expect(await dump(redis)).toEqual(before);
});

test('a copy of a call whose number was overtaken is answered lapsed: it has to take over under a fresh number', async () => {
  await open(5);
  const end = persistence.hold();
  const saving = persistence.reached();
  const ann = issuer.issue({ campaignId: ID, userId: 'ann' }).catch((error: unknown) => error);
  await saving;
  const annsCall = lastCall('reserve');
  expect(((await annsCall.replay()) as unknown[])[4]).toBe('new');
  await new CouponIssuer({ redis, persistence }).issue({ campaignId: ID, userId: 'cyd' });
  expect(((await annsCall.replay()) as unknown[])[4]).toBe('new');
  await issuer.issue({ campaignId: ID, userId: 'bob' });
  expect(((await annsCall.replay()) as unknown[])[4]).toBe('lapsed');
  end(new NotSavedError('no'));
  expect(await ann).toBeInstanceOf(NotIssuedError);
});

test('a late copy of openCampaign, after Redis lost everything, sells nothing', async () => {
  await open(3);
  await issuer.issue({ campaignId: ID, userId: 'ann' });
  await issuer.idle();
  const opening = lastCall('openCampaign');
  await redis.flushall();
  await loadScripts(redis);
  expect(await opening.replay()).toEqual(['opened']);
  expect(await issuer.issue({ campaignId: ID, userId: 'bob' })).toEqual({ status: 'not_ready', reason: 'missing' });
  const fresh = new CouponIssuer({ redis, persistence });
  await expect(fresh.openCampaign({ id: ID, stock: { kind: 'counted', total: 3 } })).rejects.toMatchObject({
    code: 'CAMPAIGN_CONFLICT',
  });
  expect(await fresh.issue({ campaignId: ID, userId: 'bob' })).toEqual({ status: 'not_ready', reason: 'missing' });
});

test('a late copy of a pause does not undo the resume after it', async () => {
  await open(1);
  await issuer.pause(ID);
  const pause = lastCall('setPaused');
  await issuer.resume(ID);
  expect(await pause.replay()).toEqual(['lapsed']);
  expect(await issuer.issue({ campaignId: ID, userId: 'ann' })).toMatchObject({ status: 'issued' });
});
