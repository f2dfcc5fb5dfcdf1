import { Redis as Redis5 } from 'ioredis';
import { Redis as Redis6 } from 'ioredis-v6';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type CouponEvent,
  CouponIssuer,
  type CouponIssuerOptions,
  NotIssuedError,
  NotSavedError,
} from '../../src/index.js';
import { scripts } from '../../src/redis/scripts.js';
import { checkInvariants, expireLeases } from '../support/checks/invariants.js';
import { until } from '../support/checks/until.js';
import { answers, fails, loadScripts, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { openNamed, replaceCodeNamed } from '../support/scenes/named.js';
import { LossyProxy } from '../support/servers/proxy.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { shaOf } from '../support/servers/sent.js';

const ID = 'launch';
let server: RedisServer;
let proxy: LossyProxy;
beforeAll(async () => {
  server = await RedisServer.start();
  proxy = await LossyProxy.start(server.port);
});
afterAll(async () => {
  await proxy.stop();
  await server.stop();
});

const clients = {
  'ioredis 5': (port: number) => new Redis5(port, '127.0.0.1'),
  'ioredis 6': (port: number) => new Redis6(port, '127.0.0.1'),
};

describe.each(Object.entries(clients))(
  'behind a proxy that runs a script and loses its reply, with default options of %s',
  (_, connect) => {
    let direct: ReturnType<RedisServer['client']>;
    let redis: Redis5 | Redis6;
    let persistence: ScriptedPersistence;

    beforeEach(async () => {
      direct = server.client();
      await direct.flushall();
      await loadScripts(direct);
      persistence = new ScriptedPersistence();
      redis = connect(proxy.port);
      redis.on('error', () => {});
      return () => redis.disconnect();
    });

    const issuerWith = (options: Partial<CouponIssuerOptions> = {}) =>
      new CouponIssuer({ redis, persistence, ...options });

    async function counted(options: Partial<CouponIssuerOptions> = {}, perUser = 1): Promise<CouponIssuer> {
      const issuer = issuerWith(options);
      await issuer.campaign(ID).open({ stock: { kind: 'counted', total: 100 }, perUser });
      return issuer;
    }

    /** Loses the reply to one script while `act` runs, and proves that it was lost. */
    async function losing<T>(script: keyof typeof scripts, act: () => Promise<T>): Promise<T> {
      const before = proxy.lost;
      proxy.loseReplyTo(shaOf(scripts[script]));
      const result = await act();
      expect(proxy.lost, 'the reply was lost').toBe(before + 1);
      return result;
    }

    const audit = async (settled = true) =>
      checkInvariants({ redis: direct, campaignId: ID, rows: await persistence.rows(ID), settled });

    test('one issue takes one unit of a hundred', async () => {
      const issuer = await counted();
      const result = await losing('reserve', () => issuer.campaign(ID).issue({ userId: 'ann' }));
      await issuer.idle();
      expect(result).toMatchObject({ status: 'issued', issuance: { serial: 1 } });
      expect(await issuer.campaign(ID).inspect()).toMatchObject({ available: 99, issued: 1 });
      await audit();
    });

    test('without hooks an issue tells of its coupon once, and as its own', async () => {
      const events: CouponEvent[] = [];
      const bare = new CouponIssuer({ redis, onEvent: (event) => events.push(event) });
      await bare.campaign(ID).open({ stock: { kind: 'counted', total: 100 }, perUser: 2 });
      const request = { userId: 'ann', requestId: 'one' };
      const [first, second] = await losing('reserve', () =>
        Promise.all([bare.campaign(ID).issue(request), bare.campaign(ID).issue({ userId: 'ann' })]),
      );
      for (const result of [first, second]) {
        expect(result).toMatchObject({ status: 'issued' });
        expect(result).not.toHaveProperty('replayed');
      }
      expect(await bare.campaign(ID).issue(request)).toEqual({ ...first, replayed: true });
      expect(events.map(({ type }) => type)).toEqual(['issued', 'issued']);
    });

    test('a copy of an issue without hooks leaves the coupon of an earlier call to that call', async () => {
      const events: CouponEvent[] = [];
      const bare = new CouponIssuer({ redis, onEvent: (event) => events.push(event) });
      await bare.campaign(ID).open({ stock: { kind: 'counted', total: 100 } });
      const request = { userId: 'ann', requestId: 'one' };
      const first = await bare.campaign(ID).issue(request);
      const [repeat] = await losing('reserve', () =>
        Promise.all([bare.campaign(ID).issue(request), bare.campaign(ID).issue({ userId: 'bob' })]),
      );
      expect(repeat).toEqual({ ...first, replayed: true });
      expect(events.map(({ type }) => type)).toEqual(['issued', 'issued']);
    });

    test('in write-behind an issue is accepted once, and as its own', async () => {
      const events: CouponEvent[] = [];
      const issuer = issuerWith({ onEvent: (event) => events.push(event) });
      await issuer.campaign(ID).open({ stock: { kind: 'counted', total: 100 }, saveMode: 'write-behind' });
      const users = ['ann', 'bob', 'cyd'];
      const results = await losing('reserve', () =>
        Promise.all(users.map((userId) => issuer.campaign(ID).issue({ userId, requestId: 'one' }))),
      );
      for (const result of results) {
        expect(result).toMatchObject({ status: 'accepted' });
        expect(result).not.toHaveProperty('replayed');
      }
      expect(events.map(({ type }) => type)).toEqual(['accepted', 'accepted', 'accepted']);
      expect(await issuer.campaign(ID).settle()).toEqual({ settled: 3, pending: 0, failed: 0 });
      await audit();
    });

    test('a connection that changed counts as too few replicas', async () => {
      const replica = await RedisServer.start();
      await replica.client().replicaof('127.0.0.1', server.port);
      await until(async () => (await direct.info('replication')).includes('state=online'));
      const bare = new CouponIssuer({ redis, replicas: { count: 1, timeoutMs: 5_000 } });
      await bare.campaign(ID).open({ stock: { kind: 'counted', total: 100 } });
      const request = { userId: 'ann', requestId: 'one' };
      const first = await losing('reserve', () => bare.campaign(ID).issue(request));
      expect(first).toMatchObject({ status: 'accepted', issuance: { code: null } });
      expect(first).not.toHaveProperty('replayed');
      expect(await bare.campaign(ID).issue(request)).toMatchObject({ status: 'issued', replayed: true });
      await replica.stop();
    });

    test('a confirm ends one lease', async () => {
      const issuer = await counted();
      await losing('confirm', async () => {
        await issuer.campaign(ID).issue({ userId: 'ann' });
        await issuer.idle();
      });
      expect(await issuer.campaign(ID).inspect()).toMatchObject({ available: 99, reserved: 0, issued: 1 });
      await audit();
    });

    test('a release gives one unit back', async () => {
      const issuer = await counted();
      persistence.next(fails(new NotSavedError('no')));
      const issue = losing('release', () =>
        issuer
          .campaign(ID)
          .issue({ userId: 'ann' })
          .catch((error: unknown) => error),
      );
      expect(await issue).toBeInstanceOf(NotIssuedError);
      expect(await issuer.campaign(ID).inspect()).toMatchObject({ available: 100, reserved: 0, issued: 0 });
      await audit();
    });

    test('a withdrawal takes one unit out', async () => {
      const issuer = await counted({ deliver: () => {} });
      persistence.next(answers({ verdict: 'serial_conflict' }));
      const result = await losing('withdraw', () => issuer.campaign(ID).issue({ userId: 'ann' }));
      expect(result).toEqual({ status: 'not_ready', reason: 'rolled_back' });
      expect(await issuer.campaign(ID).inspect()).toMatchObject({ available: 99, reserved: 0, withdrawn: 1 });
      await audit();
    });

    test('a reassignment withdraws one unit and takes one', async () => {
      const issuer = await counted();
      persistence.next(answers({ verdict: 'serial_conflict' }));
      const result = await losing('reassign', () => issuer.campaign(ID).issue({ userId: 'ann' }));
      expect(result.status).toBe('accepted');
      expect(await issuer.campaign(ID).inspect()).toMatchObject({ available: 98, reserved: 1, withdrawn: 1 });
      await expireLeases(direct, ID);
      expect(await issuer.campaign(ID).settle()).toEqual({ settled: 1, pending: 0, failed: 0 });
      expect(await issuer.campaign(ID).userStatus({ userId: 'ann' })).toMatchObject({ issuances: [{ serial: 2 }] });
      await audit();
    });

    test('a row that Redis had forgotten is written back once', async () => {
      const issuer = await counted();
      const row = { id: 'A'.repeat(22), campaignId: ID, userId: 'ann', grant: 1, serial: 50, code: null, epoch: '1-x' };
      await persistence.memory.save([{ ...row, issuedAt: new Date(), state: 'reserved' }]);
      const result = await losing('adoptRow', () => issuer.campaign(ID).issue({ userId: 'ann' }));
      expect(result).toMatchObject({ status: 'already_issued', issuances: [{ serial: 50, id: row.id }] });
      expect(await issuer.campaign(ID).inspect()).toMatchObject({ reserved: 0, issued: 1 });
      // The units before that of the row became free, once.
      const skipped = Array.from({ length: 49 }, (_, i) => String(i + 1));
      expect(await direct.lrange(`{coupon:${ID}}:returned`, 0, -1)).toEqual(skipped);
    });

    test('a claim fences its former owner once and loses no reservation', async () => {
      const issuer = await counted();
      persistence.next(fails(new Error('lost')), fails(new Error('lost')));
      expect(await issuer.campaign(ID).issue({ userId: 'ann' })).toMatchObject({ status: 'accepted' });
      await expireLeases(direct, ID);
      expect(await losing('claimDue', () => issuer.campaign(ID).settle())).toEqual({
        settled: 0,
        pending: 1,
        failed: 0,
      });
      await expireLeases(direct, ID);
      expect(await issuer.campaign(ID).settle()).toEqual({ settled: 1, pending: 0, failed: 0 });
      await audit();
    });

    test('a chunk of codes is loaded once', async () => {
      const issuer = issuerWith();
      await issuer.campaign(ID).open({ stock: { kind: 'codes' } });
      const codes = Array.from({ length: 700 }, (_, i) => `code-${i}`);
      const loaded = await losing('loadCodes', () => issuer.campaign(ID).loadCodes(codes));
      expect(loaded).toMatchObject({ read: 700, loaded: 700, duplicates: 0, total: 700, resumedAt: 0 });
      expect(await direct.llen(`{coupon:${ID}}:pool`)).toBe(700);
    });

    test('a code is replaced once', async () => {
      const issuer = issuerWith();
      await issuer.campaign(ID).open({ stock: { kind: 'codes' } });
      await issuer.campaign(ID).loadCodes(['a', 'b', 'c']);
      const change = { campaignId: ID, code: 'b', replacement: 'B' };
      expect(await losing('replaceCode', () => replaceCodeNamed(issuer, change))).toEqual({ status: 'replaced' });
      expect(await direct.lrange(`{coupon:${ID}}:pool`, 0, -1)).toEqual(['1:a', '2:B', '3:c']);
      await audit();
    });

    test('opening writes one campaign, and says that it did', async () => {
      const issuer = issuerWith();
      const definition = { id: ID, stock: { kind: 'counted', total: 5 } } as const;
      for (const script of ['registerCampaign', 'openCampaign', 'activateCampaign'] as const) {
        await direct.flushdb();
        const opened = await losing(script, () => openNamed(issuerWith(), definition));
        expect(opened).toMatchObject({ status: 'opened', campaign: { available: 5, ready: true } });
      }
      expect(await openNamed(issuer, definition)).toMatchObject({ status: 'exists' });
    });

    test('pause, resume and close happen once', async () => {
      const issuer = await counted();
      await losing('setPaused', () => issuer.campaign(ID).pause());
      expect(await issuer.campaign(ID).issue({ userId: 'ann' })).toEqual({ status: 'paused' });
      await losing('setPaused', () => issuer.campaign(ID).resume());
      expect(await issuer.campaign(ID).issue({ userId: 'ann' })).toMatchObject({ status: 'issued' });
      await losing('closeCampaign', () => issuer.campaign(ID).closeForGood());
      expect(await issuer.campaign(ID).issue({ userId: 'bob' })).toMatchObject({ status: 'closed' });
      await issuer.idle();
      await audit();
    });
  },
);
