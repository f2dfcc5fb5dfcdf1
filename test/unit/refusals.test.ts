import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Refusals } from '../../src/redis/refusal-cache.js';

let now = 0;
beforeEach(() => {
  now = 1_000;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
});
afterEach(() => {
  vi.restoreAllMocks();
});

test('a refusal is told again for as long as it may be, counted from before Redis was asked, and not a moment longer', () => {
  const refusals = new Refusals(100);
  expect(refusals.of('ann')).toBeNull();
  refusals.note({ status: 'sold_out' }, 950);
  now = 1_049;
  expect(refusals.of('ann')).toEqual({ status: 'sold_out' });
  now = 1_050;
  expect(refusals.of('ann')).toBeNull();
  refusals.note({ status: 'paused' }, now);
  expect(refusals.of('ann')).toEqual({ status: 'paused' });
});

test('it is never told to users who hold something, whichever came first', () => {
  const refusals = new Refusals(100);
  refusals.know(['ann', '선착순']);
  refusals.note({ status: 'sold_out' }, now);
  refusals.know(['bob']);
  for (const userId of ['ann', 'bob', '선착순']) expect(refusals.of(userId)).toBeNull();
  expect(refusals.of('cho')).toEqual({ status: 'sold_out' });
});
