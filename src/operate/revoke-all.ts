import { sleep } from '../flow/deadline.js';
import { tell } from '../flow/progress.js';
import type { Source } from '../flow/source.js';
import { assertFunction, assertSignal, assertText, ownCopy } from '../model/check.js';
import {
  InvalidArgumentError,
  invalid,
  MisconfiguredError,
  NotReadyError,
  OverloadedError,
  RedisError,
} from '../model/errors.js';
import { read } from '../model/foreign.js';
import { type Issuance, ownRow } from '../model/issuance.js';
import type { RevokeCall } from '../model/life.js';
import type { PersistenceAdapter } from '../persistence/adapter.js';
import type { CouponRef } from '../persistence/coupon-change.js';
import { readFrom, unfit } from '../persistence/read-from.js';
import { assertUserId } from '../persistence/user-id.js';
import type { Coupons, StillReserved } from '../redeem/coupons.js';
import { type RevokeOptions, revokeCallOf } from '../redeem/requests.js';
import type { RevokeResult } from '../redeem/results.js';
import { movesUnit } from '../redeem/revocations.js';

/** A coupon of a list, as a row or a `Coupon` names it. */
export type ListedCoupon =
  | { readonly id: string; readonly userId: string }
  | { readonly code: string; readonly userId?: string | undefined };

/** The argument of `revokeAll()`. */
export type RevokeAllRequest = RevokeOptions &
  (
    | {
        /** User ids: every coupon that they have in this campaign. */
        readonly users: Iterable<string> | AsyncIterable<string>;
        readonly coupons?: undefined;
      }
    | {
        /** Each by its id and user, or by its code. The coupons of `campaign(id).coupons()` are such. */
        readonly coupons: Iterable<ListedCoupon> | AsyncIterable<ListedCoupon>;
        readonly users?: undefined;
      }
  ) & {
    /** Called after each chunk of 500 users or coupons, and not awaited. If it throws, the call ends with that error. */
    readonly onProgress?: ((progress: RevokedSoFar) => void) | undefined;
    /** Ends the call between two changes, and at once while the source is silent or the queue is full. */
    readonly signal?: AbortSignal | undefined;
  };

/** Counts of coupons. A repeat under the same `revocationId` counts a coupon again. */
export interface RevokedSoFar {
  /** Users or coupons of the source that are done with. */
  readonly done: number;
  readonly takenBack: number;
  /** A redeemed coupon stays. */
  readonly alreadyRedeemed: number;
  /** By another revocation. */
  readonly revoked: number;
  /** Coupons that nobody has, and users without one. */
  readonly notFound: number;
}

/** The result of `revokeAll()`. */
export interface RevokedAll extends RevokedSoFar {
  /** `pending`: Redis does not know of each yet. Run it again, or let a worker end it. */
  readonly stock: 'done' | 'pending';
  /** Users with a coupon whose row was not found, or of whom Redis could not say. Run it again for them after a lease. */
  readonly notSavedYet: readonly string[];
}

export interface RevokeAllParts {
  readonly campaignId: string;
  readonly adapter: PersistenceAdapter | undefined;
  readonly timeoutMs: number;
  readonly maxQueued: number;
  readonly coupons: Pick<Coupons, 'ask'>;
  /** As Redis has them now. Rejects where it cannot say. */
  readonly rules: () => Promise<{ readonly perUser: number }>;
  readonly reserved: (userId: string) => Promise<StillReserved | null>;
}

interface CheckedRevokeAll {
  readonly call: RevokeCall;
  readonly of: 'users' | 'coupons';
  readonly onProgress: RevokeAllRequest['onProgress'];
  readonly signal: AbortSignal | undefined;
}

const CHUNK = 500;
/** One user has at most 100 grants, and revoked coupons beside them. */
const MOST_ROWS = 5_000;
const COUNTED = {
  taken_back: 'takenBack',
  already_redeemed: 'alreadyRedeemed',
  revoked: 'revoked',
  not_found: 'notFound',
} as const;

