import { type CampaignRules, differences } from '../model/campaign-rules.js';
import { type Conflict, conflict, inDoubt } from '../model/errors.js';
import { METHODS } from '../model/methods.js';
import { decodePace, type Pace, type PaceField } from '../model/pace.js';
import { rulesToFields } from './campaign-fields.js';
import { answerUnderEpoch } from './epoch.js';
import { epochSuffix } from './generation.js';
import type { KnownCampaign } from './known-campaign.js';
import {
  CampaignOverError,
  findOver,
  neverOpened,
  nextGeneration,
  noteOver,
  registration,
  strikeOff,
} from './registry.js';
import { isNotReady, notReady, oneOf } from './reply-words.js';
import type { Reply } from './runner.js';
import { scripts } from './scripts.js';
import type { RedisContext, Sending, Shard } from './shard.js';

/**
 * Writes the campaign, not yet serving, unless another process has done so. Refuses where a lost campaign left keys
 * behind. Two round trips.
 */
export async function writeCampaign(shard: Shard, rules: CampaignRules, leaseMs: number): Promise<'opened' | 'exists'> {
  const generation = String(await nextGeneration(shard.context, shard.generation + 1));
  const fields = [...rulesToFields(rules, leaseMs), ...rules.pace];
  const reply = await shard.run(scripts.openCampaign, { generation, random: epochSuffix() }, fields);
  if (reply[0] === 'partial') {
    const what = 'lost a part of its state in Redis, and its other keys are still there';
    throw conflict(shard.campaignId, { what, cure: `Make it again with ${METHODS.rebuild}()` });
  }
  return oneOf('open-campaign', ['opened', 'exists'], reply[0]);
}

/** The same as it was opened with, or as it is now. Throws `CampaignConflictError`. */
export function assertSameRules({ id, rules, openedWith }: KnownCampaign, asked: CampaignRules): void {
  const different = differences(rules, asked);
  if (different.length === 0 || differences(openedWith, asked).length === 0) return;
  const what = `is open with another definition: ${different.join('; ')}`;
  const cure = `Open it with the definition of its opening, or of its last rebuild${changersOf(different)}`;
  throw conflict(id, { what, cure });
}

/** The calls that change these rules. A restock changes no rule: `open` takes the total of before it. */
function changersOf(different: readonly string[]): string {
  const changed = (call: string, rules: RegExp) => {
    const names = different.flatMap((text) => rules.exec(text)?.slice(1) ?? []);
    return names.length > 0 ? [`${call}() changes ${names.join(' and ')}`] : [];
  };
  const by = [
    ...changed(METHODS.restock, /^(total) is \d+, not \d/),
    ...changed(METHODS.update, /^(perUser|opensAt|closesAt) /),
  ];
  return by.length > 0 ? `; ${by.join(', and ')}` : '';
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
  const { reply, epoch } = await answerUnderEpoch(shard, async ({ epoch }) => {
    const args = { epoch, sender, call: String(nextCall()), paused: paused ? '1' : '0' };
    const reply = await shard.run(scripts.setPaused, args);
    return reply[0] === 'lapsed' ? undefined : reply;
  });
  oneOf('set-paused', ['done'], reply[0]);
  shard.sawStamp(epoch, Number(reply[1]));
}

/**
 * Changes the pace, and answers the one that holds now. It names the change that it follows, so that a late copy undoes
 * nothing. One round trip, and one more for each change that its process does not know of.
 */
export async function setPace(shard: Shard, fields: readonly PaceField[]): Promise<Pace> {
  let [follows, epoch, reply] = ['0', '', [] as Reply];
  const send = ({ epoch }: Sending) => shard.run(scripts.setPace, { epoch, follows }, fields);
  // However often it lapses: each time another change was made. The client may have sent one twice, so it may be made.
  for (let again = false; !again || reply[0] === 'lapsed'; again = true) {
    const answer = answerUnderEpoch(shard, send);
    ({ reply, epoch } = await (again ? answer.catch((error: unknown) => Promise.reject(inDoubt(error))) : answer));
    follows = String(reply[1]);
  }
  if (reply[0] === 'no_room') {
    const what = 'has no waiting room, so it has no admitPerSecond and no waves';
    throw conflict(shard.campaignId, { what, cure: 'Leave both out' });
  }
  oneOf('set-pace', ['done'], reply[0]);
  shard.sawStamp(epoch, Number(reply[1]));
  const [, , savesPerSecond, admitPerSecond, waves] = reply.map(String);
  const now: Record<keyof Pace, string | undefined> = { savesPerSecond, admitPerSecond, waves };
  return decodePace((name) => now[name]);
}

