import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CouponIssuer, type Issuance } from '../../src/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { Actor } from '../support/actors/actor.js';
import { checkInvariants } from '../support/checks/invariants.js';
import { loadScripts } from '../support/scenes/campaigns.js';
import { Database } from '../support/servers/database.js';
import { copyData, KEEPS, putBack } from '../support/servers/redis-data.js';
import { RedisServer } from '../support/servers/redis-server.js';

const TOTAL = 3;
const DEFINITION = { stock: { kind: 'counted', total: TOTAL, generateCodes: true } } as const;

let server: RedisServer;
let database: Database;
let persistence: PostgresPersistence;
let campaigns = 0;
let id: string;
beforeAll(async () => {
  [server, database] = await Promise.all([RedisServer.with({ args: KEEPS.dumped }), Database.create()]);
  persistence = new PostgresPersistence(database.pool);
  await persistence.createTable();
});
afterAll(() => Promise.all([server.stop(), database.stop()]));
beforeEach(() => {
  id = `rolled-back-${++campaigns}`;
});

/** A process that has seen nothing of Redis yet. */
const newIssuer = () => new CouponIssuer({ redis: server.client(), persistence });

async function couponOf(issuer: CouponIssuer, userId: string): Promise<Issuance> {
  const result = await issuer.campaign(id).issue({ userId });
  if (result.status !== 'issued') throw new Error(result.status);
  await issuer.idle();
  return result.issuance;
}

/** Another process revokes the coupon, and is killed there. */
async function revokeUntil(point: 'before take-back' | 'after take-back', request: object): Promise<void> {
  const actor = await Actor.start({
    redisPort: server.port,
    postgresUrl: database.url,
    identifies: true,
    holdAt: { point },
  });
  actor.order({ calls: [['revoke', id, request]] });
  await actor.reaches(point);
  expect(await actor.kill()).toBe('SIGKILL');
}

/** Redis is started again from the data of before. */
async function rollBack(older: string): Promise<void> {
  expect(await server.kill()).toBe('SIGKILL');
  putBack(server.dir, older);
  await server.restart();
}

describe.each([
  ['whose unit is returned', { unit: 'returned', again: false }],
  ['whose user may ask again', { unit: 'kept', again: true }],
  ['whose unit and grant are free', { unit: 'returned', again: true }],
  ['whose unit is kept', { unit: 'kept', again: false }],
] as const)('Redis goes back to before the revocation of a coupon %s', (_, how) => {
  describe.each(['before take-back', 'after take-back'] as const)('whose process is killed %s', (point) => {
    /** Ann's coupon is revoked in the database, and Redis knows it as issued, as Bob's. */
    async function scene(meanwhile: (issuer: CouponIssuer) => Promise<unknown>) {
      // A script that Redis does not know is sent whole, and reached in another way.
      await loadScripts(server.client());
      const issuer = newIssuer();
      await issuer.campaign(id).open(DEFINITION);
      const coupon = await couponOf(issuer, 'ann');
      await couponOf(issuer, 'bob');
      await server.client().save();
      const older = copyData(server.dir);
      const request = { id: coupon.id, userId: 'ann', revocationId: 'R', ...how };
      await revokeUntil(point, request);
      await meanwhile(issuer);
      await rollBack(older);
      return { issuer, request };
    }

    /** Each unit is there once, also after the revocation is asked for again. */
    async function endsWith({ issued, request }: { issued: number; request: object }): Promise<void> {
      const issuer = newIssuer();
      const launch = issuer.campaign(id);
      const available = TOTAL - issued - (how.unit === 'kept' ? 1 : 0);
      // The mark counts as long as Ann may have no other coupon.
      const revoked = how.again ? 0 : 1;
      for (let round = 0; round < 2; round++) {
        const counts = { available, issued: issued + revoked, revoked, reserved: 0, total: TOTAL };
        expect(await launch.inspect()).toMatchObject({ ...counts, ready: true });
        expect(await launch.userStatus({ userId: 'ann' })).toMatchObject({ status: how.again ? 'none' : 'revoked' });
        const rows = await persistence.list(id, { afterSerial: 0, limit: 100 });
        await checkInvariants({ redis: server.client(), campaignId: id, rows: [...rows], settled: true });
        expect(await launch.revoke(request as never)).toMatchObject({ status: 'taken_back', stock: 'done' });
        await launch.settle();
      }
      for (const userId of ['dan', 'eve', 'fay'].slice(0, available)) await couponOf(issuer, userId);
      expect((await launch.issue({ userId: 'gus' })).status).toBe('sold_out');
    }

    test('one reconcile of a process that saw nothing newer takes the unit back once', async () => {
      const { request } = await scene(async () => {});
      const launch = newIssuer().campaign(id);
      expect(await launch.userStatus({ userId: 'ann' }), 'Redis knows nothing of it').toMatchObject({
        status: 'issued',
      });
      await launch.reconcile({ repair: 'safe' });
      await endsWith({ issued: 1, request });
    });

    test('a process that saw newer state refuses, and a rebuild takes the unit back once', async () => {
      const { issuer, request } = await scene((before) => couponOf(before, 'cho'));
      expect(await issuer.campaign(id).issue({ userId: 'dan' })).toEqual({
        status: 'not_ready',
        reason: 'rolled_back',
      });
      await issuer.campaign(id).rebuild(DEFINITION);
      await endsWith({ issued: 2, request });
    });
  });
});
