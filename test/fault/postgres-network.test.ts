import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { LIMIT, length, SEED } from '../support/checks/lengths.js';
import { own } from '../support/checks/own.js';
import { seeded } from '../support/checks/random.js';
import { pause } from '../support/checks/until.js';
import { endure, type Trouble } from '../support/scenes/postgres-run.js';
import { Database } from '../support/servers/database.js';
import { type Injected, LossyProxy } from '../support/servers/proxy.js';
import { RedisServer } from '../support/servers/redis-server.js';

const SAVE = 'INSERT INTO "coupon_issuances"';
/** Longer than a call takes. */
const LONG_MS = 1_000;

let database: Database;
let server: RedisServer;
let proxy: LossyProxy;
const random = seeded(SEED);

beforeAll(async () => {
  [database, server] = await Promise.all([Database.create(), RedisServer.start()]);
});
afterAll(async () => {
  await Promise.all([database?.stop(), server?.stop()]);
});
beforeEach(async () => {
  proxy = await own(LossyProxy.start(Number(new URL(database.url).port)));
});

const troubles: (Omit<Trouble, 'pool'> & { readonly injected: keyof Injected })[] = [
  {
    name: 'the reply to a save that committed is lost with its connection',
    failures: (book) => book.failed(/terminated/),
    injected: 'lost',
    make: async () => {
      proxy.loseReplyTo(SAVE);
      await pause(5);
    },
  },
  {
    name: 'the reply to a save that committed ends in the middle',
    failures: (book) => book.failed(/terminated/),
    injected: 'cut',
    make: async () => {
      proxy.cutReplyTo(SAVE, 1 + Math.floor(200 * random()));
      await pause(5);
    },
  },
  {
    name: 'all connections are reset',
    failures: (book) => book.failed(/ECONNRESET|terminated/),
    injected: 'reset',
    make: async () => {
      proxy.reset();
      await pause(20);
    },
  },
  {
    name: 'connections are half open, then dead',
    failures: (book) => book.failed(/ECONNRESET|terminated/),
    enough: length(6, 60),
    injected: 'swallowed',
    make: async () => {
      proxy.hold();
      await pause(LONG_MS);
      proxy.release('is dead');
      await pause(100);
    },
  },
  {
    name: 'connections are half open, then all arrives that was on the way',
    failures: () => proxy.injected.swallowed,
    enough: length(12, 120),
    injected: 'swallowed',
    make: async () => {
      proxy.hold();
      await pause(LONG_MS);
      proxy.release('arrives');
      await pause(100);
    },
  },
  {
    name: 'replies take longer than a call may',
    failures: () => proxy.injected.delayed,
    enough: length(12, 120),
    injected: 'delayed',
    make: async () => {
      proxy.delay(LONG_MS);
      await pause(LONG_MS);
      proxy.delay(0);
      await pause(100);
    },
  },
];

test.each(troubles.map((trouble) => [trouble.name, trouble] as const))(
  '%s, again and again under load: what was told is true, and no unit is lost',
  async (_, trouble) => {
    const url = new URL(database.url);
    url.port = String(proxy.port);
    await endure({ ...trouble, pool: { connectionString: url.href } }, database, server);
    expect(proxy.injected[trouble.injected]).toBeGreaterThan(0);
  },
  LIMIT,
);
