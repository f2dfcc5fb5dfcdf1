import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { apiReport, REPORT } from '../../scripts/api-report.js';
import { entrySizes } from '../../scripts/entry-sizes.js';
import { IMPORTS } from './installed.js';

describe('etc/api.md', () => {
  test.each(['.d.ts', '.d.cts'] as const)('says what the %s files of the build export', (extension) => {
    expect(readFileSync(REPORT, 'utf8'), 'after `npm run build`, `npm run api` writes it anew').toBe(
      apiReport(extension),
    );
  });

  test('has each entry, the methods of a class, and the types that others extend', () => {
    const report = readFileSync(REPORT, 'utf8');
    for (const entry of IMPORTS) expect(report).toContain(`\n## ${entry}\n`);
    for (const line of [
      'class CouponIssuer<',
      '  issue(request: IssueRequest): Promise<IssueResult>;',
      'AmongCampaigns {',
    ])
      expect(report).toContain(line);
    expect(report).not.toContain('@internal');
  });
});

describe('the size of an entry, bundled and compressed', async () => {
  const sizes = await entrySizes();
  test('is known for each', () => {
    expect(sizes.map(({ entry }) => entry)).toEqual(IMPORTS);
  });

  test.each(sizes)('$entry is within its limit, which leaves little air', ({ gzip, limit }) => {
    expect(gzip, 'see `npm run size`; if it has to grow: `npm run size -- --write`').toBeLessThanOrEqual(limit ?? 0);
    expect(limit, 'lower the limit: `npm run size -- --write`').toBeLessThan(1.15 * gzip + 200);
  });
});
