import { expect, test } from 'vitest';
import type { Issuance } from '../../src/index.js';
import { changeOf, heldAs, isFinal, isSameChange, type Standing } from '../../src/model/place.js';

const issuance = (id: string, state: Issuance['state'] = 'issued'): Issuance => ({
  id,
  campaignId: 'launch',
  userId: 'ann',
  grant: 1,
  serial: 1,
  code: 'AAA',
  issuedAt: new Date(1),
  epoch: '1-a',
  state,
});

const standing = (of: Partial<Standing> = {}): Standing => ({
  word: 'none',
  place: null,
  issuances: [],
  line: 'first',
  over: { upTo: 0, why: null },
  overNow: null,
  ...of,
});

const waiting = (ticket = 7, more: Partial<Standing> = {}): Standing =>
  standing({ word: 'waiting', place: { ticket, position: 3, etaMs: 500, id: 'own' }, ...more });

test('in line it is the place, without the id of the coupon to come', () => {
  expect(changeOf(waiting(), null)).toEqual({ status: 'waiting', ticket: 7, position: 3, etaMs: 500 });
});

test('the coupon that was waited for is final once issued; reserved, its code is not told', () => {
  const held = (state: Issuance['state']) => standing({ word: 'held', issuances: [issuance('own', state)] });
  expect(changeOf(held('issued'), waiting())).toEqual({ status: 'issued', issuance: issuance('own') });
  const reserved = changeOf(held('reserved'), waiting());
  expect(reserved).toEqual({ status: 'reserved', issuance: { ...issuance('own', 'reserved'), code: null } });
  expect(isFinal(reserved)).toBe(false);
});

test('the coupon that was waited for is final once it is revoked, and its code is not told', () => {
  const revoked = changeOf(standing({ word: 'held', issuances: [issuance('own', 'revoked')] }), waiting());
  expect(revoked).toEqual({ status: 'revoked', issuance: { ...issuance('own', 'revoked'), code: null } });
  expect(isFinal(revoked)).toBe(true);
});

test('a user with coupons holds an issued one before a reserved one, and a revoked one last', () => {
  const held = (...states: Issuance['state'][]) => heldAs(states.map((state) => issuance(state, state)));
  expect(held('revoked', 'reserved', 'issued')).toBe('issued');
  expect(held('revoked', 'reserved')).toBe('reserved');
  expect(held('revoked')).toBe('revoked');
});

test('who waits for a second coupon is not told of the first as if it were that one', () => {
  const first = [issuance('first')];
  const before = waiting(7, { issuances: first });
  expect(changeOf(before, null).status).toBe('waiting');
  expect(changeOf(standing({ word: 'left', issuances: first }), before)).toEqual({ status: 'left' });
  expect(changeOf(standing({ word: 'held', issuances: first }), before)).toEqual({ status: 'lost' });
  expect(changeOf(standing({ word: 'held', issuances: first, over: { upTo: 9, why: 'sold_out' } }), before)).toEqual({
    status: 'sold_out',
  });
});

test('the end of the line is that of those who stood in it, in that making of the line, up to that ticket', () => {
  const over = (upTo: number, line = 'first') => standing({ line, over: { upTo, why: 'closed' } });
  expect(changeOf(over(7), waiting())).toEqual({ status: 'closed' });
  expect(changeOf(over(6), waiting())).toEqual({ status: 'lost' });
  expect(changeOf(over(7, 'second'), waiting())).toEqual({ status: 'lost' });
  expect(changeOf(over(7), null)).toEqual({ status: 'none' });
});

test('who was never seen in line is told what is remembered, or what they hold, or none', () => {
  expect(changeOf(standing({ word: 'absent' }), null)).toEqual({ status: 'absent' });
  expect(changeOf(standing({ word: 'held', issuances: [issuance('any')] }), null)).toMatchObject({ status: 'issued' });
  expect(changeOf(standing(), null)).toEqual({ status: 'none' });
  expect(changeOf(standing({ overNow: 'sold_out' }), null)).toEqual({ status: 'sold_out' });
});

test('a coupon of before that Redis had not known is the answer, too', () => {
  expect(changeOf(standing({ word: 'held', issuances: [issuance('of the database')] }), waiting())).toMatchObject({
    status: 'issued',
    issuance: { id: 'of the database' },
  });
});

test('a place is another one when ticket or position is, or when a time is known at last; not with every guess of the time', () => {
  const at = (position: number | null, etaMs: number | null, ticket = 7) => ({
    status: 'waiting' as const,
    ticket,
    position,
    etaMs,
  });
  expect(isSameChange(at(3, 100), at(3, 90))).toBe(true);
  expect(isSameChange(at(3, null), at(3, 90))).toBe(false);
  expect(isSameChange(at(3, 100), at(2, 100))).toBe(false);
  expect(isSameChange(at(3, 100), at(3, 100, 8))).toBe(false);
  expect(isSameChange({ status: 'not_ready', reason: 'missing' }, { status: 'not_ready', reason: 'rebuilding' })).toBe(
    false,
  );
});
