import { assertObject, ownCopy } from '../model/check.js';
import type { Coupon } from '../model/coupon.js';
import { invalid } from '../model/errors.js';
import { maskedCode } from '../model/masked-code.js';

/** A column of the file: a property of a coupon. */
export type CsvColumn = keyof Coupon;

export interface CsvOptions {
  /** `shown` writes codes as they are: such a file is worth its coupons. Default `masked`: `****`, with the last four characters of a code of twelve or more. */
  readonly codes?: 'masked' | 'shown' | undefined;
  /** The columns, in their order. Default: all, in the order of `Coupon`. */
  readonly columns?: readonly CsvColumn[] | undefined;
}

const COLUMNS: readonly CsvColumn[] = [
  'id',
  'campaignId',
  'userId',
  'serial',
  'code',
  'issuedAt',
  'expiresAt',
  'state',
  'redeemedAt',
  'redemptionId',
  'revokedAt',
];
/** About as much as one write to a file or a socket. */
const CHUNK = 16_384;
/** A spreadsheet computes such a cell. The wide forms are the ones of East Asian keyboards. With a quote before it, it would be read back as another cell. */
const FORMULA = /^'*[=+\-@\t\r\n＝＋－＠]/;
/** The separators of other regions as well: a spreadsheet there would cut the cell in two. */
const QUOTED = /[",;\t\r\n]/;

/**
 * Writes coupons as CSV (RFC 4180), in chunks of about 16 KiB: a header line, lines that end in CRLF, instants in UTC as
 * ISO 8601. It holds one chunk in memory, and reads the coupons only as fast as the chunks are taken. Leaving the loop
 * early ends the source.
 *
 * Codes are masked unless you ask for them. User ids and order ids come from outside, and a spreadsheet would compute a
 * cell that begins with `=`, `+`, `-`, `@`, a tab or a line break. Such a cell gets a `'` before it. So does a cell that
 * begins with `'` and such a character: to read the file back, remove one `'` there.
 *
 * The text is without a byte order mark; for Excel, write one (U+FEFF) first. The call throws `InvalidArgumentError`. An error
 * of the source reaches the reader, behind the chunks that were complete.
 *
 * @example
 * ```ts
 * import { createWriteStream } from 'node:fs';
 * import { Readable } from 'node:stream';
 * import { pipeline } from 'node:stream/promises';
 * import { toCsv } from 'coupon-issuer/csv';
 *
 * await pipeline(Readable.from(toCsv(launch.coupons())), createWriteStream('coupons.csv'));
 * ```
 */
export function toCsv(
  coupons: AsyncIterable<Coupon> | Iterable<Coupon>,
  options: CsvOptions = {},
): AsyncIterableIterator<string> {
  const { codes = 'masked', columns = COLUMNS } = ownCopy('the second argument of toCsv()', options, [
    'codes',
    'columns',
  ]);
  assertIterable(coupons);
  if (codes !== 'masked' && codes !== 'shown') throw invalid('codes', "must be 'masked' or 'shown'");
  return linesOf(coupons, assertColumns(columns), codes === 'shown');
}

function assertIterable(given: unknown): void {
  assertObject('the first argument of toCsv()', Array.isArray(given) ? {} : given);
  const { [Symbol.asyncIterator]: async, [Symbol.iterator]: sync } = given as Partial<
    AsyncIterable<Coupon> & Iterable<Coupon>
  >;
  if (typeof async !== 'function' && typeof sync !== 'function') {
    throw invalid('the first argument of toCsv()', 'must be an iterable of coupons, such as campaign(id).coupons()');
  }
}

function assertColumns(given: readonly CsvColumn[]): readonly CsvColumn[] {
  const own: unknown = Array.isArray(given) ? [...given] : null;
  if (Array.isArray(own) && own.length > 0 && own.every((name) => COLUMNS.includes(name))) return own;
  throw invalid('columns', `must be an array of one or more of ${COLUMNS.join(', ')}`);
}

async function* linesOf(
  coupons: AsyncIterable<Coupon> | Iterable<Coupon>,
  columns: readonly CsvColumn[],
  showsCodes: boolean,
): AsyncGenerator<string> {
  let chunk = lineOf(columns);
  for await (const coupon of coupons) {
    chunk += lineOf(
      columns.map((name) => {
        const value = coupon[name];
        return name === 'code' && typeof value === 'string' && !showsCodes ? maskedCode(value) : textOf(value);
      }),
    );
    if (chunk.length < CHUNK) continue;
    yield chunk;
    chunk = '';
  }
  if (chunk !== '') yield chunk;
}

function textOf(value: Coupon[CsvColumn]): string {
  if (value === null || value === undefined) return '';
  return value instanceof Date ? value.toISOString() : String(value);
}

function lineOf(cells: readonly string[]): string {
  return `${cells.map(cellOf).join(',')}\r\n`;
}

function cellOf(text: string): string {
  const safe = FORMULA.test(text) ? `'${text}` : text;
  return QUOTED.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
