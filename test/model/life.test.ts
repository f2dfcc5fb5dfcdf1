import { describe, expect, test } from 'vitest';
import { type Call, exploreLife, LIFE_RULES, type LifeConfiguration, type LifeRule, type LifeRules } from './life.js';

const names = Object.keys(LIFE_RULES) as LifeRule[];
const without = (rule?: LifeRule) => Object.fromEntries(names.map((name) => [name, name !== rule])) as LifeRules;

const [A, undoA, B, undoB] = ['redeem A', 'unredeem A', 'redeem B', 'unredeem B'] as const;
const [R, S] = ['revoke R', 'revoke S'] as const;
const of = (calls: readonly Call[], faults: number, sends: number) => ({ calls, faults, sends });
const CONFIGURATIONS: Record<string, LifeConfiguration> = {
  'a redemption, undone and made again': { ...of([A, undoA, A], 2, 3), expires: true },
  'a redemption, undone, of a row that is not saved yet': { ...of([A, undoA], 2, 3), expires: true, unsaved: true },
  'two redemptions, one of them undone': { ...of([A, undoA, B], 1, 3), expires: true },
  'two redemptions, both undone, and one made again': of([A, undoA, B, undoB, A], 1, 2),
  'two redemptions and a revocation': { ...of([A, B, R], 1, 3), expires: true },
  'a redemption, undone, and two revocations': { ...of([A, undoA, R, S], 1, 2), expires: true },
  'a redemption, undone, and an extension': { ...of([A, 'extend', undoA], 1, 3), expires: true },
  'a redemption, undone, made again, and a revocation': of([A, undoA, A, R], 1, 2),
};

const MUTANTS: Record<LifeRule, { readonly breaks: string; readonly where: string }> = {
  versionIsNamed: { breaks: 'L4', where: 'two redemptions, one of them undone' },
  timeIsJudgedByTheStatement: { breaks: 'L5', where: 'a redemption, undone and made again' },
  expiredAfterALook: { breaks: 'L4', where: 'a redemption, undone, of a row that is not saved yet' },
  expiredAfterAFence: { breaks: 'L4', where: 'a redemption, undone and made again' },
  noRowInDoubtIsUnknown: { breaks: 'L4', where: 'a redemption, undone, of a row that is not saved yet' },
};

describe('the life of a coupon keeps its promises, in every state that can be reached with', () => {
  test.each(Object.entries(CONFIGURATIONS))('%s', { timeout: 240_000 }, (name, config) => {
    const { states, broken, trace } = exploreLife(config, without());
    console.log(`${String(states).padStart(9)} states  ${name}`);
    expect(broken, trace.join('\n')).toBeNull();
    expect(states).toBeGreaterThan(1_000);
  });
});

describe('the life of a coupon breaks without the rule that', () => {
  test.each(names.map((rule) => ({ rule, text: LIFE_RULES[rule], ...MUTANTS[rule] })))(
    '$text: $breaks, in $where',
    { timeout: 240_000 },
    ({ rule, where, breaks }) => {
      expect(exploreLife(CONFIGURATIONS[where]!, without(rule)).broken).toMatch(breaks);
    },
  );
});
