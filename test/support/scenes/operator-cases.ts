import { expect } from 'vitest';
import { deriveId } from '../../../src/model/issuance.js';
import { announceRevokes } from '../../../src/redis/revoke.js';
import type { Order } from '../actors/actor.js';
import { openNamed, quarantinedOf, withoutId } from './named.js';
import { shardOf } from './revoking.js';
import type { Scene, SceneOptions } from './scene.js';

type Call = Extract<Order, { calls: unknown }>['calls'][number];

/** What an operator had begun in the process that is killed. */
export interface OperatorCase {
  readonly scene: SceneOptions;
  readonly prepare?: (scene: Scene) => Promise<unknown>;
  readonly call: (scene: Scene) => Call;
  /** Whether the step under test has had its effect. */
  readonly done: (scene: Scene) => Promise<boolean>;
  /** The operator does it again in another process. */
  readonly again: (scene: Scene, done: boolean) => Promise<unknown>;
  /** Where not all of it is given out to the end. */
  readonly end?: (scene: Scene) => Promise<unknown>;
}

const counted: SceneOptions = { stock: 'counted', saveMode: 'write-through', delivers: false };
const codes: SceneOptions = { ...counted, stock: 'codes' };
const REGISTRY = 'coupon:registry';

const field = ({ ground, campaignId }: Scene, name: string) =>
  ground.redis.hget(`{coupon:${campaignId}}:campaign`, name);
const keysOf = ({ ground, campaignId }: Scene) => ground.redis.keys(`{coupon:${campaignId}}:*`);
const isRegistered = async ({ ground, campaignId }: Scene) => (await ground.redis.hexists(REGISTRY, campaignId)) === 1;

async function open(scene: Scene): Promise<void> {
  const { survivor, campaignId } = scene;
  await openNamed(survivor, scene.definition);
  if (scene.codes.length > 0) await survivor.campaign(campaignId).loadCodes(scene.codes);
  await scene.issueTo('eve');
  await survivor.idle();
}

/** Ann and Bob were promised a coupon, and the database refuses them for good. */
async function quarantine(scene: Scene): Promise<void> {
  await open(scene);
  await scene.settle();
  for (const userId of ['ann', 'bob']) await scene.issueTo(userId);
  scene.saves = 'refused';
  await scene.survivor.campaign(scene.campaignId).settle();
  scene.saves = null;
  expect(await quarantinedOf(scene.survivor.campaign(scene.campaignId))).toHaveLength(2);
}

const opening: Omit<OperatorCase, 'done'> = {
  scene: counted,
  call: ({ campaignId, definition }) => ['open', campaignId, withoutId(definition)],
  again: async (scene) => {
    const serves = (await field(scene, 'verified')) === '1';
    expect(await scene.issueTo('ann'), 'it serves once it is active').toBe(serves ? 'issued' : 'refused');
    await openNamed(scene.survivor, scene.definition);
    expect(await scene.issueTo('ann')).toBe('issued');
  },
};

const GENERATION = 'coupon:generation';
const OVER = 'coupon:over';
const generations = new WeakMap<Scene, string | null>();

const withdrawing: Omit<OperatorCase, 'done'> = {
  scene: { ...codes, saveMode: 'write-behind', delivers: true },
  prepare: quarantine,
  call: ({ campaignId }) => ['quarantine.withdraw', campaignId, { all: true }],
  again: async (scene) => {
    const { campaignId, survivor } = scene;
    const left = (await quarantinedOf(survivor.campaign(campaignId))).length;
    expect(await survivor.campaign(campaignId).quarantine.withdraw({ all: true })).toEqual({ withdrawn: left });
    for (const userId of ['ann', 'bob']) expect(await scene.issueTo(userId)).toBe('accepted');
  },
  end: (scene) => scene.end({ total: scene.total - 2, withdrawn: 2 }),
};

const reconciling: Pick<OperatorCase, 'scene' | 'call' | 'again'> = {
  scene: counted,
  call: ({ campaignId }) => ['reconcile', campaignId, { repair: 'safe' }],
  again: async ({ survivor, campaignId }) => {
    await survivor.campaign(campaignId).reconcile({ repair: 'safe' });
    expect((await survivor.campaign(campaignId).reconcile()).findings).toEqual([]);
  },
};

const idOfEve = ({ campaignId }: Scene) => deriveId(campaignId, 'eve', 'request of eve');
const announcedOfEve = (scene: Scene) => field(scene, `revoking:${idOfEve(scene)}`);
const revocationOf = (scene: Scene) =>
  ({ id: idOfEve(scene), userId: 'eve', revocationId: 'fraud', unit: 'returned', again: true }) as const;

/** As if a lease had passed since. */
async function makeAnnouncedDue(scene: Scene): Promise<void> {
  const text = await announcedOfEve(scene);
  if (text === null) return;
  const { ground, campaignId } = scene;
  const due = text.replace(/^(\d+):\d+/, '$1:1');
  await ground.redis.hset(`{coupon:${campaignId}}:campaign`, `revoking:${idOfEve(scene)}`, due);
}

