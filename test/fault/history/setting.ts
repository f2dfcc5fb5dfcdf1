import fc from 'fast-check';
import type { NamedDefinition } from '../../support/scenes/named.js';

/** The campaign of a history, and what its processes are told. */
export interface Setting {
  readonly stock: 'counted' | 'generated' | 'codes' | 'unlimited';
  readonly units: number;
  readonly perUser: number;
  readonly saveMode: 'write-through' | 'write-behind';
  readonly delivers: boolean;
  readonly finds: boolean;
  readonly maxBatch: number;
  /** Whether coupons expire. */
  readonly expires: boolean;
  /** Whether Redis may lose data. */
  readonly loses: boolean;
}

export const settings: fc.Arbitrary<Setting> = fc.record({
  stock: fc.constantFrom('counted', 'codes', 'generated', 'codes', 'counted', 'unlimited'),
  units: fc.integer({ min: 1, max: 20 }),
  perUser: fc.constantFrom(1, 2),
  saveMode: fc.constantFrom('write-through', 'write-through', 'write-behind'),
  delivers: fc.constantFrom(false, false, true),
  finds: fc.boolean(),
  maxBatch: fc.constantFrom(500, 2, 1),
  expires: fc.boolean(),
  loses: fc.boolean(),
});

/** Which is never set again, whatever an opening or a rebuild says. */
export const FIRST_PACE = 500_000;

const A_YEAR_MS = 365 * 86_400_000;

export function definitionOf(setting: Setting, id: string, total: number, perUser = setting.perUser): NamedDefinition {
  const { stock, saveMode } = setting;
  const stocks = {
    counted: { kind: 'counted', total },
    generated: { kind: 'counted', total, generateCodes: true },
    codes: { kind: 'codes' },
    unlimited: { kind: 'unlimited' },
  } as const;
  const validity = setting.expires ? { validity: { forMs: A_YEAR_MS } } : {};
  return { id, perUser, saveMode, stock: stocks[stock], pace: { savesPerSecond: FIRST_PACE }, ...validity };
}

export function isCounted({ stock }: Setting): boolean {
  return stock === 'counted' || stock === 'generated';
}
