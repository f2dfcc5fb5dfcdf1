import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { MUTANTS } from '../mutants/mutants.js';

const ROOT = new URL('../../', import.meta.url).pathname;

/** Planting all defects takes minutes. That each still has its place, and its test, is seen at once. */
test('the place of each planted defect is there once, and so is the file that catches it', () => {
  const lost = MUTANTS.filter(({ file, find, caughtBy }) => {
    const text = existsSync(ROOT + file) ? readFileSync(ROOT + file, 'utf8') : '';
    return text.split(find).length !== 2 || !existsSync(ROOT + caughtBy.file);
  });
  expect(lost.map(({ defect }) => defect)).toEqual([]);
});