const revoking: Omit<OperatorCase, 'done' | 'again'> = {
  scene: counted,
  prepare: open,
  call: (scene) => ['revoke', scene.campaignId, revocationOf(scene)],
  end: async (scene) => {
    const { survivor, campaignId } = scene;
    await scene.settle();
    await scene.drain();
    await scene.settle();
    await scene.checkNow();
    const books = await survivor.campaign(campaignId).inspect();
    expect(books).toMatchObject({ total: 6, available: 0, reserved: 0, issued: 6, withdrawn: 1, replaced: 1 });
    expect(await scene.rows(), 'one unit came back, as a new one').toHaveLength(7);
    expect(await field(scene, 'revoking')).toBe('0');
    expect((await survivor.campaign(campaignId).reconcile()).findings).toEqual([]);
  },
};

const purging: Omit<OperatorCase, 'done' | 'again'> = {
  scene: counted,
  prepare: async (scene) => {
    await open(scene);
    await scene.survivor.campaign(scene.campaignId).closeForGood();
  },
  call: ({ campaignId }) => ['purge', campaignId],
  end: async (scene) => {
    expect(await keysOf(scene)).toEqual([]);
    expect(await isRegistered(scene)).toBe(false);
    expect(await scene.rows()).toMatchObject([{ userId: 'eve' }]);
  },
};

