import type { ListedCampaign } from '../operate/list-campaigns.js';
import type { WorkerSeen } from '../redis/workers.js';
import { type Diagnosis, finding, judged, ok, part, toldOf } from './diagnosis.js';

/** The ways to ask about campaigns and workers. */
export interface CampaignsToLookAt {
  readonly prefix: string;
  readonly campaigns: () => AsyncIterable<ListedCampaign>;
  readonly workers: () => Promise<readonly WorkerSeen[]>;
  /** Whether this process has the hooks and the database of a campaign. Throws `MisconfiguredError`. */
  readonly equip: (campaignId: string) => Promise<unknown>;
  /** The campaigns that have a row in the database; none where the adapter does not list them. */
  readonly withRows: () => Promise<readonly string[]>;
}

type ReadyCampaign = ListedCampaign & { readonly ready: true };

const CURES: Readonly<Record<string, string>> = {
  missing: 'rebuild the campaign; if its open stopped half way, open it again',
  rolled_back: 'rebuild the campaign: Redis went back to an earlier state',
  rebuilding: 'wait for the rebuild, or run it again if its process died',
  unreadable: 'look at the error, and at the keys of the campaign',
};
const ASK_REDIS = 'see redis.answer and redis.rights';

export async function lookAtCampaigns(of: CampaignsToLookAt): Promise<readonly Diagnosis[]> {
  const ready: ReadyCampaign[] = [];
  const found = await part('campaigns', ASK_REDIS, async () => {
    const findings: Diagnosis[] = [];
    let count = 0;
    for await (const campaign of of.campaigns()) {
      count++;
      if (campaign.ready) ready.push(campaign);
      findings.push(...(await ofCampaign(campaign, of)));
    }
    if (count === 0) return [await ofNone(of)];
    return findings.length > 0 ? findings : [ok('campaigns', stuckNone(count))];
  });
  return [...found, quarantineOf(ready), ...(await part('workers', ASK_REDIS, () => ofWorkers(of, ready)))];
}

/** Rows outlive their campaigns. Where Redis knows of no campaign at all, it has lost them, or this is another prefix. */
async function ofNone({ prefix, withRows }: CampaignsToLookAt): Promise<Diagnosis> {
  // A database that is away is the finding of another check.
  const ids = await withRows().catch(() => []);
  const none = `Redis has no campaign under the prefix ${prefix}`;
  if (ids.length === 0) return ok('campaigns', `${none}: none was opened, or Redis lost them`);
  const found = `${none}, and the database has rows of ${namesOf(ids)}: Redis lost them, or the prefix is another one`;
  const cure = 'see that this is the prefix of your service; then rebuild each campaign that goes on';
  return finding('campaigns', 'fault', found, cure);
}

function namesOf(ids: readonly string[]): string {
  const names = ids.slice(0, 5);
  return `${names.join(', ')}${ids.length > names.length ? `, and ${ids.length - names.length} more` : ''}`;
}

function stuckNone(count: number): string {
  return count === 1 ? '1 campaign, not stuck' : `${count} campaigns, none of them stuck`;
}

async function ofCampaign(campaign: ListedCampaign, { equip }: CampaignsToLookAt): Promise<Diagnosis[]> {
  const { id, state } = campaign;
  if (!campaign.ready) {
    if (state === 'over') return [];
    const why = campaign.state === 'unreadable' ? `: ${toldOf(campaign.error)}` : '';
    return [finding('campaigns', 'fault', `campaign ${id} is ${state}${why}`, CURES[state]!)];
  }
  if (campaign.closedAt && !campaign.reserved) return [];
  try {
    await equip(id);
    return [];
  } catch (error) {
    // A table that is not fit is the finding of another check, and a database that is away too.
    const told = toldOf(error);
    if (!told.includes(`campaign ${id} `)) return [];
    return [finding('campaigns', 'fault', told, 'give this process the hooks and the database of the campaign')];
  }
}

function quarantineOf(ready: readonly ReadyCampaign[]): Diagnosis {
  const held = ready.filter(({ quarantined }) => quarantined);
  const found = held.map(({ id, quarantined }) => `${quarantined} of campaign ${id}`).join(', ');
  return judged('quarantine', found || 'nothing is in quarantine', held.length === 0, {
    cure: 'cure the cause, then retry or withdraw them: coupon-issuer quarantine ls <campaign>',
  });
}

async function ofWorkers(of: CampaignsToLookAt, ready: readonly ReadyCampaign[]): Promise<Diagnosis[]> {
  const workers = await of.workers();
  const waiting = ready.filter(({ backlog, closedAt, state }) => backlog || (!closedAt && state !== 'closed'));
  if (workers.length + waiting.length === 0) return [ok('workers', 'no worker, and no campaign that needs one')];
  const alone = waiting.filter(({ id }) => !workers.some(({ campaigns }) => campaigns?.includes(id) ?? true));
  const fit = fitnessOf(workers);
  if (alone.length === 0) return fit;
  const none = workers.length === 0 ? 'no worker was seen' : `${workers.length} seen, for other campaigns alone`;
  const found = `${none}, and these campaigns need one: ${namesOf(alone.map(({ id }) => id))}`;
  const cure = 'start one in two processes: startWorker(), or coupon-issuer worker';
  return [finding('workers', 'fault', found, cure), ...fit.filter(({ verdict }) => verdict !== 'ok')];
}

function fitnessOf(workers: readonly WorkerSeen[]): Diagnosis[] {
  const failing = workers.filter(({ lastFault, succeededAt }) => lastFault && lastFault.at > (succeededAt ?? 0));
  const words = [...new Set(failing.map(({ lastFault }) => lastFault!.errorType))].join(', ');
  const versions = new Set(workers.map(({ version }) => version));
  return [
    judged(
      'workers',
      failing.length > 0
        ? `${failing.length} of ${workers.length} workers fail with ${words}`
        : `${workers.length} seen`,
      failing.length === 0,
      { cure: 'look at the fault events of their processes' },
    ),
    ...(versions.size > 1
      ? [
          finding(
            'workers',
            'warning',
            `versions ${[...versions].sort().join(', ')}`,
            'end the upgrade: run one version',
          ),
        ]
      : []),
  ];
}
