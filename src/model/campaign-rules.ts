import { assertInteger, assertObject, assertOnlyKeys, MAX_PER_USER, MAX_TOTAL, ownCopy } from './check.js';
import { InvalidArgumentError, invalid } from './errors.js';
import { type Instant, instantMs } from './instants.js';
import { checkedPace, type Pace, type PaceChange, type PaceField } from './pace.js';
import { checkedValidity, type ShownValidity, type Validity, type ValidityRules } from './validity.js';

/** The units that a campaign can give. */
export type Stock =
  /** A number of units. With `generateCodes` each gets a code of `generateCodes()`. */
  | { readonly kind: 'counted'; readonly total: number; readonly generateCodes?: boolean | undefined }
  /** No limit but `perUser`. */
  | { readonly kind: 'unlimited'; readonly generateCodes?: boolean | undefined }
  /** Codes that `loadCodes` loads ahead, each handed out at most once. */
  | { readonly kind: 'codes' };

export interface CampaignDefinition {
  readonly stock: Stock;
  /** How many coupons one user may have, 1–100; default 1. */
  readonly perUser?: number | undefined;
  /** Before this instant of Redis' clock, `issue()` answers `not_open`; default: open at once. */
  readonly opensAt?: Instant | undefined;
  /**
   * From this instant of Redis' clock on, `issue()` answers `closed`; default: `validity.until`, or else until
   * `closeForGood`. `open` refuses a new campaign whose `closesAt` is past.
   */
  readonly closesAt?: Instant | undefined;
  /**
   * `write-through` (default): `issue()` saves before it answers. `write-behind`: it answers `accepted` after Redis
   * alone, and a worker delivers and saves in order. `write-behind` needs `persistence`.
   */
  readonly saveMode?: SaveMode | undefined;
  /**
   * How long a coupon is valid; default: for ever. It gives each coupon its `expiresAt`, by the instant of its issue.
   * It never changes while the campaign runs. It needs `persistence` whose adapter has `look` and `change`. `until` is
   * after `opensAt` and not before `closesAt`: no coupon is expired at its issue.
   */
  readonly validity?: Validity | undefined;
  /**
   * `immediate` (default): `issue()` answers at once. `queued`: a waiting room. `join()` gives a place in line;
   * `admit()` or a worker admits users in strict order. Not with `write-behind`.
   */
  readonly admission?: Admission | undefined;
  /**
   * Waiting room: the most users in line, 1–10,000,000; default 1,000,000. A `join()` above it throws
   * `OverloadedError`.
   */
  readonly maxWaiting?: number | undefined;
  /**
   * Waiting room: how many more users may be in line than units are left, because units may come back. 0–10,000,000;
   * default 0.
   */
  readonly overbook?: number | undefined;
  /**
   * Waiting room: a user without a sign of life (`userStatus()`, or a stream of `watch()`) for this long is absent.
   * The place is kept for as long again, and then lost. 1,000–86,400,000 ms; by default every place is kept.
   */
  readonly presenceMs?: number | undefined;
  /**
   * Waiting room with `opensAt`: users may join before the opening, up to `maxWaiting`. At the opening, a draw orders
   * them. `inspect()` shows its seed afterwards.
   */
  readonly drawAtOpen?: boolean | undefined;
  /**
   * The first pace of a new campaign. An `open` that finds the campaign neither compares it nor sets it; `setPace()`
   * changes it. A rebuild keeps the pace that Redis remembers; if Redis lost the campaign, the rebuild begins with this
   * one.
   */
  readonly pace?: PaceChange | undefined;
}

export type Admission = 'immediate' | 'queued';

export type SaveMode = 'write-through' | 'write-behind';

/** The hooks that a process needs to issue from a campaign. */
export type CampaignNeed = 'persistence' | 'deliver';

/** A definition with every default in place. It is compared and stored in this form. */
export interface CampaignRules {
  readonly kind: Stock['kind'];
  /** Of a counted campaign; `null` for the others. */
  readonly total: number | null;
  readonly generateCodes: boolean;
  readonly perUser: number;
  readonly opensAt: number | null;
  readonly closesAt: number | null;
  readonly saveMode: SaveMode;
  readonly admission: Admission;
  /** The rules of the waiting room; `null` where there is none. */
  readonly room: RoomRules | null;
  /** How long its coupons are valid; `null`: for ever. */
  readonly validity: ValidityRules | null;
  readonly needs: readonly CampaignNeed[];
  /** The first pace; empty in the rules of a campaign that is there. Not compared. */
  readonly pace: readonly PaceField[];
}

