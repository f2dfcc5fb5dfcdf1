import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  CouponIssuer,
  type CouponIssuerOptions,
  type Issuance,
  MemoryPersistence,
  type RebuildOptions,
  type RebuildProgress,
  type RedisClient,
} from '../../src/index.js';
import { scripts } from '../../src/redis/scripts.js';
import { checkInvariants, expireLeases } from '../support/checks/invariants.js';
import { loadScripts, withEach } from '../support/scenes/campaigns.js';
import { type NamedDefinition, openNamed, rebuildNamed } from '../support/scenes/named.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { shaOf } from '../support/servers/sent.js';

const ID = 'losers';
let server: RedisServer;
let redis: Redis;
let persistence: MemoryPersistence;
let told: string[];
let recalled: Issuance[];

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
  await loadScripts(redis);
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redis.flushall();
  persistence = new MemoryPersistence();
  [told, recalled] = [[], []];
});

const TOLD = ['lost', 'withdrawn', 'fault'];
const issuerWith = (options: Partial<CouponIssuerOptions> = {}) =>
  new CouponIssuer({
    redis,
    persistence,
    onEvent: (event) => {
      if (TOLD.includes(event.type)) told.push(`${event.type} ${'userId' in event ? event.userId : ''}`);
    },
    ...options,
  });
const strangers = (count: number, code?: string): Issuance[] =>
  Array.from({ length: count }, (_, i) => ({
    id: String(i).padEnd(22, 'a'),
    campaignId: ID,
    userId: `stranger-${i}`,
    grant: 1,
    serial: i + 1,
    code: code ?? null,
    issuedAt: new Date(1),
    epoch: '1-x',
    state: 'issued',
  }));
const audit = async () =>
  checkInvariants({
    redis,
    campaignId: ID,
    rows: await persistence.list(ID, { afterSerial: 0, limit: 10_000 }),
    settled: true,
  });

/** A client that loses the nth reply of this script, or (`unsent`) the nth call of it. */
function losing(script: Parameters<typeof shaOf>[0], nth: number, unsent = false): RedisClient {
  let calls = 0;
  return withEach(redis, async (sha1, send) => {
    const loses = sha1 === shaOf(script) && ++calls === nth;
    const reply = loses && unsent ? null : await send();
    if (loses) throw new Error('Connection is closed.');
    return reply;
  });
}

describe('users for whom no unit is left', () => {
  const COUNT = 510;
  const definition: NamedDefinition = {
    id: ID,
    stock: { kind: 'counted', total: COUNT },
    saveMode: 'write-behind',
  };
  const users = Array.from({ length: COUNT }, (_, i) => `user-${COUNT - i}`);
  beforeEach(async () => {
    const issuer = issuerWith();
    await openNamed(issuer, definition);
    await Promise.all(users.map((userId) => issuer.campaign(ID).issue({ userId })));
    await persistence.save(strangers(COUNT));
  });

  test('keep their order through two rebuilds that begin anew, of which one carried no promise over', async () => {
    const larger = { ...definition, stock: { kind: 'counted', total: COUNT + 1 } } as const;
    const wider = { ...larger, perUser: 2 };
    await expect(
      rebuildNamed(issuerWith({ redis: losing(scripts.finishRebuild, 1, true) }), definition),
    ).rejects.toMatchObject({ code: 'REDIS' });
    await expect(
      rebuildNamed(issuerWith({ redis: losing(scripts.keepPromised, 1, true) }), larger),
    ).rejects.toMatchObject({ code: 'REDIS' });
    const { lost } = await rebuildNamed(issuerWith(), wider);
    expect(lost.map(({ userId }) => userId)).not.toContain(users[0]);
    expect(lost).toHaveLength(COUNT - 1);
  });

  test('are each named once, in the result and by an event', async () => {
    const { lost, campaign } = await rebuildNamed(issuerWith(), definition);
    expect(lost.map(({ userId }) => userId).sort()).toEqual([...users].sort());
    expect(told.sort()).toEqual(users.map((userId) => `lost ${userId}`).sort());
    expect(campaign).toMatchObject({ issued: COUNT, reserved: 0, available: 0 });
    await audit();
  });

  test.each([
    [1, COUNT],
    [2, COUNT - 500],
    [3, COUNT - 500],
    [4, 0],
  ])('are all told where reply %i of the last step is lost', async (nth, left) => {
    const dying = issuerWith({ redis: losing(scripts.finishRebuild, nth) });
    await expect(rebuildNamed(dying, definition)).rejects.toMatchObject({ code: 'REDIS' });
    const { lost } = await rebuildNamed(issuerWith(), definition);
    expect(new Set(told)).toEqual(new Set(users.map((userId) => `lost ${userId}`)));
    // Those who were told, and left with a call of the first run, are not in the result of the second one.
    expect(lost).toHaveLength(left);
    await audit();
  });
});

