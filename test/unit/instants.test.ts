import { describe, expect, test } from 'vitest';
import { InvalidArgumentError } from '../../src/model/errors.js';
import { instantMs } from '../../src/model/instants.js';
import { checkedWaves } from '../../src/model/waves.js';

test('a date is a valid Date from 1970 on', () => {
  expect(instantMs('opensAt', new Date(0))).toBe(0);
  for (const bad of [new Date(Number.NaN), new Date(-1), 0, '2026-01-01', null])
    expect(() => instantMs('opensAt', bad)).toThrow(InvalidArgumentError);
});

test('the last instant is the end of the year 9999, which every database keeps', () => {
  const last = new Date('9999-12-31T23:59:59.999Z');
  expect(instantMs('expiresAt', last)).toBe(last.getTime());
  for (const beyond of [new Date(last.getTime() + 1), new Date(8.64e15), '9999-12-31T23:59:59-01:00'])
    expect(() => instantMs('expiresAt', beyond)).toThrow('expiresAt must be before the year 10000 in UTC');
});

test.each([
  ['2030-05-01T10:00:00Z', '2030-05-01T10:00:00.000Z'],
  ['2030-05-01T10:00:00+09:00', '2030-05-01T01:00:00.000Z'],
  ['2030-05-01T10:00:00-0330', '2030-05-01T13:30:00.000Z'],
  ['2030-05-01T10:00Z', '2030-05-01T10:00:00.000Z'],
  ['2030-05-01T10:00:00.5Z', '2030-05-01T10:00:00.500Z'],
  ['2030-05-01T10:00:00.123456789Z', '2030-05-01T10:00:00.123Z'],
  ['2030-01-01T00:30:00+09:00', '2029-12-31T15:30:00.000Z'],
  ['2028-02-29T00:00:00Z', '2028-02-29T00:00:00.000Z'],
])('%s is the instant %s', (text, instant) => {
  expect(new Date(instantMs('opensAt', text)).toISOString()).toBe(instant);
});

describe('a string that is read differently on another machine is refused', () => {
  test.each(['2030-05-01T10:00:00', '2030-05-01T10:00', '2030-05-01T10:00:00.000'])('%s has no offset', (text) => {
    expect(() => instantMs('closesAt', text)).toThrow('closesAt has no offset: end it with Z or, for example, +09:00');
  });

  test.each([
    '2030-02-30T00:00:00Z',
    '2029-02-29T00:00:00Z',
    '2030-13-01T00:00:00Z',
    '2030-05-01T24:00:00Z',
    '2030-05-01T10:60:00Z',
    '2030-05-01T10:00:60Z',
    '2030-05-01T10:00:00+24:00',
    '2030-05-01T10:00:00+09:60',
    '1969-12-31T23:59:59Z',
    '2030-05-01 10:00:00Z',
    '2030-05-01',
    ' 2030-05-01T10:00:00Z',
    '1903867200000',
    'tomorrow',
    '',
  ])('"%s" is no instant', (text) => {
    expect(() => instantMs('opensAt', text)).toThrow(
      /^opensAt must be a valid Date, or an ISO 8601 string with an offset/,
    );
  });
});

test('waves take the same strings, and name the one that is wrong', () => {
  expect(checkedWaves([{ at: '2030-05-01T10:00:00+09:00', count: 5 }])).toEqual([
    { fromMs: Date.UTC(2030, 4, 1, 1), everyMs: 0, count: 5 },
  ]);
  const wrong = [
    { at: new Date(0), count: 1 },
    { from: '2030-05-01T10:00:00', every: 'day', count: 1 },
  ] as const;
  expect(() => checkedWaves(wrong)).toThrow('waves[1].from has no offset');
});

test('a date of a class of its own is the instant that it is, whatever it converts to', () => {
  class Odd extends Date {
    override valueOf() {
      return 1.5;
    }
    override [Symbol.toPrimitive]() {
      return Number.POSITIVE_INFINITY as never;
    }
  }
  expect(instantMs('opensAt', new Odd(86_400_000))).toBe(86_400_000);
  expect(() => instantMs('opensAt', new Odd(Number.NaN))).toThrow('opensAt must be a valid Date');
});
