import { expect, test } from 'vitest';
import { monotonicMs } from '../../src/flow/deadline.js';
import type { SaveOutcome, SaveRequest } from '../../src/issue/save.js';
import { SaveLanes } from '../../src/issue/save-lanes.js';
import { anIssuance, aReserved, isPending, type Manual, manual, settled } from './support.js';

interface Batch {
  /** Campaign and serial of each row. */
  readonly rows: readonly string[];
  readonly end: Manual<SaveOutcome['verdict']>;
}

const FAR = monotonicMs() + 3_600_000;
let serials = 0;

/** Saves whose batches the test ends by hand, each with one verdict for all of its rows. */
function saving({ maxBatch = 500, maxInFlight = 2 } = {}) {
  const batches: Batch[] = [];
  const save = async (requests: SaveRequest[]) => {
    const batch = {
      rows: requests.map(({ reserved }) => reserved.issuance.campaignId),
      end: manual<SaveOutcome['verdict']>(),
    };
    batches.push(batch);
    const verdict = await batch.end.promise;
    return requests.map(() => ({ verdict }) as SaveOutcome);
  };
  const lanes = new SaveLanes({ save, maxBatch, maxInFlight });
  const add = (campaignId: string, deadlineAt = FAR) =>
    lanes.add({ reserved: aReserved(anIssuance(++serials, { campaignId })), perUser: 1, deadlineAt });
  /** The campaigns of the batches that were sent since this was asked last. */
  let told = 0;
  const sent = async () => {
    await settled();
    const now = batches.slice(told);
    told = batches.length;
    return now.map(({ rows }) => rows.join(' '));
  };
  const end = async (campaignId: string, verdict: SaveOutcome['verdict'] = 'saved') => {
    const batch = batches.find((one) => one.rows.includes(campaignId) && !ended.has(one))!;
    ended.add(batch);
    batch.end.resolve(verdict);
    await settled();
  };
  const ended = new Set<Batch>();
  return { lanes, batches, add, sent, end };
}

/** These campaigns, set apart by a batch of theirs that ended unknown. */
async function setApart(campaigns: readonly string[], sizes = {}) {
  const all = saving(sizes);
  for (const campaignId of campaigns) void all.add(campaignId);
  expect(await all.sent()).toEqual([campaigns.join(' ')]);
  await all.end(campaigns[0]!, 'unknown');
  return all;
}

test('campaigns share batches as long as none is sick', async () => {
  const { batches, add, end } = saving();
  const rows = Array.from({ length: 4_000 }, (_, i) => add(`campaign-${i % 200}`));
  await settled();
  for (let ended = 0; ended < 4_000; ended += 500) await end('campaign-0');
  await Promise.all(rows);
  expect(batches).toHaveLength(8);
  expect(batches.every((batch) => new Set(batch.rows).size === 200)).toBe(true);
});

test('a campaign whose batch ended unknown goes alone, one batch at a time, and what waited of it goes along', async () => {
  const { add, sent, end } = saving({ maxBatch: 3, maxInFlight: 3 });
  for (const campaignId of ['sick', 'sick', 'sick', 'well']) void add(campaignId);
  expect(await sent()).toEqual(['sick sick sick', 'well']);
  for (const campaignId of ['sick', 'well', 'sick', 'well']) void add(campaignId);
  expect(await sent()).toEqual(['sick well sick']);
  await end('well');
  expect(await sent()).toEqual(['well']);
  void add('sick');
  void add('late');
  await end('sick', 'unknown');
  // A shared batch with its rows is still out.
  expect(await sent()).toEqual(['late']);
  await end('sick', 'unknown');
  expect(await sent()).toEqual(['sick']);
  void add('sick');
  expect(await sent()).toEqual([]);
});

