import type {
  Campaign,
  CampaignDefinition,
  CodeReplacement,
  CouponIssuer,
  IssueRequest,
  JoinRequest,
  OpenOptions,
  RebuildOptions,
  WatchRequest,
} from '../../../src/index.js';

/** A definition that carries the id of its campaign, so that a scene can hand it on as one value. */
export type NamedDefinition = CampaignDefinition & { readonly id: string };

/** The definition as the campaign is opened with it. */
export function withoutId({ id: _, ...definition }: NamedDefinition): CampaignDefinition {
  return definition;
}

type Of<T> = T & { readonly campaignId: string };

export function openNamed(issuer: CouponIssuer, { id, ...definition }: NamedDefinition, options?: OpenOptions) {
  return issuer.campaign(id).open(definition, options);
}

export function rebuildNamed(issuer: CouponIssuer, { id, ...definition }: NamedDefinition, options?: RebuildOptions) {
  return issuer.campaign(id).rebuild(definition, options);
}

export function issueNamed(issuer: CouponIssuer, { campaignId, ...request }: Of<IssueRequest>) {
  return issuer.campaign(campaignId).issue(request);
}

export function joinNamed(issuer: CouponIssuer, { campaignId, ...request }: Of<JoinRequest>) {
  return issuer.campaign(campaignId).join(request);
}

export function leaveNamed(issuer: CouponIssuer, { campaignId, ...request }: Of<{ userId: string }>) {
  return issuer.campaign(campaignId).leave(request);
}

export function watchNamed(issuer: CouponIssuer, { campaignId, ...request }: Of<WatchRequest>) {
  return issuer.campaign(campaignId).watch(request);
}

export function userStatusNamed(issuer: CouponIssuer, { campaignId, ...query }: Of<{ userId: string }>) {
  return issuer.campaign(campaignId).userStatus(query);
}

export function replaceCodeNamed(issuer: CouponIssuer, { campaignId, ...change }: Of<CodeReplacement>) {
  return issuer.campaign(campaignId).replaceCode(change);
}

export function restockNamed(issuer: CouponIssuer, { id, ...change }: { id: string; add: number; requestId: string }) {
  return issuer.campaign(id).restock(change);
}

/** All pages of a quarantine. */
export async function quarantinedOf(campaign: Campaign) {
  const found = [];
  for await (const one of campaign.quarantine.list()) found.push(one);
  return found;
}
