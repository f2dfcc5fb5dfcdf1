import { type CampaignRules, differences, epochSuffix } from '../model/campaign-rules.js';
import { CampaignConflictError, UnknownCampaignError } from '../model/errors.js';
import { METHODS } from '../model/methods.js';
import { decodePace, type Pace, type PaceField } from '../model/pace.js';
import { rulesToFields } from './campaign-fields.js';
import { answerUnderEpoch } from './epoch.js';
import type { KnownCampaign } from './known-campaign.js';
import { findOver, isRegistered, nextGeneration, noteOver, strikeOff } from './registry.js';
import type { Reply } from './runner.js';
import { scripts } from './scripts.js';
import type { RedisContext, Shard } from './shard.js';
import { isNotReady, notReady, oneOf } from './words.js';

/**
 * Writes the campaign, not yet serving, unless another process has done so. Refuses where a lost campaign left keys
 * behind. Two round trips.
 */
export async function writeCampaign(shard: Shard, rules: CampaignRules, leaseMs: number): Promise<'opened' | 'exists'> {
  const generation = String(await nextGeneration(shard.context, shard.generation + 1));
  const fields = [...rulesToFields(rules, leaseMs), ...rules.pace];
  const reply = await shard.run(scripts.openCampaign, { generation, random: epochSuffix() }, fields);
  if (reply[0] === 'partial') {
    throw new CampaignConflictError(
      `campaign ${shard.campaignId} lost a part of its state in Redis; its other keys are still there. Nothing was written: make it again with ${METHODS.rebuild}()`,
    );
  }
  return oneOf('open-campaign', ['opened', 'exists'], reply[0]);
}

/** The same as it was opened with, or as it is now. Throws `CampaignConflictError`. */
export function assertSameRules({ id, rules, openedWith }: KnownCampaign, asked: CampaignRules): void {
  const different = differences(rules, asked);
  if (different.length === 0 || differences(openedWith, asked).length === 0) return;
  throw new CampaignConflictError(`campaign ${id} is open with another definition: ${different.join('; ')}`);
}

/**
 * Lets the campaign serve, with this database, unless another process has done so. Repeats do nothing. The generation
 * is drawn while the state is there: one that was drawn before it was written may have been overtaken by a campaign
 * that is gone by now. Two round trips, or three.
 */
export async function activate(shard: Shard, store: string | null): Promise<void> {
  const [word] = await sendActivation(shard, store, '0');
  if (word === 'stale_epoch' && typeof (await shard.refresh()) !== 'string' && shard.verified) return;
  if (word !== 'active') throw notReady(shard.campaignId, isNotReady(word) ? word : 'missing');
}

/** Binds a campaign that serves to another database, under a new epoch. Repeats do nothing. */
export async function rebind(campaign: KnownCampaign, store: string | null): Promise<void> {
  const { shard } = campaign;
  await answerUnderEpoch(shard, async () =>
    campaign.store === store ? ['active'] : sendActivation(shard, store, '1'),
  );
}

async function sendActivation(shard: Shard, store: string | null, rebind: '0' | '1'): Promise<Reply> {
  const { epoch } = shard;
  const generation = String(await nextGeneration(shard.context, shard.generation + 1));
  return shard.run(scripts.activateCampaign, { epoch, store: store ?? '', generation, random: epochSuffix(), rebind });
}

export async function setPaused(shard: Shard, paused: boolean): Promise<void> {
  const { sender, nextCall } = shard.context;
  const { reply } = await answerUnderEpoch(shard, async ({ epoch }) => {
    const args = { epoch, sender, call: String(nextCall()), paused: paused ? '1' : '0' };
    const reply = await shard.run(scripts.setPaused, args);
    return reply[0] === 'lapsed' ? undefined : reply;
  });
  oneOf('set-paused', ['done'], reply[0]);
  shard.sawStamp(Number(reply[1]));
}

/**
 * Changes the pace, and answers the one that holds now. Two round trips: the first one asks for an instant, so that a
 * late copy is known by it.
 */
