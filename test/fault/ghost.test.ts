// cspell:ignore anns
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CouponIssuer, NotIssuedError, NotSavedError } from '../../src/index.js';
import { scripts } from '../../src/redis/scripts.js';
import { checkInvariants } from '../support/checks/invariants.js';
import { dump, fails, loadScripts, recording, ScriptedPersistence, withEach } from '../support/scenes/campaigns.js';
import { openNamed, rebuildNamed } from '../support/scenes/named.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { shaOf } from '../support/servers/sent.js';

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

const open = (total: number) => issuer.campaign(ID).open({ stock: { kind: 'counted', total } });
const lastCall = (script: keyof typeof scripts) =>
  client.calls.filter(({ sha1 }) => sha1 === shaOf(scripts[script])).at(-1)!;
const audit = async () => checkInvariants({ redis, campaignId: ID, rows: await persistence.rows(ID), settled: true });

function signal(): { readonly fired: Promise<void>; readonly fire: () => void } {
  let fire = () => {};
  const fired = new Promise<void>((resolve) => {
    fire = resolve;
  });
  return { fired, fire };
}

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
  await expect(issuer.campaign(ID).issue({ userId: 'ann' })).rejects.toBeInstanceOf(NotIssuedError);
  expect((await lateCopy('reserve')).slice(4)).toEqual(['lapsed']);
  expect(await issuer.campaign(ID).issue({ userId: 'bob' })).toMatchObject({
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
  const ann = issuer
    .campaign(ID)
    .issue({ userId: 'ann' })
    .catch((error: unknown) => error);
  await saving;
  expect(await issuer.campaign(ID).issue({ userId: 'bob' })).toEqual({ status: 'sold_out' });
  const refused = lastCall('reserve');
  end(new NotSavedError('no'));
  expect(await ann).toBeInstanceOf(NotIssuedError);
  const before = await dump(redis);
  expect(((await refused.replay()) as unknown[]).slice(4)).toEqual(['lapsed']);
  expect(await dump(redis)).toEqual(before);
  await audit();
});

test.each(['keepPromised', 'rebuildRows', 'finishRebuild'] as const)(
  'a copy of the reserve that runs before the %s of a rebuild finds what the first one took',
  async (script) => {
    await open(2);
    const [taken, resent] = [signal(), signal()];
    // The reply is lost, and the client sends the call again when the connection is back.
    const resending = withEach(client, async (sha1, send) => {
      const reply = await send();
      if (sha1 !== shaOf(scripts.reserve)) return reply;
      taken.fire();
      await resent.fired;
      return send();
    });
    const ann = new CouponIssuer({ redis: resending, persistence }).campaign(ID).issue({ userId: 'ann' });
    await taken.fired;
    const watched = withEach(client, async (sha1, send) => {
      if (sha1 === shaOf(scripts[script])) {
        resent.fire();
        await ann;
      }
      return send();
    });
    const operator = new CouponIssuer({ redis: watched, persistence });
    expect(
      await Promise.all([operator.campaign(ID).rebuild({ stock: { kind: 'counted', total: 2 } }), ann]),
    ).toMatchObject([{ campaign: { reserved: 1 } }, { status: 'accepted', issuance: { serial: 1, code: null } }]);
    expect(await operator.campaign(ID).settle()).toEqual({ settled: 1, pending: 0, failed: 0 });
    expect(await persistence.rows(ID)).toMatchObject([{ userId: 'ann', serial: 1 }]);
    await audit();
  },
);

test('whoever asks for the first time while a campaign is rebuilt is told so', async () => {
  await open(2);
  const asks: unknown[] = [];
  const watched = withEach(client, async (sha1, send) => {
    if (sha1 === shaOf(scripts.rebuildRows)) asks.push(await issuer.campaign(ID).issue({ userId: 'bob' }));
    return send();
  });
  await issuer.campaign(ID).issue({ userId: 'ann' });
  await issuer.idle();
  await new CouponIssuer({ redis: watched, persistence })
    .campaign(ID)
    .rebuild({ stock: { kind: 'counted', total: 2 } });
  expect(asks.length).toBeGreaterThan(0);
  for (const told of asks) expect(told).toEqual({ status: 'not_ready', reason: 'rebuilding' });
  await audit();
});

