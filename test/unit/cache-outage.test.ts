import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Outage } from '../../src/cache/outage.js';
import { RedisError } from '../../src/index.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

test('a Redis that did not answer is probed once a second, by one caller at a time', () => {
  const outage = new Outage();
  outage.failed(new RedisError('Connection is closed.', { outcome: 'unknown' }));
  const probes = () => Array.from({ length: 5 }, () => outage.mayProbe()).filter(Boolean).length;
  expect([outage.isAway, probes()]).toEqual([true, 0]);
  for (let second = 0; second < 3; second++) {
    vi.advanceTimersByTime(1_000);
    expect(probes()).toBe(1);
  }
  outage.answered();
  expect(outage.isAway).toBe(false);
});