/** Throws `InvalidArgumentError`. */
export function checkedRevokeAll(given: RevokeAllRequest): CheckedRevokeAll & { readonly source: unknown } {
  const names = ['users', 'coupons', 'revocationId', 'unit', 'again', 'onProgress', 'signal'];
  const own = ownCopy('the argument of revokeAll()', given, names);
  const { users, coupons, onProgress, signal } = own;
  if ((users === undefined) === (coupons === undefined)) {
    throw new InvalidArgumentError('revokeAll() takes users or coupons, one of the two');
  }
  assertFunction('onProgress', onProgress);
  assertSignal(signal);
  const of = users === undefined ? 'coupons' : 'users';
  return { call: revokeCallOf({ ...own }), of, onProgress, signal, source: users ?? coupons };
}

/** Chunk by chunk, each as one look, one announcement, one change and one return of units. */
export async function revokeAll(
  source: Source,
  { call, of, onProgress, signal }: CheckedRevokeAll,
  parts: RevokeAllParts,
): Promise<RevokedAll> {
  source.endWith(signal);
  const sum = { done: 0, takenBack: 0, alreadyRedeemed: 0, revoked: 0, notFound: 0 };
  const notSavedYet = new Set<string>();
  let stock: RevokedAll['stock'] = 'done';
  const count = (result: RevokeResult, userId: string | undefined) => {
    if (result.status === 'not_saved_yet') return notSavedYet.add(userId!);
    if (result.status === 'taken_back' && result.stock === 'pending') stock = 'pending';
    return sum[COUNTED[result.status]]++;
  };
  for await (const chunk of chunksOf(source, of, parts.adapter)) {
    const { refs, missing } = of === 'users' ? await ofUsers(chunk, parts) : ofCoupons(chunk, sum.done, parts);
    const size = Math.min(CHUNK, parts.maxQueued);
    for (let from = 0; from < refs.length; from += size) {
      await revokeEach(refs.slice(from, from + size), { call, signal, coupons: parts.coupons, count });
    }
    for (const userId of missing.reserved) notSavedYet.add(userId);
    sum.notFound += missing.without;
    sum.done += chunk.length;
    tell(onProgress, { ...sum });
    signal?.throwIfAborted();
  }
  return { ...sum, stock, notSavedYet: [...notSavedYet] };
}

interface RevokeEach {
  readonly call: RevokeCall;
  readonly signal: AbortSignal | undefined;
  readonly coupons: RevokeAllParts['coupons'];
  readonly count: (result: RevokeResult, userId: string | undefined) => void;
}

/** No more coupons than the queue of this process has room for. Where others fill it, the rest is asked again. */
async function revokeEach(refs: readonly UserRef[], { call, signal, coupons, count }: RevokeEach): Promise<void> {
  for (let open = refs; open.length > 0; ) {
    signal?.throwIfAborted();
    const asked = open.map((ref) => coupons.ask<RevokeResult>({ ref, userId: ref.userId, call }));
    const results = await Promise.allSettled(asked);
    const refused: UserRef[] = [];
    let retryAfterMs = 0;
    for (const [i, result] of results.entries()) {
      const ref = open[i]!;
      if (result.status === 'fulfilled') count(result.value, ref.userId);
      else if (result.reason instanceof OverloadedError) {
        refused.push(ref);
        retryAfterMs = result.reason.retryAfterMs;
      } else if (isUnsaid(result.reason) && !movesUnit({ call })) {
        // Such a call needs Redis only where it found no row.
        count({ status: 'not_saved_yet', retryAfterMs: 0 }, ref.userId);
      } else throw result.reason;
    }
    if (refused.length > 0) await sleep(retryAfterMs, signal);
    open = refused;
  }
}

/** Redis cannot say what it has of a user. */
function isUnsaid(error: unknown): boolean {
  return error instanceof RedisError || error instanceof NotReadyError;
}

type UserRef = CouponRef & { readonly userId?: string | undefined };

/** The coupons to revoke, and users that have none. */
interface ChunkCoupons {
  readonly refs: readonly UserRef[];
  readonly missing: { readonly reserved: readonly string[]; readonly without: number };
}

async function* chunksOf(
  source: Source,
  of: 'users' | 'coupons',
  adapter: RevokeAllParts['adapter'],
): AsyncGenerator<unknown[]> {
  for (let chunk: unknown[] = [], at = 0; ; at++) {
    const next = source.next();
    const { done, value } = next instanceof Promise ? await next : next;
    if (done) {
      if (chunk.length > 0) yield chunk;
      return;
    }
    if (of === 'users') {
      assertText(`users[${at}]`, value);
      assertUserId(adapter, value, `users[${at}]`);
    }
    chunk.push(value);
    if (chunk.length < CHUNK) continue;
    yield chunk;
    chunk = [];
  }
}

