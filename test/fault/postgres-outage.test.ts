import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CouponEvent } from '../../src/index.js';
import { LIMIT, length } from '../support/checks/lengths.js';
import { own } from '../support/checks/own.js';
import { pause, until } from '../support/checks/until.js';
import { Witness } from '../support/checks/witness.js';
import { behind, counted, pooled } from '../support/scenes/fault-campaigns.js';
import { FaultRun } from '../support/scenes/fault-run.js';
import { quarantinedOf } from '../support/scenes/named.js';
import { watchedBook } from '../support/scenes/postgres-books.js';
import { clientsOf } from '../support/servers/fault-clients.js';
import { PostgresServer } from '../support/servers/postgres-server.js';
import { LossyProxy } from '../support/servers/proxy.js';
import { RedisServer } from '../support/servers/redis-server.js';

/** How long the database is away, ms. */
const AWAY_MS = length(6_000, 60_000);
/** A save waits this long. What fails twice while others come through goes into quarantine. In small batches a queue is soon full. */
const OPTIONS = { timeoutMs: 2_000, leaseMs: 3_000, maxTries: 2, maxBatch: 4, maxInFlight: 1 };

let postgres: PostgresServer;
let server: RedisServer;
beforeAll(async () => {
  [postgres, server] = await Promise.all([PostgresServer.start(), RedisServer.start()]);
});
afterAll(async () => {
  await Promise.all([postgres?.stop(), server?.stop()]);
});

/** What happens to the database, and what its clients must have met. */
const outages = [
  {
    name: 'its postmaster killed',
    meets: /ECONNREFUSED/,
    port: () => postgres.port,
    begin: async () => expect(await postgres.kill()).toBe('SIGKILL'),
    end: () => postgres.restart(),
  },
  {
    name: 'silent behind half-open connections',
    meets: /ECONNRESET|terminated/,
    port: (proxy: LossyProxy) => proxy.port,
    begin: (proxy: LossyProxy) => proxy.hold(),
    end: (proxy: LossyProxy) => proxy.release('is dead'),
  },
];

test.each(outages.map((outage) => [outage.name, outage] as const))(
  'PostgreSQL is away under load, %s: what was told is true, and the users of a write-behind campaign notice nothing',
  async (name, outage) => {
    const total = length(5_000, 150_000);
    const id = `behind-${outages.indexOf(outage)}`;
    const campaigns = [counted(`through-${id}`, total / 2), pooled(`pool-${id}`, total / 2), behind(id, total)];
    const proxy = await own(LossyProxy.start(postgres.port));
    const book = await watchedBook(
      postgres.pool({ connectionString: postgres.url(outage.port(proxy)) }),
      postgres.pool(),
    );
    const quarantined: CouponEvent[] = [];
    const onEvent = (event: CouponEvent) => void (event.type === 'quarantined' && quarantined.push(event));
    const fault = `PostgreSQL away for ${AWAY_MS / 1000} s, ${name}`;
    const issuer = { ...OPTIONS, onEvent };
    const run = await FaultRun.open({ fault, processes: clientsOf(server.port), book, campaigns, issuer });
    const witness = new Witness(id, run.issuers, OPTIONS.timeoutMs);

    const load = run.load({ askers: 45, maxRequests: 10_000_000, maxMs: 10 * AWAY_MS + 60_000 });
    await load.gets(100, [`${id} accepted`]);
    await outage.begin(proxy);
    const from = performance.now();
    await pause(AWAY_MS);
    const to = performance.now();
    await outage.end(proxy);
    await load.gets(300, ['issued'], 60_000);
    await load.stop();

    expect(witness.promisedBetween(from, to)).toBeGreaterThan(100);
    const words = ['accepted', 'issued', 'already_issued', 'sold_out'];
    expect([...witness.told.keys()].filter((word) => !words.includes(word))).toEqual([]);
    expect(witness.late).toBe(0);
    for (const campaign of campaigns) {
      const settled = async () => (await run.issuers[0]!.campaign(campaign.id).inspect()).reserved === 0;
      await until(settled, 90_000, () => `${campaign.id} was not settled by its workers`);
      expect(await quarantinedOf(run.issuers[0]!.campaign(campaign.id))).toEqual([]);
    }
    expect(quarantined).toEqual([]);
    witness.check(await book.rows(id));
    process.stdout.write(`write-behind, ${name}: the slowest answer took ${witness.slowestMs.toFixed(0)} ms\n`);
    await run.end({
      injected: { outages: 1, 'failed saves': book.failed(outage.meets) },
      redis: server.client(),
      kept: true,
    });
  },
  LIMIT,
);
