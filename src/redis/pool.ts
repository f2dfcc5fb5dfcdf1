import { type CampaignConflictError, conflict } from '../model/errors.js';
import { type Answered, answerUnderEpoch } from './epoch.js';
import type { KnownCampaign } from './known-campaign.js';
import { oneOf } from './reply-words.js';
import { inOnePiece, type Reply } from './runner.js';
import { scripts } from './scripts.js';
import type { Sending } from './shard.js';

const PAGE = 500;
const LEFT = 'nothing was loaded from there on';

/** The names of a call: that of its load, and one of its own. */
export interface Loading {
  readonly loadId: string;
  /** Names this call, so that only this call counts a chunk that was sent twice as its own. */
  readonly caller: string;
}

/**
 * Codes from `offset` of a list on. `before` and `after` are digests of the list up to the first and behind the last of
 * them.
 */
export interface Chunk {
  readonly offset: number;
  readonly codes: readonly string[];
  readonly before: string;
  readonly after: string;
}

/** How far a load came, and the digest of its list up to there. */
export interface LoadProgress {
  readonly offset: number;
  readonly digest: string;
  /** Units of the pool in all, issued ones included. */
  readonly total: number;
  /**
   * The result of this caller's chunk: how many codes it added, and the first places, from 0, of duplicates in it.
   * `null`: nothing was written.
   */
  readonly loaded: { readonly added: number; readonly duplicates: readonly number[] } | null;
}

/** Reads how far a load came. One round trip. */
export function readLoad(campaign: KnownCampaign, loading: Loading): Promise<LoadProgress> {
  return loadChunk(campaign, loading, { offset: 0, codes: [], before: '', after: '' });
}

/**
 * Loads the chunk that follows the codes loaded under this name. Throws `CampaignConflictError` for a chunk of another
 * list. One round trip.
 */
export async function loadChunk(campaign: KnownCampaign, loading: Loading, chunk: Chunk): Promise<LoadProgress> {
  const { codes, before, after } = chunk;
  const items = codes.map((code) => ({ code }));
  const args = { ...loading, offset: String(chunk.offset), before, after };
  const { reply, epoch } = await answerInPool(campaign, ({ epoch, fence }) =>
    campaign.shard.run(scripts.loadCodes, { epoch, fence, ...args }, items),
  );
  if (reply[0] === 'another_list')
    throw anotherList(campaign, loading, `its first ${chunk.offset + codes.length} codes`);
  if (reply[0] === 'gap') {
    // A load brings back no code that is known, and that the rebuild was not given.
    const what = `was rebuilt meanwhile, so the load ${loading.loadId} lost its place`;
    throw conflict(
      campaign.id,
      { what, cure: 'Rebuild it again with every code of the pool, those of this list too' },
      LEFT,
    );
  }
  oneOf('load-codes', ['ok'], reply[0]);
  const [, offset, digest, total, stamp, by, added, places] = reply.map(String);
  campaign.shard.sawStamp(epoch, Number(stamp));
  const duplicates = places === '' ? [] : places!.split(',').map((place) => Number(place) - 1);
  const isThis = by === loading.caller && Number(offset) === chunk.offset + codes.length;
  const loaded = isThis ? { added: Number(added), duplicates } : null;
  return { offset: Number(offset), digest: digest!, total: Number(total), loaded };
}

/** Two lists under one name: `what` of the two differs. */
export function anotherList({ id }: KnownCampaign, { loadId }: Loading, what: string): CampaignConflictError {
  const other = `has loaded another list under the loadId ${loadId}: ${what} are not the same`;
  return conflict(id, { what: other, cure: 'Give each list a loadId of its own' }, LEFT);
}

/** A list of codes that `loadCodes()` has loaded, whole or in part. */
export interface CodeLoad {
  readonly loadId: string;
  /** How many codes of the list were taken from its beginning on, duplicates included. */
  readonly codes: number;
}

/** Some of the lists that were loaded, and the cursor of the next ones; `'0'`: there are no more. One round trip. */
export async function readLoads(
  campaign: KnownCampaign,
  cursor: string,
): Promise<{ readonly loads: readonly CodeLoad[]; readonly next: string }> {
  const { reply } = await answerInPool(campaign, ({ epoch, fence }) =>
    campaign.shard.run(scripts.listLoads, { epoch, fence, cursor, limit: String(PAGE) }),
  );
  oneOf('list-loads', ['ok'], reply[0]);
  const [, next, ...fields] = inOnePiece(reply).map(String);
  const loads = fields.flatMap((loadId, i) => (i % 2 === 0 ? [{ loadId, codes: Number(fields[i + 1]) }] : []));
  return { loads, next: next! };
}

/** Changes a code that is still in the pool; looks for it from the tail, 500 codes a round trip. */
export async function replaceInPool(
  campaign: KnownCampaign,
  code: string,
  replacement: string,
): Promise<'replaced' | 'duplicate' | 'not_in_pool'> {
  let fromTail = '1';
  for (;;) {
    const { reply: page } = await answerInPool(campaign, ({ epoch, fence }) =>
      campaign.shard.run(scripts.findInPool, { epoch, fence, code, fromTail, limit: String(PAGE) }),
    );
    const word = oneOf('find-in-pool', ['end', 'more', 'found'], page[0]);
    if (word === 'end') return 'not_in_pool';
    fromTail = String(page[1]);
    if (word === 'more') continue;
    const found = { fromTail, unit: String(page[2]), code: replacement };
    const { reply, epoch } = await answerInPool(campaign, ({ epoch, fence }) =>
      campaign.shard.run(scripts.replaceCode, { epoch, fence, ...found }),
    );
    if (reply[0] === 'replaced') campaign.shard.sawStamp(epoch, Number(reply[1]));
    if (reply[0] !== 'moved') return oneOf('replace-code', ['replaced', 'duplicate'], reply[0]);
    fromTail = '1';
  }
}

async function answerInPool(
  { id, rules, shard }: KnownCampaign,
  send: (at: Sending) => Promise<Reply>,
): Promise<Answered> {
  const answer = await answerUnderEpoch(shard, send);
  if (answer.reply[0] !== 'no_pool') return answer;
  throw conflict(id, { what: `is ${rules.kind}: it has no code pool`, cure: "Codes are for stock: { kind: 'codes' }" });
}
