import type { Issuance } from '../issuance.js';

/** A grant's record as Redis keeps it: `<r|t|i><tries>:<stamp>:<serial>:<issuedAt>:<id>:<code>`, written by `lua/include/record.lua`. */
export function decodeIssuance(
  grant: string,
  record: string,
  of: { campaignId: string; userId: string; epoch: string },
): Issuance {
  const [state, , serial, issuedAt, id] = record.split(':', 5);
  const code = record.slice(record.indexOf(id!, 2) + id!.length + 1);
  return {
    id: id!,
    campaignId: of.campaignId,
    userId: of.userId,
    grant: Number(grant),
    serial: Number(serial),
    code: code === '' ? null : code,
    issuedAt: new Date(Number(issuedAt)),
    epoch: of.epoch,
    state: state === 'i' ? 'issued' : 'reserved',
  };
}

export function stampOf(record: string): string {
  return record.split(':', 2)[1]!;
}

/** How settle fared with a reservation so far. */
export interface Tries {
  /** How often it came to nothing, for whatever reason. */
  readonly failures: number;
  /** How often the reservation itself was the reason: after `maxTries` of these it goes into quarantine. */
  readonly counted: number;
}

/** One number in a record, so that scripts need not look into it. */
const COUNTED = 10_000;

export function triesOf(record: string): Tries {
  const tries = Number(record.slice(1, record.indexOf(':')));
  return { failures: tries % COUNTED, counted: Math.floor(tries / COUNTED) };
}

export function encodeTries({ failures, counted }: Tries): string {
  return String(counted * COUNTED + Math.min(failures, COUNTED - 1));
}

/** The field of a grant: the grant first, because a user id may hold any character. */
export function fieldOf(grant: number, userId: string): string {
  return `${grant}:${userId}`;
}

export function splitField(field: string): { grant: string; userId: string } {
  const colon = field.indexOf(':');
  return { grant: field.slice(0, colon), userId: field.slice(colon + 1) };
}
