import type { CampaignSnapshot } from '../model/campaign-rules.js';
import type { Campaigns } from '../redis/campaigns.js';
import { isNoCampaign } from '../redis/registry.js';
import { NewerCampaignError } from '../redis/reply-words.js';
import type { Schedule } from './schedule.js';

/** The backlog of one campaign. */
export interface CampaignHealth {
  readonly campaignId: string;
  /**
   * Reservations that are due: the backlog of write-behind, and leases that ran out. `null`: the campaign has no state
   * to read.
   */
  readonly backlog: number | null;
  /** How long ago the oldest of them was reserved, ms; `null` if none is due. */
  readonly oldestMs: number | null;
  /** Reservations that only an operator acts on. `null`: the campaign has no state to read. */
  readonly quarantined: number | null;
  /** The last fault that this worker saw in this campaign, redacted. It stays until the next one. */
  readonly lastError: { readonly error: Error; readonly at: Date } | null;
}

/** The answer of `health()`. */
export interface WorkerHealth {
  /** `false` once it was stopped. */
  readonly running: boolean;
  /** The campaigns that this worker looks after and has seen so far. */
  readonly campaigns: readonly CampaignHealth[];
}

const NOTHING_TO_READ = { backlog: null, oldestMs: null, quarantined: null };

export async function healthOf(campaigns: Campaigns, schedules: Iterable<Schedule>): Promise<CampaignHealth[]> {
  const all: CampaignHealth[] = [];
  for (const { id, lastError } of schedules) {
    const { backlog, oldestMs, quarantined } = (await snapshotOf(campaigns, id)) ?? NOTHING_TO_READ;
    all.push({ campaignId: id, backlog, oldestMs, quarantined, lastError });
  }
  return all;
}

/** `null`: it has no state to read. */
async function snapshotOf(campaigns: Campaigns, id: string): Promise<CampaignSnapshot | null> {
  try {
    const found = await campaigns.find(id);
    const snapshot = typeof found === 'string' ? found : await found.shard.refresh();
    return typeof snapshot === 'string' ? null : snapshot;
  } catch (error) {
    if (isNoCampaign(error) || error instanceof NewerCampaignError) return null;
    throw error;
  }
}
