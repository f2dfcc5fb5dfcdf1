import { expect, test, vi } from 'vitest';
import type { Issuance } from '../../src/index.js';
import { Watcher } from '../../src/waiting-room/watcher.js';

const at = (position: number) => ({ status: 'waiting', ticket: 9, position, etaMs: null }) as const;

test('the final change ends it once, however it is told', async () => {
  const ended = vi.fn();
  const watcher = new Watcher('ann', ended);
  watcher.tell(at(2));
  watcher.tell({ status: 'issued', issuance: {} as Issuance });
  watcher.tell(at(1));
  watcher.end();
  expect(ended).toHaveBeenCalledTimes(1);
  expect(await watcher.next()).toMatchObject({ value: { status: 'issued' } });
  expect(await watcher.next()).toEqual({ done: true, value: undefined });
});

test('what was told is not told again, and whoever waits is given each change once', async () => {
  const watcher = new Watcher('ann', () => {});
  const [first, second] = [watcher.next(), watcher.next()];
  watcher.tell(at(3));
  watcher.tell(at(3));
  watcher.tell(at(1));
  expect((await first).value).toEqual(at(3));
  expect((await second).value).toEqual(at(1));
});

test('a fault rejects once, and then it is over', async () => {
  const watcher = new Watcher('ann', () => {});
  watcher.fail(new Error('no such campaign'));
  await expect(watcher.next()).rejects.toThrow('no such campaign');
  expect(await watcher.next()).toEqual({ done: true, value: undefined });
});

test('leaving the loop ends it and drops what was not fetched', async () => {
  const ended = vi.fn();
  const watcher = new Watcher('ann', ended);
  watcher.tell(at(1));
  await watcher.return();
  expect(ended).toHaveBeenCalledTimes(1);
  expect(await watcher.next()).toEqual({ done: true, value: undefined });
  watcher.onEnd(ended);
  expect(ended).toHaveBeenCalledTimes(2);
});
