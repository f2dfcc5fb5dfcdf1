import { Redis } from 'ioredis';
import { Redis as Redis6 } from 'ioredis-v6';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Book, postgresBook, unreliable } from '../support/checks/books.js';
import { LIMIT, length, SEED } from '../support/checks/lengths.js';
import { own } from '../support/checks/own.js';
import { campaignsOf } from '../support/scenes/fault-campaigns.js';
import { FaultRun } from '../support/scenes/fault-run.js';
import { Certificate } from '../support/servers/certificate.js';
import { Database } from '../support/servers/database.js';
import { CAREFUL, type Connect, client } from '../support/servers/fault-clients.js';
import { isMaster, type Node, REPLICA_SAYS } from '../support/servers/redis-node.js';
import { SentinelGroup } from '../support/servers/redis-sentinel.js';

let database: Database;
let book: Book;
beforeAll(async () => {
  database = await Database.create();
  book = await postgresBook(database);
});
afterAll(() => database.stop());

/** Both clients, with their defaults and with the options that the README recommends. */
function clientsOf(group: SentinelGroup, tls?: Certificate): Connect[] {
  const secure = tls && { tls: { ca: tls.ca }, sentinelTLS: { ca: tls.ca }, enableTLSForSentinelMode: true };
  const to = { sentinels: group.addresses, name: group.name, ...secure };
  return [
    () => client(new Redis(to)),
    () => client(new Redis({ ...to, ...CAREFUL, failoverDetector: true })),
    () => client(new Redis6({ ...to, failoverDetector: true })),
  ];
}

const kill = async (_: SentinelGroup, master: Node) => expect(await master.server.kill()).toBe('SIGKILL');
const failOver = (group: SentinelGroup) => group.failover();

test.each([
  ['the master is killed', { name: 'killed', linkCut: false, promote: kill, secure: false }],
  ['over TLS, the master is killed', { name: 'killed-tls', linkCut: false, promote: kill, secure: true }],
  ['a failover is planned', { name: 'planned', linkCut: false, promote: failOver, secure: false }],
  [
    'the replicas are cut off and then the master killed',
    { name: 'cut-killed', linkCut: true, promote: kill, secure: false },
  ],
  [
    'the replicas are cut off and then a failover planned',
    { name: 'cut-planned', linkCut: true, promote: failOver, secure: false },
  ],
])(
  'behind Sentinel, %s: what Redis forgot is refused until it is rebuilt, and every unit is given out once',
  async (fault, { name, linkCut, promote, secure }) => {
    const tls = secure ? await own(new Certificate()) : undefined;
    const group = await own(SentinelGroup.start(tls));
    const flaky = unreliable(book, SEED);
    const run = await FaultRun.open({
      fault: `Sentinel: ${fault}`,
      processes: clientsOf(group, tls),
      book: flaky,
      campaigns: campaignsOf(name, length(4_000, 20_000)),
    });
    const load = run.load({ thinkMs: 30 });
    await load.gets(length(300, 3_000), ['issued']);
    const before = await group.master();
    if (linkCut) {
      before.proxy.sever(REPLICA_SAYS);
      await load.gets(length(300, 3_000), ['issued']);
      expect(before.proxy.injected.severed).toBeGreaterThanOrEqual(2);
    }
    await promote(group, before);
    const master = await group.promoted(before);

    await load.gets(100);
    // Whoever is still served by the old master is so no more; and what it reserved comes to its end, because nobody else knows of it.
    await before.server.kill();
    if (linkCut) await run.refuses(load, 'rolled_back', 300);
    else await run.quiet(load);
    load.goOn();
    await run.rebuild();
    await load.gets(length(500, 3_000), ['issued']);
    await load.stop();
    const redis = master.server.client();
    expect(await isMaster(master)).toBe(true);
    await run.end({ injected: { promotions: 1, 'failed saves': flaky.failed }, redis, kept: false });
  },
  LIMIT,
);
