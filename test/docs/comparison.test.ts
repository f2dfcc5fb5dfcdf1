import { expect, test } from 'vitest';
import { withFigures } from '../../bench/comparison.js';
import results from '../../bench/results.json' with { type: 'json' };
import { read } from './markdown.js';

const page = read('docs/comparison.md');
const figures = page.match(/<!-- figures: [\s\S]*<!-- end of figures -->/)![0];

test('the figures of the comparison are those of the last run, each of them', () => {
  expect(withFigures(page, results)).toBe(page);
  expect(figures).toContain(`Measured on ${results.at.slice(0, 10)}`);
  const faster = structuredClone(results);
  faster.sections.spike.contestants[0]!.perSecond *= 2;
  expect(withFigures(page, faster)).not.toBe(page);
});

test('its prose names no figure that a later run would make wrong', () => {
  const prose = page.replace(figures, '').replace(/^```[\s\S]*?^```$/gm, '');
  expect(prose.match(/\d+[\d,.]*/g) ?? []).toEqual([]);
});

test('a run that lacks a way says so, and a run of other sections leaves the page as it is', () => {
  const without = structuredClone(results);
  without.sections.spike.contestants = without.sections.spike.contestants.filter(
    ({ name }) => !name.startsWith('SADD'),
  );
  expect(() => withFigures(page, without)).toThrow(/no figures of SADD/);
  expect(withFigures(page, { sections: {} })).toBe(page);
});