describe.each(['immediate', 'queued'] as const)('in a campaign with admission %s', (admission) => {
  const definition = { id: ID, stock: { kind: 'counted', total: 2 }, admission } as const;
  /** A process that meets the campaign only now asks, and what it sent. */
  async function askAnew(userId: string) {
    const anew = recording(redis);
    const other = new CouponIssuer({ redis: anew, persistence });
    const told = await other.campaign(ID)[admission === 'queued' ? 'join' : 'issue']({ userId });
    return { told, calls: anew.calls };
  }

  async function expectNothingOf(calls: readonly { replay: () => Promise<unknown> }[]): Promise<void> {
    const before = await dump(redis);
    for (const { replay } of calls) await replay();
    expect(await dump(redis), 'late copies change nothing').toEqual(before);
    await audit();
  }

  test('a copy of what was refused while the campaign was rebuilt does nothing once it serves again', async () => {
    await openNamed(issuer, definition);
    const asks: Awaited<ReturnType<typeof askAnew>>[] = [];
    const watched = withEach(client, async (sha1, send) => {
      if (sha1 === shaOf(scripts.rebuildRows) || sha1 === shaOf(scripts.finishRebuild)) asks.push(await askAnew('ann'));
      return send();
    });
    await rebuildNamed(new CouponIssuer({ redis: watched, persistence }), definition);
    expect(asks.map(({ told }) => told)).toEqual(asks.map(() => ({ status: 'not_ready', reason: 'rebuilding' })));
    expect(asks.length).toBeGreaterThan(0);
    await expectNothingOf(asks.flatMap(({ calls }) => calls));
  });

  test('a copy of what was refused before the campaign was opened to its end does nothing once it serves', async () => {
    const asks: Awaited<ReturnType<typeof askAnew>>[] = [];
    const watched = withEach(client, async (sha1, send) => {
      if (sha1 === shaOf(scripts.activateCampaign)) asks.push(await askAnew('ann'));
      return send();
    });
    await openNamed(new CouponIssuer({ redis: watched, persistence }), definition);
    expect(asks.map(({ told }) => told)).toEqual([{ status: 'not_ready', reason: 'missing' }]);
    await expectNothingOf(asks.flatMap(({ calls }) => calls));
  });
});

test('a copy of a change that was refused while the campaign was rebuilt does nothing once it serves again', async () => {
  await open(2);
  const anew = recording(redis);
  const refused: unknown[] = [];
  const watched = withEach(client, async (sha1, send) => {
    if (sha1 === shaOf(scripts.finishRebuild)) {
      for (const change of [
        (other: CouponIssuer) => other.campaign(ID).pause(),
        (other: CouponIssuer) => other.campaign(ID).restock({ add: 1, requestId: 'more' }),
        (other: CouponIssuer) => other.campaign(ID).closeForGood(),
      ]) {
        refused.push(await change(new CouponIssuer({ redis: anew, persistence })).catch((error: unknown) => error));
      }
    }
    return send();
  });
  await new CouponIssuer({ redis: watched, persistence })
    .campaign(ID)
    .rebuild({ stock: { kind: 'counted', total: 2 } });
  expect(refused).toMatchObject([{ code: 'NOT_READY' }, { code: 'NOT_READY' }, { code: 'NOT_READY' }]);
  const before = await dump(redis);
  for (const { replay } of anew.calls) await replay();
  expect(await dump(redis)).toEqual(before);
});

test('a purge that was refused while the campaign was rebuilt leaves no copy that removes it afterwards', async () => {
  await open(2);
  await issuer.campaign(ID).closeForGood();
  const anew = recording(redis);
  const refused: unknown[] = [];
  const watched = withEach(client, async (sha1, send) => {
    if (sha1 === shaOf(scripts.finishRebuild)) {
      refused.push(
        await new CouponIssuer({ redis: anew, persistence })
          .campaign(ID)
          .purge()
          .catch((error: unknown) => error),
      );
    }
    return send();
  });
  await new CouponIssuer({ redis: watched, persistence })
    .campaign(ID)
    .rebuild({ stock: { kind: 'counted', total: 2 } });
  expect(refused).toMatchObject([{ code: 'CAMPAIGN_CONFLICT' }]);
  const before = await dump(redis);
  for (const { replay } of anew.calls) await replay();
  expect(await dump(redis)).toEqual(before);
});

