import { expect, test } from 'vitest';
import { monotonicMs, withDeadline } from '../../src/flow/deadline.js';
import { manual } from './support.js';

const late = () => new Error('late');

test('work that ends in time gives its own result or its own error', async () => {
  expect(await withDeadline(Promise.resolve(7), 1_000, late)).toBe(7);
  await expect(withDeadline(Promise.reject(new Error('own')), 1_000, late)).rejects.toThrow('own');
});

test('work that hangs gives the error of the time-out, and its own end later disturbs nobody', async () => {
  const work = manual<number>();
  await expect(withDeadline(work.promise, 5, late)).rejects.toThrow('late');
  work.reject(new Error('much later'));
});

test('a deadline that has passed already is a time-out', async () => {
  await expect(withDeadline(manual().promise, -50, late)).rejects.toThrow('late');
});

test('its timer keeps no process alive and does not outlive the work', async () => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = timers();
  const work = manual();
  const waiting = withDeadline(work.promise, 60_000, late);
  // Only timers that keep the process alive are listed.
  expect(timers()).toBe(before);
  work.resolve();
  await waiting;
  expect(timers()).toBe(before);
});

test('the clock does not go back', () => {
  const first = monotonicMs();
  expect(monotonicMs()).toBeGreaterThanOrEqual(first);
});
