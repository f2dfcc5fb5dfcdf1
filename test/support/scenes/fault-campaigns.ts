import { generateCodes } from '../../../src/index.js';
import type { NamedDefinition } from './named.js';

/** A campaign of a fault test, with all that is needed to open it, to rebuild it, and to judge it at the end. */
export interface CampaignUnderFault {
  readonly id: string;
  readonly total: number;
  readonly perUser: number;
  readonly definition: NamedDefinition;
  /** What its pool is loaded with. */
  readonly codes: readonly string[] | null;
}

/** A number of units, with codes made when they are taken. */
export function counted(id: string, total: number): CampaignUnderFault {
  const definition = {
    id,
    stock: { kind: 'counted', total, generateCodes: true },
    validity: { forMs: 86_400_000 },
  } as const;
  return { id, total, perUser: 1, definition, codes: null };
}

/** Codes loaded ahead. */
export function pooled(id: string, total: number): CampaignUnderFault {
  const validity = { days: 7, timeZone: 'Asia/Seoul' };
  const definition = { id, stock: { kind: 'codes' }, perUser: 2, validity } as const;
  return { id, total, perUser: 2, definition, codes: generateCodes({ count: total }) };
}

/** A campaign whose rows follow the answer. */
export function behind(id: string, total: number): CampaignUnderFault {
  const definition = {
    id,
    stock: { kind: 'counted', total },
    saveMode: 'write-behind',
    validity: { forMs: 1 },
  } as const;
  return { id, total, perUser: 1, definition, codes: null };
}

/** One campaign of each kind. */
export function campaignsOf(name: string, total: number): CampaignUnderFault[] {
  return [counted(`${name}-counted`, total), pooled(`${name}-pool`, total), behind(`${name}-behind`, total)];
}
