import { type Campaign, type CampaignRules, differences, epochSuffix } from '../campaign.js';
import { CampaignConflictError, MisconfiguredError, RedisError, UnknownCampaignError } from '../errors.js';
import { type Issuance, withoutCode } from '../issuance.js';
import { METHODS } from '../methods.js';
import { type CampaignState, notReady, type RedisContext, rulesToFields } from './campaign-state.js';
import { answerUnderEpoch } from './epoch.js';
import { registryKey } from './keys.js';
import { decodeIssuance } from './record.js';
import type { Reply } from './runner.js';
import { scripts } from './scripts.js';

const POOL_PAGE = 500;

/** Remembers the id before the campaign is written. One round trip. */
export async function register({ runner, prefix, timeoutMs }: RedisContext, campaignId: string): Promise<void> {
  const keys = { campaigns: registryKey(prefix) };
  await runner.run(scripts.registerCampaign, { keys, args: { campaignId } }, timeoutMs);
}

export async function isRegistered({ runner, prefix, timeoutMs }: RedisContext, campaignId: string): Promise<boolean> {
  const keys = { campaigns: registryKey(prefix) };
  const reply = await runner.run(scripts.knowCampaign, { keys, args: { campaignId } }, timeoutMs);
  return reply[0] === 'known';
}

/** Every campaign of the registry, page by page, each once. */
export async function* registered({ runner, prefix, timeoutMs }: RedisContext): AsyncGenerator<string> {
  const keys = { campaigns: registryKey(prefix) };
  const seen = new Set<string>();
  let cursor = '0';
  do {
    const [next, ...ids] = await runner.run(scripts.listCampaigns, { keys, args: { cursor } }, timeoutMs);
    for (const id of ids.map(String)) {
      if (!seen.has(id)) yield id;
      seen.add(id);
    }
    cursor = String(next);
  } while (cursor !== '0');
}

/** Writes the campaign, not yet serving, or finds it. Refuses another definition, and keys that a lost campaign left behind. */
export async function writeCampaign(
  state: CampaignState,
  rules: CampaignRules,
  leaseMs: number,
): Promise<'opened' | 'exists'> {
  const reply = await state.run(scripts.openCampaign, { random: epochSuffix() }, rulesToFields(rules, leaseMs));
  if (reply[0] === 'partial') {
    throw new CampaignConflictError(
      `campaign ${state.id} lost a part of its state in Redis; its other keys are still there. Nothing was written: make it again with ${METHODS.rebuild}()`,
    );
  }
  await readCampaign(state);
  const different = differences(state.rules, rules);
  if (different.length > 0) {
    throw new CampaignConflictError(`campaign ${state.id} is open with another definition: ${different.join('; ')}`);
  }
  return reply[0] === 'opened' ? 'opened' : 'exists';
}

/** Lets the campaign serve. Repeats do nothing. */
export async function activate(state: CampaignState): Promise<void> {
  const [word] = await state.run(scripts.activateCampaign, { epoch: state.epoch });
  if (word !== 'active') throw notReady(state.id, word === 'rebuilding' ? word : 'missing');
}

export async function readCampaign(state: CampaignState): Promise<Campaign> {
  const campaign = await state.refresh();
  if (typeof campaign === 'string') throw notReady(state.id, campaign);
  return campaign;
}

export async function setPaused(state: CampaignState, paused: boolean): Promise<void> {
  const { sender, nextCall } = state.context;
  await answerUnderEpoch(state, async ({ epoch }) => {
    const args = { epoch, sender, call: String(nextCall()), paused: paused ? '1' : '0' };
    const reply = await state.run(scripts.setPaused, args);
    return reply[0] === 'lapsed' ? undefined : reply;
  });
}

export async function closeCampaign(state: CampaignState, retainMs: number | null): Promise<void> {
  const retain = retainMs === null ? '' : String(retainMs);
  await answerUnderEpoch(state, ({ epoch }) => state.run(scripts.closeCampaign, { epoch, retainMs: retain }));
}

export interface Restocked {
  readonly total: number;
  readonly available: number;
}

