import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';
import { blocksOf, PAGES, read, ticked } from './markdown.js';

const PAIRS = PAGES.filter((page) => /\.ko\.md$|^docs\/ko\//.test(page)).map((korean) => ({
  korean,
  english: korean.replace('.ko.md', '.md').replace('docs/ko/', 'docs/'),
}));

const proseOf = (page: string) => read(page).replace(/^```[\s\S]*?^```$/gm, '');

/** The pages that a page links to, in the language of each: the Korean one counts as its English one. */
function linksOf(page: string): string[] {
  const targets = [...proseOf(page).matchAll(/\]\(([^)]+)\)/g)].map(([, target]) => target!);
  const files = targets.filter((target) => !/^(?:#|https?:)/.test(target)).map((target) => target.split('#')[0]!);
  const paths = files.map((file) => normalize(join(dirname(page), file)));
  return paths.map((path) => PAIRS.find(({ korean }) => korean === path)?.english ?? path);
}

test('the README and the guides to redeeming and operating are there in Korean', () => {
  const pages = ['README.ko.md', 'docs/ko/operating.md', 'docs/ko/redeeming.md'];
  expect(PAIRS.map(({ korean }) => korean)).toEqual(expect.arrayContaining(pages));
});

describe.each(PAIRS)('$korean', ({ korean, english }) => {
  const both = <T>(of: (page: string) => T) => ({ inEnglish: of(english), inKorean: of(korean) });

  test('has the headings of the English page, in number, level and order', () => {
    // A name in backticks, or the name of the package, is the same in both.
    const headings = (page: string) =>
      [...proseOf(page).matchAll(/^(#+) (.*)$/gm)].map(([, level, text]) => [level, ticked(text!)]);
    const { inEnglish, inKorean } = both(headings);
    expect(inEnglish.length).toBeGreaterThan(5);
    expect(inKorean).toEqual(inEnglish);
  });

  test('has the snippets of the English page, each under its heading', () => {
    const snippets = (page: string) =>
      read(page)
        .split(/^#+ /m)
        .map((section) => blocksOf(page, section).map(({ language, text }) => ({ language, text })));
    const { inEnglish, inKorean } = both(snippets);
    expect(inEnglish.flat().length).toBeGreaterThan(5);
    expect(inKorean).toEqual(inEnglish);
  });

  test('has tables with the rows of the English ones: the same names and the same HTTP codes', () => {
    const rows = (page: string) =>
      [...proseOf(page).matchAll(/^ *\|(.*)\|$/gm)].map(([, row]) => {
        const cells = row!.split('|');
        return { cells: cells.length, first: ticked(cells[0]!).sort(), numbers: cells.at(-1)!.match(/\b\d{3}\b/g) };
      });
    const { inEnglish, inKorean } = both(rows);
    expect(inEnglish.length).toBeGreaterThan(20);
    expect(inKorean).toEqual(inEnglish);
  });

  test('names what the English page names, and links to the same pages', () => {
    const names = (page: string) => [...new Set(ticked(proseOf(page)))].sort();
    expect(names(korean)).toEqual(names(english));
    const { inEnglish, inKorean } = both(linksOf);
    const others = (links: string[]) => links.filter((path) => path !== english).sort();
    expect(others(inKorean)).toEqual(others(inEnglish));
    expect(inEnglish.length).toBeGreaterThan(5);
  });

  test('and the English page link to each other', () => {
    const linksTo = (page: string) =>
      [...read(page).matchAll(/\]\(([^)#]+)\)/g)].map(([, target]) => normalize(join(dirname(page), target!)));
    expect(linksTo(english)).toContain(korean);
    expect(linksTo(korean)).toContain(english);
  });

  test('is written in Korean', () => {
    const paragraphs = proseOf(korean)
      .split(/\n{2,}/)
      .filter((paragraph) => !/^# |^\[English\]|^\s*$/.test(paragraph));
    expect(paragraphs.filter((paragraph) => !/\p{Script=Hangul}/u.test(paragraph))).toEqual([]);
  });
});

test('the Korean README has the words that its readers search for', () => {
  for (const term of ['선착순 쿠폰', '중복 발급', '재고', '보상 트랜잭션', '대기열'])
    expect(read('README.ko.md')).toContain(term);
});