test('once a batch of its own comes through, a campaign shares batches again', async () => {
  const { add, sent, end } = await setApart(['sick']);
  void add('sick');
  expect(await sent()).toEqual(['sick']);
  void add('sick');
  void add('well');
  expect(await sent()).toEqual(['well']);
  await end('sick', 'unknown');
  expect(await sent()).toEqual(['sick']);
  void add('sick');
  await end('sick');
  await end('well');
  expect(await sent()).toEqual(['sick']);
  void add('well');
  void add('sick');
  expect(await sent()).toEqual(['well sick']);
});

test('campaigns whose batch failed as a whole go alone, until one of their own batches does not', async () => {
  const failing = new Set(['sick']);
  const batches: string[][] = [];
  const lanes = new SaveLanes({
    save: async (requests) => {
      const campaigns = requests.map(({ reserved }) => reserved.issuance.campaignId);
      batches.push(campaigns);
      const failed = { verdict: 'not_saved', error: new Error('a time-out of the server'), refusal: 'no' } as const;
      return campaigns.some((id) => failing.has(id))
        ? requests.map(() => failed)
        : requests.map(() => ({ verdict: 'saved' }));
    },
    maxBatch: 500,
    maxInFlight: 2,
  });
  const both = async () => {
    batches.length = 0;
    const rows = ['sick', 'well'].map((campaignId) =>
      lanes.add({ reserved: aReserved(anIssuance(++serials, { campaignId })), perUser: 1, deadlineAt: FAR }),
    );
    return (await Promise.all(rows)).map(({ verdict }) => verdict);
  };
  expect(await both()).toEqual(['not_saved', 'not_saved']);
  for (let i = 0; i < 3; i++) {
    expect(await both()).toEqual(['not_saved', 'saved']);
    expect(batches).toHaveLength(2);
  }
  failing.clear();
  expect(await both()).toEqual(['saved', 'saved']);
  expect(await both()).toEqual(['saved', 'saved']);
  expect(batches).toEqual([['sick', 'well']]);
});

test.each(['user_conflict', 'serial_conflict', 'not_saved'] as const)(
  'a batch that ended with %s came through: the database answered',
  async (verdict) => {
    const { add, sent, end } = await setApart(['sick']);
    void add('sick');
    expect(await sent()).toEqual(['sick']);
    await end('sick', verdict);
    void add('sick');
    void add('well');
    expect(await sent()).toEqual(['sick well']);
  },
);

test('however many campaigns are sick, one place is left to the others', async () => {
  const sick = ['a', 'b', 'c', 'd', 'e'];
  const { add, sent, end } = await setApart(sick, { maxInFlight: 3 });
  for (const campaignId of [...sick, ...sick]) void add(campaignId);
  expect(await sent()).toEqual(['a a', 'b b']);
  for (let i = 0; i < 5; i++) {
    void add('well');
    expect(await sent()).toEqual(['well']);
    await end('well');
  }
  await end('a', 'unknown');
  expect(await sent()).toEqual(['c c']);
});

test('sick campaigns take turns', async () => {
  const { add, sent, end } = await setApart(['a', 'b']);
  for (const campaignId of ['a', 'b', 'a', 'b']) void add(campaignId);
  expect(await sent()).toEqual(['a a']);
  void add('a');
  await end('a', 'unknown');
  expect(await sent()).toEqual(['b b']);
  void add('b');
  await end('b', 'unknown');
  expect(await sent()).toEqual(['a']);
});

test('under load a sick campaign has its turn, and no more batches are out than there are places', async () => {
  const { add, sent, end } = await setApart(['sick'], { maxBatch: 2 });
  for (let i = 0; i < 10; i++) void add('well');
  expect(await sent()).toEqual(['well well', 'well well']);
  void add('sick');
  expect(await sent()).toEqual([]);
  await end('well');
  expect(await sent()).toEqual(['sick']);
  await end('well');
  expect(await sent()).toEqual(['well well']);
  await end('sick', 'unknown');
  expect(await sent()).toEqual(['well well']);
});