/** Changes the number of units, once per request id. */
export async function restock(state: CampaignState, requestId: string, add: number): Promise<Restocked> {
  const { reply } = await answerUnderEpoch(state, ({ epoch, fence }) =>
    state.run(scripts.restock, { epoch, fence, requestId, add: String(add) }),
  );
  const refused: Record<string, string> = {
    not_counted: `has no number of units to change; load more codes with ${METHODS.load}(), or nothing at all if it is unlimited`,
    another_change: 'made another change under this request id',
    too_many: 'would have more units than can be counted',
    too_few: `has only ${reply[1]} units that nobody has`,
  };
  const why = refused[String(reply[0])];
  if (why) throw new CampaignConflictError(`campaign ${state.id} ${why}; nothing was changed`);
  state.sawStamp(Number(reply[3]));
  return { total: Number(reply[1]), available: Number(reply[2]) };
}

/** Removes the keys of a campaign that is over, then its entry in the registry; one that is gone has only the entry. */
export async function purge(state: CampaignState): Promise<void> {
  const { runner, prefix, timeoutMs } = state.context;
  const { id } = state;
  if (typeof (await state.refresh()) === 'string' && !(await isRegistered(state.context, id))) {
    throw new UnknownCampaignError(`no campaign ${id} was opened under the prefix ${prefix}`);
  }
  // Not even asked for: a late copy would purge it once it is whole.
  const [word] = state.building ? ['rebuilding'] : await state.run(scripts.purgeCampaign, { epoch: state.epoch });
  const refused: Record<string, string> = {
    partial: `lost a part of its state; make it again with ${METHODS.rebuild}() and close it first`,
    rebuilding: 'is being rebuilt',
    stale_epoch: 'was rebuilt at this moment',
    not_closed: 'is not closed',
    reserved: 'has reservations that are not settled yet',
  };
  const why = refused[String(word)];
  if (why) throw new CampaignConflictError(`campaign ${id} ${why}; nothing was removed`);
  const keys = { campaigns: registryKey(prefix) };
  await runner.run(scripts.forgetCampaign, { keys, args: { campaignId: id } }, timeoutMs);
}

/** Refuses a server that may drop a campaign's keys, or that is only the copy of another. What the server does not say is let pass. */
export async function assertSafeServer(state: CampaignState): Promise<void> {
  // Where INFO is forbidden nothing can be said. Without an answer at all the next call would only wait as long again.
  const silent = (error: unknown): Reply => {
    if (error instanceof RedisError && (error.cause as Error | undefined)?.name === 'ReplyError') return ['ok', '', ''];
    throw error;
  };
  const [, policy, role] = await state.run(scripts.inspectServer, {}).catch(silent);
  const advice = "or pass unsafeRedis: 'allow' if you know better";
  if (policy !== '' && policy !== 'noeviction') {
    throw new MisconfiguredError(
      `this Redis may evict keys (maxmemory-policy ${policy}): marks of who has a coupon, and stock. Set noeviction, ${advice}`,
    );
  }
  if (role !== '' && role !== 'master') {
    throw new MisconfiguredError(`this Redis is a replica (role ${role}): connect to its master, ${advice}`);
  }
}

/** Changes a code that is still in the pool; looks for it from the tail, 500 codes a round trip. */
export async function replaceInPool(
  state: CampaignState,
  code: string,
  replacement: string,
): Promise<'replaced' | 'duplicate' | 'not_in_pool'> {
  let fromTail = '1';
  for (;;) {
    const { reply: page } = await answerUnderEpoch(state, ({ epoch, fence }) =>
      state.run(scripts.findInPool, { epoch, fence, code, fromTail, limit: String(POOL_PAGE) }),
    );
    if (page[0] === 'end') return 'not_in_pool';
    fromTail = String(page[1]);
    if (page[0] === 'more') continue;
    const found = { fromTail, unit: String(page[2]), code: replacement };
    const { reply } = await answerUnderEpoch(state, ({ epoch, fence }) =>
      state.run(scripts.replaceCode, { epoch, fence, ...found }),
    );
    if (reply[0] !== 'moved') return reply[0] as 'replaced' | 'duplicate';
    fromTail = '1';
  }
}

/** What a user holds; the code of a reservation is not shown. One round trip. */
export async function findUser(state: CampaignState, userId: string): Promise<Issuance[]> {
  const { reply, epoch } = await answerUnderEpoch(state, ({ epoch, fence }) =>
    state.run(scripts.findUser, { epoch, fence, userId }),
  );
  const of = { campaignId: state.id, userId, epoch };
  const issuances: Issuance[] = [];
  for (let i = 1; i < reply.length; i += 2) {
    const issuance = decodeIssuance(String(reply[i]), String(reply[i + 1]), of);
    issuances.push(issuance.state === 'issued' ? issuance : withoutCode(issuance));
  }
  return issuances;
}
