import { afterAll, describe, expect, test } from 'vitest';
import { line, tell } from '../report.js';
import type { Part } from './part.js';
import { search } from './search.js';

function rulesOf(part: Part<string, string>, without?: string): Record<string, boolean> {
  return Object.fromEntries(Object.keys(part.rules).map((rule) => [rule, rule !== without]));
}

/** Explores every configuration of each part to the end, and each part without each of its rules. */
export function tryParts(parts: Record<string, Part<string, string>>): void {
  const lines: string[] = [];

  afterAll(() => {
    console.log(lines.join('\n'));
  });

  for (const [subject, part] of Object.entries(parts)) {
    describe(`of the ${subject} every promise holds in every state that can be reached with`, () => {
      for (const name of part.configurations) {
        test(name, { timeout: 600_000 }, () => {
          const since = performance.now();
          const found = search(part.model(rulesOf(part), name));
          lines.push(line(name, found, since));
          if (found.violation) expect.fail(tell(found.violation));
          expect(found.complete).toBe(true);
        });
      }
    });

    describe(`of the ${subject} a promise breaks without the rule that`, () => {
      for (const [rule, breaks, where] of part.mutants) {
        test(`${part.rules[rule]}: ${breaks}, in ${where}`, { timeout: 600_000 }, () => {
          const since = performance.now();
          const { violation, ...found } = search(part.model(rulesOf(part, rule), where));
          lines.push(line(`${breaks} without ${rule}`, found, since));
          if (violation && [rule, 'all'].includes(process.env.TRACE ?? '')) console.log(tell(violation));
          expect(violation?.what.split(':', 1)[0]).toBe(breaks);
        });
      }
    });

    test(`every rule of the ${subject} has its mutant`, () => {
      expect(part.mutants.map(([rule]) => rule).sort()).toEqual(Object.keys(part.rules).sort());
    });
  }
}
