import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiReport, declaredValues, REPORT } from '../../scripts/api-report.js';
import { entrySizes } from '../../scripts/entry-sizes.js';
import { IMPORTS, Installed } from './installed.js';

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

describe('the installed package exports at run time what its declarations promise', () => {
  let installed: Installed;
  beforeAll(async () => {
    installed = await Installed.create();
  });
  afterAll(() => installed?.remove());

  const PRINT = 'console.log(JSON.stringify(Object.fromEntries(found)))';
  const names = `[name, Object.keys(entry).filter((key) => key !== '__esModule').sort()]`;
  test.each([
    {
      module: 'ESM',
      extension: '.d.ts',
      file: 'names.mjs',
      use: `const found = await Promise.all(IMPORTS.map(async (name) => { const entry = await import(name); return ${names}; }));`,
    },
    {
      module: 'CommonJS',
      extension: '.d.cts',
      file: 'names.cjs',
      use: `const found = IMPORTS.map((name) => { const entry = require(name); return ${names}; });`,
    },
  ] as const)('as $module, in each entry', async ({ extension, file, use }) => {
    installed.write(file, `const IMPORTS = ${JSON.stringify(IMPORTS)};${use}${PRINT};`);
    expect(JSON.parse(await installed.node(file))).toEqual(declaredValues(extension));
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
