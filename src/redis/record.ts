import { dataOf } from '../model/caller-data.js';
import { type Issuance, withoutCode } from '../model/issuance.js';
import { expiryOf, type ValidityRules } from '../model/validity.js';

/** Whose record it is. */
export interface RecordOf {
  readonly campaignId: string;
  readonly userId: string;
  readonly epoch: string;
  /** The rule of its campaign. */
  readonly validity: ValidityRules | null;
}

/** How often settle failed on a reservation. */
export interface Tries {
  /** How often it came to nothing, for whatever reason. */
  readonly failures: number;
  /** How often the reservation itself was the reason: after `maxTries` of these it goes into quarantine. */
  readonly counted: number;
}

export interface Decoded {
  /** Of the hash of grants. */
  readonly field: string;
  readonly issuance: Issuance;
  readonly stamp: string;
  readonly tries: Tries;
}

/** Both tries are one number in a record, so that scripts need not look into it. */
const COUNTED = 10_000;
/** The place of the tries is free in an issued record. */
const REVOKED = 'i1:';
const NEVER_FAILED: Tries = Object.freeze({ failures: 0, counted: 0 });

/**
 * The one place where a record becomes an issuance, so each repeat gets the same `expiresAt`. A record as Redis keeps it:
 * `<r|t|i><tries>:<stamp>:<serial>:<issuedAt>:<id>:<code>`, written by `lua/include/record.lua`. `i1`: the coupon was
 * revoked.
 */
export function decodeRecord(grant: string, record: string, of: RecordOf, data = ''): Decoded {
  const stampAt = record.indexOf(':') + 1;
  const serialAt = record.indexOf(':', stampAt) + 1;
  const issuedAt = record.indexOf(':', serialAt) + 1;
  const idAt = record.indexOf(':', issuedAt) + 1;
  const codeAt = record.indexOf(':', idAt) + 1;
  const issuance = issuanceOf(of, {
    id: record.slice(idAt, codeAt - 1),
    grant: Number(grant),
    serial: Number(record.slice(serialAt, issuedAt - 1)),
    code: codeAt === record.length ? null : record.slice(codeAt),
    issuedMs: Number(record.slice(issuedAt, idAt - 1)),
    state: record.startsWith(REVOKED) ? 'revoked' : record.startsWith('i') ? 'issued' : 'reserved',
    data,
  });
  const tries = stampAt === 2 ? NEVER_FAILED : decodeTries(Number(record.slice(1, stampAt - 1)));
  return { field: `${grant}:${of.userId}`, issuance, stamp: record.slice(stampAt, serialAt - 1), tries };
}

/**
 * The records of units that a script took in the order of their users. Each is like the first one, with the next serial
 * and its own id and code.
 */
export function decodeInOrder(first: string): (nth: number, id: string, code: string, of: RecordOf) => Decoded {
  const serialAt = first.indexOf(':', 2) + 1;
  const issuedAt = first.indexOf(':', serialAt) + 1;
  const idAt = first.indexOf(':', issuedAt) + 1;
  const stamp = first.slice(2, serialAt - 1);
  const firstSerial = Number(first.slice(serialAt, issuedAt - 1));
  const issuedMs = Number(first.slice(issuedAt, idAt - 1));
  const state = first.startsWith('i') ? 'issued' : 'reserved';
  return (nth, id, code, of) => {
    const serial = firstSerial + nth;
    const issuance = issuanceOf(of, { id, grant: 1, serial, code: code || null, issuedMs, state, data: '' });
    return { field: `1:${of.userId}`, issuance, stamp, tries: NEVER_FAILED };
  };
}

/**
 * The records that a script wrote under one stamp, which it names once. Each is `<tries>:<serial>:<issuedAt>:<id>:<code>`.
 */
export function decodeUnder(
  stamp: string,
  state: Issuance['state'],
): (field: string, record: string, data: string, shared: Omit<RecordOf, 'userId'>) => Decoded {
  return (field, record, data, { campaignId, epoch, validity }) => {
    const grantEnd = field.indexOf(':');
    const serialAt = record.indexOf(':') + 1;
    const issuedAt = record.indexOf(':', serialAt) + 1;
    const idAt = record.indexOf(':', issuedAt) + 1;
    const codeAt = record.indexOf(':', idAt) + 1;
    const of = { campaignId, userId: field.slice(grantEnd + 1), epoch, validity };
    const issuance = issuanceOf(of, {
      id: record.slice(idAt, codeAt - 1),
      grant: Number(field.slice(0, grantEnd)),
      serial: Number(record.slice(serialAt, issuedAt - 1)),
      code: codeAt === record.length ? null : record.slice(codeAt),
      issuedMs: Number(record.slice(issuedAt, idAt - 1)),
      state,
      data,
    });
    const tries = serialAt === 1 ? NEVER_FAILED : decodeTries(Number(record.slice(0, serialAt - 1)));
    return { field, issuance, stamp, tries };
  };
}

interface RecordParts extends Pick<Issuance, 'id' | 'grant' | 'serial' | 'code' | 'state'> {
  readonly issuedMs: number;
  readonly data: string;
}

function issuanceOf(of: RecordOf, { id, grant, serial, code, issuedMs, state, data }: RecordParts): Issuance {
  const issuance: { -readonly [name in keyof Issuance]: Issuance[name] } = {
    id,
    campaignId: of.campaignId,
    userId: of.userId,
    grant,
    serial,
    code,
    issuedAt: new Date(issuedMs),
    epoch: of.epoch,
    state,
  };
  // Set and not spread, which is slow.
  if (of.validity) issuance.expiresAt = expiryOf(of.validity, issuance.issuedAt);
  if (data !== '') issuance.data = dataOf(data);
  return Object.freeze(issuance);
}

export function decodeIssuance(grant: string, record: string, of: RecordOf): Issuance {
  return decodeRecord(grant, record, of).issuance;
}

/** Pairs of grant and record, with the codes of units that are not committed yet: for no answer. */
export function heldIssuances(pairs: readonly (string | number)[], of: RecordOf): Issuance[] {
  const issuances: Issuance[] = [];
  for (let i = 0; i < pairs.length; i += 2) {
    issuances.push(decodeIssuance(String(pairs[i]), String(pairs[i + 1]), of));
  }
  return issuances;
}

/** The same for answers: the code of a unit that is not committed yet is not shown. */
export function shownIssuances(pairs: readonly (string | number)[], of: RecordOf): Issuance[] {
  return heldIssuances(pairs, of).map(shownIssuance);
}

export function shownIssuance(issuance: Issuance): Issuance {
  return issuance.state === 'issued' ? issuance : withoutCode(issuance);
}

/** The fate of a row, as the scripts that write rows are told. */
export function fateOf({ grant, life }: Issuance): { became: '' | 'revoked' | 'freed'; returned: '' | '1' } {
  const kept = life?.state === 'revoked' ? 'revoked' : '';
  return { became: grant === 0 ? 'freed' : kept, returned: life?.unitReturned ? '1' : '' };
}

function decodeTries(tries: number): Tries {
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
