import { expect, test } from 'vitest';
import { monotonicMs } from '../../src/flow/deadline.js';
import { type Deliver, Deliveries } from '../../src/issue/deliver.js';
import { NotDeliveredError } from '../../src/model/errors.js';
import type { CouponEvent } from '../../src/model/events.js';
import { anIssuance, isPending, type Manual, manual, settled } from './support.js';

const soon = () => ({ deadlineAt: monotonicMs() + 60_000, leaseEndsAt: monotonicMs() + 60_000 });

/** Deliveries that the test ends by hand, by serial. */
function byHand(max: number) {
  const started: number[] = [];
  const ends = new Map<number, Manual<void>>();
  const deliver: Deliver = ({ serial }) => {
    started.push(serial);
    const end = manual();
    ends.set(serial, end);
    return end.promise;
  };
  const events: CouponEvent[] = [];
  const deliveries = new Deliveries(deliver, max, (event) => events.push(event));
  return { deliveries, started, ends, events, run: (serial: number) => deliveries.run(anIssuance(serial), soon()) };
}

const at = (deliver: Deliver, until: { deadlineAt: number; leaseEndsAt: number } = soon()) => {
  const events: CouponEvent[] = [];
  return { events, outcome: new Deliveries(deliver, 1, (event) => events.push(event)).run(anIssuance(), until) };
};

test('no more than the maximum are delivered at a time, first come, first served', async () => {
  const { started, ends, run } = byHand(2);
  const runs = [1, 2, 3, 4].map(run);
  await settled();
  expect(started).toEqual([1, 2]);
  ends.get(2)!.resolve();
  expect(await runs[1]).toBe('delivered');
  await settled();
  expect(started).toEqual([1, 2, 3]);
  const fifth = run(5);
  ends.get(1)!.resolve();
  await settled();
  expect(started).toEqual([1, 2, 3, 4]);
  ends.get(3)!.resolve();
  ends.get(4)!.resolve();
  await settled();
  ends.get(5)!.resolve();
  expect(await Promise.all([...runs, fifth])).toEqual(Array(5).fill('delivered'));
});

/** Deliveries of campaigns that the test ends by hand, in the order in which they started. */
function ofCampaigns(max: number) {
  const started: string[] = [];
  const ends = new Map<string, Manual<void>[]>();
  const deliver: Deliver = ({ campaignId }) => {
    started.push(campaignId);
    const end = manual();
    ends.set(campaignId, [...(ends.get(campaignId) ?? []), end]);
    return end.promise;
  };
  const deliveries = new Deliveries(deliver, max, () => {});
  const ask = async (campaignId: string, times = 1) => {
    for (let i = 0; i < times; i++) void deliveries.run(anIssuance(1, { campaignId }), soon());
    await settled();
  };
  const end = async (campaignId: string) => {
    ends.get(campaignId)!.shift()!.resolve();
    await settled();
  };
  const running = (campaignId: string) => ends.get(campaignId)?.length ?? 0;
  return { deliveries, started, ask, end, running };
}

test('a campaign alone has every place but the last, which is for one that has none', async () => {
  const { ask, end, running } = ofCampaigns(8);
  await ask('slow', 20);
  expect(running('slow')).toBe(7);
  await ask('quick', 3);
  expect(running('quick')).toBe(1);
  for (let i = 0; i < 3; i++) await end('quick');
  expect([running('slow'), running('quick')]).toEqual([7, 0]);
});

test('while another campaign waits none gets beyond half of the places', async () => {
  const { ask, end, running } = ofCampaigns(8);
  await ask('slow', 40);
  await ask('other', 40);
  for (let i = 0; i < 4; i++) await end('slow');
  expect([running('slow'), running('other')]).toEqual([4, 3]);
  for (let i = 0; i < 12; i++) {
    await end(i % 3 === 0 ? 'other' : 'slow');
    expect(running('slow') + running('other')).toBe(7);
    expect(Math.max(running('slow'), running('other'))).toBe(4);
  }
});