export interface RoomRules {
  readonly maxWaiting: number;
  readonly overbook: number;
  /** `null`: absent users keep their place. */
  readonly presenceMs: number | null;
  readonly drawAtOpen: boolean;
}

export type CampaignState = 'scheduled' | 'open' | 'paused' | 'closed';

/** The answer of `inspect()`: a campaign at one instant of Redis. */
export interface CampaignSnapshot {
  readonly id: string;
  readonly state: CampaignState;
  /** `false`: a part of its state in Redis is missing, so nothing is issued. */
  readonly ready: boolean;
  readonly stock: Stock['kind'];
  readonly generateCodes: boolean;
  /** All units but the replaced ones; `null` if unlimited. `available + reserved + issued + withdrawn = total + replaced`. */
  readonly total: number | null;
  readonly available: number | null;
  readonly reserved: number;
  /** Users with a coupon, also those whose coupon is revoked and who may have no other one. */
  readonly issued: number;
  /** How many of the issued ones are revoked. */
  readonly revoked: number;
  readonly withdrawn: number;
  /** Units for which a new one went into the stock, because their coupons were revoked with `unit: 'returned'`. */
  readonly replaced: number;
  /** Known codes of a pool that are no units: `replaceCode()` took them out, or a rebuild was not given them again. */
  readonly codesRetired: number;
  readonly perUser: number;
  readonly opensAt: Date | null;
  readonly closesAt: Date | null;
  /** When `closeForGood` closed it; otherwise `null`. */
  readonly closedAt: Date | null;
  readonly saveMode: SaveMode;
  readonly admission: Admission;
  /** The rules of the waiting room; `null` where there is none. */
  readonly room: RoomRules | null;
  /** How long its coupons are valid; `null`: for ever. */
  readonly validity: ShownValidity | null;
  /** Users in line. */
  readonly waiting: number;
  /** Reservations that are due: the backlog of write-behind, and leases that ran out. `null`: not `ready`. */
  readonly backlog: number | null;
  /** How long ago the oldest of them was reserved, ms; `null` if none is due. */
  readonly oldestMs: number | null;
  /** Reservations that only an operator acts on. `null`: not `ready`. */
  readonly quarantined: number | null;
  /** How fast its workers go. */
  readonly pace: Pace;
  /** The seed of the draw, once it began. The order is by `drawKey(seed, userId)`, the smallest first. */
  readonly drawSeed: string | null;
  readonly leaseMs: number;
  readonly needs: readonly CampaignNeed[];
  /** The `identity` of the bound database; `null`: bound to none. */
  readonly store: string | null;
  readonly epoch: string;
}

/** Checks a definition and fills in the defaults; throws `InvalidArgumentError`. */
export function toRules(definition: CampaignDefinition, needs: readonly CampaignNeed[], call = 'open'): CampaignRules {
  const keys = ['stock', 'perUser', 'opensAt', 'closesAt', 'validity', 'saveMode', 'admission', 'pace'];
  const own = ownCopy(`the first argument of ${call}()`, definition, [...keys, ...ROOM_OPTIONS]);
  const { perUser = 1, saveMode = 'write-through' } = own;
  const stock = checkedStock(own.stock);
  assertInteger('perUser', perUser, 1, MAX_PER_USER);
  const validity = own.validity === undefined ? null : checkedValidity(own.validity);
  const { opensAt, closesAt } = checkedWindow(own, validity?.until ?? null);
  if (saveMode !== 'write-through' && saveMode !== 'write-behind') {
    throw invalid('saveMode', "must be 'write-through' or 'write-behind'");
  }
  if (saveMode === 'write-behind' && !needs.includes('persistence')) {
    throw invalid('saveMode', "'write-behind' needs persistence: without it there is nothing to save");
  }
  const room = checkedRoom(own);
  if (room && saveMode === 'write-behind') {
    throw new InvalidArgumentError(
      'a waiting room cannot be write-behind: users in line get their answer once the row is saved',
    );
  }
  return {
    kind: stock.kind,
    total: stock.kind === 'counted' ? stock.total : null,
    generateCodes: stock.kind !== 'codes' && (stock.generateCodes ?? false),
    perUser,
    opensAt,
    closesAt,
    saveMode,
    admission: room ? 'queued' : 'immediate',
    room,
    validity,
    needs,
    pace: firstPace(own.pace, room),
  };
}

