import { invalid } from './errors.js';
import { isValidDate, timeOf } from './foreign.js';

/** Databases keep no later year. */
const LAST_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/**
 * A point in time from 1970 to 9999: a `Date`, or an ISO 8601 string with `Z` or an offset, such as
 * `2030-05-01T10:00:00+09:00`. Config files and JSON bring strings. Digits beyond milliseconds are dropped.
 */
export type Instant = Date | string;

const ISO = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:?\d\d)?$/;

/** The instant in ms. Throws `InvalidArgumentError`. */
export function instantMs(name: string, value: unknown): number {
  const ms = isValidDate(value) ? timeOf(value) : typeof value === 'string' ? isoMs(name, value) : Number.NaN;
  if (ms > LAST_MS) throw invalid(name, 'must be before the year 10000 in UTC');
  if (ms >= 0) return ms;
  throw invalid(name, 'must be a valid Date, or an ISO 8601 string with an offset such as 2030-05-01T10:00:00+09:00');
}

/**
 * `Date.parse` takes the 30th of February for the 2nd of March, and a time without an offset for one of this machine's
 * zone.
 */
function isoMs(name: string, text: string): number {
  const [, year, month, day, hour, minute, second = '0', fraction = '', offset] = ISO.exec(text) ?? [];
  if (year === undefined) return Number.NaN;
  if (offset === undefined) {
    throw invalid(name, 'has no offset: end it with Z or, for example, +09:00');
  }
  const fields = [year, month, day, hour, minute, second].map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const local = new Date(Date.UTC(fields[0], fields[1] - 1, ...(fields.slice(2) as [number, number, number, number])));
  const read = [local.getUTCFullYear(), local.getUTCMonth() + 1, local.getUTCDate()];
  read.push(local.getUTCHours(), local.getUTCMinutes(), local.getUTCSeconds());
  if (read.some((field, i) => field !== fields[i])) return Number.NaN;
  return local.getTime() + Number(fraction.padEnd(3, '0').slice(0, 3)) - offsetMs(offset);
}

function offsetMs(offset: string): number {
  if (offset === 'Z') return 0;
  const [hours, minutes] = [Number(offset.slice(1, 3)), Number(offset.slice(-2))];
  if (hours > 23 || minutes > 59) return Number.NaN;
  return (offset.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}
