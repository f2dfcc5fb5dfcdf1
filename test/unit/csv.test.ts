import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CsvOptions, toCsv } from '../../src/csv/index.js';
import type { Coupon } from '../../src/index.js';
import { InvalidArgumentError } from '../../src/index.js';

const SEED = 12;
const HEADER = 'id,campaignId,userId,serial,code,issuedAt,expiresAt,state,redeemedAt,redemptionId,revokedAt\r\n';
const KIM: Coupon = {
  id: 'id-1',
  campaignId: 'launch',
  userId: 'kim',
  serial: 1,
  code: 'A1B2-C3D4-E5F6-G7H8',
  issuedAt: new Date('2026-11-29T01:02:03.456Z'),
  expiresAt: null,
  state: 'issued',
};

async function textOf(coupons: AsyncIterable<Coupon> | Iterable<Coupon>, options?: CsvOptions): Promise<string> {
  let text = '';
  for await (const chunk of toCsv(coupons, options)) text += chunk;
  return text;
}

const cellOf = async (userId: string) =>
  (await textOf([{ ...KIM, userId }], { columns: ['userId', 'serial'] })).slice(15);

test('coupons are lines below a header, with instants in UTC, and each line ends in CRLF', async () => {
  const redeemed: Coupon = {
    ...KIM,
    serial: 2,
    state: 'redeemed',
    expiresAt: new Date('2027-01-01T00:00:00+09:00'),
    redeemedAt: new Date('2026-12-01T00:00:00Z'),
    redemptionId: 'order-7',
  };
  expect(await textOf([KIM, redeemed], { codes: 'shown' })).toBe(
    `${HEADER}id-1,launch,kim,1,A1B2-C3D4-E5F6-G7H8,2026-11-29T01:02:03.456Z,,issued,,,\r\n` +
      'id-1,launch,kim,2,A1B2-C3D4-E5F6-G7H8,2026-11-29T01:02:03.456Z,2026-12-31T15:00:00.000Z,redeemed,2026-12-01T00:00:00.000Z,order-7,\r\n',
  );
  expect(await textOf([])).toBe(HEADER);
  expect(await textOf([KIM], { columns: ['serial', 'state'] })).toBe('serial,state\r\n1,issued\r\n');
});

test('codes are masked unless they are asked for', async () => {
  const short = { ...KIM, code: 'AB12CD34EF5' };
  const wide = { ...KIM, code: `${'가'.repeat(11)}🎟` };
  const none = { ...KIM, code: null };
  const columns = ['code'] as const;
  expect(await textOf([KIM, short, wide, none], { columns })).toBe('code\r\n****G7H8\r\n****\r\n****가가가🎟\r\n\r\n');
  expect(await textOf([KIM])).not.toContain('A1B2');
  expect(await textOf([short], { columns, codes: 'shown' })).toBe('code\r\nAB12CD34EF5\r\n');
});

test.each([
  ['=1+1', "'=1+1"],
  ['+82', "'+82"],
  ['-1', "'-1"],
  ['@SUM(A1)', "'@SUM(A1)"],
  ['\t=1', `"'\t=1"`],
  ['\r=1', `"'\r=1"`],
  ['\n=1', `"'\n=1"`],
  ['＝1', "'＝1"],
  ['="a"', `"'=""a"""`],
  ['a=1', 'a=1'],
  ['kim, lee', '"kim, lee"'],
  ['kim;=1', '"kim;=1"'],
  ['a"b', '"a""b"'],
  ['a\r\nb', '"a\r\nb"'],
])('the cell of %j is %j', async (userId, cell) => {
  expect(await cellOf(userId)).toBe(`${cell},1\r\n`);
});

test(`a reader of CSV gets each cell back, and none begins like a formula (seed ${SEED})`, async () => {
  const text = fc.string({ unit: fc.constantFrom(...'=+-@\t\r\n",;\'ab 가') });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(text, text), { minLength: 1 }), async (pairs) => {
      const coupons = pairs.map(([userId, redemptionId]) => ({ ...KIM, userId, redemptionId }));
      const csv = await textOf(coupons, { columns: ['userId', 'redemptionId', 'serial'] });
      const [, ...rows] = parse(csv, { record_delimiter: '\r\n' }) as string[][];
      expect(rows.flatMap((row) => row.slice(0, 2)).filter((cell) => /^[=+\-@\t\r\n]/.test(cell))).toEqual([]);
      expect(rows.map((row) => row.slice(0, 2).map((cell) => cell.replace(/^'(?='*[=+\-@\t\r\n])/, '')))).toEqual(
        pairs,
      );
    }),
    { seed: SEED, numRuns: 300 },
  );
});

describe('a long list', () => {
  /** Counts how many coupons were taken, and whether the source was ended. */
  function counted(most: number) {
    const seen = { taken: 0, ended: false };
    async function* coupons() {
      try {
        for (; seen.taken < most; seen.taken++) yield KIM;
      } finally {
        seen.ended = true;
      }
    }
    return { seen, coupons: coupons() };
  }

  test('comes in chunks, and is read only as fast as they are taken', async () => {
    const { seen, coupons } = counted(100_000);
    for await (const chunk of toCsv(coupons)) {
      expect(chunk.length).toBeLessThan(20_000);
      break;
    }
    expect(seen.taken).toBeLessThan(1_000);
    expect(seen.ended).toBe(true);
  });

  test('goes through a pipe of streams whole', async () => {
    const { coupons } = counted(3_000);
    const sink = new PassThrough();
    const piped = pipeline(Readable.from(toCsv(coupons)), sink);
    let lines = 0;
    for await (const chunk of sink) lines += String(chunk).split('\r\n').length - 1;
    await piped;
    expect(lines).toBe(3_001);
  });

  test('that breaks off tells its error behind the chunks that were complete', async () => {
    async function* broken() {
      for (let i = 0; i < 1_000; i++) yield KIM;
      throw new Error('the database is away');
    }
    const chunks: string[] = [];
    const reading = (async () => {
      for await (const chunk of toCsv(broken())) chunks.push(chunk);
    })();
    await expect(reading).rejects.toThrow('the database is away');
    expect(chunks.length).toBeGreaterThan(1);
    for (const chunk of chunks) expect(chunk.endsWith('\r\n')).toBe(true);
  });
});

test.each<[string, unknown, object, string]>([
  ['no coupons', undefined, {}, 'the first argument of toCsv() must be an object'],
  ['a text', 'a,b', {}, 'the first argument of toCsv() must be an object'],
  ['an object', {}, {}, 'must be an iterable of coupons'],
  ['another way to show codes', [], { codes: 'plain' }, "codes must be 'masked' or 'shown'"],
  ['a column that is none', [], { columns: ['email'] }, 'columns must be an array of one or more of id, campaignId'],
  ['no column', [], { columns: [] }, 'columns must be an array'],
  ['a misspelt option', [], { code: 'shown' }, "has no property 'code'"],
])('%s is refused before anything is read', (_, coupons, options, message) => {
  expect(() => toCsv(coupons as Coupon[], options as CsvOptions)).toThrow(InvalidArgumentError);
  expect(() => toCsv(coupons as Coupon[], options as CsvOptions)).toThrow(message);
});
