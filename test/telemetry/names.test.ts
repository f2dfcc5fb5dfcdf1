import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { instrumentsOf } from '../../src/telemetry/instruments.js';

const PAGE = readFileSync(new URL('../../docs/telemetry.md', import.meta.url), 'utf8');

test('the page names every metric in both spellings, with its labels', () => {
  const all = [...instrumentsOf('counter'), ...instrumentsOf('histogram'), ...instrumentsOf('gauge')];
  const rows = all.map(([, { name, kind, unit, labels }]) => {
    const end = kind === 'counter' ? '_total' : unit === 's' ? '_seconds' : '';
    const own = labels.map((label) => `\`${label}\``).join(', ');
    return `| \`coupon_issuer.${name}\` | \`coupon_issuer_${name.replaceAll('.', '_')}${end}\` | ${own} |`;
  });
  const told = PAGE.split('\n').filter((line) => line.startsWith('| `coupon_issuer.'));
  expect(told.toSorted()).toEqual(rows.toSorted());
});