describe('a unit that was delivered, and that the database gave to another user', () => {
  const definition: NamedDefinition = { id: ID, stock: { kind: 'codes' } };
  const TWO: NamedDefinition = { ...definition, perUser: 2 };
  const delivered: string[] = [];
  const deliver = ({ userId, code }: Issuance) => void delivered.push(`${userId} ${code}`);
  const recall = (issuance: Issuance) => void recalled.push(issuance);
  const RECALLED = { userId: 'ann', code: 'A', serial: 1, data: { order: 7 } };
  const rebuild = (options: Partial<CouponIssuerOptions> = {}) =>
    rebuildNamed(issuerWith({ deliver, recall, ...options }), definition, { codes: ['A', 'B', 'C'] });

  beforeEach(async () => {
    delivered.length = 0;
    const save = async () => {
      throw new Error('died');
    };
    const dead = issuerWith({ persistence: { save, list: persistence.list.bind(persistence) }, deliver });
    await openNamed(dead, definition);
    await dead.campaign(ID).loadCodes(['A', 'B', 'C']);
    const answer = await dead.campaign(ID).issue({ userId: 'ann', data: { order: 7 } });
    expect([answer.status, delivered]).toEqual(['accepted', ['ann A']]);
    told.length = 0;
  });

  test('is recalled with its code and data, and its user gets another one', async () => {
    await persistence.save(strangers(1, 'A'));
    await rebuild();
    expect(recalled).toMatchObject([RECALLED]);
    expect(told).toEqual(['withdrawn ann']);
    const settling = issuerWith({ deliver, recall });
    await redis.zadd(`{coupon:${ID}}:leases`, 0, '1:ann');
    await settling.campaign(ID).settle();
    expect(delivered).toEqual(['ann A', 'ann B']);
    expect(recalled).toHaveLength(1);
    await audit();
  });

  test('is recalled where its user has a coupon on another unit', async () => {
    await persistence.save([{ ...strangers(1, 'B')[0]!, userId: 'ann', serial: 2 }]);
    const { campaign } = await rebuild();
    expect(recalled).toMatchObject([RECALLED]);
    expect(told).toEqual(['withdrawn ann']);
    expect(campaign).toMatchObject({ issued: 1, reserved: 0, withdrawn: 1 });
    await audit();
  });

  test('is recalled by the next run too, if a run stops behind its recall', async () => {
    await persistence.save(strangers(1, 'A'));
    await expect(rebuild({ redis: losing(scripts.rebuildRows, 2, true) })).rejects.toMatchObject({ code: 'REDIS' });
    await rebuild();
    expect(recalled).toMatchObject([RECALLED, RECALLED]);
    expect(told).toEqual(['withdrawn ann', 'withdrawn ann']);
  });

  const STRANGER = () => strangers(1, 'X');
  const OWN = () => [{ ...strangers(1, 'B')[0]!, userId: 'ann', serial: 2 }];
  const AT_ROWS = { onProgress: ({ phase }: RebuildProgress) => stopAt('rows', phase) };
  const AT_CODES = { onProgress: ({ phase }: RebuildProgress) => stopAt('codes', phase) };
  const stopAt = (where: string, phase: string) => {
    if (phase === where) throw new Error('stopped');
  };
  test.each([
    ['the row of its unit has another code, and a rebuild stopped in its codes', STRANGER, AT_CODES, definition],
    ['the row of its unit has another code, and a rebuild of another definition stopped', STRANGER, AT_ROWS, TWO],
    ['its user has a coupon on another unit, and a rebuild stopped in its codes', OWN, AT_CODES, definition],
    ['its user has a coupon on another unit, and a rebuild of another definition stopped', OWN, AT_ROWS, TWO],
  ])('goes to nobody else with its code where %s', async (_, rows, stop, next) => {
    await persistence.save(rows());
    const codes = ['A', 'B', 'C'];
    const run = (of: NamedDefinition, options: RebuildOptions) =>
      rebuildNamed(issuerWith({ deliver, recall }), of, options);
    await expect(run(definition, { codes, ...stop })).rejects.toThrow('stopped');
    const { campaign } = await run(next, { codes });
    const pool = await redis.lrange(`{coupon:${ID}}:pool`, 0, -1);
    expect(pool.map((unit) => unit.split(':')[1])).not.toContain('A');
    expect(campaign).toMatchObject({ withdrawn: 1, available: pool.length, codesRetired: 0 });
    expect(campaign.total).toBe(pool.length + campaign.reserved + campaign.issued + 1);
    await expireLeases(redis, ID);
    await issuerWith({ deliver, recall }).campaign(ID).settle();
    await audit();
  });

  test('is told where the recall fails, and the rebuild goes on', async () => {
    await persistence.save(strangers(1, 'A'));
    const failing = () => {
      throw new Error('no');
    };
    await rebuild({ recall: failing });
    expect(told).toEqual(['withdrawn ann', 'fault ']);
  });

  test('stays with its user, and is not recalled, where nobody else has it', async () => {
    await persistence.save([{ ...strangers(1, 'B')[0]!, serial: 2 }]);
    await rebuild();
    expect([recalled, told]).toEqual([[], []]);
  });
});