/** By the step at which the operator's process is killed. */
export const operatorCases: Readonly<Record<string, OperatorCase>> = {
  'register-campaign': { ...opening, done: isRegistered },
  'next-generation': {
    ...opening,
    prepare: async (scene) => generations.set(scene, await scene.ground.redis.hget(GENERATION, 'last')),
    done: async (scene) => (await scene.ground.redis.hget(GENERATION, 'last')) !== generations.get(scene),
  },
  'drop-over': {
    ...opening,
    prepare: ({ ground, campaignId: id }) => ground.redis.zadd(OVER, 1, `closed:${id}`, 2, `purged:${id}`),
    done: async ({ ground, campaignId: id }) => (await ground.redis.zscore(OVER, `purged:${id}`)) === null,
  },
  'open-campaign': { ...opening, done: async (scene) => (await field(scene, 'epoch')) !== null },
  'activate-campaign': { ...opening, done: async (scene) => (await field(scene, 'verified')) === '1' },
  'set-paused': {
    scene: counted,
    prepare: open,
    call: ({ campaignId }) => ['pause', campaignId],
    done: async (scene) => (await field(scene, 'paused')) === '1',
    again: async (scene) => {
      await scene.survivor.campaign(scene.campaignId).pause();
      expect(await scene.issueTo('ann')).toBe('refused');
      expect(scene.ledger.count('paused')).toBe(1);
      await scene.survivor.campaign(scene.campaignId).resume();
    },
  },
  'set-pace': {
    scene: counted,
    prepare: open,
    call: ({ campaignId }) => ['setPace', campaignId, { savesPerSecond: 5 }],
    done: async (scene) => (await field(scene, 'savesPerSecond')) === '5',
    again: async ({ survivor, campaignId }) => {
      expect(await survivor.campaign(campaignId).setPace({ savesPerSecond: 5 })).toMatchObject({ savesPerSecond: 5 });
      expect((await survivor.campaign(campaignId).inspect()).pace.savesPerSecond).toBe(5);
    },
  },
  restock: {
    scene: counted,
    prepare: open,
    call: ({ campaignId }) => ['restock', campaignId, { add: 2, requestId: 'more' }],
    done: async ({ survivor, campaignId }) => (await survivor.campaign(campaignId).inspect()).total === 8,
    again: async ({ survivor, campaignId: id }) =>
      expect(await survivor.campaign(id).restock({ add: 2, requestId: 'more' })).toEqual({ total: 8, available: 7 }),
    end: (scene) => scene.end({ total: 8 }),
  },
  'update-campaign': {
    scene: counted,
    prepare: open,
    call: ({ campaignId }) => ['update', campaignId, { perUser: 2, requestId: 'more each' }],
    done: async (scene) => (await field(scene, 'perUser')) === '2',
    again: async (scene) => {
      const again = await scene.survivor.campaign(scene.campaignId).update({ perUser: 2, requestId: 'more each' });
      expect(again.perUser).toBe(2);
      expect(await field(scene, 'updates'), 'it was changed once').toBe('1');
    },
  },
  'replace-code': {
    scene: codes,
    prepare: open,
    call: ({ campaignId }) => ['replaceCode', campaignId, { code: 'code-3', replacement: 'new-3' }],
    done: async ({ ground, campaignId }) =>
      (await ground.redis.lrange(`{coupon:${campaignId}}:pool`, 0, -1)).includes('3:new-3'),
    again: async ({ survivor, campaignId }, done) =>
      expect(await survivor.campaign(campaignId).replaceCode({ code: 'code-3', replacement: 'new-3' })).toEqual({
        status: done ? 'not_in_pool' : 'replaced',
      }),
    end: async (scene) => {
      await scene.end();
      expect((await scene.rows()).map(({ code }) => code)[2]).toBe('new-3');
    },
  },
  'retry-quarantined': {
    scene: { ...counted, saveMode: 'write-behind' },
    prepare: quarantine,
    call: ({ campaignId }) => ['quarantine.retry', campaignId, { all: true }],
    done: async ({ survivor, campaignId }) => (await quarantinedOf(survivor.campaign(campaignId))).length === 0,
    again: async ({ survivor, campaignId }, done) => {
      expect(await survivor.campaign(campaignId).quarantine.retry({ all: true })).toEqual({ retried: done ? 0 : 2 });
      expect(await survivor.campaign(campaignId).settle()).toMatchObject({ settled: 2, pending: 0 });
    },
  },
  withdraw: {
    ...withdrawing,
    done: async ({ survivor, campaignId }) => (await survivor.campaign(campaignId).inspect()).withdrawn === 2,
  },
  recall: { ...withdrawing, done: async ({ recalls }) => recalls.length > 0 },
  'mend-row': {
    ...reconciling,
    prepare: async (scene) => {
      await open(scene);
      await scene.writeRow({ userId: 'stranger', serial: scene.total });
    },
    done: async (scene) => (await scene.leftOf('stranger')) === 'issued',
  },
  'reopen-grant': {
    ...reconciling,
    prepare: async (scene) => {
      await open(scene);
      const { database } = scene.ground;
      await database.pool.query('DELETE FROM coupon_issuances WHERE campaign_id = $1', [scene.campaignId]);
    },
    done: async (scene) => (await scene.leftOf('eve')) === 'reserved',
  },
  'close-campaign': {
    scene: counted,
    prepare: async (scene) => {
      await open(scene);
      scene.saves = 'in doubt';
      expect(await scene.issueTo('ann')).toBe('accepted');
      scene.saves = null;
    },
    call: ({ campaignId }) => ['closeForGood', campaignId, { retainMs: 3_600_000 }],
    done: async (scene) => (await field(scene, 'closedAt')) !== null,
    again: async (scene, done) => {
      const closedAt = await field(scene, 'closedAt');
      await scene.survivor.campaign(scene.campaignId).closeForGood({ retainMs: 3_600_000 });
      if (done) expect(await field(scene, 'closedAt'), 'the first close counts').toBe(closedAt);
      expect(await scene.issueTo('bob')).toBe('refused');
    },
    end: async (scene) => {
      await scene.settle();
      await scene.checkNow();
      expect(await scene.leftOf('ann')).toBe('issued');
      expect(await scene.rows()).toHaveLength(2);
      const keys = await keysOf(scene);
      const lives = await Promise.all(keys.map((key) => scene.ground.redis.pttl(key)));
      expect(lives.filter((ms) => ms <= 0 || ms > 3_600_000)).toEqual([]);
      expect(scene.ledger.violations(scene.campaignId, await scene.rows(), true)).toEqual([]);
    },
  },
  'purge-campaign': {
    ...purging,
    done: async (scene) => (await keysOf(scene)).length === 0,
    again: ({ survivor, campaignId }) => survivor.campaign(campaignId).purge(),
  },
  'note-over': {
    ...purging,
    done: async ({ ground, campaignId: id }) => (await ground.redis.zscore(OVER, `purged:${id}`)) !== null,
    again: ({ survivor, campaignId }) => survivor.campaign(campaignId).purge(),
  },
  'announce-revoke': {
    ...revoking,
    done: async (scene) => (await announcedOfEve(scene)) !== null,
    again: async (scene) => {
      const again = await scene.survivor.campaign(scene.campaignId).revoke(revocationOf(scene));
      expect(again).toMatchObject({ status: 'taken_back', stock: 'done' });
    },
  },
  // The row is revoked, so a worker does the rest.
  'take-back': {
    ...revoking,
    done: async (scene) => (await field(scene, 'replaced')) === '1',
    again: async (scene) => {
      await makeAnnouncedDue(scene);
      await scene.survivor.campaign(scene.campaignId).settle();
      expect(await field(scene, 'replaced')).toBe('1');
    },
  },
  // A worker, which found that the coupon was not revoked.
  'drop-announced': {
    scene: counted,
    prepare: async (scene) => {
      await open(scene);
      const [row] = await scene.rows();
      const { serial } = row!;
      const announced = { id: idOfEve(scene), userId: 'eve', serial, version: 0 };
      await announceRevokes(await shardOf(scene.ground.redis, scene.campaignId), [announced]);
      await makeAnnouncedDue(scene);
    },
    call: ({ campaignId }) => ['settle', campaignId],
    done: async (scene) => (await announcedOfEve(scene)) === null,
    again: async (scene) => {
      await scene.survivor.campaign(scene.campaignId).settle();
      expect(await field(scene, 'revoking')).toBe('0');
      expect(await scene.leftOf('eve')).toBe('issued');
    },
  },
  'forget-campaign': {
    ...purging,
    done: async (scene) => !(await isRegistered(scene)),
    again: async ({ survivor, campaignId }, done) => {
      const purged = survivor.campaign(campaignId).purge();
      if (done) await expect(purged).rejects.toThrow('is over');
      else await purged;
    },
  },
};