test('of the suspects of a shared batch those that came through last go first, so the sick one delays nobody', async () => {
  const { add, sent, end } = saving();
  void add('sick');
  expect(await sent()).toEqual(['sick']);
  await end('sick');
  const wells = Array.from({ length: 200 }, (_, i) => `well-${i}`);
  for (const well of wells) void add(well);
  await sent();
  await end('well-0');
  for (const campaignId of ['sick', ...wells]) void add(campaignId);
  await sent();
  for (const campaignId of ['sick', ...wells]) void add(campaignId);
  await end('sick', 'unknown');
  expect(await sent()).toEqual(['sick '.concat(wells.join(' '))]);
  await end('sick', 'unknown');
  for (const campaignId of ['sick', ...wells]) void add(campaignId);
  const order: string[] = [];
  for (let i = 0; i < wells.length; i++) {
    const [well, ...more] = await sent();
    expect(more).toEqual([]);
    order.push(well!);
    await end(well!);
  }
  expect(new Set(order)).toEqual(new Set(wells));
  expect(await sent()).toEqual(['sick']);
});

test('a place that no sick campaign wants is free to all', async () => {
  const { add, sent } = await setApart(['sick'], { maxBatch: 2 });
  for (let i = 0; i < 4; i++) void add('well');
  expect(await sent()).toEqual(['well well', 'well well']);
});

test('with one place nothing is set apart, and nothing waits for ever', async () => {
  const { add, sent, end } = await setApart(['sick'], { maxInFlight: 1 });
  void add('sick');
  void add('well');
  expect(await sent()).toEqual(['sick well']);
  await end('sick', 'unknown');
  void add('well');
  expect(await sent()).toEqual(['well']);
});

test('rows whose time ran out in the queue are not sent, and make no campaign sick', async () => {
  const { add, sent, end } = saving();
  const late = add('well', monotonicMs());
  expect(await sent()).toEqual([]);
  expect(await late).toEqual({ verdict: 'unknown' });
  const rows = [add('well', monotonicMs()), add('other')];
  expect(await sent()).toEqual(['well other']);
  await end('well');
  expect(await Promise.all(rows)).toEqual([{ verdict: 'saved' }, { verdict: 'saved' }]);
});

test('the rows of a sick campaign that pile up leave capacity for those of others', async () => {
  const { lanes, add, end, sent } = await setApart(['sick'], { maxBatch: 2 });
  for (let i = 0; i < 4; i++) void add('sick');
  expect(await sent()).toEqual(['sick sick']);
  expect(lanes.capacity('well')).toBeNull();
  const capacity = lanes.capacity('sick');
  expect(await isPending(capacity!)).toBe(true);
  await end('sick', 'unknown');
  await capacity;
});

test('a campaign that waits for capacity goes on when its rows are set apart, or brought back', async () => {
  const { lanes, add, end, sent } = saving({ maxBatch: 2 });
  for (const campaignId of ['sick', 'sick', 'well', 'well', 'sick', 'well']) void add(campaignId);
  expect(await sent()).toEqual(['sick sick', 'well well']);
  const capacities = [lanes.capacity('sick'), lanes.capacity('well')];
  expect(await isPending(Promise.race(capacities))).toBe(true);
  await end('sick', 'unknown');
  await Promise.all(capacities);
  for (let i = 0; i < 3; i++) void add('sick');
  const capacity = lanes.capacity('sick');
  expect(await isPending(capacity!)).toBe(true);
  await end('sick');
  await end('well');
  await capacity;
});

test('campaigns that are set apart and never heard of again are forgotten beyond a thousand', async () => {
  const names = Array.from({ length: 1_001 }, (_, i) => `campaign-${i}`);
  const { add, sent, end } = saving({ maxBatch: 2_000 });
  for (const name of names) void add(name);
  expect(await sent()).toHaveLength(2);
  await end('campaign-0', 'unknown');
  await end('campaign-1000', 'unknown');
  for (const campaignId of ['campaign-1', 'campaign-0', 'well']) void add(campaignId);
  expect((await sent()).toSorted()).toEqual(['campaign-0 well', 'campaign-1']);
});
