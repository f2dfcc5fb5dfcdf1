import { expect, test } from 'vitest';
import { type CampaignDefinition, differences, toRules } from '../../src/model/campaign-rules.js';
import { InvalidArgumentError } from '../../src/model/errors.js';
import { epochSuffix, generationOf } from '../../src/redis/generation.js';

const stock = { kind: 'counted', total: 10 } as const;
const rules = (change: Partial<CampaignDefinition> = {}) => toRules({ stock, ...change }, ['persistence']);

test('a definition gets its defaults', () => {
  expect(rules()).toEqual({
    kind: 'counted',
    total: 10,
    generateCodes: false,
    perUser: 1,
    opensAt: null,
    closesAt: null,
    saveMode: 'write-through',
    admission: 'immediate',
    room: null,
    validity: null,
    needs: ['persistence'],
    pace: [],
  });
});

test('each kind of stock is taken with what belongs to it', () => {
  expect(rules({ stock: { kind: 'counted', total: 0 } }).total).toBe(0);
  expect(rules({ stock: { kind: 'counted', total: Number.MAX_SAFE_INTEGER } }).total).toBe(Number.MAX_SAFE_INTEGER);
  expect(rules({ stock: { kind: 'counted', total: 1, generateCodes: true } }).generateCodes).toBe(true);
  expect(rules({ stock: { kind: 'unlimited', generateCodes: true } })).toMatchObject({
    total: null,
    generateCodes: true,
  });
  expect(rules({ stock: { kind: 'codes' } })).toMatchObject({ total: null, generateCodes: false });
});

test.each<[string, unknown]>([
  ['no definition', null],
  ['an id, which is the one of the handle', { id: 'launch', stock }],
  ['no stock', {}],
  ['an unknown kind', { id: 'launch', stock: { kind: 'inventory' } }],
  ['a counted stock without total', { id: 'launch', stock: { kind: 'counted' } }],
  ['a negative total', { id: 'launch', stock: { kind: 'counted', total: -1 } }],
  ['a fraction', { id: 'launch', stock: { kind: 'counted', total: 1.5 } }],
  ['a total that is not exact any more', { id: 'launch', stock: { kind: 'counted', total: 2 ** 53 } }],
  ['a total in words', { id: 'launch', stock: { kind: 'counted', total: '100' } }],
  ['a total for codes', { id: 'launch', stock: { kind: 'codes', total: 10 } }],
  ['generated codes for a pool', { id: 'launch', stock: { kind: 'codes', generateCodes: true } }],
  ['a flag that is not one', { id: 'launch', stock: { kind: 'unlimited', generateCodes: 'yes' } }],
  ['perUser 0', { id: 'launch', stock, perUser: 0 }],
  ['perUser 101', { id: 'launch', stock, perUser: 101 }],
  ['a window that ends before it opens', { id: 'launch', stock, opensAt: new Date(2), closesAt: new Date(1) }],
  ['an empty window', { id: 'launch', stock, opensAt: new Date(1), closesAt: new Date(1) }],
  ['an instant that is no Date', { id: 'launch', stock, opensAt: '2026-01-01' }],
  ['a validity without a bound', { stock, validity: {} }],
  ['a validity that ends before the opening', { stock, opensAt: new Date(5), validity: { until: new Date(5) } }],
  ['a close after the end of all coupons', { stock, closesAt: new Date(6), validity: { until: new Date(5) } }],
  ['a misspelt option', { id: 'launch', stock, perUsr: 2 }],
])('%s is refused', (_, definition) => {
  expect(() => toRules(definition as CampaignDefinition, [])).toThrow(InvalidArgumentError);
});

test('a campaign whose coupons all end at one instant closes then, or before', () => {
  const validity = { until: new Date(5), forMs: 2 };
  expect(rules({ validity })).toMatchObject({ closesAt: 5, validity: { until: 5, forMs: 2, days: null } });
  expect(rules({ validity, closesAt: new Date(4) }).closesAt).toBe(4);
  expect(rules({ validity: { forMs: 2 } }).closesAt).toBeNull();
});

test('a validity that differs is named by its bounds', () => {
  const until = new Date(5);
  expect(differences(rules({ validity: { until, forMs: 7 } }), rules({ closesAt: until }))).toEqual([
    'validity.until is 1970-01-01T00:00:00.005Z, not none',
    'validity.forMs is 7, not none',
  ]);
  const asked = rules({ validity: { days: 3, timeZone: 'Asia/Seoul' } });
  expect(differences(rules({ validity: { days: 7, timeZone: 'UTC' } }), asked)).toEqual([
    'validity.days is 7, not 3',
    'validity.timeZone is UTC, not Asia/Seoul',
  ]);
  expect(differences(asked, asked)).toEqual([]);
});

test('the same definition has no differences, whatever order its needs are in', () => {
  expect(differences(rules(), rules())).toEqual([]);
  const there = { ...rules(), needs: ['persistence', 'deliver'] as const };
  expect(differences(there, { ...rules(), needs: ['deliver', 'persistence'] })).toEqual([]);
});

test('every rule that differs is named, with what is and what was asked', () => {
  const asked = {
    ...rules({
      stock: { kind: 'unlimited', generateCodes: true },
      perUser: 3,
      opensAt: new Date(5),
      closesAt: new Date(9),
    }),
    needs: [],
  };
  expect(differences(rules(), asked)).toEqual([
    'kind is counted, not unlimited',
    'total is 10, not none',
    'generateCodes is false, not true',
    'perUser is 1, not 3',
    'opensAt is none, not 1970-01-01T00:00:00.005Z',
    'closesAt is none, not 1970-01-01T00:00:00.009Z',
    'needs is persistence, not none',
  ]);
});

test('the second half of an epoch is never the same, and the first is its generation', () => {
  expect(new Set(Array.from({ length: 100 }, epochSuffix)).size).toBe(100);
  expect(generationOf('12-abc')).toBe(12);
});
