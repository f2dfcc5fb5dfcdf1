import { Cluster } from 'ioredis';
import { Cluster as Cluster6 } from 'ioredis-v6';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Book, postgresBook, unreliable } from '../support/checks/books.js';
import { LIMIT, length, SEED } from '../support/checks/lengths.js';
import { own } from '../support/checks/own.js';
import { behind, type CampaignUnderFault, counted, pooled } from '../support/scenes/fault-campaigns.js';
import { FaultRun } from '../support/scenes/fault-run.js';
import { Database } from '../support/servers/database.js';
import { CAREFUL, type Connect, client } from '../support/servers/fault-clients.js';
import { RedisCluster } from '../support/servers/redis-cluster.js';
import { isMaster, type Node, REPLICA_SAYS } from '../support/servers/redis-node.js';

let database: Database;
let book: Book;
beforeAll(async () => {
  database = await Database.create();
  book = await postgresBook(database);
});
afterAll(() => database.stop());

/** Both clients, with their defaults and with the options that the README recommends. */
function clientsOf({ addresses }: RedisCluster): Connect[] {
  return [
    () => client(new Cluster(addresses)),
    () => client(new Cluster(addresses, { redisOptions: CAREFUL, retryDelayOnFailover: 0 })),
    () => client(new Cluster6(addresses)),
  ];
}

const THIRDS = [0, 1, 2];
const BROKEN = 0;
const kinds = [counted, pooled, behind];

/** Two campaigns in each third of the slots, with what lies in the third that breaks. */
async function campaignsOver(cluster: RedisCluster, name: string) {
  const campaigns: CampaignUnderFault[] = [];
  const broken = new Set<string>();
  for (const third of THIRDS) {
    for (const kind of [kinds[third]!, kinds[(third + 1) % kinds.length]!]) {
      let id = '';
      for (let i = 0; id === ''; i++) {
        const tried = `${name}-${third}-${kind.name}-${i}`;
        if ((await cluster.thirdOf(`{coupon:${tried}}`)) === third) id = tried;
      }
      campaigns.push(kind(id, third === BROKEN ? length(2_000, 6_000) : length(1_000, 2_000)));
      if (third === BROKEN) broken.add(id);
    }
  }
  return { campaigns, broken };
}

test.each([
  ['a master is killed', { name: 'killed', linkCut: false, promote: killed }],
  ['a failover is planned', { name: 'planned', linkCut: false, promote: failedOver('planned') }],
  ['a replica is cut off and then its master killed', { name: 'cut-killed', linkCut: true, promote: killed }],
  ['a replica is cut off and takes over', { name: 'cut-taken', linkCut: true, promote: failedOver('without asking') }],
])(
  'on a Cluster, %s: what Redis forgot is refused until it is rebuilt, the other masters lose nothing, and every unit is given out once',
  async (fault, { name, linkCut, promote }) => {
    const cluster = await own(RedisCluster.start());
    const { campaigns, broken } = await campaignsOver(cluster, name);
    const flaky = unreliable(book, SEED);
    const run = await FaultRun.open({
      fault: `Cluster: ${fault}`,
      processes: clientsOf(cluster),
      book: flaky,
      campaigns,
    });
    const load = run.load({ thinkMs: 30 });
    const told = (...words: string[]) => [...broken].flatMap((id) => words.map((word) => `${id} ${word}`));
    await load.gets(length(300, 1_000), told('issued'));
    const master = cluster.nodes[BROKEN]!;
    if (linkCut) {
      master.proxy.sever(REPLICA_SAYS);
      await load.gets(length(300, 1_000), told('issued'));
      expect(master.proxy.injected.severed).toBeGreaterThan(0);
    }
    await promote(cluster, master);
    const promoted = await cluster.promoted(BROKEN);

    // What the old master still reserved comes to its end first, because nobody else knows of it.
    if (linkCut) await run.refuses(load, 'rolled_back', 200, [...broken]);
    else await run.quiet(load);
    load.goOn();
    await run.rebuild([...broken]);
    await load.gets(length(300, 1_000), told('issued', 'sold_out'));
    await load.stop();
    expect(await isMaster(promoted)).toBe(true);
    await run.end({
      injected: { promotions: 1, 'failed saves': flaky.failed },
      redis: await eyesOn(cluster, campaigns),
      kept: (id) => !broken.has(id),
    });
  },
  LIMIT,
);

/** For each campaign a connection to the master that has it now. */
async function eyesOn(cluster: RedisCluster, campaigns: readonly CampaignUnderFault[]) {
  const masters = await Promise.all(THIRDS.map((third) => cluster.masterOf(third)));
  const clients = masters.map((node) => node!.server.client());
  const eyes = new Map<string, (typeof clients)[number]>();
  for (const { id } of campaigns) eyes.set(id, clients[await cluster.thirdOf(`{coupon:${id}}`)]!);
  return (id: string) => eyes.get(id)!;
}

async function killed(_: RedisCluster, master: Node): Promise<void> {
  expect(await master.server.kill()).toBe('SIGKILL');
}

function failedOver(how: 'planned' | 'without asking') {
  return (cluster: RedisCluster) => cluster.failOver(BROKEN, how);
}