test('a copy of the reserve that runs after a pause refused it, and the campaign went on, takes nothing', async () => {
  await open(1);
  await issuer.campaign(ID).pause();
  expect(await issuer.campaign(ID).issue({ userId: 'ann' })).toEqual({ status: 'paused' });
  const refused = lastCall('reserve');
  await issuer.campaign(ID).resume();
  expect(((await refused.replay()) as unknown[]).slice(4)).toEqual(['lapsed']);
  expect(await issuer.campaign(ID).inspect()).toMatchObject({ available: 1, reserved: 0 });
});

test('a copy of the reserve that runs after the close takes nothing, and still finds what it had taken', async () => {
  await open(2);
  await issuer.campaign(ID).issue({ userId: 'ann' });
  await issuer.idle();
  await issuer.campaign(ID).closeForGood();
  expect((await lateCopy('reserve'))[4]).toBe('issued');
  expect(await issuer.campaign(ID).issue({ userId: 'bob' })).toMatchObject({ status: 'closed' });
  expect((await lateCopy('reserve'))[4]).toBe('closed');
});

test('a copy of the reserve that runs in a new epoch takes nothing', async () => {
  await open(1);
  persistence.next(fails(new NotSavedError('no')));
  await expect(issuer.campaign(ID).issue({ userId: 'ann' })).rejects.toBeInstanceOf(NotIssuedError);
  const old = lastCall('reserve');
  await redis.flushall();
  await loadScripts(redis);
  await new CouponIssuer({ redis, persistence }).campaign(ID).open({ stock: { kind: 'counted', total: 1 } });
  const before = await dump(redis);
  expect(await old.replay()).toEqual(['stale_epoch']);
  expect(await dump(redis)).toEqual(before);
});

test('a copy of a call whose number was overtaken is answered lapsed: it has to take over under a fresh number', async () => {
  await open(5);
  const end = persistence.hold();
  const saving = persistence.reached();
  const ann = issuer
    .campaign(ID)
    .issue({ userId: 'ann' })
    .catch((error: unknown) => error);
  await saving;
  const annsCall = lastCall('reserve');
  expect(((await annsCall.replay()) as unknown[])[4]).toBe('new');
  await new CouponIssuer({ redis, persistence }).campaign(ID).issue({ userId: 'cyd' });
  expect(((await annsCall.replay()) as unknown[])[4]).toBe('new');
  await issuer.campaign(ID).issue({ userId: 'bob' });
  expect(((await annsCall.replay()) as unknown[])[4]).toBe('lapsed');
  end(new NotSavedError('no'));
  expect(await ann).toBeInstanceOf(NotIssuedError);
});

test('a late copy of openCampaign, after Redis lost everything, sells nothing', async () => {
  await open(3);
  await issuer.campaign(ID).issue({ userId: 'ann' });
  await issuer.idle();
  const opening = lastCall('openCampaign');
  await redis.flushall();
  await loadScripts(redis);
  expect(await opening.replay()).toEqual(['opened']);
  expect(await issuer.campaign(ID).issue({ userId: 'bob' })).toEqual({ status: 'not_ready', reason: 'missing' });
  const fresh = new CouponIssuer({ redis, persistence });
  await expect(fresh.campaign(ID).open({ stock: { kind: 'counted', total: 3 } })).rejects.toMatchObject({
    code: 'CAMPAIGN_CONFLICT',
  });
  expect(await fresh.campaign(ID).issue({ userId: 'bob' })).toEqual({ status: 'not_ready', reason: 'missing' });
});

test('a late copy of a pause does not undo the resume after it', async () => {
  await open(1);
  await issuer.campaign(ID).pause();
  const pause = lastCall('setPaused');
  await issuer.campaign(ID).resume();
  expect(await pause.replay()).toEqual(['lapsed']);
  expect(await issuer.campaign(ID).issue({ userId: 'ann' })).toMatchObject({ status: 'issued' });
});
