import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Campaign, CouponIssuer } from '../../src/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { nodeDesk, PEOPLE } from '../dashboard/support.js';
import { printFigures } from '../support/checks/figures.js';
import { LIMIT, length, SEED, SOAK } from '../support/checks/lengths.js';
import { own } from '../support/checks/own.js';
import { seeded } from '../support/checks/random.js';
import { Database, rowsOf } from '../support/servers/database.js';
import { RedisServer } from '../support/servers/redis-server.js';

const HOUR_MS = 3_600_000;
/** Each sale is one campaign, and is removed when it is over. Its name comes again. */
const [LEAST_SALES, LEAST_LOOKS, NAMES] = [24, 5, 8];
const UNITS = length(200, 5_000);
/** Of so many users about one of three comes too late, and as many never ask. */
const [CALLS, USERS] = [2 * UNITS, 2 * UNITS];
const CALLERS = 256;
/** The first part warms up: code is compiled, pools and caches fill. */
const WARM = 1 / 4;

/** What may not grow. */
interface Kept {
  /** MB after a collection. */
  readonly heap: number;
  readonly handles: number;
  /** MB. */
  readonly redis: number;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

let server: RedisServer;
let database: Database;
beforeAll(async () => {
  [server, database] = await Promise.all([RedisServer.start(), Database.create()]);
});
afterAll(async () => {
  await Promise.all([database?.stop(), server?.stop()]);
});

test(
  `${SOAK ? 'for an hour' : `in ${LEAST_SALES} sales`}, one after the other, with the dashboard open, nothing grows (seed ${SEED})`,
  async () => {
    const random = seeded(SEED);
    const persistence = new PostgresPersistence(database.pool);
    await persistence.createTable();
    const redis = server.client();
    const issuer = new CouponIssuer({ redis, persistence });
    await own({ stop: () => issuer.close() });
    issuer.startWorker();
    const dashboard = await openDashboard(issuer);

    const kept: Kept[] = [];
    const endsAt = performance.now() + length(0, HOUR_MS);
    let [sales, requests] = [0, 0];
    while (sales < LEAST_SALES || dashboard.requests < LEAST_LOOKS || performance.now() < endsAt) {
      const sale = issuer.campaign(`sale-${sales++ % NAMES}`) as Campaign;
      requests += await sell(sale, random);
      await issuer.idle();
      await end(sale);
      kept.push(await measure(redis));
    }
    const warm = kept.slice(Math.ceil(kept.length * WARM));
    const half = warm.length >> 1;
    const [before, after] = [middleOf(warm.slice(0, half)), middleOf(warm.slice(half))];
    printFigures({
      fault: `${SOAK ? 'an hour of sales' : 'sales'} with the dashboard open: ${inWords(before, after)}`,
      requests,
      injected: { sales, 'requests of the dashboard': dashboard.requests },
      violations: 0,
      outageSeconds: null,
    });
    expect(after.heap).toBeLessThan(before.heap * 1.05 + 2);
    // A browser has up to six connections.
    expect(after.handles).toBeLessThanOrEqual(before.handles + 6);
    expect(after.redis).toBeLessThan(before.redis * 1.05 + 0.1);
  },
  length(LIMIT, 1.2 * HOUR_MS),
);

/**
 * A browser that shows all campaigns, and asks again and again. It is a process of its own that nobody steers: what
 * steers one keeps something of each request, in this process, and this process is measured.
 */
async function openDashboard(issuer: CouponIssuer) {
  const seen = { requests: 0 };
  const personOf = () => {
    seen.requests++;
    return PEOPLE.lee;
  };
  const desk = await own(nodeDesk(issuer, { personOf }));
  const profile = mkdtempSync(join(tmpdir(), 'coupon-browser-'));
  const flags = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--remote-debugging-port=0',
    `--user-data-dir=${profile}`,
  ];
  const browser = spawn('/usr/bin/chromium', [...flags, `http://127.0.0.1:${desk.port}/`], {
    stdio: 'ignore',
    // A group of its own, so that none of its processes outlives it.
    detached: true,
  });
  const kill = () => process.kill(-browser.pid!, 'SIGKILL');
  process.once('exit', kill);
  await own({
    stop: async () => {
      const ended = once(browser, 'exit');
      process.off('exit', kill);
      kill();
      await ended;
      rmSync(profile, { recursive: true, force: true, maxRetries: 20 });
    },
  });
  return seen;
}

/** Sells all units. Some of the coupons are used, a few of the orders are given up, and a few coupons are revoked. */
async function sell(sale: Campaign, random: () => number): Promise<number> {
  await sale.open({ stock: { kind: 'counted', total: UNITS, generateCodes: true } });
  let left = CALLS;
  const caller = async () => {
    while (left-- > 0) {
      const result = await sale.issue({ userId: `user-${Math.floor(random() * USERS)}` });
      if (result.status === 'issued') await use(sale, { code: result.issuance.code! }, random());
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  return CALLS;
}

async function use(sale: Campaign, coupon: { code: string }, dice: number): Promise<void> {
  if (dice < 0.1) await sale.redeem({ ...coupon, bearer: true, redemptionId: 'order' });
  if (dice < 0.05) await sale.unredeem({ ...coupon, redemptionId: 'order' });
  if (dice > 0.99) await sale.revoke({ ...coupon, revocationId: 'fraud' });
}

/** Compares the books, and removes the sale. */
async function end(sale: Campaign): Promise<void> {
  expect(await sale.inspect()).toMatchObject({ available: 0, reserved: 0, issued: UNITS, withdrawn: 0 });
  expect(await rowsOf(database, sale.id)).toHaveLength(UNITS);
  await sale.closeForGood();
  await sale.purge();
  await database.pool.query('DELETE FROM coupon_issuances WHERE campaign_id = $1', [sale.id]);
}

async function measure(redis: Redis): Promise<Kept> {
  collect();
  const [, bytes] = /used_memory:(\d+)/.exec(await redis.info('memory'))!;
  return {
    heap: process.memoryUsage().heapUsed / 1e6,
    handles: process.getActiveResourcesInfo().length,
    redis: Number(bytes) / 1e6,
  };
}

function middleOf(kept: readonly Kept[]): Kept {
  const middle = (of: (one: Kept) => number) => kept.map(of).sort((a, b) => a - b)[kept.length >> 1]!;
  return {
    heap: middle(({ heap }) => heap),
    handles: middle(({ handles }) => handles),
    redis: middle((one) => one.redis),
  };
}

function inWords(before: Kept, after: Kept): string {
  const both = (of: (one: Kept) => number, digits: number) =>
    `${of(before).toFixed(digits)} → ${of(after).toFixed(digits)}`;
  const [heap, handles, redis] = [both((o) => o.heap, 1), both((o) => o.handles, 0), both((o) => o.redis, 2)];
  return `heap ${heap} MB, ${handles} handles, Redis ${redis} MB, between the two halves of the time`;
}
