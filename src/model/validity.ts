import { assertInteger, ownCopy } from './check.js';
import { invalid } from './errors.js';
import { type Instant, instantMs } from './instants.js';

/** How long a coupon is valid. Of several bounds the earliest counts. */
export interface Validity {
  /** Valid before this instant. "Until 31 December, Seoul" is `2027-01-01T00:00+09:00`. */
  readonly until?: Instant | undefined;
  /** Valid for so many ms from its issue on, 1–3,155,760,000,000 (100 years). */
  readonly forMs?: number | undefined;
  /** Valid to the end of this day after the day of its issue, 0–36,525. Needs `timeZone`, because a day begins somewhere. */
  readonly days?: number | undefined;
  /** The zone of `days`, a name such as `Asia/Seoul`. */
  readonly timeZone?: string | undefined;
}

/** A validity as `inspect()` shows it. A bound that is absent is `null`. */
export interface ShownValidity extends Omit<ValidityRules, 'until'> {
  readonly until: Date | null;
}

/** A validity that was checked. A bound that is absent is `null`. */
export interface ValidityRules {
  readonly until: number | null;
  readonly forMs: number | null;
  readonly days: number | null;
  readonly timeZone: string | null;
}

const MAX_DAYS = 36_525;
const MAX_MS = MAX_DAYS * 86_400_000;
const MAX_ZONE_LENGTH = 64;
/** No local day is longer, and no two zones are further apart. */
const LONGEST_DAY_MS = 2 * 86_400_000;

/** Throws `InvalidArgumentError`. */
export function checkedValidity(given: Validity): ValidityRules {
  const { until, forMs, days, timeZone } = ownCopy('validity', given, ['until', 'forMs', 'days', 'timeZone']);
  if (until === undefined && forMs === undefined && days === undefined) {
    throw invalid('validity', 'must have until, forMs or days');
  }
  if (forMs !== undefined) assertInteger('validity.forMs', forMs, 1, MAX_MS);
  if (days !== undefined) assertInteger('validity.days', days, 0, MAX_DAYS);
  if ((days === undefined) !== (timeZone === undefined)) {
    throw invalid('validity', 'must have days and timeZone together: a day begins at another instant in each zone');
  }
  return {
    until: until === undefined ? null : instantMs('validity.until', until),
    forMs: forMs ?? null,
    days: days ?? null,
    timeZone: timeZone === undefined ? null : zoneName(timeZone),
  };
}

/** The first instant at which a coupon is no longer valid; `null`: it is valid for ever. The same for each repeat of a save. */
export function expiryOf(validity: ValidityRules | null, issuedAt: Date): Date | null {
  if (validity === null) return null;
  const { until, forMs, days, timeZone } = validity;
  const issued = issuedAt.getTime();
  const bounds = [
    until,
    forMs === null ? null : issued + forMs,
    days === null ? null : endOfDay(issued, days, timeZone!),
  ];
  return new Date(Math.min(...bounds.filter((bound) => bound !== null)));
}

/** Coupons of one local day expire together, so the last answer serves most of the next ones. */
let last = { timeZone: '', days: -1, from: 0, before: 0, end: 0 };

function endOfDay(issued: number, days: number, timeZone: string): number {
  const known = last.timeZone === timeZone && last.days === days && issued >= last.from && issued < last.before;
  if (known) return last.end;
  const day = dayIn(timeZone, issued);
  const from = beginOfDay(timeZone, day);
  last = { timeZone, days, from, before: beginOfDay(timeZone, day + 1), end: beginOfDay(timeZone, day + days + 1) };
  return last.end;
}

/** The first instant of a local day. Some days begin at 01:00 and a few never were, so it is searched and not computed from an offset. */
function beginOfDay(timeZone: string, day: number): number {
  const utc = day * 86_400_000;
  let before = utc - LONGEST_DAY_MS;
  let within = utc + LONGEST_DAY_MS;
  while (within - before > 1) {
    const middle = Math.floor((before + within) / 2);
    if (dayIn(timeZone, middle) < day) before = middle;
    else within = middle;
  }
  return within;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** The local date as a number of days since 1970. */
function dayIn(timeZone: string, ms: number): number {
  let format = formats.get(timeZone);
  if (!format) {
    format = formatOf(timeZone);
    formats.set(timeZone, format);
  }
  const part = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
  return Date.UTC(part.year!, part.month! - 1, part.day!) / 86_400_000;
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const digits = { year: 'numeric', month: 'numeric', day: 'numeric' } as const;
  return new Intl.DateTimeFormat('en-US', { timeZone, calendar: 'gregory', numberingSystem: 'latn', ...digits });
}

/** Whether the time zone data of this process has the zone: another process may have newer data. */
export function knowsZone(timeZone: string): boolean {
  try {
    return formats.has(timeZone) || Boolean(formatOf(timeZone));
  } catch {
    return false;
  }
}

/** The name as it was given: servers of other versions know a zone by another canonical name, and a definition is compared as text. */
function zoneName(timeZone: unknown): string {
  const isName = typeof timeZone === 'string' && timeZone.length <= MAX_ZONE_LENGTH && /^[A-Za-z]/.test(timeZone);
  if (isName && knowsZone(timeZone)) return timeZone;
  throw invalid('validity.timeZone', 'must be the name of a time zone, such as Asia/Seoul');
}
