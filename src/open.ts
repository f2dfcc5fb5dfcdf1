import type { Campaign, CampaignRules } from './campaign.js';
import { CampaignConflictError } from './errors.js';
import { listRows } from './list.js';
import { METHODS } from './methods.js';
import type { PersistenceAdapter } from './persistence/adapter.js';
import { activate, assertSafeServer, readCampaign, register, writeCampaign } from './redis/admin.js';
import type { RedisContext } from './redis/campaign-state.js';
import type { Campaigns } from './redis/campaigns.js';

export interface OpenOptions {
  readonly leaseMs: number;
  readonly timeoutMs: number;
  readonly persistence: PersistenceAdapter | undefined;
  readonly unsafeRedis: boolean;
  readonly isNew: boolean;
}

/**
 * Writes the campaign in a state that never serves, and lets it serve only after the database was found empty: state that is missing in Redis
 * must not be taken for a campaign that is new.
 */
export async function openCampaign(
  context: RedisContext,
  campaigns: Campaigns,
  id: string,
  rules: CampaignRules,
  options: OpenOptions,
): Promise<{ status: 'opened' | 'exists'; campaign: Campaign }> {
  const state = campaigns.state(id);
  if (!options.unsafeRedis) await assertSafeServer(state);
  await register(context, id);
  const status = await writeCampaign(state, rules, options.leaseMs);
  if (!state.verified) {
    if (!options.isNew) await assertNoRows(id, options.persistence, options.timeoutMs);
    await activate(state);
    // A purge of the campaign that had this id before may have struck it off meanwhile.
    await register(context, id);
  }
  campaigns.keep(state);
  return { status, campaign: await readCampaign(state) };
}

async function assertNoRows(
  campaignId: string,
  persistence: PersistenceAdapter | undefined,
  timeoutMs: number,
): Promise<void> {
  if (!persistence?.list) return;
  const otherwise = `campaign ${campaignId} does not serve until it was opened again`;
  const list = persistence.list.bind(persistence);
  const rows = await listRows(list, { campaignId, afterSerial: 0, limit: 1, timeoutMs, otherwise });
  if (rows.length === 0) return;
  throw new CampaignConflictError(
    `the database holds issuances of campaign ${campaignId}, Redis holds no state of it: it is not new and does not serve. Make its state again with ${METHODS.rebuild}()`,
  );
}
