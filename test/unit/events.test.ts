import { expect, test } from 'vitest';
import { type CouponEvent, countRefusals, safeEmit } from '../../src/model/events.js';
import { settled } from './support.js';

const event: CouponEvent = { type: 'exhausted', campaignId: 'launch' };

test('an observer is told', () => {
  const told: CouponEvent[] = [];
  safeEmit((each) => told.push(each))(event);
  expect(told).toEqual([event]);
});

test('an observer that throws changes nothing', () => {
  const emit = safeEmit(() => {
    throw new Error('the logger is down');
  });
  expect(() => emit(event)).not.toThrow();
});

test('an observer that rejects leaves no unhandled rejection', async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  process.on('unhandledRejection', note);
  safeEmit(async () => {
    throw new Error('the logger is down');
  })(event);
  await settled();
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
});

test('without an observer nothing happens', () => {
  expect(() => safeEmit(undefined)(event)).not.toThrow();
});

test('the refusals of a batch are counted by status, one event each', () => {
  const told: CouponEvent[] = [];
  const statuses = ['sold_out', 'issued', 'sold_out', 'paused', 'accepted', 'sold_out'] as const;
  countRefusals((each) => told.push(each), 'launch', statuses);
  expect(told).toEqual([
    { type: 'refused', campaignId: 'launch', status: 'sold_out', count: 3 },
    { type: 'refused', campaignId: 'launch', status: 'paused', count: 1 },
  ]);
});
