import { afterAll, beforeAll, expect, test } from 'vitest';
import { drawKey } from '../../src/index.js';
import type { Call, When } from '../support/actors/actor.js';
import { hostKills } from '../support/scenes/kill-cases.js';
import { names, prepareGround, SHORT, WaitingScene } from '../support/scenes/waiting-scene.js';

let ground: Awaited<ReturnType<typeof prepareGround>>;
beforeAll(async () => {
  ground = await prepareGround();
});
afterAll(() => ground.stop());

const USERS = names(5);
const HOUR = 3_600_000;

/** What the process was about, what it leaves, and what a repeat of it by another process comes to. */
interface Act {
  readonly call: (scene: WaitingScene) => Call;
  readonly left: (scene: WaitingScene, when: When) => Promise<void>;
  readonly again: (scene: WaitingScene) => Promise<void>;
  /** Who is served in the end, in this order. */
  readonly served: (scene: WaitingScene) => Promise<readonly string[]>;
}

const waitingOf = async (scene: WaitingScene) => (await scene.checkLine()).length;
const everybody = async () => USERS;

const acts: Record<string, Act> = {
  'join-line': {
    call: ({ campaignId }) => ['join', campaignId, { userId: 'late', requestId: 'wish of late' }],
    left: async (scene, when) => expect(await waitingOf(scene)).toBe(USERS.length + (when === 'after' ? 1 : 0)),
    again: async (scene) => expect(await scene.join('late')).toMatchObject({ status: 'waiting', position: 6 }),
    served: async () => [...USERS, 'late'],
  },
  'leave-line': {
    call: ({ campaignId }) => ['leave', campaignId, { userId: 'user-2' }],
    left: async (scene, when) => expect(await waitingOf(scene)).toBe(USERS.length - (when === 'after' ? 1 : 0)),
    again: async (scene) => expect(await scene.leave('user-2')).toEqual({ status: 'left' }),
    served: async () => USERS.filter((userId) => userId !== 'user-2'),
  },
  'find-places': {
    call: ({ campaignId }) => ['userStatus', campaignId, { userId: 'user-2' }],
    left: async (scene) => expect(await waitingOf(scene)).toBe(USERS.length),
    again: async (scene) => expect(await scene.statusOf('user-2')).toMatchObject({ status: 'waiting', position: 2 }),
    served: everybody,
  },
  'tend-line': {
    call: ({ campaignId }) => ['admit', campaignId, { count: 2 }],
    left: async (scene) => expect(await waitingOf(scene)).toBe(USERS.length),
    again: async (scene) => expect(await scene.admit(2)).toMatchObject({ admitted: 2, waiting: 3 }),
    served: everybody,
  },
  'admit-line': {
    call: ({ campaignId }) => ['admit', campaignId, { count: 2 }],
    left: async (scene, when) => expect(await waitingOf(scene)).toBe(USERS.length - (when === 'after' ? 2 : 0)),
    again: async (scene) => expect(await scene.admit(1)).toMatchObject({ admitted: 1 }),
    served: everybody,
  },
  'draw-line': {
    call: ({ campaignId }) => ['admit', campaignId, { count: 2 }],
    left: async (scene, when) => expect((await scene.inspect()).drawSeed === null).toBe(when === 'before'),
    again: async (scene) => expect(await scene.admit(2)).toMatchObject({ admitted: 2, waiting: 3 }),
    async served(scene) {
      const { drawSeed } = await scene.inspect();
      return USERS.toSorted((a, b) => drawKey(drawSeed!, a) - drawKey(drawSeed!, b));
    },
  },
};

async function opened(step: string): Promise<WaitingScene> {
  const draws = { opensAt: new Date(Date.now() + HOUR), drawAtOpen: true };
  const campaign = { presenceMs: 60_000, ...(step === 'draw-line' ? draws : {}) };
  const scene = await WaitingScene.open(ground, { issuer: SHORT, campaign });
  await scene.joinAll(USERS);
  if (step === 'draw-line') await ground.redis.hset(scene.key('campaign'), 'opensAt', '1');
  return scene;
}

test.each(hostKills)('a process killed $when $step leaves a line that another goes on with', async ({ step, when }) => {
  const act = acts[step]!;
  const scene = await opened(step);
  const actor = await scene.actor({ holdAt: { point: `${when} ${step}` } });
  actor.order({ calls: [act.call(scene)] });
  await actor.reaches(`${when} ${step}`);
  expect(await actor.kill()).toBe('SIGKILL');
  await act.left(scene, when);
  await act.again(scene);
  await scene.admit(10);
  await scene.settle();
  const served = await act.served(scene);
  expect(await scene.served()).toEqual(served.map((userId, i) => `${i + 1} ${userId}`));
  await scene.end({ ordered: step !== 'draw-line' });
});
