import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { CouponIssuer, generateCodes } from 'coupon-issuer';
import { readCodes } from 'coupon-issuer/codes';
import { PostgresPersistence } from 'coupon-issuer/postgres';
import { Buyers } from './buyers.js';
import { ExternalApi } from './external-api.js';
import { Problem } from './problem.js';

const PREFIX = 'coupon-demo';
const TABLE = 'coupon_demo';
const LEASE_MS = 3_000;
const KEEP_MS = 3_600_000;

/**
 * Opens a campaign of its own, lets all buyers in at once, repairs the API and settles what was left, and lets every winner ask again. Returns
 * the evidence: where the state is, what people were told and what the partner delivered. It judges nothing.
 */
export async function experiment({ redis, sql, codesFile, total, buyers, failureRate, seed, screen }) {
  const persistence = new PostgresPersistence(sql, { table: TABLE });
  await persistence.createTable();
  const api = new ExternalApi({ failureRate, seed });
  const issuer = new CouponIssuer({
    redis,
    persistence,
    deliver: (issuance) => api.deliver(issuance),
    prefix: PREFIX,
    leaseMs: LEASE_MS,
    timeoutMs: LEASE_MS - 500,
    maxDeliveries: 2_000,
    maxQueued: 1_000_000,
  });

  const campaignId = `demo-${randomBytes(6).toString('hex')}`;
  await issuer.campaign(campaignId).open({ stock: { kind: 'codes' } });
  screen.step('loading codes');
  const codes = codesFile ? readCodes(createReadStream(codesFile)) : generateCodes({ count: total });
  const load = await issuer.campaign(campaignId).loadCodes(codes);
  if (load.total === 0) throw new Problem(`${codesFile} holds no codes`);

  const crowd = new Buyers({ issuer, campaignId, seed, count: buyers ?? Math.ceil(load.total * 1.5) });
  const samples = [];
  const look = async () => {
    samples.push(await issuer.campaign(campaignId).inspect());
    screen.sale(samples.at(-1), crowd);
  };
  const startedAt = performance.now();
  await watching(look, () => crowd.buy());
  const saleMs = performance.now() - startedAt;

  api.healthy = true;
  const settled = await settleAll(issuer, campaignId, screen);
  screen.step('every winner asks again');
  await crowd.askAgain();
  await issuer.idle();

  return {
    ...{ redis, sql, campaignId, prefix: PREFIX, table: TABLE, perUser: 1, samples, load, settled, saleMs },
    campaign: await issuer.campaign(campaignId).inspect(),
    told: crowd.told,
    repeats: crowd.repeats,
    counts: crowd.counts,
    deliveries: [...api.deliveries.values()],
    /** Leaves the rows for whoever wants to look at them, and nothing in Redis after an hour. */
    finish: async () => {
      await issuer.campaign(campaignId).closeForGood({ retainMs: KEEP_MS });
      await issuer.close();
    },
  };
}

/** Looks again and again while something goes on. */
async function watching(look, act) {
  let over = false;
  const acting = act().finally(() => {
    over = true;
  });
  const looking = (async () => {
    while (!over) {
      await look();
      await Promise.race([acting, delay(100)]);
    }
  })();
  await Promise.all([acting, looking]);
}

/** What was left behind is finished once its lease has run out. */
async function settleAll(issuer, campaignId, screen) {
  let settled = 0;
  const giveUpAt = performance.now() + 5 * LEASE_MS;
  for (;;) {
    const pass = await issuer.campaign(campaignId).settle();
    settled += pass.settled;
    const left = pass.pending + pass.failed;
    if (left === 0 || performance.now() > giveUpAt) return settled;
    screen.step(`the API is well again; left for settle: ${left}`);
    await delay(100);
  }
}
