import { afterAll, describe, expect, test } from 'vitest';
import { CONFIGURATIONS } from './configurations.js';
import { explore } from './explore.js';
import { MUTANTS } from './mutants.js';
import { line, tell } from './report.js';
import { RULES, type Rule, without } from './rules.js';

/** TRACE=<rule> prints the way to what is broken without that rule, TRACE=all every one. */
const traced = process.env.TRACE;
const lines: string[] = [];

afterAll(() => {
  console.log(lines.join('\n'));
});

test('every rule has its mutant', () => {
  const rules = MUTANTS.map(({ rule }) => rule);
  expect([...rules].sort()).toEqual((Object.keys(RULES) as Rule[]).sort());
});

describe('an invariant breaks without the rule that', () => {
  for (const { rule, where, breaks } of MUTANTS) {
    test(`${RULES[rule]}: ${breaks}, in ${where}`, { timeout: 120_000 }, () => {
      const since = performance.now();
      const { violation, ...found } = explore({ config: CONFIGURATIONS[where], rules: without(rule) });
      lines.push(line(`${breaks} without ${rule}`, found, since));
      if (violation && (traced === rule || traced === 'all')) console.log(`without ${rule}: ${tell(violation)}`);
      expect(violation?.what.split(':', 1)[0]).toBe(breaks);
    });
  }
});
