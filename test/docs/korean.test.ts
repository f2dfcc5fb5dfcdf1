import { expect, test } from 'vitest';
import { blocksOf, read, ticked } from './markdown.js';

const ENGLISH = 'README.md';
const KOREAN = 'README.ko.md';

const proseOf = (page: string) => read(page).replace(/^```[\s\S]*?^```$/gm, '');
const both = <T>(of: (page: string) => T) => ({ english: of(ENGLISH), korean: of(KOREAN) });

test('the Korean README has the headings of the English one, in number, level and order', () => {
  // A name in backticks, or the name of the package, is the same in both.
  const headings = (page: string) =>
    [...proseOf(page).matchAll(/^(#+) (.*)$/gm)].map(([, level, text]) => [level, ticked(text!)]);
  const { english, korean } = both(headings);
  expect(english.length).toBeGreaterThan(5);
  expect(korean).toEqual(english);
});

test('it has the snippets of the English one, each under its heading', () => {
  const snippets = (page: string) =>
    read(page)
      .split(/^#+ /m)
      .map((section) => blocksOf(page, section).map(({ language, text }) => ({ language, text })));
  const { english, korean } = both(snippets);
  expect(english.flat().length).toBeGreaterThan(5);
  expect(korean).toEqual(english);
});

test('its tables have the rows of the English ones: the same names and the same HTTP codes', () => {
  const rows = (page: string) =>
    [...proseOf(page).matchAll(/^\|(.*)\|$/gm)].map(([, row]) => {
      const cells = row!.split('|');
      return { cells: cells.length, first: ticked(cells[0]!).sort(), numbers: cells.at(-1)!.match(/\b\d{3}\b/g) };
    });
  const { english, korean } = both(rows);
  expect(english.length).toBeGreaterThan(20);
  expect(korean).toEqual(english);
});

test('it names what the English one names, and links to the same pages', () => {
  const names = (page: string) => [...new Set(ticked(proseOf(page)))].sort();
  const links = (page: string) =>
    [...proseOf(page).matchAll(/\]\(([^)]+)\)/g)]
      .map(([, target]) => target!)
      .filter((target) => !/^README/.test(target));
  expect(names(KOREAN)).toEqual(names(ENGLISH));
  expect(links(KOREAN).sort()).toEqual(links(ENGLISH).sort());
  expect(links(ENGLISH).length).toBeGreaterThan(15);
});

test('each of the two links to the other', () => {
  expect(read(ENGLISH)).toContain(`](${KOREAN})`);
  expect(read(KOREAN)).toContain(`](${ENGLISH})`);
});

test('it is written in Korean, in the words of its readers', () => {
  const paragraphs = proseOf(KOREAN)
    .split(/\n{2,}/)
    .filter((paragraph) => !/^# |^\[English\]|^\s*$/.test(paragraph));
  expect(paragraphs.filter((paragraph) => !/\p{Script=Hangul}/u.test(paragraph))).toEqual([]);
  for (const term of ['선착순 쿠폰', '중복 발급', '재고', '보상 트랜잭션', '대기열'])
    expect(read(KOREAN)).toContain(term);
});