export async function setPace(shard: Shard, fields: readonly PaceField[]): Promise<Pace> {
  let asked = '0';
  const { reply } = await answerUnderEpoch(shard, async ({ epoch }) => {
    const reply = await shard.run(scripts.setPace, { epoch, asked }, fields);
    if (reply[0] !== 'lapsed') return reply;
    asked = String(reply[1]);
    return undefined;
  });
  if (reply[0] === 'no_room') {
    throw new CampaignConflictError(
      `campaign ${shard.campaignId} has no waiting room, so it has no admitPerSecond and no waves; nothing was changed`,
    );
  }
  oneOf('set-pace', ['done'], reply[0]);
  shard.sawStamp(Number(reply[1]));
  const [, , savesPerSecond, admitPerSecond, waves] = reply.map(String);
  const now: Record<keyof Pace, string | undefined> = { savesPerSecond, admitPerSecond, waves };
  return decodePace((name) => now[name]);
}

export async function closeCampaign(shard: Shard, retainMs: number | null): Promise<void> {
  const retain = retainMs === null ? '' : String(retainMs);
  const { reply } = await answerUnderEpoch(shard, ({ epoch }) =>
    shard.run(scripts.closeCampaign, { epoch, retainMs: retain }),
  );
  if (reply[0] === 'other_retention') {
    throw new CampaignConflictError(
      `campaign ${shard.campaignId} was closed with another retainMs, which counts; nothing was changed. To remove it earlier, call purge()`,
    );
  }
  oneOf('close-campaign', ['done'], reply[0]);
  const [, stamp, nowMs, closedAt, goneAt] = reply.map(Number);
  shard.sawStamp(stamp!);
  if (reply[4] !== '')
    await noteOver(shard.context, shard.campaignId, { closedAt: closedAt!, goneAt: goneAt!, nowMs: nowMs! });
}

export interface Restocked {
  readonly total: number;
  readonly available: number;
}

/** Changes the number of units, once per request id. */
export async function restock(shard: Shard, requestId: string, add: number): Promise<Restocked> {
  const { reply } = await answerUnderEpoch(shard, ({ epoch, fence }) =>
    shard.run(scripts.restock, { epoch, fence, requestId, add: String(add) }),
  );
  const refused: Record<string, string> = {
    not_counted: `has no number of units to change; load more codes with ${METHODS.load}(), or nothing at all if it is unlimited`,
    another_change: 'made another change under this request id',
    too_many: 'would have more units than can be counted',
    too_few: `has only ${reply[1]} units that nobody has`,
  };
  const why = refused[String(reply[0])];
  if (why) throw new CampaignConflictError(`campaign ${shard.campaignId} ${why}; nothing was changed`);
  oneOf('restock', ['done'], reply[0]);
  shard.sawStamp(Number(reply[3]));
  return { total: Number(reply[1]), available: Number(reply[2]) };
}

/** Removes the keys of a campaign that is over, then its entry in the registry; one that is gone has only the entry. */
export async function purge(shard: Shard): Promise<void> {
  const { campaignId: id, context } = shard;
  await shard.refresh();
  // Not even asked for: a late copy would purge it once it is whole.
  const reply = shard.building ? ['rebuilding'] : await shard.run(scripts.purgeCampaign, { epoch: shard.epoch });
  const refused: Record<string, string> = {
    partial: `lost a part of its state; make it again with ${METHODS.rebuild}() and close it first`,
    rebuilding: 'is being rebuilt',
    stale_epoch: 'was rebuilt at this moment',
    not_closed: 'is not closed',
    reserved: 'has reservations that are not settled yet',
  };
  const why = refused[String(reply[0])];
  if (why) throw new CampaignConflictError(`campaign ${id} ${why}; nothing was removed`);
  if (reply[0] === 'missing') return purgeEntry(context, id);
  oneOf('purge-campaign', ['done'], reply[0]);
  await noteOver(context, id, { closedAt: Number(reply[2]), goneAt: null, nowMs: Number(reply[1]) });
  await strikeOff(context, id);
}

/** The keys are gone: they expired, or an earlier purge was cut short. */
async function purgeEntry(context: RedisContext, id: string): Promise<void> {
  const past = await findOver(context, id);
  if (past.word !== 'expired' && !(await isRegistered(context, id))) {
    throw new UnknownCampaignError(`no campaign ${id} was opened under the prefix ${context.prefix}`);
  }
  if (past.word === 'expired') {
    await noteOver(context, id, { closedAt: past.closedAt.getTime(), goneAt: null, nowMs: past.nowMs });
  }
  await strikeOff(context, id);
}
