import { getEventListeners } from 'node:events';
import { expect, test, vi } from 'vitest';
import { onAbort } from '../../src/flow/abort-group.js';

const listenersOf = (signal: AbortSignal) => getEventListeners(signal, 'abort').length;

test('a signal that many calls share has one listener, and ends each of them', () => {
  const controller = new AbortController();
  const ends = Array.from({ length: 50 }, () => vi.fn());
  for (const end of ends) onAbort(controller.signal, end);
  expect(listenersOf(controller.signal)).toBe(1);
  controller.abort();
  for (const end of ends) expect(end).toHaveBeenCalledTimes(1);
});

test('a call that ended before its signal is forgotten, and the others are not', () => {
  const controller = new AbortController();
  const [left, stays] = [vi.fn(), vi.fn()];
  const forget = onAbort(controller.signal, left);
  onAbort(controller.signal, stays);
  forget();
  controller.abort();
  expect(left).not.toHaveBeenCalled();
  expect(stays).toHaveBeenCalledTimes(1);
});

test('once every call has ended, nothing listens to the signal any more', () => {
  const signal = AbortSignal.any([new AbortController().signal, new AbortController().signal]);
  const forgets = [onAbort(signal, () => {}), onAbort(signal, () => {})];
  for (const forget of forgets) forget();
  expect(listenersOf(signal)).toBe(0);
});

test('a call that is forgotten twice leaves the later calls on one listener', () => {
  const controller = new AbortController();
  const forget = onAbort(controller.signal, () => {});
  forget();
  const later = [vi.fn(), vi.fn()];
  onAbort(controller.signal, later[0]!);
  forget();
  onAbort(controller.signal, later[1]!);
  expect(listenersOf(controller.signal)).toBe(1);
  controller.abort();
  for (const end of later) expect(end).toHaveBeenCalledTimes(1);
});

test('a signal that was aborted before ends the call at once', () => {
  const end = vi.fn();
  onAbort(AbortSignal.abort(), end);
  expect(end).toHaveBeenCalledTimes(1);
});
