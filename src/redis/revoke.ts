import type { Issuance } from '../model/issuance.js';
import type { NotReadyReason } from '../model/result.js';
import { underEpoch } from './epoch.js';
import { oneOf } from './reply-words.js';
import { inOnePiece } from './runner.js';
import { scripts } from './scripts.js';
import type { Shard } from './shard.js';

/** A coupon that is about to be revoked in the database, and whose unit has to be taken back then. */
export interface Announcement {
  readonly id: string;
  readonly userId: string;
  readonly serial: number;
  /** The version of the row that its change will name: a change that is decided anew is announced anew. */
  readonly version: number;
}

/** A coupon whose row is revoked, by the row alone: a call may have asked for something else. */
export interface RevokedUnit {
  readonly id: string;
  readonly userId: string;
  readonly serial: number;
  /** The user may have another coupon in its place. */
  readonly frees: boolean;
  /** A new unit goes into the stock for it. */
  readonly returns: boolean;
}

/** `before`: it was taken back already. `gone`: Redis has no such coupon of the user on that unit. */
export type TakeBackWord = (typeof WORDS)[number];
const WORDS = ['taken_back', 'before', 'gone'] as const;

/** The unit of a revoked row. The row decides on its return, never a call. */
export function unitOf({ id, userId, serial, grant, life }: Issuance): RevokedUnit {
  return { id, userId, serial, frees: grant === 0, returns: life?.unitReturned === true };
}

const CHUNK = 500;
/** The most units of one take-back: each user has up to 100 coupons to look through. */
export const MOST_UNITS = 100;

/**
 * Before the rows are changed, so that a worker takes the units back if this process does not. The same announcement
 * may be sent again. It also counts while the campaign is rebuilt. One round trip per 500. Throws `RedisError`,
 * `CampaignOverError`, `UnknownCampaignError`.
 */
export async function announceRevokes(
  shard: Shard,
  announcements: readonly Announcement[],
): Promise<'announced' | NotReadyReason> {
  for (const some of chunksOf(announcements, CHUNK)) {
    const items = some.map(({ id, version, serial, userId }) => ({
      id,
      version: String(version),
      serial: String(serial),
      userId,
    }));
    const { reply, refused } = await underEpoch(shard, () =>
      shard.run(scripts.announceRevoke, { epoch: shard.epoch }, items),
    );
    if (refused) return refused;
    oneOf('announce-revoke', ['announced'], reply[0]);
  }
  return 'announced';
}

/**
 * Takes the units of up to `MOST_UNITS` revoked coupons back, each once, and drops their announcements; a word for each,
 * in order. A reason instead: none was taken back, and the announcements stay. One round trip. Throws `RedisError`,
 * `CampaignOverError`, `UnknownCampaignError`.
 */
export async function takeBack(shard: Shard, units: readonly RevokedUnit[]): Promise<TakeBackWord[] | NotReadyReason> {
  const items = units.map(({ id, userId, serial, frees, returns }) => ({
    id,
    userId,
    serial: String(serial),
    frees: frees ? '1' : '',
    returns: returns ? '1' : '',
  }));
  const { reply, refused, epoch } = await underEpoch(shard, (at) =>
    shard.run(scripts.takeBack, { epoch: at.epoch }, items),
  );
  if (refused) return refused;
  oneOf('take-back', ['ok'], reply[0]);
  shard.sawStamp(epoch, Number(reply[1]));
  if (reply[2] === '1') shard.context.verbs.emit({ type: 'exhausted', campaignId: shard.campaignId });
  return units.map((_, i) => oneOf('take-back', WORDS, reply[3 + i]));
}

/**
 * Announcements whose units nobody took back within a lease, `limit` or some more. One round trip per 500 fields of the
 * campaign. Throws `RedisError`, `CampaignOverError`, `UnknownCampaignError`.
 */
export async function findAnnounced(shard: Shard, limit: number): Promise<Announcement[] | NotReadyReason> {
  // A field may come twice, the second time perhaps of a later version.
  const found = new Map<string, Announcement>();
  let cursor = '0';
  do {
    const { reply, refused } = await underEpoch(shard, () =>
      shard.run(scripts.findAnnounced, { epoch: shard.epoch, cursor, limit: String(CHUNK) }),
    );
    if (refused) return refused;
    oneOf('find-announced', ['ok'], reply[0]);
    cursor = String(reply[1]);
    const [, , ...values] = inOnePiece(reply);
    for (let i = 0; i < values.length; i += 4) {
      const [id, version, serial, userId] = values.slice(i, i + 4).map(String) as [string, string, string, string];
      found.set(id, { id, userId, serial: Number(serial), version: Number(version) });
    }
  } while (cursor !== '0' && found.size < limit);
  return [...found.values()].slice(0, limit);
}

/** Drops these announcements, and earlier ones of the same coupons. One round trip per 500. Throws `RedisError`. */
export async function dropAnnounced(shard: Shard, announcements: readonly Announcement[]): Promise<void> {
  for (const some of chunksOf(announcements, CHUNK)) {
    const items = some.map(({ id, version }) => ({ id, version: String(version) }));
    const { reply, refused } = await underEpoch(shard, () =>
      shard.run(scripts.dropAnnounced, { epoch: shard.epoch }, items),
    );
    // A state that is lost has no announcements.
    if (refused) return;
    oneOf('drop-announced', ['dropped'], reply[0]);
  }
}

function chunksOf<T>(items: readonly T[], size: number): T[][] {
  const chunks: T[][] = [];
  for (let first = 0; first < items.length; first += size) chunks.push(items.slice(first, first + size));
  return chunks;
}
