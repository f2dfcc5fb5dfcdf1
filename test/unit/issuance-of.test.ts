import { describe, expect, test } from 'vitest';
import { InvalidArgumentError, type Issuance, issuanceOf } from '../../src/index.js';
import { deriveId, ownRow } from '../../src/model/issuance.js';

const given = { campaignId: 'launch', userId: 'kim', serial: 3, issuedAt: '2026-05-01T10:00:00+09:00' };
const wrong = (change: object) => issuanceOf({ ...given, ...change } as Parameters<typeof issuanceOf>[0]);

describe('the row of a coupon that was given out before', () => {
  test('has what was given, and the rest filled in', () => {
    expect(issuanceOf(given)).toEqual({
      ...given,
      id: expect.stringMatching(/^[\w-]{22}$/),
      ...{ grant: 1, code: null, issuedAt: new Date('2026-05-01T01:00:00Z') },
      ...{ epoch: '0-given-before', state: 'issued' },
    });
    expect(issuanceOf({ ...given, code: 'AAA-1', grant: 2 })).toMatchObject({ code: 'AAA-1', grant: 2 });
    expect(issuanceOf({ ...given, expiresAt: '2027-01-01T00:00+09:00' }).expiresAt).toEqual(
      new Date('2026-12-31T15:00:00Z'),
    );
    expect(issuanceOf({ ...given, expiresAt: null })).toEqual(issuanceOf(given));
    expect(issuanceOf({ ...given, issuedAt: new Date(0) }).issuedAt).toEqual(new Date(0));
  });

  test('is one that an adapter may list', () => {
    for (const row of [issuanceOf(given), issuanceOf({ ...given, code: 'A', requestId: 'order-7' })]) {
      expect(ownRow(row)).toEqual(row);
    }
  });

  test('is the same row each time, and another one for every user, grant and campaign', () => {
    expect(issuanceOf(given)).toEqual(issuanceOf({ ...given }));
    const ids = [given, { ...given, grant: 2 }, { ...given, userId: 'lee' }, { ...given, campaignId: 'night' }]
      .map(issuanceOf)
      .map(({ id }: Issuance) => id);
    expect(new Set(ids).size).toBe(4);
  });

  test('is what a call under the same request id finds, and no call without', () => {
    const named = issuanceOf({ ...given, requestId: 'order-7' });
    expect(named.id).toBe(deriveId('launch', 'kim', 'order-7'));
    for (const requestId of ['1', '', '01'])
      expect(issuanceOf(given).id).not.toBe(deriveId('launch', 'kim', requestId));
  });

  test.each<[string, object]>([
    ['campaignId', { campaignId: 'a b' }],
    ['campaignId', { campaignId: undefined }],
    ['userId', { userId: 7 }],
    ['userId', { userId: 'a\0b' }],
    ['serial', { serial: 0 }],
    ['serial', { serial: '3' }],
    ['serial', { serial: 2 ** 53 }],
    ['issuedAt', { issuedAt: undefined }],
    ['issuedAt', { issuedAt: '2026-05-01' }],
    ['issuedAt', { issuedAt: new Date(-1) }],
    ['grant', { grant: 101 }],
    ['grant', { grant: null }],
    ['code', { code: '' }],
    ['code', { code: '\ud800' }],
    ['requestId', { requestId: '' }],
  ])('names %s where it is %o', (argument, change) => {
    expect(() => wrong(change)).toThrow(expect.objectContaining({ argument, code: 'INVALID_ARGUMENT' }));
  });

  test('takes no property that it does not know, and nothing but an object', () => {
    expect(() => wrong({ state: 'issued' })).toThrow(InvalidArgumentError);
    for (const other of [null, undefined, 'kim', [given]]) {
      expect(() => issuanceOf(other as never)).toThrow(InvalidArgumentError);
    }
  });
});