export async function closeCampaign(shard: Shard, retainMs: number | null): Promise<void> {
  const retain = retainMs === null ? '' : String(retainMs);
  const { reply, epoch } = await answerUnderEpoch(shard, (at) =>
    shard.run(scripts.closeCampaign, { epoch: at.epoch, retainMs: retain }),
  );
  if (reply[0] === 'other_retention') {
    const what = 'was closed with another retainMs, which counts';
    throw conflict(shard.campaignId, { what, cure: `To remove it earlier, call ${METHODS.purge}()` });
  }
  oneOf('close-campaign', ['done'], reply[0]);
  const [, stamp, nowMs, closedAt, goneAt] = reply.map(Number);
  shard.sawStamp(epoch, stamp!);
  if (reply[4] !== '')
    await noteOver(shard.context, shard.campaignId, { closedAt: closedAt!, goneAt: goneAt!, nowMs: nowMs! });
}

/** Of a restock or an update. */
export const ANOTHER_CHANGE: Conflict = {
  what: 'made another change under this request id',
  cure: 'Give each change a requestId of its own',
};

export interface Restocked {
  readonly total: number;
  readonly available: number;
}

/** Changes the number of units, once per request id. */
export async function restock(shard: Shard, requestId: string, add: number): Promise<Restocked> {
  const { reply, epoch } = await answerUnderEpoch(shard, ({ epoch, fence }) =>
    shard.run(scripts.restock, { epoch, fence, requestId, add: String(add) }),
  );
  const refused: Record<string, Conflict> = {
    not_counted: {
      what: 'has no number of units to change',
      cure: `A pool grows with ${METHODS.load}(), and an unlimited campaign needs no more units`,
    },
    another_change: ANOTHER_CHANGE,
    too_many: { what: 'would have more units than can be counted', cure: 'Add fewer' },
    too_few: { what: `has only ${reply[1]} units that nobody has`, cure: 'Remove no more than that' },
  };
  const refusal = refused[String(reply[0])];
  if (refusal) throw conflict(shard.campaignId, refusal);
  oneOf('restock', ['done'], reply[0]);
  shard.sawStamp(epoch, Number(reply[3]));
  return { total: Number(reply[1]), available: Number(reply[2]) };
}

const CLOSE_FIRST = `Call ${METHODS.closeForGood}() first`;
const UNPURGEABLE: Readonly<Record<string, Conflict>> = {
  partial: { what: 'lost a part of its state', cure: `Make it again with ${METHODS.rebuild}(). ${CLOSE_FIRST}` },
  rebuilding: { what: 'is being rebuilt', cure: 'Wait for the end of the rebuild' },
  stale_epoch: { what: 'was rebuilt at this moment', cure: CLOSE_FIRST },
  not_closed: { what: 'is not closed', cure: CLOSE_FIRST },
  reserved: { what: 'has reservations that are not settled yet', cure: `Call ${METHODS.settle}() first` },
};

/** Removes the keys of a campaign that is over, then its entry in the registry; one that is gone has only the entry. */
export async function purge(shard: Shard): Promise<void> {
  const { campaignId: id, context } = shard;
  const mark = await registration(context, id);
  await shard.refresh();
  // Not even asked for: a late copy would purge it once it is whole.
  const reply = shard.building ? ['rebuilding'] : await shard.run(scripts.purgeCampaign, { epoch: shard.epoch });
  const refusal = UNPURGEABLE[String(reply[0])];
  if (refusal) throw conflict(id, refusal, 'nothing was removed');
  if (reply[0] === 'missing') return purgeEntry(context, id, mark);
  oneOf('purge-campaign', ['done'], reply[0]);
  await noteOver(context, id, { closedAt: Number(reply[2]), goneAt: null, nowMs: Number(reply[1]) });
  await strikeOff(context, id, mark);
}

/** The keys are gone: they expired, or an earlier purge was cut short. */
async function purgeEntry(context: RedisContext, id: string, mark: string | null): Promise<void> {
  const past = await findOver(context, id);
  // A purge that was cut short left the entry. Without it, an earlier purge was complete.
  if (past.word !== 'expired' && mark === null) {
    throw past.word === 'purged' ? new CampaignOverError(id, past.closedAt, true) : neverOpened(context, id);
  }
  if (past.word === 'expired') {
    await noteOver(context, id, { closedAt: past.closedAt.getTime(), goneAt: null, nowMs: past.nowMs });
  }
  await strikeOff(context, id, mark);
}
