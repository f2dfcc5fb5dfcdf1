import { randomBytes } from 'node:crypto';
import { InvalidArgumentError } from './errors.js';
import { assertDate, assertInteger, assertName, assertObject, assertOnlyKeys, MAX_TOTAL, ownCopy } from './limits.js';

/** What a campaign can give. */
export type Stock =
  /** A number of units. With `generateCodes` each gets a code of `generateCodes()`. */
  | { readonly kind: 'counted'; readonly total: number; readonly generateCodes?: boolean }
  /** No limit but `perUser`. */
  | { readonly kind: 'unlimited'; readonly generateCodes?: boolean }
  /** Codes that `loadCodes` loads ahead, each handed out at most once. */
  | { readonly kind: 'codes' };

export interface CampaignDefinition {
  /** `[A-Za-z0-9._-]{1,64}`. */
  readonly id: string;
  readonly stock: Stock;
  /** How many coupons one user may have, 1–100; default 1. */
  readonly perUser?: number;
  /** Before this instant of Redis' clock `issue()` answers `not_open`; default: open at once. */
  readonly opensAt?: Date;
  /** From this instant of Redis' clock on `issue()` answers `closed`; default: until `closeCampaign`. */
  readonly closesAt?: Date;
  /**
   * `write-through` (default): `issue()` saves before it answers. `write-behind`: it answers `accepted` after Redis alone, and a worker delivers
   * and saves, first come, first served; needs `persistence`.
   */
  readonly saveMode?: SaveMode;
}

export type SaveMode = 'write-through' | 'write-behind';

/** What a process must bring along to issue from a campaign. */
export type Need = 'persistence' | 'deliver';

/** A definition with every default in place, as it is compared and stored. */
export interface CampaignRules {
  readonly kind: Stock['kind'];
  /** Of a counted campaign; `null` for the others. */
  readonly total: number | null;
  readonly generateCodes: boolean;
  readonly perUser: number;
  readonly opensAt: number | null;
  readonly closesAt: number | null;
  readonly saveMode: SaveMode;
  readonly needs: readonly Need[];
}

export type CampaignState = 'scheduled' | 'open' | 'paused' | 'closed';

/** A campaign as `inspect()` sees it, at one instant of Redis. */
export interface Campaign {
  readonly id: string;
  readonly state: CampaignState;
  /** `false`: a part of its state in Redis is missing, nothing is issued. */
  readonly ready: boolean;
  readonly stock: Stock['kind'];
  readonly generateCodes: boolean;
  /** Units in all; `null` when unlimited. `available + reserved + issued + withdrawn = total`. */
  readonly total: number | null;
  readonly available: number | null;
  readonly reserved: number;
  readonly issued: number;
  readonly withdrawn: number;
  readonly perUser: number;
  readonly opensAt: Date | null;
  readonly closesAt: Date | null;
  /** When `closeCampaign` closed it. */
  readonly closedAt: Date | null;
  readonly saveMode: SaveMode;
  readonly leaseMs: number;
  readonly needs: readonly Need[];
  readonly epoch: string;
}

/** Checks a definition and fills in the defaults; throws `InvalidArgumentError`. */
export function toRules(definition: CampaignDefinition, needs: readonly Need[]): { id: string; rules: CampaignRules } {
  const keys = ['id', 'stock', 'perUser', 'opensAt', 'closesAt', 'saveMode'];
  const own = ownCopy('the campaign', definition, keys);
  const { id, perUser = 1, opensAt, closesAt, saveMode = 'write-through' } = own;
  assertName('id', id);
  const stock = checkedStock(own.stock);
  assertInteger('perUser', perUser, 1, 100);
  if (opensAt !== undefined) assertDate('opensAt', opensAt);
  if (closesAt !== undefined) assertDate('closesAt', closesAt);
  if (opensAt && closesAt && opensAt >= closesAt) throw new InvalidArgumentError('closesAt must be after opensAt');
  if (saveMode !== 'write-through' && saveMode !== 'write-behind') {
    throw new InvalidArgumentError("saveMode must be 'write-through' or 'write-behind'");
  }
  if (saveMode === 'write-behind' && !needs.includes('persistence')) {
    throw new InvalidArgumentError('write-behind needs persistence: without it there is nothing to save');
  }
  const rules: CampaignRules = {
    kind: stock.kind,
    total: stock.kind === 'counted' ? stock.total : null,
    generateCodes: stock.kind !== 'codes' && (stock.generateCodes ?? false),
    perUser,
    opensAt: opensAt?.getTime() ?? null,
    closesAt: closesAt?.getTime() ?? null,
    saveMode,
    needs,
  };
  return { id, rules };
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
      throw new InvalidArgumentError("stock.kind must be 'counted', 'codes' or 'unlimited'");
  }
}

function assertFlag(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'boolean') throw new InvalidArgumentError(`${name} must be a boolean`);
}

/** Which rules differ, in words; empty when they are the same. */
export function differences(there: CampaignRules, asked: CampaignRules): string[] {
  const names = ['kind', 'total', 'generateCodes', 'perUser', 'opensAt', 'closesAt', 'saveMode', 'needs'] as const;
  return names.flatMap((name) => {
    const [is, wanted] = [describe(there[name]), describe(asked[name])];
    return is === wanted ? [] : [`${name} is ${is}, not ${wanted}`];
  });
}

function describe(value: CampaignRules[keyof CampaignRules]): string {
  if (Array.isArray(value)) return value.length > 0 ? [...value].sort().join('+') : 'none';
  return value === null ? 'none' : String(value);
}

/** The second half of an epoch, `<generation>-<random>`: which making of a campaign's Redis state it is. The clock of Redis gives the first. */
export function epochSuffix(): string {
  return randomBytes(9).toString('base64url');
}

/** A process never follows a lower generation: that would be a state from before a rebuild. */
export function generationOf(epoch: string): number {
  return Number.parseInt(epoch, 10);
}
