import { describe, expect, test } from 'vitest';
import { ownRow } from '../../src/model/issuance.js';
import { changedRow, type Life, type LifeCall, type LifeRow, type RowChange, UNTOUCHED } from '../../src/model/life.js';
import { type Decision, decide } from '../../src/redeem/decide.js';
import { anIssuance } from './support.js';

const NOW = new Date('2026-11-28T12:00:00Z');
const LATER = new Date('2026-12-31T15:00:00Z');
const redeem = (id: string): LifeCall => ({ verb: 'redeem', id });
const unredeem = (id: string): LifeCall => ({ verb: 'unredeem', id });
const revoke = (id: string): LifeCall => ({ verb: 'revoke', id, unit: 'kept', again: false });
const extend = (expiresAt: Date): LifeCall => ({ verb: 'extend', expiresAt });

/** The life of a row after these calls, each of which must change it. */
function after(...calls: LifeCall[]): LifeRow {
  return calls.reduce<LifeRow>((row, call) => {
    const decision = decide(call, row);
    return changedRow(row, changeOf(decision), NOW)!;
  }, {});
}

function changeOf(decision: Decision): RowChange {
  if ('change' in decision) return decision.change;
  throw new Error(`${decision.answer} changes nothing`);
}

const issued: LifeRow = {};
const redeemed = after(redeem('A'));
const undone = after(redeem('A'), unredeem('A'));
const marked = after(unredeem('A'));
const revoked = after(revoke('R'));

describe('without a change, a call of', () => {
  test.each<[string, LifeCall, string, LifeRow, string]>([
    ['redeem', redeem('A'), 'a coupon that the same id redeemed', redeemed, 'redeemed'],
    ['redeem', redeem('A'), 'its own undone redemption', undone, 'redemption_undone'],
    ['redeem', redeem('A'), 'a redemption undone before it came', marked, 'redemption_undone'],
    [
      'redeem',
      redeem('A'),
      'its own undone redemption, redeemed by another id',
      after(redeem('A'), unredeem('A'), redeem('B')),
      'redemption_undone',
    ],
    ['redeem', redeem('B'), 'a coupon that another id redeemed', redeemed, 'already_redeemed'],
    ['redeem', redeem('A'), 'a revoked coupon', revoked, 'revoked'],
    ['unredeem', unredeem('A'), 'an undone redemption', undone, 'unredeemed'],
    ['unredeem', unredeem('A'), 'a revoked coupon', revoked, 'not_redeemed'],
    ['revoke', revoke('R'), 'a coupon that the same id revoked', revoked, 'taken_back'],
    ['revoke', revoke('S'), 'a coupon that another id revoked', revoked, 'revoked'],
    ['revoke', revoke('R'), 'a redeemed coupon', redeemed, 'already_redeemed'],
    ['extend', extend(LATER), 'a revoked coupon', { ...revoked, expiresAt: NOW }, 'revoked'],
    ['fence', { verb: 'fence', version: 0 }, 'a revoked coupon', revoked, 'revoked'],
    ['fence', { verb: 'fence', version: 0 }, 'a coupon that was changed since', redeemed, 'fenced'],
    ['extend', extend(LATER), 'a coupon that is valid for ever', issued, 'extended'],
    ['extend', extend(NOW), 'a coupon that is valid for longer', { expiresAt: LATER }, 'extended'],
    ['extend', extend(NOW), 'a coupon that is valid for as long', { expiresAt: NOW }, 'extended'],
  ])('%s (%j) on %s', (_verb, call, _state, row, answer) => {
    expect(decide(call, row)).toEqual({ answer });
  });
});

