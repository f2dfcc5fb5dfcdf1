import { afterAll, describe, expect, test } from 'vitest';
import { CONFIGURATIONS, SOAK } from './configurations.js';
import { explore } from './explore.js';
import { line, tell } from './report.js';
import { protocol } from './rules.js';
import type { Configuration } from './world.js';

/** SOAK=1 explores larger bounds, for some minutes and with some gigabytes. */
const soak = process.env.SOAK === '1';
const configurations: [string, Configuration][] = Object.entries(soak ? SOAK : CONFIGURATIONS);
const lines: string[] = [];

afterAll(() => {
  console.log(lines.join('\n'));
});

describe('every invariant holds in every state that can be reached with', () => {
  for (const [name, config] of configurations) {
    test(name, { timeout: soak ? 1_800_000 : 120_000 }, () => {
      const since = performance.now();
      const found = explore({ config, rules: protocol });
      lines.push(line(name, found, since));
      if (found.violation) expect.fail(tell(found.violation));
      expect(found.complete).toBe(true);
    });
  }
});
