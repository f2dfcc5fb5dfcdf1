import type { CampaignRules, CampaignSnapshot } from '../model/campaign-rules.js';
import { ownCopy } from '../model/check.js';
import { conflict, InvalidArgumentError, invalid, MisconfiguredError } from '../model/errors.js';
import { METHODS } from '../model/methods.js';
import type { PersistenceAdapter } from '../persistence/adapter.js';
import { listRows } from '../persistence/list-rows.js';
import type { Campaigns } from '../redis/campaigns.js';
import type { KnownCampaign } from '../redis/known-campaign.js';
import { activate, assertSameRules, rebind, writeCampaign } from '../redis/operate.js';
import { CampaignOverError, dropOver, findOver, register, registration } from '../redis/registry.js';
import { notReady } from '../redis/reply-words.js';
import { assertSafeServer } from '../redis/server-check.js';
import type { RedisContext, Shard } from '../redis/shard.js';

export interface OpenOptions {
  /**
   * Skips a safety check: `open` does not ask the database whether it holds rows of this campaign. If it holds some,
   * the same units go out again.
   */
  readonly skipRowCheck?: boolean | undefined;
  /** `rebind` binds a campaign to the database of this process, although it is bound to another one. */
  readonly store?: 'rebind' | undefined;
}

export function checkedOpenOptions(given: OpenOptions): { skipRowCheck: boolean; rebind: boolean } {
  const { skipRowCheck, store } = ownCopy('the second argument of open()', given, ['skipRowCheck', 'store']);
  if (store !== undefined && store !== 'rebind') throw invalid('store', "must be 'rebind'");
  return { skipRowCheck: skipRowCheck === true, rebind: store === 'rebind' };
}

interface Opening {
  readonly leaseMs: number;
  readonly timeoutMs: number;
  readonly persistence: PersistenceAdapter | undefined;
  readonly unsafeRedis: boolean;
  readonly skipRowCheck: boolean;
  readonly rebind: boolean;
}

/**
 * Writes the campaign in a state that never serves. It serves only after the database was found empty: a state that
 * Redis lost must not look like a new campaign.
 */
export async function open(
  context: RedisContext,
  campaigns: Campaigns,
  id: string,
  rules: CampaignRules,
  options: Opening,
): Promise<{ status: 'opened' | 'exists'; campaign: CampaignSnapshot }> {
  const campaign = campaigns.campaign(id);
  const { shard } = campaign;
  const { store } = campaigns.equipment;
  const unasked = (await store?.ask().catch(unlessMisconfigured)) ?? null;
  if (!options.unsafeRedis) await assertSafeServer(shard);
  await context.rights.assert(shard.keys, options.timeoutMs);
  const status = await findOrWrite(context, campaign, rules, options);
  assertSameRules(campaign, rules);
  // While the database is away, a campaign that serves is found, and one that is said to be new is bound to none.
  if (unasked && (options.rebind || !(shard.verified || options.skipRowCheck))) throw unasked;
  if (shard.building) throw notReady(id, 'rebuilding');
  if (shard.verified) {
    if (options.rebind) await rebind(campaign, store?.identity ?? null);
  } else {
    if (!options.skipRowCheck) await assertNoRows(id, options).catch(unlessServing(shard));
    await dropOver(shard, ({ ready }) => !ready);
    await activate(shard, store?.identity ?? null);
  }
  const snapshot = await campaign.inspect();
  campaigns.keep(campaign);
  // Another process may have let it serve, with another database.
  await campaigns.equip(campaigns.known(id)!, 'brief');
  return { status, campaign: snapshot };
}

async function findOrWrite(
  context: RedisContext,
  campaign: KnownCampaign,
  rules: CampaignRules,
  opening: Opening,
): Promise<'opened' | 'exists'> {
  const { id, shard } = campaign;
  const found = await shard.refresh();
  if (found === 'missing' && !opening.skipRowCheck) await assertNotOver(context, id, opening);
  if (found === 'missing') assertNotPast(shard, rules);
  // A later mark would keep a purge from the entry of the campaign that it removes.
  if (found === 'missing' || (await registration(context, id)) === null) await register(context, id);
  if (found !== 'missing') {
    if (typeof found === 'string') throw notReady(id, found);
    return 'exists';
  }
  const status = await writeCampaign(shard, rules, opening.leaseMs);
  await campaign.inspect();
  return status;
}

/**
 * Processes open their campaigns at every start. One that is over must not begin again by that: its keys expired after
 * its close, or it was purged and has rows.
 */
async function assertNotOver(context: RedisContext, id: string, opening: Opening): Promise<void> {
  const past = await findOver(context, id);
  if (past.word === 'expired') throw new CampaignOverError(id, past.closedAt, false);
  if (past.word === 'purged') await assertNoRows(id, opening, past.closedAt);
}

/**
 * A campaign that would be over before it began is a mistake: a wrong year, a wrong zone. One that is there may be
 * over; to find it is no mistake.
 */
function assertNotPast({ campaignId, readAtMs }: Shard, { closesAt, validity }: CampaignRules): void {
  if (closesAt === null || readAtMs < closesAt) return;
  const [end, now] = [closesAt, readAtMs].map((ms) => new Date(ms).toISOString());
  const name = closesAt === validity?.until ? 'validity.until' : 'closesAt';
  throw new InvalidArgumentError(
    `${name} ${end} is past, by the clock of Redis (${now}); campaign ${campaignId} was not opened and nothing was written`,
  );
}

/** The first row may be of this campaign, which another process let serve meanwhile. */
function unlessServing(shard: Shard): (error: unknown) => Promise<void> {
  return async (error) => {
    await shard.refresh();
    if (!shard.verified) throw error;
  };
}

function unlessMisconfigured(error: unknown): unknown {
  if (error instanceof MisconfiguredError) throw error;
  return error;
}

/** `purgedAt`: the close of the campaign that had this id before. Nothing is written yet then. */
async function assertNoRows(campaignId: string, { persistence, timeoutMs }: Opening, purgedAt?: Date): Promise<void> {
  if (!persistence?.list) return;
  const left = purgedAt ? 'nothing was written' : 'it does not serve';
  const otherwise = purgedAt ? left : `campaign ${campaignId} does not serve until it was opened again`;
  const list = persistence.list.bind(persistence);
  const rows = await listRows(list, { campaignId, afterSerial: 0, limit: 1, timeoutMs, otherwise });
  if (rows.length === 0) return;
  const why = purgedAt ? `it was closed at ${purgedAt.toISOString()} and purged` : 'Redis holds no state of it';
  const cure = purgedAt ? 'Take another id' : `Make its state again with ${METHODS.rebuild}()`;
  throw conflict(campaignId, { what: `is not new: the database holds issuances of it, and ${why}`, cure }, left);
}
