import { describe, expect, test } from 'vitest';
import { withFigures } from '../../bench/figures.js';
import results from '../../bench/results.json' with { type: 'json' };
import { read } from './markdown.js';

const figuresIn = (page: string) => page.match(/<!-- figures: [\s\S]*<!-- end of figures -->/)![0];

describe.each(['docs/comparison.md', 'docs/sizing.md'])('the figures of %s', (path) => {
  const page = read(path);

  test('are those of the last run', () => {
    expect(withFigures(path, page, results)).toBe(page);
    expect(figuresIn(page)).toMatch(new RegExp(`measured on ${results.at.slice(0, 10)}`, 'i'));
    const faster = structuredClone(results);
    for (const { contestants } of faster.sections.steady.levels) contestants[0]!.perSecond *= 2;
    expect(withFigures(path, page, faster)).not.toBe(page);
  });

  test('stay as they are after a run of other sections, and a run that lacks a way says so', () => {
    expect(withFigures(path, page, { sections: {} })).toBe(page);
    const without = structuredClone(results);
    for (const level of without.sections.steady.levels) level.contestants = level.contestants.slice(1);
    expect(() => withFigures(path, page, without)).toThrow(/no figures of coupon-issuer/);
  });
});

test('the prose of the comparison names no figure that a later run would make wrong', () => {
  const page = read('docs/comparison.md');
  const prose = page.replace(figuresIn(page), '').replace(/^```[\s\S]*?^```$/gm, '');
  expect(prose.match(/\d+[\d,.]*/g) ?? []).toEqual([]);
});
