import type { CampaignSnapshot } from '../model/campaign-rules.js';
import { assertInteger, ownCopy } from '../model/check.js';
import { UnknownCampaignError } from '../model/errors.js';
import { inCall, type Operation } from '../model/methods.js';
import type { NotReadyReason } from '../model/result.js';
import type { Campaigns } from '../redis/campaigns.js';
import { assertLost, CampaignOverError, registered } from '../redis/registry.js';
import { type RedisContext, Shard } from '../redis/shard.js';

/** A campaign of the registry, as `issuer.campaigns()` lists it. */
export type ListedCampaign =
  /** The answer of `inspect()`. */
  | (CampaignSnapshot & { readonly ready: true })
  /**
   * A campaign that nobody may act on. `missing`, `rolled_back`, `rebuilding`: why `issue()` answers `not_ready`. A
   * campaign that is being opened is `missing` too. `over`: its keys expired after the close; the next look of a worker
   * removes its entry from the registry.
   */
  | { readonly id: string; readonly ready: false; readonly state: NotReadyReason | 'over' }
  /**
   * Reading this campaign failed, for example because a key has another type, or because a node of a Cluster is away.
   * The other campaigns are listed.
   */
  | { readonly id: string; readonly ready: false; readonly state: 'unreadable'; readonly error: Error };

export interface ListCampaignsOptions {
  /** How many campaigns are read at a time, ahead of the loop: 1–64; default 8. */
  readonly concurrency?: number | undefined;
}

interface Listing {
  readonly context: RedisContext;
  readonly campaigns: Campaigns;
  /** Counts the calls under way, and throws `ClosedError`. */
  readonly call: <T>(operation: Operation, work: () => Promise<T>) => Promise<T>;
}

/** Throws `InvalidArgumentError`. */
export function checkedListing(options: ListCampaignsOptions): number {
  const { concurrency = 8 } = ownCopy('the argument of campaigns()', options, ['concurrency']);
  assertInteger('concurrency', concurrency, 1, 64);
  return concurrency;
}

/**
 * Every campaign of the registry, in the order in which the registry is read. One round trip each, and one per page of
 * the registry.
 */
export async function* listCampaigns(
  { context, campaigns, call }: Listing,
  concurrency: number,
): AsyncGenerator<ListedCampaign> {
  const ids = registered(context);
  const nextId = () => call('campaigns', () => ids.next());
  const ahead: Promise<ListedCampaign | null>[] = [];
  for (let id = await nextId(); !id.done; id = await nextId()) {
    const { value } = id;
    // A campaign that this process knows keeps its fence: a state that went back is noticed.
    const shard = campaigns.known(value)?.shard ?? new Shard(context, value);
    ahead.push(call('campaigns', () => look(shard)));
    if (ahead.length === concurrency) yield* found(await ahead.shift()!);
  }
  for (const one of ahead) yield* found(await one);
}

function found(one: ListedCampaign | null): ListedCampaign[] {
  return one ? [one] : [];
}

/** `null`: it was purged since it was listed. Never rejects, so that one campaign does not end the list. */
async function look(shard: Shard): Promise<ListedCampaign | null> {
  const { campaignId: id, context } = shard;
  const unready = (why: NotReadyReason | 'over') => ({ id, ready: false, state: why }) as const;
  try {
    const campaign = await shard.refresh();
    if (campaign === 'missing') await assertLost(context, id, shard.generation > 0);
    if (typeof campaign === 'string') return unready(campaign);
    if (campaign.ready) return { ...campaign, ready: true };
    return unready(shard.building ? 'rebuilding' : 'missing');
  } catch (error) {
    if (error instanceof CampaignOverError) return error.isPurged ? null : unready('over');
    if (error instanceof UnknownCampaignError) return null;
    return { id, ready: false, state: 'unreadable', error: inCall('campaigns', error) as Error };
  }
}
