import { Redis } from 'ioredis';
import { Redis as Redis6 } from 'ioredis-v6';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { WaitingChange } from '../../src/index.js';
import { type Book, postgresBook } from '../support/checks/books.js';
import { LIMIT } from '../support/checks/lengths.js';
import { own } from '../support/checks/own.js';
import { until } from '../support/checks/until.js';
import { rebuildNamed } from '../support/scenes/named.js';
import { names, SHORT, type WaitingOptions, WaitingScene } from '../support/scenes/waiting-scene.js';
import { endVisit, VISITED, visit } from '../support/scenes/waiting-visit.js';
import { Database } from '../support/servers/database.js';
import { CAREFUL, client } from '../support/servers/fault-clients.js';
import { ask, isMaster, type Node, REPLICA_SAYS } from '../support/servers/redis-node.js';
import { SentinelGroup } from '../support/servers/redis-sentinel.js';

let database: Database;
let book: Book;
beforeAll(async () => {
  database = await Database.create();
  book = await postgresBook(database);
});
afterAll(() => database.stop());

/** A campaign behind Sentinel, and processes with clients of both versions. */
async function sceneBehind(group: SentinelGroup, options: WaitingOptions = VISITED) {
  const to = { sentinels: group.addresses, name: group.name };
  const connect = () => client(new Redis(to));
  const redis = connect();
  const ground = { server: group.nodes[0]!.proxy, redis, database, book };
  const scene = await WaitingScene.open(ground, { ...options, issuer: SHORT });
  const issuers = [
    scene.process({ redis: connect() }),
    scene.process({ redis: client(new Redis({ ...to, ...CAREFUL, failoverDetector: true })) }),
    scene.process({ redis: client(new Redis6({ ...to, failoverDetector: true })) }),
  ];
  return { scene, issuers, connect, redis };
}

async function killed(master: Node): Promise<void> {
  expect(await master.server.kill()).toBe('SIGKILL');
}

/** From now on no replica hears of anything, and none can catch up. */
function cutOff(master: Node): void {
  master.proxy.sever(REPLICA_SAYS);
  expect(master.proxy.injected.severed).toBeGreaterThanOrEqual(2);
}

const injected = { promotions: 1 };

test(
  'behind Sentinel, the master is killed while people join, wait and are let through: who lost their place is told so, and everybody else keeps it',
  async () => {
    const group = await own(SentinelGroup.start());
    const { scene, issuers } = await sceneBehind(group);
    const visitors = await visit(scene, issuers);
    const before = await group.master();
    visitors.comeOn();
    await killed(before);
    const master = await group.promoted(before);
    await visitors.endRebuilding();
    // Its workers, which listen all the time, found the new master.
    await until(async () => {
      const [, listening] = (await ask(master.server, 'PUBSUB', 'NUMSUB', scene.key('campaign'))) as [string, number];
      return listening >= 2;
    }, 60_000);
    expect(await isMaster(master)).toBe(true);
    await visitors.check({ losses: true });
    await endVisit(scene, visitors, { fault: 'Sentinel, a waiting room: the master is killed', injected });
  },
  LIMIT,
);

test(
  'behind Sentinel, the replicas are cut off and then the master killed: all are refused, and after a rebuild who was forgotten is told so and comes again',
  async () => {
    const group = await own(SentinelGroup.start());
    const { scene, issuers } = await sceneBehind(group);
    const visitors = await visit(scene, issuers);
    const before = await group.master();
    cutOff(before);
    await visitors.moreCome();
    await killed(before);
    const master = await group.promoted(before);
    await visitors.endRefused();
    expect(await isMaster(master)).toBe(true);
    const fault = 'Sentinel, a waiting room: the replicas are cut off and then the master killed';
    await endVisit(scene, visitors, { fault, injected });
  },
  LIMIT,
);

test(
  'behind Sentinel, the replicas are cut off and then the master killed, and a new process that knows nothing newer serves first: nobody gets a second coupon, who was forgotten is told so, and a rebuild puts all in order',
  async () => {
    const group = await own(SentinelGroup.start());
    const { scene, issuers, connect, redis } = await sceneBehind(group, { total: 30 });
    const [issuer] = issuers;
    const users = names(10);
    await scene.joinAll(users);
    await scene.admit(3);
    await scene.issuer.idle();
    expect(await redis.wait(2, 10_000)).toBe(2);
    const before = await group.master();
    cutOff(before);
    // What is forgotten: user-4 to user-10 are served, five more join, and two of these are served.
    const late = names(5, 'late');
    await scene.admit(7, issuer);
    await scene.joinAll(late, issuer);
    await scene.admit(2, issuer);
    await issuer!.idle();
    const told = new Map<string, WaitingChange>();
    const ends = late.slice(2).map(async (userId) => {
      for await (const change of issuer!.campaign(scene.campaignId).watch({ userId })) told.set(userId, change);
      return told.get(userId);
    });
    await until(() => told.size === ends.length);
    const saved = await scene.rows();
    expect(saved).toHaveLength(12);
    await killed(before);
    await group.promoted(before);

    const stranger = scene.process({ redis: connect() });
    expect(await scene.join('new', stranger)).toMatchObject({ status: 'waiting', ticket: 11, position: 8 });
    // user-4 to user-10 are let through once more, and the database knows them; it knows too that the units after theirs are taken.
    expect(await scene.admit(20, stranger)).toMatchObject({ admitted: 8, waiting: 0 });
    await stranger.idle();
    expect((await scene.rows()).slice(0, 12)).toEqual(saved);
    expect((await scene.served()).slice(12)).toEqual(['13 new']);
    expect(await Promise.all(ends)).toEqual(late.slice(2).map(() => ({ status: 'lost' })));

    // Whoever comes again under the same request id is served once: with the coupon they have, or in their turn.
    await scene.joinAll(late, issuer);
    expect(await scene.admit(20, stranger)).toMatchObject({ waiting: 0 });
    await stranger.idle();
    await scene.settle();
    expect((await scene.rows()).slice(0, 12)).toEqual(saved);
    expect(new Set((await scene.rows()).map(({ userId }) => userId))).toEqual(new Set([...users, ...late, 'new']));
    for (const { userId, serial } of saved.slice(10)) {
      expect(await scene.join(userId)).toMatchObject({ status: 'issued', issuance: { serial } });
    }
    // The units that Redis withdrew and then met again in rows are counted twice until then.
    await rebuildNamed(scene.issuer, scene.definition);
    expect(await scene.rows()).toHaveLength(16);
    await scene.end({ ordered: false });
  },
  LIMIT,
);
