import { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';
import { NotReadyError, type WaitingChange } from '../../src/index.js';
import { length } from '../support/checks/lengths.js';
import { own } from '../support/checks/own.js';
import { until } from '../support/checks/until.js';
import { rebuildNamed } from '../support/scenes/named.js';
import { names, prepareGround, SHORT, WaitingScene } from '../support/scenes/waiting-scene.js';
import { client } from '../support/servers/fault-clients.js';
import { copyData, KEEPS, putBack, removeData } from '../support/servers/redis-data.js';

const NOT_READY = (reason: string) => ({ status: 'not_ready', reason });
const last = (changes: readonly WaitingChange[]) => changes.at(-1);
const words = (changes: readonly WaitingChange[]) => changes.map(({ status }) => status);

/** Watches, and keeps what was told so far. */
function watching(scene: WaitingScene, userId: string, issuer = scene.issuer) {
  const told: WaitingChange[] = [];
  const iterator = issuer.campaign(scene.campaignId).watch({ userId });
  const ended = (async () => {
    for await (const change of iterator) told.push(change);
    return told;
  })();
  return { told, ended };
}

test.each([
  ['synced', KEEPS.synced],
  ['written', KEEPS.written],
])(
  'a redis-server killed again and again while people join and are let through, its file %s before each reply: nobody loses their place',
  async (_, args) => {
    const ground = await own(prepareGround(args));
    const users = length(4_000, 20_000);
    const scene = await WaitingScene.open(ground, { total: users + 10, issuer: SHORT });
    const joiners = [0, 1].map(() => scene.process({ redis: client(new Redis(ground.server.port, '127.0.0.1')) }));
    const watchers = names(40).map((userId) => ({ userId, started: false }));
    const watched: ReturnType<typeof watching>[] = [];
    const statuses = new Map<string, string>();
    const queue = names(users);
    /** What is unknown is asked again, as a user would. */
    const joinForSure = async (userId: string, issuer = scene.issuer): Promise<void> => {
      for (;;) {
        const told = await scene.join(userId, issuer).catch((error: Error) => error);
        if (told instanceof Error) {
          expect(told).toMatchObject({ code: 'REDIS' });
          continue;
        }
        statuses.set(userId, told.status);
        return;
      }
    };
    const coming = Promise.all(
      joiners.flatMap((issuer) =>
        Array.from({ length: 10 }, async () => {
          for (let userId = queue.shift(); userId; userId = queue.shift()) {
            await joinForSure(userId, issuer);
            const watcher = watchers.find((one) => one.userId === userId && !one.started);
            if (watcher) {
              watcher.started = true;
              watched.push(watching(scene, userId, issuer));
            }
          }
        }),
      ),
    );
    const admitting = scene.process({ redis: client(new Redis(ground.server.port, '127.0.0.1')) });
    const worker = admitting.startWorker({ campaigns: [scene.campaignId], intervalMs: 20, batchSize: 20 });
    const kills = length(3, 20);
    for (let kill = 1; kill <= kills; kill++) {
      const told = Math.floor((users * kill) / (kills + 1));
      await until(() => statuses.size >= told);
      const toldBefore = [...scene.tickets.keys()];
      expect(queue.length, 'some are still to come').toBeGreaterThan(0);
      expect(await ground.server.kill()).toBe('SIGKILL');
      await ground.server.restart();
      const eye = client(new Redis(ground.server.port, '127.0.0.1'));
      const [line, grants] = await Promise.all([eye.zrange(scene.key('queue'), 0, -1), eye.hkeys(scene.key('grants'))]);
      const known = new Set([...line, ...grants.map((field) => field.slice(field.indexOf(':') + 1))]);
      expect(
        toldBefore.filter((userId) => !known.has(userId)),
        'who was told to wait waits or was let through',
      ).toEqual([]);
    }
    await coming;
    await until(
      async () => (await scene.rows()).length === users,
      40_000,
      () => 'not everybody was served',
    );
    await worker.stop();
    expect(statuses.size).toBe(users);
    const endings = await Promise.all(watched.map(({ ended }) => ended));
    expect(endings).toHaveLength(watchers.length);
    expect(endings.map((changes) => last(changes)?.status)).toEqual(watchers.map(() => 'issued'));
    // Served before the answer to their join arrived, a few were told so and no ticket.
    const straight = [...statuses].filter(([, status]) => status !== 'waiting').map(([userId]) => userId);
    expect(straight.length).toBeLessThan(users / 2);
    const rows = (await scene.rows()).filter(({ userId }) => scene.tickets.has(userId));
    const tickets = rows.map(({ userId }) => scene.tickets.get(userId)!);
    expect(tickets).toEqual(tickets.toSorted((a, b) => a - b));
    await scene.end({ ordered: straight.length === 0 });
  },
);

test('Redis restarted empty: everybody is told not ready, and after a rebuild the line is lost and nobody gets a second coupon', async () => {
  const ground = await own(prepareGround(KEEPS.written));
  const { server } = ground;
  const scene = await WaitingScene.open(ground, { total: 60 });
  const users = names(50);
  await scene.joinAll(users);
  expect(await scene.admit(20)).toMatchObject({ issued: 20, waiting: 30 });
  await scene.issuer.idle();
  const watched = users.slice(20, 30).map((userId) => watching(scene, userId));
  await until(() => watched.every(({ told }) => last(told)?.status === 'waiting'));
  const before = await scene.rows();

  expect(await server.kill()).toBe('SIGKILL');
  removeData(server.dir);
  await server.restart();
  await until(() => watched.every(({ told }) => last(told)?.status === 'not_ready'));
  for (const userId of ['user-1', 'user-30', 'stranger']) {
    expect(await scene.join(userId)).toEqual(NOT_READY('missing'));
    await expect(scene.statusOf(userId)).rejects.toThrow(NotReadyError);
    await expect(scene.leave(userId)).rejects.toThrow(NotReadyError);
  }
  await expect(scene.admit(10)).rejects.toThrow(NotReadyError);
  const worker = scene.issuer.startWorker({ campaigns: [scene.campaignId], intervalMs: 10 });
  await expect(scene.issuer.campaign(scene.campaignId).settle()).rejects.toThrow(NotReadyError);
  await worker.stop();
  expect(await scene.rows()).toEqual(before);

  await rebuildNamed(scene.issuer, scene.definition);
  expect((await Promise.all(watched.map(({ ended }) => ended))).map(last)).toEqual(
    watched.map(() => ({ status: 'lost' })),
  );
  // Not ready for more than one reason, or for one, as the looks fell.
  const phases = (told: readonly string[]) => told.filter((word, i) => word !== told[i - 1]);
  for (const { told } of watched) expect(phases(words(told)).slice(-3)).toEqual(['waiting', 'not_ready', 'lost']);
  expect(await scene.statusOf('user-30')).toEqual({ status: 'none', issuances: [] });
  const again = await scene.joinAll(users);
  expect(again.slice(0, 20).map(({ status }) => status)).toEqual(users.slice(0, 20).map(() => 'issued'));
  expect(again.slice(20)).toEqual(
    users.slice(20).map((_, i) => ({ status: 'waiting', ticket: i + 1, position: i + 1, etaMs: null })),
  );
  expect(await scene.admit(100)).toMatchObject({ admitted: 30, issued: 30, waiting: 0 });
  expect((await scene.rows()).slice(0, 20)).toEqual(before);
  expect((await scene.served()).slice(20)).toEqual(users.slice(20).map((userId, i) => `${21 + i} ${userId}`));
  // Tickets began anew with the new line.
  await scene.end({ ordered: false });
});

test.each([
  ['append-only file', KEEPS.written],
  ['dump', KEEPS.dumped],
] as const)(
  'an older %s put back: the line refuses; after a rebuild it goes on as it was then, and who has a coupon gets no second one',
  async (copy, args) => {
    const ground = await own(prepareGround(args));
    const { server, redis } = ground;
    const scene = await WaitingScene.open(ground, { total: 30 });
    const users = names(10);
    await scene.joinAll(users);
    await scene.admit(3);
    await scene.issuer.idle();
    if (copy === 'dump') await redis.save();
    const older = copyData(server.dir);
    // What is forgotten: user-4 to user-7 are served, user-8 leaves, and five more come.
    await scene.admit(4);
    await scene.issuer.idle();
    expect(await scene.leave('user-8')).toEqual({ status: 'left' });
    await scene.joinAll(names(5, 'late'));
    const watched = ['user-9', 'late-1'].map((userId) => watching(scene, userId));
    await until(() => watched.every(({ told }) => last(told)?.status === 'waiting'));
    const before = await scene.rows();
    expect(before).toHaveLength(7);

    expect(await server.kill()).toBe('SIGKILL');
    putBack(server.dir, older);
    await server.restart();
    await until(() => watched.every(({ told }) => last(told)?.status === 'not_ready'));
    for (const userId of ['user-5', 'user-9', 'late-1', 'stranger']) {
      expect(await scene.join(userId)).toEqual(NOT_READY('rolled_back'));
      await expect(scene.statusOf(userId)).rejects.toThrow(NotReadyError);
      await expect(scene.leave(userId)).rejects.toThrow(NotReadyError);
    }
    await expect(scene.admit(10)).rejects.toThrow(NotReadyError);
    expect(await scene.rows()).toEqual(before);

    await rebuildNamed(scene.issuer, scene.definition);
    expect(await scene.statusOf('user-9')).toMatchObject({ status: 'waiting', ticket: 9 });
    expect(last(await watched[1]!.ended)).toEqual({ status: 'lost' });
    expect(await scene.join('user-5')).toMatchObject({ status: 'issued', issuance: { serial: 5 } });
    expect(await scene.join('late-2')).toMatchObject({ status: 'waiting', ticket: 11 });
    while ((await scene.inspect()).waiting! > 0) await scene.admit(3);
    const after = [...names(10), 'late-2'].map((userId, i) => `${i + 1} ${userId}`);
    expect(await scene.served()).toEqual(after);
    expect(last(await watched[0]!.ended)).toMatchObject({ status: 'issued', issuance: { serial: 9 } });
    await scene.end();
  },
);

test('an older dump put back, and rebuilt: who has a coupon by then keeps nobody out of the line', async () => {
  const ground = await own(prepareGround(KEEPS.dumped));
  const { server, redis } = ground;
  const scene = await WaitingScene.open(ground, { total: 10, campaign: { presenceMs: 60_000 } });
  await scene.joinAll(names(8));
  await redis.save();
  const older = copyData(server.dir);
  await scene.admit(6);
  await scene.issuer.idle();
  expect(await server.kill()).toBe('SIGKILL');
  putBack(server.dir, older);
  await server.restart();
  await rebuildNamed(scene.issuer, scene.definition);
  expect((await scene.inspect()).waiting).toBe(2);
  // Four coupons are left, and two wait.
  const late = await scene.joinAll(names(3, 'late'));
  expect(late).toMatchObject([
    { status: 'waiting', position: 3 },
    { status: 'waiting', position: 4 },
    { status: 'sold_out' },
  ]);
  expect(await scene.statusOf('user-6')).toMatchObject({ status: 'issued' });
  await scene.admit(10);
  expect((await scene.served()).slice(6)).toEqual(['7 user-7', '8 user-8', '9 late-1', '10 late-2']);
  await scene.end();
});

test('an older dump put back, and only a process that knows nothing newer: whoever has a row gets no second one, and a rebuild puts all in order', async () => {
  const ground = await own(prepareGround(KEEPS.dumped));
  const { server, redis } = ground;
  const scene = await WaitingScene.open(ground, { total: 30 });
  await scene.joinAll(names(10));
  await scene.admit(3);
  await scene.issuer.idle();
  await redis.save();
  const older = copyData(server.dir);
  await scene.admit(4);
  await scene.issuer.idle();
  const before = await scene.rows();
  expect(await server.kill()).toBe('SIGKILL');
  putBack(server.dir, older);
  await server.restart();

  const stranger = scene.process();
  onTestFinished(() => stranger.close());
  // user-4 to user-7 are let through once more: the database knows them.
  expect(await scene.admit(20, stranger)).toMatchObject({ admitted: 7, waiting: 0 });
  await stranger.idle();
  expect((await scene.rows()).slice(0, 7)).toEqual(before);
  await rebuildNamed(scene.issuer, scene.definition);
  await scene.settle();
  expect(new Set((await scene.rows()).map(({ userId }) => userId))).toEqual(new Set(names(10)));
  expect(await scene.rows()).toHaveLength(10);
  for (const userId of names(10)) expect(await scene.statusOf(userId)).toMatchObject({ status: 'issued' });
  // Units that the database refused to give twice were passed over, and those that came back were given to the next.
  await scene.end({ ordered: false });
});

test.each(['queue', 'tickets', 'presence'])(
  'the %s of the line vanished: nobody joins, leaves or is let through; after a rebuild the line is lost, and people come again',
  async (name) => {
    const ground = await own(prepareGround(KEEPS.written));
    const scene = await WaitingScene.open(ground, { total: 20, campaign: { presenceMs: 60_000 } });
    await scene.joinAll(names(8));
    await scene.admit(3);
    await scene.issuer.idle();
    const before = await scene.rows();
    expect(await ground.redis.unlink(scene.key(name))).toBe(1);
    for (const userId of ['user-1', 'user-5', 'stranger']) {
      expect(await scene.join(userId)).toEqual(NOT_READY('missing'));
      await expect(scene.statusOf(userId)).rejects.toThrow(NotReadyError);
      await expect(scene.leave(userId)).rejects.toThrow(NotReadyError);
    }
    await expect(scene.admit(5)).rejects.toThrow(NotReadyError);
    expect(await scene.rows()).toEqual(before);
    await rebuildNamed(scene.issuer, scene.definition);
    expect((await scene.inspect()).waiting).toBe(0);
    expect(await scene.join('user-1')).toMatchObject({ status: 'issued', issuance: { serial: 1 } });
    for (const [i, userId] of names(8).slice(3).toReversed().entries()) {
      expect(await scene.join(userId)).toMatchObject({ status: 'waiting', ticket: i + 1 });
    }
    await scene.admit(10);
    expect((await scene.served()).slice(3)).toEqual(['4 user-8', '5 user-7', '6 user-6', '7 user-5', '8 user-4']);
    await scene.end({ ordered: false });
  },
);
