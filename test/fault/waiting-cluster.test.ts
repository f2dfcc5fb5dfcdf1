import { Cluster } from 'ioredis';
import { Cluster as Cluster6 } from 'ioredis-v6';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { WaitingChange } from '../../src/index.js';
import { campaignKeys } from '../../src/redis/keys.js';
import { type Book, postgresBook } from '../support/checks/books.js';
import { LIMIT } from '../support/checks/lengths.js';
import { own } from '../support/checks/own.js';
import { timersInARow } from '../support/checks/timers.js';
import { until } from '../support/checks/until.js';
import { names, SHORT, type WaitingOptions, WaitingScene } from '../support/scenes/waiting-scene.js';
import { endVisit, VISITED, visit } from '../support/scenes/waiting-visit.js';
import { Database } from '../support/servers/database.js';
import { CAREFUL, client } from '../support/servers/fault-clients.js';
import { RedisCluster } from '../support/servers/redis-cluster.js';
import { ask, isMaster, type Node, REPLICA_SAYS } from '../support/servers/redis-node.js';

let database: Database;
let book: Book;
let calm: RedisCluster;
beforeAll(async () => {
  database = await Database.create();
  book = await postgresBook(database);
  calm = await RedisCluster.start();
});
afterAll(async () => {
  await calm.stop();
  await database.stop();
});

/** A campaign on a Cluster, and processes with clients of both versions, of which two let people through. */
async function sceneOn(cluster: RedisCluster, options: WaitingOptions = VISITED) {
  const { addresses, nodes } = cluster;
  const redis = client(new Cluster(addresses));
  const ground = { server: nodes[0]!.proxy, redis, database, book };
  const scene = await WaitingScene.open(ground, { ...options, issuer: SHORT });
  const issuers = [
    scene.process({ redis: client(new Cluster(addresses)) }),
    scene.process({ redis: client(new Cluster(addresses, { redisOptions: CAREFUL, retryDelayOnFailover: 0 })) }),
    scene.process({ redis: client(new Cluster6(addresses)) }),
  ];
  const third = await cluster.thirdOf(scene.key('campaign'));
  return { scene, issuers, third };
}

const last = (changes: readonly WaitingChange[]) => changes.at(-1);
const positionOf = (changes: readonly WaitingChange[]) => {
  const change = last(changes);
  return change?.status === 'waiting' ? change.position : null;
};

async function killed(_: RedisCluster, { master }: { master: Node }): Promise<void> {
  expect(await master.server.kill()).toBe('SIGKILL');
}

const injected = { promotions: 1 };
const channelOf = (scene: WaitingScene) => scene.key('campaign');
const sum = (counts: readonly number[]) => counts.reduce((all, one) => all + one, 0);

/** One who watches in a process of their own, and on which node that process listens. */
async function listening(scene: WaitingScene, cluster: RedisCluster, userId: string) {
  const before = await cluster.listeners(channelOf(scene));
  const watching = scene
    .process({ redis: client(new Cluster(cluster.addresses)) })
    .campaign(scene.campaignId)
    .watch({ userId });
  const told: WaitingChange[] = [];
  const ended = (async () => {
    for await (const change of watching) told.push(change);
    return told;
  })();
  let now = before;
  await until(async () => {
    now = await cluster.listeners(channelOf(scene));
    return sum(now) > sum(before);
  });
  return { told, ended, node: now.findIndex((count, i) => count > before[i]!) };
}

test('on a Cluster, all keys of a line are in one slot; who listens on whichever node hears of each move, and a worker of each join', async () => {
  const users = names(20);
  const { scene, issuers, third } = await sceneOn(calm, { total: 100 });
  await scene.joinAll(users);
  const everyKey = Object.values(campaignKeys('coupon', scene.campaignId));
  expect(new Set(await Promise.all(everyKey.map((key) => calm.slotOf(key)))).size).toBe(1);

  // The client chooses the node on which it listens: one is not the campaign's, and another one not either.
  const watchers: Awaited<ReturnType<typeof listening>>[] = [];
  const elsewhere = () => new Set(watchers.map(({ node }) => node).filter((node) => node !== third));
  while (elsewhere().size < 2) watchers.push(await listening(scene, calm, users.at(-1)!));
  await until(() => watchers.every(({ told }) => told.length > 0));
  // Without a message it would be looked once in five seconds, or in one.
  const polls = timersInARow(...Array.from({ length: 10 }, () => 1_000));
  for (let position = users.length - 1; position > 0; position--) {
    await scene.admit(1);
    await until(() => watchers.every(({ told }) => positionOf(told) === position));
  }
  expect(polls.ranOut).toBe(false);
  polls.stop();
  await scene.admit(1);
  for (const { ended } of watchers) expect(last(await ended)).toMatchObject({ status: 'issued' });

  expect(sum(await calm.listeners(channelOf(scene)))).toBe(0);
  const worker = issuers[2]!.startWorker({ campaigns: [scene.campaignId], intervalMs: 60_000 });
  await until(async () => sum(await calm.listeners(channelOf(scene))) === 1);
  await scene.join('late', issuers[0]);
  await until(async () => (await scene.inspect()).issued === 21);
  await worker.stop();
  await scene.end();
});

