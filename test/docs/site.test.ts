import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { brokenLinks } from '../../site/links.js';
import { listPages, openingOf, placeOf, slugify, sourcesOf, titleOf, toSite } from '../../site/pages.js';
import { guides, korean } from '../../site/sidebar.js';
import { PAGES, read, toAnchors } from './markdown.js';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'coupon-site-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(dir, path)), { recursive: true });
  writeFileSync(join(dir, path), text);
}

test('every page that a person wrote is on the site, at a place of its own, and in a list of pages', () => {
  const pages = listPages();
  expect(pages).toEqual(expect.arrayContaining(PAGES));
  expect(new Set(pages.map(placeOf)).size).toBe(pages.length);
  const listed = [...guides(), ...korean()].flatMap(({ items }) => items.map(({ link }) => link));
  const places = pages.filter((path) => !/^docs\/decisions\/\d/.test(path)).map(placeOf);
  const links = places.map((place) => `/${place.replace(/(?:(^|\/)index)?\.md$/, '$1')}`);
  expect(listed.sort()).toEqual(links.sort());
});

test('a link of a page leads to the place of the other page, and code keeps its own', () => {
  write('docs/other.md', '# Other');
  write('docs/numbers.yml', 'a: 1');
  write('examples/shop/README.md', '# Shop');
  write('README.ko.md', '# 안내');
  const files = new Set<string>();
  const pages = new Set(['docs/other.md', 'examples/shop/README.md', 'README.ko.md']);
  const links =
    '[a](other.md#b-c) [d](../examples/shop) [e](numbers.yml) [f](../README.ko.md) [g](https://x.example/y.md)';
  const code = '`[a](other.md)`\n\n```md\n[a](other.md)\n```';
  const moved =
    '[a](./other.md#b-c) [d](./examples/shop.md) [e](/numbers.yml) [f](./ko/index.md) [g](https://x.example/y.md)';
  expect(toSite('docs/here.md', `${links} ${code}`, { pages, files, root: dir })).toBe(`${moved} ${code}`);
  expect([...files]).toEqual(['docs/numbers.yml']);
  expect(() => toSite('docs/here.md', '[a](none.md)', { pages, files, root: dir })).toThrow(
    /docs\/here.md links to none.md/,
  );
});

test('the page of an example lists its files, without those of an installation', () => {
  for (const name of ['app.js', 'src/shop.ts', 'node_modules/x/index.js', 'package-lock.json', '.npmrc'])
    write(`examples/shop/${name}`, '');
  write('examples/shop/README.md', '# Shop');
  expect(sourcesOf('examples/shop/README.md', dir)).toBe(
    '\n## Files\n\n- [app.js](app.js)\n- [src/shop.ts](src/shop.ts)\n',
  );
  expect(sourcesOf('docs/other.md', dir)).toBe('');
});

test('a heading has the same anchor on the site as in the repository', () => {
  for (const page of ['README.md', 'README.ko.md', 'docs/operating.md', 'docs/errors.md']) {
    const headings = read(page)
      .split('\n')
      .filter((line) => /^#+ /.test(line));
    expect(
      headings.map((line) => slugify(line.replace(/^#+ /, ''))),
      page,
    ).toEqual(toAnchors(read(page)));
  }
});

test('a link or an anchor that is not there is found in the built site', () => {
  write('dist/index.html', '<h1 id="top"></h1><a href="/a/page.html#part"></a><a href="#top"></a><img src="/x.svg">');
  write(
    'dist/a/page.html',
    '<h2 id="part"></h2><a href="/a/"></a><a href="../index.html#gone"></a><a href="https://x.example/"></a>',
  );
  write('dist/a/index.html', '<a href="./gone.html"></a>');
  write('dist/llms.txt', '- [Page](/a/page.html)\n- [Gone](/gone.md)');
  expect(brokenLinks(join(dir, 'dist'), '/').sort()).toEqual([
    'a/index.html links to ./gone.html, and there is nothing',
    'a/page.html links to ../index.html#gone, and there is nothing',
    'index.html links to /x.svg, and there is nothing',
    'llms.txt links to /gone.md, and there is nothing',
  ]);
});

test('a page opens with its first paragraph, and its title is plain', () => {
  const page = '# `a` and *b*\n\n| x |\n|---|\n\nFirst [words](x.md) of\nit. More.\n\nRest.';
  expect(titleOf(page)).toBe('a and b');
  expect(openingOf(page)).toBe('First words of it. More.');
});
