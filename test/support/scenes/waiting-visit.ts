import { expect } from 'vitest';
import type { CouponIssuer } from '../../../src/index.js';
import { type Figures, printFigures } from '../checks/figures.js';
import { length, SEED } from '../checks/lengths.js';
import { until } from '../checks/until.js';
import { names, type WaitingOptions, type WaitingScene } from './waiting-scene.js';
import { Visitors } from './waiting-visitors.js';

const TOTAL = length(400, 6_000);
/** More come than there are coupons, some leave, and some wait for a coupon that nobody returns. */
const OVERBOOK = 50;
const USERS = TOTAL + 2 * OVERBOOK;
const SERVED = 20;

/** The campaign they visit. */
export const VISITED: WaitingOptions = { total: TOTAL, campaign: { overbook: OVERBOOK } };

/** Half of them come, the others when the test says so; two of the processes let them through. Resolves when the first are served. */
export async function visit(scene: WaitingScene, issuers: readonly CouponIssuer[]): Promise<Visitors> {
  const work = { campaigns: [scene.campaignId], intervalMs: 20, batchSize: 10 };
  await scene.issuer.campaign(scene.campaignId).setPace({ admitPerSecond: 200 });
  for (const issuer of issuers.slice(1)) issuer.startWorker(work);
  const visiting = { issuers, users: names(USERS), first: USERS / 2, askers: 12, leaving: 0.04, seed: SEED };
  const visitors = new Visitors(scene, visiting);
  await until(() => visitors.issued >= SERVED);
  return visitors;
}

/** Nothing is reserved any more, all of it agrees, every coupon was given out, and the figures are printed. */
export async function endVisit(
  scene: WaitingScene,
  visitors: Visitors,
  { fault, injected }: Pick<Figures, 'fault' | 'injected'>,
): Promise<void> {
  await scene.end({ ordered: false });
  expect(await scene.rows()).toHaveLength(TOTAL);
  const { requests, outageSeconds } = visitors;
  printFigures({ fault, requests, injected, violations: 0, outageSeconds });
}