/** `until`: from then on a coupon would be expired at its issue. */
function checkedWindow(own: CampaignDefinition, until: number | null) {
  const opensAt = own.opensAt === undefined ? null : instantMs('opensAt', own.opensAt);
  if (opensAt !== null && until !== null && opensAt >= until) throw invalid('validity.until', 'must be after opensAt');
  const closesAt = own.closesAt === undefined ? until : instantMs('closesAt', own.closesAt);
  if (opensAt !== null && closesAt !== null && opensAt >= closesAt) {
    throw invalid('closesAt', 'must be after opensAt');
  }
  if (closesAt !== null && until !== null && closesAt > until) {
    throw invalid('closesAt', 'must not be after validity.until: a later coupon would be expired at its issue');
  }
  return { opensAt, closesAt };
}

function firstPace(given: PaceChange | undefined, room: RoomRules | null): PaceField[] {
  if (given === undefined) return [];
  const fields = checkedPace(given, 'pace', 'pace.').filter(({ value }) => value !== '');
  const ofLine = fields.find(({ name }) => name !== 'savesPerSecond');
  if (ofLine && !room) {
    throw new InvalidArgumentError(`pace.${ofLine.name} is for campaigns with admission: 'queued'`);
  }
  return fields;
}

const ROOM_OPTIONS = ['maxWaiting', 'overbook', 'presenceMs', 'drawAtOpen'] as const;
const MOST_WAITING = 10_000_000;

function checkedRoom(own: CampaignDefinition): RoomRules | null {
  const { admission = 'immediate', maxWaiting = 1_000_000, overbook = 0, presenceMs, drawAtOpen } = own;
  if (admission !== 'immediate' && admission !== 'queued') {
    throw invalid('admission', "must be 'immediate' or 'queued'");
  }
  if (admission === 'immediate') {
    const given = ROOM_OPTIONS.find((name) => own[name] !== undefined);
    if (given) throw invalid(given, "is for campaigns with admission: 'queued'");
    return null;
  }
  assertInteger('maxWaiting', maxWaiting, 1, MOST_WAITING);
  assertInteger('overbook', overbook, 0, MOST_WAITING);
  if (presenceMs !== undefined) assertInteger('presenceMs', presenceMs, 1_000, 86_400_000);
  assertFlag('drawAtOpen', drawAtOpen);
  if (drawAtOpen && !own.opensAt) throw invalid('drawAtOpen', 'needs opensAt: the draw is at the opening');
  return { maxWaiting, overbook, presenceMs: presenceMs ?? null, drawAtOpen: drawAtOpen ?? false };
}

function checkedStock(given: Stock): Stock {
  assertObject('stock', given as unknown);
  const stock = { ...given };
  switch (stock.kind) {
    case 'counted':
      assertOnlyKeys('stock', stock, ['kind', 'total', 'generateCodes']);
      assertInteger('stock.total', stock.total, 0, MAX_TOTAL);
      assertFlag('stock.generateCodes', stock.generateCodes);
      return stock;
    case 'unlimited':
      assertOnlyKeys('stock', stock, ['kind', 'generateCodes']);
      assertFlag('stock.generateCodes', stock.generateCodes);
      return stock;
    case 'codes':
      assertOnlyKeys('stock', stock, ['kind']);
      return stock;
    default:
      throw invalid('stock.kind', "must be 'counted', 'codes' or 'unlimited'");
  }
}

function assertFlag(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'boolean') throw invalid(name, 'must be a boolean');
}

/** The rules that differ, in words; empty if they are the same. */
export function differences(there: CampaignRules, asked: CampaignRules): string[] {
  const [is, wanted] = [named(there), named(asked)];
  return Object.keys(is).flatMap((name) => {
    const [known, given] = [describe(name, is[name]), describe(name, wanted[name])];
    return known === given ? [] : [`${name} is ${known}, not ${given}`];
  });
}

const NO_ROOM = { maxWaiting: null, overbook: null, presenceMs: null, drawAtOpen: null };

function named({ room, validity, pace: _, ...rules }: CampaignRules): Record<string, unknown> {
  const { until = null, forMs = null, days = null, timeZone = null } = validity ?? {};
  const bounds = { 'validity.until': until, 'validity.forMs': forMs, 'validity.days': days };
  return { ...rules, ...NO_ROOM, ...room, ...bounds, 'validity.timeZone': timeZone };
}

function describe(name: string, value: unknown): string {
  if (Array.isArray(value)) return value.length > 0 ? [...value].sort().join('+') : 'none';
  if (/(At|until)$/.test(name) && typeof value === 'number') return new Date(value).toISOString();
  return value === null ? 'none' : String(value);
}
