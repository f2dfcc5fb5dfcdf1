import type { CouponIssuer } from '../issuer.js';
import { assertInteger, assertObject, assertOnlyKeys } from '../model/check.js';
import { invalid } from '../model/errors.js';
import type { ListedCampaign } from '../operate/list-campaigns.js';
import { CappedLabel } from './capped.js';
import type { GaugeKey, Labels } from './instruments.js';

/** Which campaigns have series of their own. */
export interface TelemetryOptions {
  /** At most so many campaigns, the first that come; later ones count as `_other`: 1–10,000, default 100. */
  readonly maxCampaigns?: number | undefined;
  /** These campaigns first. */
  readonly campaigns?: readonly string[] | undefined;
}

/** One point of a gauge. */
export interface Point {
  readonly gauge: GaugeKey;
  readonly value: number;
  readonly labels: Labels;
}

/** Throws `InvalidArgumentError`. */
export function checkedTelemetry<Client>(
  issuer: CouponIssuer<Client>,
  options: TelemetryOptions,
  keys: readonly string[],
): CappedLabel {
  assertObject('options', options as unknown);
  assertOnlyKeys('options', options, ['maxCampaigns', 'campaigns', ...keys]);
  const { maxCampaigns = 100, campaigns = [] } = options;
  assertInteger('maxCampaigns', maxCampaigns, 1, 10_000);
  if (!Array.isArray(campaigns)) throw invalid('campaigns', 'must be an array of campaign ids');
  for (const id of campaigns) issuer.campaign(id);
  return new CappedLabel(maxCampaigns, campaigns);
}

/**
 * Reads the campaigns that have labels of their own, and those that still find room. One round trip per campaign; while
 * there is room for more, one more per 500 campaigns of the registry.
 */
export async function observe<Client>(issuer: CouponIssuer<Client>, labels: CappedLabel): Promise<readonly Point[]> {
  const read = new Map<string, ListedCampaign | null>();
  if (!labels.isFull) {
    for await (const one of issuer.campaigns()) {
      labels.of(one.id);
      read.set(one.id, one);
      if (labels.isFull) break;
    }
  }
  const unread = labels.known.filter((id) => !read.has(id));
  const looks = await Promise.allSettled(unread.map((id) => inspected(issuer, id)));
  for (const [i, look] of looks.entries()) {
    const id = unread[i]!;
    read.set(id, look.status === 'fulfilled' ? look.value : { id, ready: false, state: 'missing' });
  }
  // Where no campaign at all can be read, Redis is away, and nothing is known of any of them.
  const [first] = looks;
  const isAway = looks.length === read.size && looks.every(({ status }) => status === 'rejected');
  if (isAway && first?.status === 'rejected') throw first.reason;
  return [...read.values()].flatMap(pointsOf);
}

async function inspected<Client>(issuer: CouponIssuer<Client>, id: string): Promise<ListedCampaign | null> {
  try {
    const found = await issuer.campaign(id).inspect();
    return found.ready ? { ...found, ready: true } : { id, ready: false, state: 'missing' };
  } catch (error) {
    const { code } = error as { code?: string };
    // It was purged, or never opened: nothing is wrong with it.
    if (code === 'UNKNOWN_CAMPAIGN' || code === 'CAMPAIGN_CONFLICT') return null;
    if (code === 'NOT_READY') return { id, ready: false, state: 'missing' };
    throw error;
  }
}

function pointsOf(campaign: ListedCampaign | null): Point[] {
  // Its keys expired after its close.
  if (!campaign || campaign.state === 'over') return [];
  const of = { campaign: campaign.id };
  if (!campaign.ready) return [{ gauge: 'ready', value: 0, labels: of }];
  const { available, reserved, issued, withdrawn, quarantined, backlog, oldestMs, waiting } = campaign;
  const states = Object.entries({ available, reserved, issued, withdrawn, quarantined });
  return [
    { gauge: 'ready', value: 1, labels: of },
    ...states.flatMap(([state, value]): Point[] =>
      value === null ? [] : [{ gauge: 'units', value, labels: { ...of, state } }],
    ),
    { gauge: 'backlog', value: backlog ?? 0, labels: of },
    { gauge: 'backlogAge', value: (oldestMs ?? 0) / 1_000, labels: of },
    { gauge: 'waitingPlaces', value: waiting, labels: of },
  ];
}