describe('a promise to another coupon of a user, whose grant is the row of the first one', () => {
  const definition: NamedDefinition = {
    id: ID,
    stock: { kind: 'counted', total: 9 },
    perUser: 3,
    saveMode: 'write-behind',
  };
  let issuer: CouponIssuer;
  /** The rows of coupons that Redis forgot, and in their grants promises to others. */
  const row = (grant: number, serial: number, letter = 'c'): Issuance => ({
    ...strangers(1)[0]!,
    id: `${letter}${serial}`.padEnd(22, letter),
    userId: 'ann',
    grant,
    serial,
  });
  const saved = async () =>
    (await persistence.list(ID, { afterSerial: 0, limit: 99 })).map(({ id, grant, serial }) => [grant, serial, id]);
  const issue = async (requestId: string) => {
    const answer = await issuer.campaign(ID).issue({ userId: 'ann', requestId, data: { requestId } });
    if (answer.status !== 'accepted') throw new Error(answer.status);
    return answer.issuance;
  };
  beforeEach(async () => {
    issuer = issuerWith();
    await openNamed(issuer, definition);
  });

  test('keeps its unit and its data, and moves to the first grant that has nothing', async () => {
    const first = await issue('one');
    await persistence.save([row(1, 7)]);
    const { lost, campaign } = await rebuildNamed(issuerWith(), definition);
    expect([lost, campaign.reserved, campaign.issued]).toEqual([[], 1, 1]);
    await issuer.campaign(ID).settle();
    expect(await saved()).toEqual([
      [2, 1, first.id],
      [1, 7, row(1, 7).id],
    ]);
    const [{ data }] = (await persistence.list(ID, { afterSerial: 0, limit: 1 })) as [Issuance];
    expect(data).toEqual({ requestId: 'one' });
    await audit();
  });

  test('moves on where a later row has that grant too, of this stretch or another', async () => {
    for (const far of [8, 900]) {
      await redis.flushall();
      persistence = new MemoryPersistence();
      const large = { ...definition, stock: { kind: 'counted', total: 1_000 } } as const;
      issuer = issuerWith();
      await openNamed(issuer, large);
      const first = await issue('one');
      await persistence.save([row(1, 7), row(2, far)]);
      await rebuildNamed(issuerWith(), large);
      await issuer.campaign(ID).settle();
      expect(await saved()).toEqual([
        [3, 1, first.id],
        [1, 7, row(1, 7).id],
        [2, far, row(2, far).id],
      ]);
      await audit();
    }
  });

  test('gets another unit where the row has its own, in the grant that it moved to', async () => {
    const first = await issue('one');
    await persistence.save([row(1, 1)]);
    await rebuildNamed(issuerWith(), definition);
    await issuer.campaign(ID).settle();
    expect(await saved()).toEqual([
      [1, 1, row(1, 1).id],
      [2, 2, first.id],
    ]);
    await audit();
  });

  test('keeps its unit where that is beyond the last row', async () => {
    const [first, second] = [await issue('one'), await issue('two')];
    await persistence.save([row(2, 1)]);
    await rebuildNamed(issuerWith(), definition);
    expect(await issuer.campaign(ID).issue({ userId: 'bob' })).toMatchObject({ issuance: { serial: 4 } });
    await issuer.campaign(ID).settle();
    expect((await saved()).slice(0, 3)).toEqual([
      [2, 1, row(2, 1).id],
      [3, 2, second.id],
      [1, 3, first.id],
    ]);
    await audit();
  });

  test('ends where its own row is in another grant', async () => {
    const first = await issue('one');
    await persistence.save([{ ...row(2, 1), id: first.id }]);
    const { campaign } = await rebuildNamed(issuerWith(), definition);
    expect([campaign.reserved, campaign.issued]).toEqual([0, 1]);
    await audit();
  });

  test('moves to the grant that a promise with the id of that row leaves', async () => {
    const two = { ...definition, perUser: 2 };
    await redis.flushall();
    issuer = issuerWith();
    await openNamed(issuer, two);
    const [other, own] = [await issue('two'), await issue('one')];
    await persistence.save([{ ...row(1, 7), id: own.id }]);
    const { lost, campaign } = await rebuildNamed(issuerWith(), two);
    expect([lost, campaign.reserved, campaign.issued]).toEqual([[], 1, 1]);
    await issuer.campaign(ID).settle();
    expect(await saved()).toEqual([
      [2, 1, other.id],
      [1, 7, own.id],
    ]);
    await audit();
  });

  test('is recalled with its own data where it moves to such a grant and then loses its unit', async () => {
    const hooks = { deliver: () => {}, recall: (issuance: Issuance) => void recalled.push(issuance) };
    const two: NamedDefinition = { ...definition, perUser: 2, saveMode: 'write-through' };
    await redis.flushall();
    const failing = async () => {
      throw new Error('died');
    };
    issuer = issuerWith({ ...hooks, persistence: { save: failing, list: persistence.list.bind(persistence) } });
    await openNamed(issuer, two);
    const bare = await issuer.campaign(ID).issue({ userId: 'ann', requestId: 'two' });
    const own = await issue('one');
    const id = bare.status === 'accepted' && bare.issuance.id;
    await persistence.save([{ ...row(1, 7), id: own.id }, strangers(1)[0]!]);
    await rebuildNamed(issuerWith(hooks), two);
    expect(recalled.map((one) => [one.serial, one.id, one.data])).toEqual(
      expect.arrayContaining([
        [2, own.id, { requestId: 'one' }],
        [1, id, undefined],
      ]),
    );
    await expireLeases(redis, ID);
    await issuerWith(hooks).campaign(ID).settle();
    expect(await saved()).toContainEqual([2, 2, id]);
    await audit();
  });

  test('ends where its user may have no more', async () => {
    const [first, second] = [await issue('one'), await issue('two')];
    await persistence.save([{ ...row(2, 1), id: first.id }, row(1, 7), row(3, 8)]);
    const { lost, campaign } = await rebuildNamed(issuerWith(), definition);
    expect([lost, campaign.reserved, campaign.issued]).toEqual([[], 0, 3]);
    await issuer.campaign(ID).settle();
    expect((await saved()).map(([, , id]) => id)).not.toContain(second.id);
    await audit();
  });
});