test('on a Cluster, the slot of a campaign moves while people join, wait and are let through: nobody loses their place, and the order stays', async () => {
  const { scene, issuers, third } = await sceneOn(calm);
  const visitors = await visit(scene, issuers);
  const slot = await calm.slotOf(scene.key('campaign'));
  const move = { from: calm.nodes[third]!, to: calm.nodes[(third + 1) % 3]! };
  const answers = async () => ({
    again: (await calm.errors(move.from, 'TRYAGAIN')) + (await calm.errors(move.to, 'TRYAGAIN')),
    ask: await calm.errors(move.from, 'ASK'),
    moved: await calm.errors(move.from, 'MOVED'),
  });
  const before = await answers();
  await calm.beginMove(slot, move);
  visitors.comeOn();
  // One key after the other, and at each step somebody is sent away.
  let keys = 0;
  for (let sent = before.again + before.ask; ; sent = await sentAway()) {
    await until(async () => (await sentAway()) > sent);
    const moved = await calm.moveKeys(slot, move, 1);
    if (moved.length === 0) break;
    keys++;
  }
  expect(keys).toBeGreaterThanOrEqual(4);
  await calm.endMove(slot, move);
  await visitors.ended();
  const after = await answers();
  const injected = {
    'TRYAGAIN replies': after.again - before.again,
    'ASK replies': after.ask - before.ask,
    'MOVED replies': after.moved - before.moved,
  };
  for (const [name, count] of Object.entries(injected)) expect(count, name).toBeGreaterThan(0);
  expect(await ask(move.to.server, 'CLUSTER', 'COUNTKEYSINSLOT', slot)).toBeGreaterThan(0);
  await visitors.check({ losses: false });
  await endVisit(scene, visitors, { fault: 'Cluster, a waiting room: its slot moves', injected });

  async function sentAway(): Promise<number> {
    const { again, ask } = await answers();
    return again + ask;
  }
});

test('on a Cluster, the node dies on which somebody listens: they listen on another, and are told how it ended', async () => {
  const { scene, third } = await sceneOn(calm, { total: 10 });
  await scene.joinAll(names(3));
  // A replica of another third, so that nothing else happens to the campaign.
  const others = [3, 4, 5].filter((node) => node !== third + 3);
  const watchers: Awaited<ReturnType<typeof listening>>[] = [];
  while (!others.includes(watchers.at(-1)?.node ?? third)) watchers.push(await listening(scene, calm, 'user-3'));
  const died = watchers.at(-1)!.node;
  expect(await calm.nodes[died]!.server.kill()).toBe('SIGKILL');
  await until(async () => sum(await calm.listeners(channelOf(scene))) === watchers.length);
  await scene.admit(3);
  for (const { ended } of watchers) expect(last(await ended)).toMatchObject({ status: 'issued' });
  await scene.end();
});

test(
  'on a Cluster, a failover is planned while people join, wait and are let through: nobody loses their place, and the order stays',
  async () => {
    const cluster = await own(RedisCluster.start());
    const { scene, issuers, third } = await sceneOn(cluster);
    const visitors = await visit(scene, issuers);
    visitors.comeOn();
    await cluster.failOver(third, 'planned');
    const promoted = await cluster.promoted(third);
    await visitors.ended();
    expect(await isMaster(promoted)).toBe(true);
    await visitors.check({ losses: false });
    await endVisit(scene, visitors, { fault: 'Cluster, a waiting room: a failover is planned', injected });
  },
  LIMIT,
);

test(
  'on a Cluster, the master is killed while people join, wait and are let through: who lost their place is told so, and everybody else keeps it',
  async () => {
    const cluster = await own(RedisCluster.start());
    const { scene, issuers, third } = await sceneOn(cluster);
    const visitors = await visit(scene, issuers);
    visitors.comeOn();
    expect(await cluster.nodes[third]!.server.kill()).toBe('SIGKILL');
    const promoted = await cluster.promoted(third);
    await visitors.endRebuilding();
    // Its workers, which listen all the time, found nodes that live.
    await until(async () => sum(await cluster.listeners(channelOf(scene))) >= 2);
    expect(await isMaster(promoted)).toBe(true);
    await visitors.check({ losses: true });
    await endVisit(scene, visitors, { fault: 'Cluster, a waiting room: the master is killed', injected });
  },
  LIMIT,
);

test.each([
  ['and then its master killed', killed],
  [
    'and takes over',
    (cluster: RedisCluster, { third }: { third: number }) => cluster.failOver(third, 'without asking'),
  ],
])(
  'on a Cluster, a replica is cut off %s: all are refused, and after a rebuild who was forgotten is told so and comes again',
  async (how, promote) => {
    const cluster = await own(RedisCluster.start());
    const { scene, issuers, third } = await sceneOn(cluster);
    const visitors = await visit(scene, issuers);
    const master = cluster.nodes[third]!;
    master.proxy.sever(REPLICA_SAYS);
    expect(master.proxy.injected.severed).toBeGreaterThan(0);
    await visitors.moreCome();
    await promote(cluster, { third, master });
    const promoted = await cluster.promoted(third);
    await visitors.endRefused();
    expect(await isMaster(promoted)).toBe(true);
    await endVisit(scene, visitors, { fault: `Cluster, a waiting room: a replica is cut off ${how}`, injected });
  },
  LIMIT,
);