test('of few places every one is used, and the campaign with the fewest is next', async () => {
  const { started, ask, end } = ofCampaigns(2);
  await ask('slow', 5);
  await ask('other', 2);
  expect(started).toEqual(['slow', 'slow']);
  await end('slow');
  await end('slow');
  expect(started).toEqual(['slow', 'slow', 'other', 'slow']);
});

test('the deliveries of one campaign that pile up leave capacity for those of another', async () => {
  const { deliveries, ask, end } = ofCampaigns(1);
  await ask('slow', 3);
  await deliveries.capacity('other');
  const capacity = deliveries.capacity('slow');
  expect(await isPending(capacity!)).toBe(true);
  await end('slow');
  await capacity;
});

test('one that fails leaves its place to the next', async () => {
  const { started, ends, run } = byHand(1);
  const runs = [run(1), run(2)];
  await settled();
  ends.get(1)!.reject(new Error('no answer'));
  expect(await runs[0]).toBe('unknown');
  await settled();
  expect(started).toEqual([1, 2]);
  ends.get(2)!.resolve();
  expect(await runs[1]).toBe('delivered');
});

test('capacity is there while no more wait than are delivered at a time', async () => {
  const { deliveries, ends, run } = byHand(1);
  await deliveries.capacity('launch');
  const runs = [run(1), run(2)];
  await deliveries.capacity('launch');
  runs.push(run(3));
  const capacity = deliveries.capacity('launch');
  expect(await isPending(capacity!)).toBe(true);
  for (const serial of [1, 2, 3]) {
    await settled();
    ends.get(serial)!.resolve();
  }
  await capacity;
  expect(await Promise.all(runs)).toEqual(Array(3).fill('delivered'));
});

test('only NotDeliveredError says that it was certainly not delivered', async () => {
  const no = at(async () => {
    throw new NotDeliveredError('the partner said no');
  });
  expect(await no.outcome).toBe('not_delivered');
  const doubt = at(() => {
    throw new Error('the partner did not answer');
  });
  expect(await doubt.outcome).toBe('unknown');
});

test('a NotDeliveredError of another copy of this package counts as well', async () => {
  const other = Object.assign(new Error('no'), { name: 'NotDeliveredError' });
  expect(await at(() => Promise.reject(other)).outcome).toBe('not_delivered');
});

test('one that hangs until the deadline is unknown, and its signal is aborted', async () => {
  const signals: AbortSignal[] = [];
  const hang: Deliver = (_, { signal }) => {
    signals.push(signal);
    return new Promise(() => {});
  };
  const { outcome } = at(hang, { deadlineAt: monotonicMs() + 250, leaseEndsAt: monotonicMs() + 60_000 });
  expect(await outcome).toBe('unknown');
  expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
});

test('none starts after the lease or the deadline has ended: that is unknown, for settle to deliver', async () => {
  let calls = 0;
  const count = () => {
    calls++;
  };
  const now = monotonicMs();
  expect(await at(count, { deadlineAt: now + 60_000, leaseEndsAt: now }).outcome).toBe('unknown');
  expect(await at(count, { deadlineAt: now, leaseEndsAt: now + 60_000 }).outcome).toBe('unknown');
  expect(calls).toBe(0);
});

test('one whose lease ends while it waits in line does not start', async () => {
  const { started, ends, deliveries, run } = byHand(1);
  const first = run(1);
  const second = deliveries.run(anIssuance(2), { deadlineAt: monotonicMs() + 60_000, leaseEndsAt: monotonicMs() + 1 });
  await settled();
  const wakeAt = monotonicMs() + 2;
  while (monotonicMs() < wakeAt) await settled();
  ends.get(1)!.resolve();
  expect(await second).toBe('unknown');
  expect(await first).toBe('delivered');
  expect(started).toEqual([1]);
});

test('its fault is reported without the code', async () => {
  const { events, outcome } = at(() =>
    Promise.reject(new Error('SECRET-1 was refused by https://user:pass@partner/x')),
  );
  await outcome;
  expect(events).toMatchObject([{ type: 'fault', during: 'deliver', campaignId: 'launch' }]);
  expect((events[0] as { error: Error }).error.message).toBe('[redacted] was refused by [redacted]');
});
