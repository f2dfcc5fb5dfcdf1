import { expect, test } from 'vitest';
import { Batcher } from '../../src/flow/batcher.js';
import { OverloadedError } from '../../src/model/errors.js';
import { isPending, type Manual, manual, settled } from './support.js';

interface Batch {
  readonly items: number[];
  readonly end: Manual<readonly number[]>;
}

/** A batcher whose batches the test ends by hand. */
function batcher(sizes: { maxBatch?: number; maxInFlight?: number; maxQueued?: number } = {}) {
  const batches: Batch[] = [];
  const run = (items: number[]) => {
    const end = manual<readonly number[]>();
    batches.push({ items, end });
    return end.promise;
  };
  const made = new Batcher<number, number>({ maxBatch: 10, maxInFlight: 1, ...sizes, run });
  const sent = () => batches.map((batch) => batch.items);
  return { batches, sent, made };
}

const double = ({ items, end }: Batch) => end.resolve(items.map((item) => item * 2));

test('everybody of one tick leaves in one batch, and each gets their own result', async () => {
  const { batches, sent, made } = batcher();
  const results = Promise.all([1, 2, 3].map((item) => made.add(item)));
  expect(sent()).toEqual([]);
  await settled();
  expect(sent()).toEqual([[1, 2, 3]]);
  double(batches[0]!);
  expect(await results).toEqual([2, 4, 6]);
});

test('a lone caller leaves at the end of its tick, without a timer', async () => {
  const { sent, made } = batcher();
  void made.add(1);
  await Promise.resolve();
  expect(sent()).toEqual([[1]]);
});

test('who asks again some promises after the answer goes with the others', async () => {
  const { batches, sent, made } = batcher({ maxInFlight: 1 });
  const again = Array.from({ length: 3 }, (_, i) =>
    made.add(i).then(async (answer) => {
      for (let hop = 0; hop < 10 * i; hop++) await null;
      return made.add(answer);
    }),
  );
  await settled();
  void made.add(9);
  double(batches[0]!);
  await settled();
  expect(sent()).toEqual([
    [0, 1, 2],
    [9, 0, 2, 4],
  ]);
  double(batches[1]!);
  expect(await Promise.all(again)).toEqual([0, 4, 8]);
});

test('where many are under way they share the batches evenly', async () => {
  const { batches, sent, made } = batcher({ maxBatch: 500, maxInFlight: 2 });
  const sizes = () => sent().map((items) => items.length);
  for (let i = 0; i < 600; i++) void made.add(i);
  await settled();
  expect(sizes()).toEqual([300, 300]);
  for (let i = 0; i < 300; i++) void made.add(i);
  double(batches[0]!);
  await settled();
  expect(sizes()).toEqual([300, 300, 300]);
});

test('what would not fill two batches is not split', async () => {
  const { sent, made } = batcher({ maxBatch: 500, maxInFlight: 2 });
  for (let i = 0; i < 254; i++) void made.add(i);
  await settled();
  expect(sent().map((items) => items.length)).toEqual([254]);
});

test('while maxInFlight batches are out, callers gather for the next one', async () => {
  const { batches, sent, made } = batcher({ maxInFlight: 2 });
  void made.add(1);
  await settled();
  void made.add(2);
  await settled();
  for (const item of [3, 4, 5]) {
    void made.add(item);
    await settled();
  }
  expect(sent()).toEqual([[1], [2]]);
  expect(made.queued).toBe(3);
  double(batches[0]!);
  await settled();
  expect(sent()).toEqual([[1], [2], [3, 4, 5]]);
  expect(made.queued).toBe(0);
});

test('more than maxBatch callers are split, in the order they came', async () => {
  const { batches, sent, made } = batcher({ maxBatch: 2, maxInFlight: 2 });
  const results = Promise.all([1, 2, 3, 4, 5].map((item) => made.add(item)));
  await settled();
  expect(sent()).toEqual([
    [1, 2],
    [3, 4],
  ]);
  double(batches[1]!);
  await settled();
  expect(sent()[2]).toEqual([5]);
  double(batches[2]!);
  double(batches[0]!);
  expect(await results).toEqual([2, 4, 6, 8, 10]);
});

test('one caller more than maxQueued is told OverloadedError, with a time to come back', async () => {
  const { batches, sent, made } = batcher({ maxQueued: 2 });
  void made.add(1);
  await settled();
  const waiting = [made.add(2), made.add(3)];
  const refused = await made.add(4).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(OverloadedError);
  expect((refused as OverloadedError).retryAfterMs).toBeGreaterThan(0);
  double(batches[0]!);
  await settled();
  expect(sent()).toEqual([[1], [2, 3]]);
  double(batches[1]!);
  expect(await Promise.all(waiting)).toEqual([4, 6]);
});

test('a batch that fails rejects its own callers, and the next one is sent', async () => {
  const { batches, sent, made } = batcher({ maxBatch: 2, maxInFlight: 2 });
  const [a, b, c, d] = [1, 2, 3, 4].map((item) => made.add(item)) as [Promise<number>, ...Promise<number>[]];
  const e = made.add(5);
  await settled();
  const fault = new Error('no answer');
  batches[0]!.end.reject(fault);
  await expect(a).rejects.toBe(fault);
  await expect(b).rejects.toBe(fault);
  expect(await isPending(c!)).toBe(true);
  expect(sent()[2]).toEqual([5]);
  double(batches[1]!);
  double(batches[2]!);
  expect(await Promise.all([c, d, e])).toEqual([6, 8, 10]);
});

test('a run that throws at once rejects its batch like any other', async () => {
  const made = new Batcher<number, number>({
    maxBatch: 10,
    maxInFlight: 1,
    run: () => {
      throw new Error('at once');
    },
  });
  await expect(made.add(1)).rejects.toThrow('at once');
  await expect(made.add(2)).rejects.toThrow('at once');
});

test('capacity is there at once on an empty queue, and otherwise once fewer than maxBatch callers wait', async () => {
  const { batches, made } = batcher({ maxBatch: 2 });
  await made.capacity();
  void made.add(1);
  await settled();
  for (const item of [2, 3, 4, 5]) void made.add(item);
  const capacities = [made.capacity(), made.capacity()];
  expect(await isPending(capacities[0]!)).toBe(true);
  double(batches[0]!);
  expect(await isPending(capacities[0]!)).toBe(true);
  double(batches[1]!);
  await Promise.all(capacities);
  expect(made.queued).toBe(0);
});

test('a caller that cannot take its answer is rejected, and the others are told theirs', async () => {
  const { batches, made } = batcher();
  const told: unknown[] = [];
  for (const item of [1, 2, 3]) {
    made.hand(item, {
      resolve: (result) => {
        if (item === 2) throw new Error('cannot take it');
        told.push(result);
      },
      reject: (error) => told.push(error),
    });
  }
  await settled();
  double(batches[0]!);
  await settled();
  expect(told).toEqual([2, new Error('cannot take it'), 6]);
});