function ofCoupons(chunk: readonly unknown[], from: number, { campaignId, adapter }: RevokeAllParts): ChunkCoupons {
  const refs = chunk.map((one, i): UserRef => {
    const name = `coupons[${from + i}]`;
    const part = (key: string) => read(() => (one as Record<string, unknown>)[key]);
    const [id, userId, code, other] = ['id', 'userId', 'code', 'campaignId'].map(part);
    if (other !== undefined && other !== campaignId) throw invalid(`${name}.campaignId`, 'must be this campaign');
    if (userId !== undefined) {
      assertText(`${name}.userId`, userId);
      assertUserId(adapter, userId, `${name}.userId`);
    }
    if (id !== undefined && userId !== undefined) {
      assertText(`${name}.id`, id);
      return { campaignId, id, userId: userId as string };
    }
    assertText(`${name}.code`, code);
    return { campaignId, code: code as string, userId: userId as string | undefined };
  });
  return { refs, missing: { reserved: [], without: 0 } };
}

async function ofUsers(chunk: readonly unknown[], parts: RevokeAllParts): Promise<ChunkCoupons> {
  const users = [...new Set(chunk as string[])];
  const rows = await rowsOf(users, parts);
  const refs = rows.map(({ campaignId, id, userId }) => ({ campaignId, id, userId }));
  const found = new Map(users.map((userId): [string, Issuance[]] => [userId, []]));
  for (const row of rows) found.get(row.userId)!.push(row);
  // Asked after the rows: a user whose limit is used up by rows has nothing else reserved.
  const { perUser } = await parts.rules().catch(() => ({ perUser: Number.POSITIVE_INFINITY }));
  const open = users.filter((userId) => found.get(userId)!.filter(({ grant }) => grant > 0).length < perUser);
  const isReserved = await Promise.all(open.map((userId) => hasOther(userId, found.get(userId)!, parts)));
  const reserved = open.filter((_, i) => isReserved[i]);
  const without = open.filter((userId, i) => !isReserved[i] && found.get(userId)!.length === 0).length;
  return { refs, missing: { reserved, without } };
}

/**
 * Whether Redis has a coupon of the user that is not among the rows: reserved, or saved since the rows were read. Where
 * Redis cannot say, the answer is yes: the caller asks again.
 */
async function hasOther(userId: string, rows: readonly Issuance[], { reserved }: RevokeAllParts): Promise<boolean> {
  try {
    const held = (await reserved(userId))?.issuances ?? [];
    return held.some(({ id }) => rows.every((row) => row.id !== id));
  } catch (error) {
    if (isUnsaid(error)) return true;
    throw error;
  }
}

/** A page that is full may lack rows, so it is asked for in halves. Throws `MisconfiguredError`, `PersistenceError`. */
async function rowsOf(users: readonly string[], parts: RevokeAllParts): Promise<Issuance[]> {
  const { adapter, campaignId, timeoutMs } = parts;
  const listByUser = adapter?.listByUser?.bind(adapter);
  if (!listByUser) {
    const need = 'revokeAll() with users needs persistence whose adapter has listByUser';
    throw new MisconfiguredError(`${need}; nothing was changed by this chunk. Pass coupons instead`);
  }
  const asked = { campaignIds: [campaignId], limit: MOST_ROWS };
  const given: unknown = await readFrom('listByUser', timeoutMs, (signal) =>
    listByUser([...users], { ...asked, signal }),
  );
  const rows = Array.isArray(given) ? given.map(ownRow) : [null];
  const isOwn = (row: Issuance | null): row is Issuance => row?.campaignId === campaignId && users.includes(row.userId);
  if (!rows.every(isOwn)) throw unfit('listByUser', 'issuances of the users and the campaign that were asked');
  if (rows.length < MOST_ROWS || users.length === 1) return rows;
  const middle = users.length >> 1;
  return [...(await rowsOf(users.slice(0, middle), parts)), ...(await rowsOf(users.slice(middle), parts))];
}
