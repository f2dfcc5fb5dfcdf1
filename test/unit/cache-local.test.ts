import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LocalValues } from '../../src/cache/local.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

test.each([
  ['the ttlMs of the memory', 60_000],
  ['the life of the value', 50],
])('a value is remembered from before it was asked for, and at most for %s', (_, leftMs) => {
  const values = new LocalValues<string>({ max: 10, ttlMs: 100 });
  const askedAt = performance.now();
  const end = Math.min(100, leftMs);
  vi.advanceTimersByTime(30);
  values.keep('kim', { id: 'id-of-kim', value: 'gold', askedAt, leftMs });
  vi.advanceTimersByTime(end - 31);
  expect(values.get('kim')?.value).toBe('gold');
  vi.advanceTimersByTime(1);
  expect(values.get('kim')).toBeNull();
});
