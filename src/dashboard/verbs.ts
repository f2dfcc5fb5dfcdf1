import { assertInteger, assertName, assertOnlyKeys, MAX_TOTAL } from '../model/check.js';
import type { Coupon } from '../model/coupon.js';
import { InvalidArgumentError } from '../model/errors.js';
import { isErrorNamed } from '../model/foreign.js';
import type { Issuance } from '../model/issuance.js';
import { maskedCode } from '../model/masked-code.js';
import type { ShownCampaign, ShownIssuer } from './options.js';

/** Reads something. The body is checked before any I/O: by this function, or by the method of the issuer. */
export type Look = (issuer: ShownIssuer, body: never) => Promise<unknown>;

/** Changes a campaign. `rest` is the body without its `campaignId`. */
export type Change = (campaign: ShownCampaign, rest: never) => Promise<object | undefined>;

/** The most reservations of a quarantine, and the most loads of a pool, on one page. */
const SHOWN = 500;

interface FindBody {
  readonly campaignId?: string;
  readonly userId?: string;
  readonly serial?: number;
  readonly code?: string;
}

export const LOOKS: ReadonlyMap<string, Look> = new Map<string, Look>([
  ['campaign', (issuer, body: { campaignId: string }) => campaignOf(issuer, body).inspect()],
  [
    'workers',
    async (issuer, body: object) => {
      assertOnlyKeys('the body', body, []);
      return { workers: await issuer.workers() };
    },
  ],
  ['quarantine', (issuer, body: { campaignId: string }) => quarantined(campaignOf(issuer, body))],
  ['codes', (issuer, body: { campaignId: string }) => loadsOf(campaignOf(issuer, body))],
  ['find', find],
]);

export const CHANGES: ReadonlyMap<string, Change> = new Map<string, Change>([
  ['pause', async (campaign, rest: object) => nothingOf(rest, () => campaign.pause())],
  ['resume', async (campaign, rest: object) => nothingOf(rest, () => campaign.resume())],
  ['close', async (campaign, rest: object) => nothingOf(rest, () => campaign.closeForGood())],
  ['pace', async (campaign, rest: never) => ({ pace: await campaign.setPace(rest) })],
  ['update', (campaign, rest: never) => campaign.update(rest)],
  ['restock', (campaign, rest: never) => campaign.restock(rest)],
  ['quarantine-retry', (campaign, rest: never) => campaign.quarantine.retry(rest)],
  ['quarantine-withdraw', (campaign, rest: never) => campaign.quarantine.withdraw(rest)],
]);

async function nothingOf(rest: object, work: () => Promise<void>): Promise<undefined> {
  assertOnlyKeys('the body', rest, []);
  await work();
}

/** The campaign that the body names, and nothing else. */
export function campaignOf(issuer: ShownIssuer, body: { readonly campaignId: string }): ShownCampaign {
  assertOnlyKeys('the body', body, ['campaignId']);
  return issuer.campaign(body.campaignId);
}

async function quarantined({ quarantine }: ShownCampaign): Promise<object> {
  const reservations: object[] = [];
  for await (const { issuance, tries } of quarantine.list()) {
    if (reservations.length === SHOWN) return { reservations, more: true };
    const { id, userId, grant, serial, issuedAt } = issuance;
    reservations.push({ id, userId, grant, serial, issuedAt, tries });
  }
  return { reservations, more: false };
}

async function loadsOf(campaign: ShownCampaign): Promise<object> {
  const loads: object[] = [];
  for await (const load of campaign.loads()) {
    if (loads.length === SHOWN) return { loads, more: true };
    loads.push(load);
  }
  return { loads, more: false };
}

/** The story of a user, of a serial or of a code. */
async function find(issuer: ShownIssuer, body: FindBody): Promise<object> {
  assertOnlyKeys('the body', body, ['campaignId', 'userId', 'serial', 'code']);
  const { campaignId, userId, serial, code } = body;
  if ([userId, serial, code].filter((one) => one !== undefined).length !== 1) {
    throw new InvalidArgumentError('the body must have one of userId, serial and code');
  }
  if (campaignId !== undefined) assertName('campaignId', campaignId);
  if (userId !== undefined) return ofUser(issuer, userId, campaignId);
  const among = campaignId === undefined ? {} : { campaignIds: [campaignId] };
  if (code !== undefined) return { coupons: (await issuer.findByCode({ code, ...among })).map(storyOf) };
  assertInteger('serial', serial, 1, MAX_TOTAL);
  if (campaignId === undefined) throw new InvalidArgumentError('campaignId is missing: each campaign has its serials');
  for await (const coupon of issuer.campaign(campaignId).coupons({ afterSerial: serial - 1 })) {
    return { coupons: coupon.serial === serial ? [storyOf(coupon)] : [] };
  }
  return { coupons: [] };
}

/** The rows of all campaigns, or of one, where Redis is asked too: a reservation has no row. */
async function ofUser(issuer: ShownIssuer, userId: string, campaignId: string | undefined): Promise<object> {
  if (campaignId === undefined) return { coupons: (await issuer.coupons({ userId })).map(storyOf) };
  const { issuances, ...standing } = await issuer.campaign(campaignId).userStatus({ userId });
  const held = { ...standing, issuances: issuances.map(heldOf) };
  try {
    return { held, coupons: (await issuer.coupons({ userId, campaignIds: [campaignId] })).map(storyOf) };
  } catch (error) {
    // The adapter does not list the coupons of a user.
    if (!isErrorNamed(error, 'MisconfiguredError')) throw error;
    return { held, coupons: null };
  }
}

/** Field by field, so that no later field of a row reaches the page unseen. */
function storyOf(coupon: Coupon): object {
  const { id, campaignId, userId, serial, code, state, issuedAt, expiresAt } = coupon;
  const { redeemedAt, redemptionId, revokedAt } = coupon;
  const became = { redeemedAt, redemptionId, revokedAt };
  return { id, campaignId, userId, serial, code: masked(code), state, issuedAt, expiresAt, ...became };
}

function heldOf({ id, serial, grant, code, state, issuedAt }: Issuance): object {
  return { id, serial, grant, code: masked(code), state, issuedAt };
}

function masked(code: string | null): string | null {
  return code === null ? null : maskedCode(code);
}
