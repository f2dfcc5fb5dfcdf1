import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { LookRound } from '../../src/redis/line-replies.js';
import type { Subscription } from '../../src/redis/subscription.js';
import { CampaignWatch, type WatchParts } from '../../src/waiting-room/watch-round.js';

interface Look {
  readonly userId: string;
  /** All for whom the process watches have been seen since then, as it says with this look. */
  readonly since: number;
  readonly answer: (atMs: number) => void;
}

let looks: Look[];
let watch: CampaignWatch;
let hears: boolean;
let listeners: ((message: string) => void)[];
const place = { id: 'place', ticket: 1, position: 1, etaMs: null };

beforeEach(() => {
  vi.useFakeTimers();
  looks = [];
  hears = false;
  listeners = [];
  const find = (userId: string, round: LookRound) =>
    new Promise((resolve) => {
      const answer = (atMs: number) => {
        round.earliest = Math.min(round.earliest, atMs);
        resolve({ word: 'waiting', place, issuances: [], line: '', over: { upTo: 0, why: null }, overNow: null });
      };
      looks.push({ userId, since: round.since, answer });
    });
  const line = { find, stopWatching: async () => {}, campaign: { rules: { room: { presenceMs: 1_000 } } } };
  const parts = {
    find: async () => line,
    subscription: {
      listen: (_: string, listener: (message: string) => void) => {
        listeners.push(listener);
        return () => {};
      },
      hears: () => hears,
    } as unknown as Subscription,
    channel: 'news',
    track: <T>(work: Promise<T>) => work,
    emit: () => {},
  };
  watch = new CampaignWatch('spring', parts as unknown as WatchParts, () => {});
});
afterEach(() => {
  watch.end();
  vi.useRealTimers();
});

const lookFor = (userId: string) => looks.filter((look) => look.userId === userId).at(-1)!;

test('a process does not say that all were seen while the look for a newcomer is not answered', async () => {
  watch.add('ann');
  await vi.advanceTimersByTimeAsync(0);
  watch.add('bob');
  await vi.advanceTimersByTimeAsync(0);
  lookFor('ann').answer(5_000);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(looks.map(({ since }) => since)).toEqual([0, 0]);
  lookFor('bob').answer(2_000);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(looks.slice(2).map(({ since }) => since)).toEqual([2_000, 2_000]);
});

test('nothing is listened to before a look found a user in the line, and after it for a user that still watches', async () => {
  const ann = watch.add('ann');
  await vi.advanceTimersByTimeAsync(60_000);
  expect(listeners).toHaveLength(0);
  lookFor('ann').answer(1);
  await vi.advanceTimersByTimeAsync(0);
  expect([listeners.length, ann.isOver]).toEqual([0, false]);
  ann.end();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(listeners).toHaveLength(0);
});

test('what moved before the messages arrived is looked for once they do', async () => {
  watch.add('ann');
  await vi.advanceTimersByTimeAsync(0);
  lookFor('ann').answer(1);
  await vi.advanceTimersByTimeAsync(300);
  expect([listeners.length, looks.length]).toEqual([1, 1]);
  listeners[0]!('reconnected');
  await vi.advanceTimersByTimeAsync(0);
  expect(looks).toHaveLength(2);
});

test('a process that hears the messages of a campaign already looks again when a watcher begins to listen', async () => {
  hears = true;
  watch.add('ann');
  await vi.advanceTimersByTimeAsync(0);
  lookFor('ann').answer(1);
  await vi.advanceTimersByTimeAsync(300);
  expect(looks).toHaveLength(2);
});
