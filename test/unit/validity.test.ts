import { describe, expect, test } from 'vitest';
import { checkedValidity, expiryOf, type Validity } from '../../src/model/validity.js';

const expiry = (validity: Validity, issuedAt: string) =>
  expiryOf(checkedValidity(validity), new Date(issuedAt))?.toISOString();

describe('a coupon expires', () => {
  test('never, if its campaign has no validity', () => {
    expect(expiryOf(null, new Date())).toBeNull();
  });

  test('at the earliest of its bounds', () => {
    const issuedAt = '2026-11-28T10:00:00Z';
    const until = '2026-12-01T00:00+09:00';
    expect(expiry({ until }, issuedAt)).toBe('2026-11-30T15:00:00.000Z');
    expect(expiry({ until, forMs: 60_000 }, issuedAt)).toBe('2026-11-28T10:01:00.000Z');
    expect(expiry({ until, days: 1, timeZone: 'Asia/Seoul' }, issuedAt)).toBe('2026-11-29T15:00:00.000Z');
    expect(expiry({ until, days: 30, timeZone: 'Asia/Seoul' }, issuedAt)).toBe('2026-11-30T15:00:00.000Z');
  });

  test('at the end of a day of its zone, and not of the day in UTC', () => {
    const validity = { days: 7, timeZone: 'Asia/Seoul' };
    expect(expiry(validity, '2026-11-28T14:59:59.999Z')).toBe('2026-12-05T15:00:00.000Z');
    expect(expiry(validity, '2026-11-28T15:00:00.000Z')).toBe('2026-12-06T15:00:00.000Z');
    expect(expiry({ days: 0, timeZone: 'Asia/Seoul' }, '2026-11-28T15:00:00.000Z')).toBe('2026-11-29T15:00:00.000Z');
  });

  test.each([
    ['over the end of a month and a leap day', 'UTC', 1, '2028-02-28T12:00:00Z', '2028-03-01T00:00:00.000Z'],
    ['over the end of a year', 'UTC', 1, '2026-12-31T12:00:00Z', '2027-01-02T00:00:00.000Z'],
    ['over the begin of summer time', 'Europe/Berlin', 1, '2026-03-28T12:00:00Z', '2026-03-29T22:00:00.000Z'],
    ['over the end of summer time', 'Europe/Berlin', 1, '2026-10-24T12:00:00Z', '2026-10-25T23:00:00.000Z'],
    [
      'at the begin of a day that has no midnight',
      'Africa/Cairo',
      0,
      '2026-04-23T12:00:00Z',
      '2026-04-23T22:00:00.000Z',
    ],
    ['after a day that never was', 'Pacific/Apia', 1, '2011-12-29T12:00:00Z', '2011-12-30T10:00:00.000Z'],
    ['in a zone with a quarter of an hour', 'Asia/Kathmandu', 0, '2026-11-28T12:00:00Z', '2026-11-28T18:15:00.000Z'],
  ])('%s', (_, timeZone, days, issuedAt, expected) => {
    expect(expiry({ days, timeZone }, issuedAt)).toBe(expected);
  });

  test('at one instant for all coupons of a local day, in whatever order they are asked', () => {
    const validity = { days: 3, timeZone: 'America/New_York' };
    const hours = Array.from({ length: 72 }, (_, hour) => new Date(Date.UTC(2026, 9, 31, hour)).toISOString());
    const one = hours.map((hour) => expiry(validity, hour));
    const other = hours.toReversed().map((hour) => {
      expiry({ days: 1, timeZone: 'Asia/Seoul' }, hour);
      return expiry(validity, hour);
    });
    expect(other.toReversed()).toEqual(one);
    expect(new Set(one).size).toBe(4);
  });
});

describe('a validity is refused before any I/O', () => {
  test.each([
    [{}, 'must have until, forMs or days'],
    [{ forMs: 0 }, 'validity.forMs must be a whole number'],
    [{ forMs: 1.5 }, 'validity.forMs must be a whole number'],
    [{ days: -1, timeZone: 'UTC' }, 'validity.days must be a whole number'],
    [{ days: 1 }, 'must have days and timeZone together'],
    [{ timeZone: 'Asia/Seoul', forMs: 5 }, 'must have days and timeZone together'],
    [{ days: 1, timeZone: 'Seoul' }, 'validity.timeZone must be the name of a time zone'],
    [{ days: 1, timeZone: '+09:00' }, 'validity.timeZone must be the name of a time zone'],
    [{ days: 1, timeZone: 9 as unknown as string }, 'validity.timeZone must be the name of a time zone'],
    [{ until: new Date(Number.NaN) }, 'validity.until must be a valid Date'],
    [{ until: '2027-01-01T00:00' }, 'has no offset'],
    [{ ends: new Date() } as unknown as Validity, "has no property 'ends'"],
  ])('%j', (given, message) => {
    expect(() => checkedValidity(given)).toThrow(message);
  });
});
