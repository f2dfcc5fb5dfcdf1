// cspell:ignore abce
import { describe, expect, test } from 'vitest';
import { exploreLoads, LOAD_RULES, type LoadConfiguration, type LoadRule, type LoadRules } from './loads.js';

const names = Object.keys(LOAD_RULES) as LoadRule[];
const without = (rule?: LoadRule) => Object.fromEntries(names.map((name) => [name, name !== rule])) as LoadRules;

const of = (...lists: readonly (readonly [list: string, size: number])[]) => ({
  callers: lists.map(([list, size]) => ({ list, size })),
  faults: 2,
  losses: 1,
});
const CONFIGURATIONS = {
  'two lists that begin alike': of(['abc', 1], ['abd', 1]),
  'two lists that begin alike, in chunks of two': of(['abcd', 2], ['abce', 2]),
  'two lists that begin alike, in chunks that do not meet': of(['abcd', 2], ['abe', 1]),
  'two lists that differ from the first code on': of(['abc', 1], ['xyz', 1]),
  'two lists of one length': of(['ab', 1], ['xy', 1]),
  'a list and a shorter one': of(['abc', 1], ['x', 1]),
  'a list that has grown': of(['ab', 2], ['abc', 2]),
  'one list by two callers, with a code twice': of(['aba', 1], ['aba', 1]),
} satisfies Record<string, LoadConfiguration>;

const MUTANTS: Record<LoadRule, { readonly breaks: string; readonly where: keyof typeof CONFIGURATIONS }> = {
  beforeIsCompared: {
    breaks: 'the pool is not what was loaded',
    where: 'two lists that differ from the first code on',
  },
  beginningIsCompared: { breaks: 'a list was told loaded that is not', where: 'two lists of one length' },
  shorterIsRefused: { breaks: 'a list was told loaded that is not', where: 'a list and a shorter one' },
  gapIsRefused: { breaks: 'the pool is not what was loaded', where: 'two lists that begin alike' },
  callersAreNamed: {
    breaks: 'more codes were told loaded than there are',
    where: 'one list by two callers, with a code twice',
  },
  copiesChangeNothing: { breaks: 'the pool is not what was loaded', where: 'two lists that begin alike' },
  knownAreSkipped: { breaks: 'the pool is not what was loaded', where: 'one list by two callers, with a code twice' },
};

describe('a load under one name keeps to one list, in every state that can be reached with', () => {
  test.each(Object.entries(CONFIGURATIONS))('%s', { timeout: 120_000 }, (_, config) => {
    const { states, broken, trace } = exploreLoads(config, without());
    expect(broken, trace.join('\n')).toBeNull();
    expect(states).toBeGreaterThan(1_000);
  });
});

describe('a load breaks without the rule that', () => {
  test.each(names.map((rule) => ({ rule, text: LOAD_RULES[rule], ...MUTANTS[rule] })))(
    '$text: $breaks, in $where',
    { timeout: 120_000 },
    ({ rule, where, breaks }) => {
      expect(exploreLoads(CONFIGURATIONS[where], without(rule)).broken).toBe(breaks);
    },
  );
});
