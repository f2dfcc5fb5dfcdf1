import { tell } from '../flow/progress.js';
import type { Finding } from '../model/findings.js';
import type { Issuance } from '../model/issuance.js';
import type { PersistenceAdapter } from '../persistence/adapter.js';
import { listRows } from '../persistence/list-rows.js';
import type * as audit from '../redis/audit.js';
import type { KnownCampaign } from '../redis/known-campaign.js';
import type { Shard } from '../redis/shard.js';

export interface ReconcileOptions {
  /**
   * `safe` settles due reservations, writes back rows that Redis lacks, takes the units of revoked rows back, and makes
   * settle save grants that the database lacks. Default: nothing is changed.
   */
  readonly repair?: 'safe' | undefined;
  /**
   * Called after each page of 500 rows or grants, and not awaited. If it throws, the call ends with that error. A
   * promise that it returns may reject.
   */
  readonly onProgress?:
    | ((progress: { readonly phase: 'rows' | 'grants' | 'units'; readonly done: number }) => void)
    | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ReconcileParts {
  readonly persistence: PersistenceAdapter | undefined;
  readonly timeoutMs: number;
  /** Settles the campaign, for repairs. */
  readonly settle: () => Promise<unknown>;
}

export const PAGE = 500;

/** The observations of one campaign, from the first page to the last. */
export interface Seen {
  readonly campaign: KnownCampaign;
  readonly shard: Shard;
  readonly books: audit.Books;
  readonly options: ReconcileOptions;
  readonly parts: ReconcileParts;
  findings: Finding[];
  /** Ids of all rows, or `null` where there is no list. */
  readonly rowIds: Set<string> | null;
  /** The holder of each serial in Redis; `null`: it is free. */
  readonly hands: Map<number, Issuance | null>;
  readonly missing: Issuance[];
  /** Ids of rows on another unit than their grant has. */
  readonly differing: Set<string>;
  /** Ids of reservations in quarantine. */
  readonly quarantined: Set<string>;
  /** Rows that are revoked, by id. */
  readonly revoked: Map<string, Issuance>;
  /** Grants that are marked as revoked. */
  marked: number;
  grants: number;
}

/** One page of rows. */
export async function page(
  { campaign, parts, options }: Seen,
  afterSerial: number,
  limit = PAGE,
): Promise<readonly Issuance[]> {
  options.signal?.throwIfAborted();
  const { persistence, timeoutMs } = parts;
  const otherwise = 'nothing was compared to the end';
  const ask = persistence!.list!.bind(persistence);
  return listRows(ask, { campaignId: campaign.id, afterSerial, limit, timeoutMs, otherwise });
}

export function step({ options }: Seen, phase: 'rows' | 'grants' | 'units', done: number): void {
  tell(options.onProgress, { phase, done });
  options.signal?.throwIfAborted();
}

/**
 * Where the unit of a row is. `null`: another user holds it in Redis, and the database will refuse that save; or things
 * move, and the place is not known.
 */
export function placeOf(
  row: Issuance,
  hands: Seen['hands'],
  books: audit.Books,
  quiet: boolean,
): audit.UnitPlace | null {
  if (hands.get(row.serial) === null) return 'free';
  if (hands.has(row.serial)) return null;
  if (row.serial > books.number('lastSerial')) return 'beyond';
  return quiet && books.number('withdrawn') > 0 ? 'nobody' : null;
}

export function sameUnit(row: Issuance, grant: Issuance): boolean {
  return row.id === grant.id && row.serial === grant.serial && row.code === grant.code;
}
