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

/** How often settle failed on it. */
export function triesOf(record: string): number {
  return Number(record.slice(1, record.indexOf(':')));
}

/** The field of a grant: the grant first, because a user id may hold any character. */
export function fieldOf(grant: number, userId: string): string {
  return `${grant}:${userId}`;
}

export function splitField(field: string): { grant: string; userId: string } {
  const colon = field.indexOf(':');
  return { grant: field.slice(0, colon), userId: field.slice(colon + 1) };
}