describe('with a change, a call of', () => {
  test.each<[string, LifeCall, string, LifeRow, string, Partial<Life> & { expiresAt?: Date }]>([
    [
      'redeem',
      redeem('A'),
      'an issued coupon',
      issued,
      'redeemed',
      { state: 'redeemed', by: 'A', at: NOW, version: 1 },
    ],
    [
      'redeem',
      redeem('B'),
      'an undone redemption of another id',
      undone,
      'redeemed',
      { state: 'redeemed', by: 'B', version: 3 },
    ],
    ['unredeem', unredeem('A'), 'its redemption', redeemed, 'unredeemed', { state: 'issued', by: null, version: 2 }],
    [
      'unredeem',
      unredeem('B'),
      'the redemption of another id',
      redeemed,
      'not_redeemed',
      { state: 'redeemed', by: 'A', version: 2 },
    ],
    ['unredeem', unredeem('A'), 'an issued coupon', issued, 'not_redeemed', { state: 'issued', by: null, version: 1 }],
    [
      'revoke',
      revoke('R'),
      'an issued coupon',
      issued,
      'taken_back',
      { state: 'revoked', by: 'R', at: NOW, version: 1 },
    ],
    [
      'fence',
      { verb: 'fence', version: 1 },
      'the version that is named',
      redeemed,
      'fenced',
      { ...redeemed.life, version: 2 },
    ],
    ['revoke', revoke('R'), 'an expired coupon', { expiresAt: new Date(0) }, 'taken_back', { state: 'revoked' }],
    [
      'extend',
      extend(LATER),
      'a redeemed coupon',
      { ...redeemed, expiresAt: NOW },
      'extended',
      { state: 'redeemed', version: 2, expiresAt: LATER },
    ],
  ])('%s (%j) on %s', (_verb, call, _state, row, answer, expected) => {
    const decision = decide(call, row);
    expect(decision).toMatchObject({ answer, change: { version: (row.life ?? UNTOUCHED).version } });
    const { expiresAt, ...life } = expected;
    const changed = changedRow(row, changeOf(decision), NOW)!;
    expect(changed.life).toMatchObject(life);
    if (expiresAt) expect(changed.expiresAt).toEqual(expiresAt);
  });
});

describe('a redemption of an expired coupon', () => {
  const row: LifeRow = { life: { ...UNTOUCHED, version: 2 }, expiresAt: NOW };
  const change = { version: 2, unexpired: true, to: { state: 'redeemed', by: 'A' } } as const;

  test('is tried, because only the database knows the time', () => {
    expect(decide(redeem('A'), row)).toEqual({ change, answer: 'redeemed' });
    expect(changedRow(row, change, NOW)).toBeNull();
    expect(changedRow(row, change, new Date(NOW.getTime() - 1))).toMatchObject({ life: { state: 'redeemed' } });
  });

  test('is never told of a coupon without an end, whatever an adapter said of its change', () => {
    const endless: LifeRow = { life: { ...UNTOUCHED, version: 2 } };
    expect(decide(redeem('A'), endless, { refusedVersion: 2, inDoubt: false })).toEqual({ change, answer: 'redeemed' });
  });

  test('is told expired, if its change was refused though the version was and is the same', () => {
    expect(decide(redeem('A'), row, { refusedVersion: 2, inDoubt: false })).toEqual({ answer: 'expired' });
    expect(decide(redeem('A'), row, { refusedVersion: 1, inDoubt: false })).toEqual({ change, answer: 'redeemed' });
  });

  test('counts the version up first, if an earlier attempt may still arrive', () => {
    const fence = { version: 2, unexpired: false };
    expect(decide(redeem('A'), row, { refusedVersion: 2, inDoubt: true })).toEqual({
      change: fence,
      answer: 'expired',
    });
    expect(changedRow(row, fence, NOW)).toMatchObject({ life: { version: 3, state: 'issued', at: null } });
    expect(changedRow(changedRow(row, fence, NOW)!, change, new Date(0))).toBeNull();
  });

  test('is a repeat, if the same id redeemed it in time', () => {
    expect(decide(redeem('A'), { life: { ...redeemed.life! }, expiresAt: new Date(0) })).toEqual({
      answer: 'redeemed',
    });
  });
});

test('a revocation says what becomes of the unit and of the grant', () => {
  const decision = decide({ verb: 'revoke', id: 'R', unit: 'returned', again: true }, issued);
  expect(decision).toMatchObject({ change: { unitReturned: true, freesGrant: true } });
  expect(changedRow(issued, changeOf(decision), NOW)!.life.unitReturned).toBe(true);
  expect(decide(revoke('R'), issued)).not.toHaveProperty('change.unitReturned');
});

test('a row without a grant is the one of a revoked coupon, and of no other', () => {
  const life: Life = { ...UNTOUCHED, version: 1, state: 'revoked', at: NOW, by: 'R' };
  expect(ownRow(anIssuance(1, { grant: 0, life }))).toMatchObject({ grant: 0, life });
  const others: (Life | undefined)[] = [
    undefined,
    UNTOUCHED,
    { ...life, state: 'redeemed' },
    { ...life, state: 'issued' },
  ];
  for (const other of others) expect(ownRow(anIssuance(1, { grant: 0, life: other }))).toBeNull();
});

test('the marks of 16 undone redemptions are kept, without the ids themselves', () => {
  const ids = Array.from({ length: 17 }, (_, i) => `order-${i}`);
  const row = after(...ids.map(unredeem));
  expect(row.life!.undone.length).toBeLessThanOrEqual(176);
  expect(row.life!.undone).not.toContain('order');
  expect(ids.filter((id) => 'change' in decide(redeem(id), row))).toEqual(['order-0']);
});
