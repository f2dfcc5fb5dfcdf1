import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CampaignNeed, CampaignRules } from '../../src/model/campaign-rules.js';
import { MisconfiguredError } from '../../src/model/errors.js';
import { readFields, rulesToFields } from '../../src/redis/campaign-fields.js';
import { SEED } from './support.js';

const EPOCH = [
  { name: 'epoch', value: '7-abc' },
  { name: 'stamp', value: '41' },
];

/** A reply of `inspect` with these fields. */
function reply(fields: readonly { name: string; value: string }[], nowMs = 5_000): (string | number)[] {
  return ['ok', String(nowMs), '1', ...[...EPOCH, ...fields].flatMap(({ name, value }) => [name, value])];
}

const instant = fc.option(fc.integer({ min: 0, max: 8_640_000_000_000_000 }));
const room = fc.record({
  maxWaiting: fc.integer({ min: 1, max: 10_000_000 }),
  overbook: fc.integer({ min: 0, max: 10_000_000 }),
  presenceMs: fc.option(fc.integer({ min: 1_000, max: 86_400_000 })),
  drawAtOpen: fc.boolean(),
});
const validity = fc.record({
  until: instant,
  forMs: fc.option(fc.integer({ min: 1, max: 3_155_760_000_000 })),
  days: fc.option(fc.integer({ min: 0, max: 36_525 })),
  timeZone: fc.option(fc.constantFrom('Asia/Seoul', 'Etc/GMT+5', 'America/New_York')),
});
const rules: fc.Arbitrary<CampaignRules> = fc
  .record({
    kind: fc.constantFrom('counted', 'unlimited', 'codes'),
    total: fc.integer({ min: 0, max: 1_000_000_000 }),
    generateCodes: fc.boolean(),
    perUser: fc.integer({ min: 1, max: 100 }),
    opensAt: instant,
    closesAt: instant,
    saveMode: fc.constantFrom('write-through', 'write-behind'),
    room: fc.option(room),
    validity: fc.option(validity),
    needs: fc.constantFrom<CampaignNeed[]>([], ['deliver'], ['persistence'], ['deliver', 'persistence']),
  })
  .map((given) => ({
    ...given,
    total: given.kind === 'counted' ? given.total : null,
    admission: given.room ? ('queued' as const) : ('immediate' as const),
    pace: [],
  }));

test(`the fields of a campaign give back its rules, its lease and its database (seed ${SEED})`, () => {
  fc.assert(
    fc.property(rules, fc.nat(), fc.option(fc.string({ minLength: 1 })), (given, leaseMs, store) => {
      const read = readFields('launch', reply(rulesToFields(given, leaseMs, store)));
      expect(read.rules).toEqual(given);
      expect(read.openedWith).toEqual(given);
      expect(read.snapshot).toMatchObject({ id: 'launch', epoch: '7-abc', leaseMs, store, ready: true });
      expect(read).toMatchObject({ stamp: 41, verified: false, building: false });
    }),
    { seed: SEED },
  );
});

test(`what was read is written in the same words (seed ${SEED})`, () => {
  fc.assert(
    fc.property(rules, fc.nat(), fc.option(fc.string({ minLength: 1 })), (given, leaseMs, store) => {
      const fields = rulesToFields(given, leaseMs, store);
      const { rules: read, snapshot } = readFields('launch', reply(fields));
      expect(rulesToFields(read, snapshot.leaseMs, snapshot.store)).toEqual(fields);
    }),
    { seed: SEED },
  );
});

test('a validity is shown with its instant as a date', () => {
  const given = { until: 1_000, forMs: null, days: 7, timeZone: 'Asia/Seoul' };
  const { snapshot } = readFields('launch', reply(rulesToFields({ ...COUNTED, validity: given }, 30_000)));
  expect(snapshot.validity).toEqual({ ...given, until: new Date(1_000) });
});

test('a campaign that counts days in a zone which this process lacks is not read', () => {
  const fields = [...rulesToFields(COUNTED, 30_000), { name: 'validity', value: '::7:Mars/Olympus' }];
  expect(() => readFields('launch', reply(fields))).toThrow(MisconfiguredError);
});

test('an updated campaign has the rules that hold now, and the rules that it was opened with', () => {
  const fields = [...rulesToFields(COUNTED, 30_000), { name: 'openedWith', value: ':9000:1' }];
  const { rules: now, openedWith } = readFields('launch', reply(fields));
  expect(now).toEqual(COUNTED);
  expect(openedWith).toEqual({ ...COUNTED, opensAt: null, closesAt: 9_000, perUser: 1 });
});

test('a restock changes the total that is told, and not the definition', () => {
  const fields = rulesToFields(COUNTED, 30_000).map(({ name, value }) => ({
    name,
    value: name === 'total' ? '15' : value,
  }));
  const { rules: read, snapshot } = readFields('launch', reply([...fields, { name: 'removed', value: '2' }]));
  expect(read.total).toBe(10);
  expect(snapshot.total).toBe(13);
});

test.each([
  ['before it opens', 999, [], 'scheduled'],
  ['from the instant on at which it opens', 1_000, [], 'open'],
  ['while it is paused', 1_500, [{ name: 'paused', value: '1' }], 'paused'],
  ['from the instant on at which it closes', 2_000, [{ name: 'paused', value: '1' }], 'closed'],
  ['after it was closed for good', 999, [{ name: 'closedAt', value: '500' }], 'closed'],
] as const)('a campaign %s is named by its state at that instant of Redis', (_, nowMs, more, state) => {
  const fields = [...rulesToFields(COUNTED, 30_000), ...more];
  expect(readFields('launch', reply(fields, nowMs)).snapshot.state).toBe(state);
});

test.each([
  ['it serves', [{ name: 'verified', value: '1' }], { verified: true, building: false }],
  ['it is being rebuilt', [{ name: 'building', value: 'x' }], { verified: false, building: true }],
] as const)('a process reads whether %s', (_, more, expected) => {
  expect(readFields('launch', reply([...rulesToFields(COUNTED, 30_000), ...more]))).toMatchObject(expected);
});

const COUNTED: CampaignRules = {
  kind: 'counted',
  total: 10,
  generateCodes: false,
  perUser: 3,
  opensAt: 1_000,
  closesAt: 2_000,
  saveMode: 'write-through',
  admission: 'immediate',
  room: null,
  validity: null,
  needs: ['persistence'],
  pace: [],
};
