import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { toAnchors } from '../docs/markdown.js';
import { Installed } from './installed.js';

let installed: Installed;
let pages: string[];
beforeAll(async () => {
  installed = await Installed.create();
  pages = installed.files.filter((path) => path.endsWith('.md'));
});
afterAll(() => installed?.remove());

const pathOf = (path: string) => join(installed.dir, 'node_modules/coupon-issuer', path);
const read = (path: string) => readFileSync(pathOf(path), 'utf8');

/** Where a page links to: `[text](target)`, `[name]: target`, and the sources of pictures. */
function targetsOf(text: string): string[] {
  const prose = text.replace(/^```[\s\S]*?^```$/gm, '').replace(/`[^`\n]*`/g, '');
  const forms = [/\]\(\s*<?([^)\s>]+)/g, /^\[[^\]]+\]:\s*(\S+)/gm, /\b(?:href|src)="([^"]+)"/g];
  return forms.flatMap((form) => [...prose.matchAll(form)].map(([, target]) => target!));
}

function faultOf(page: string, target: string): string | null {
  if (/^https?:/.test(target)) return null;
  const [path, anchor] = target.split('#') as [string, string?];
  const file = path === '' ? page : normalize(join(dirname(page), path));
  if (file.startsWith('..') || !existsSync(pathOf(file))) return `${page} links to ${target}, which the package lacks`;
  if (anchor && !toAnchors(read(file)).includes(anchor)) return `${page} links to ${target}: there is no such heading`;
  return null;
}

test('no link of a page in the package is dead there', () => {
  const links = pages.flatMap((page) => targetsOf(read(page)).map((target) => ({ page, target })));
  for (const page of ['README.md', 'docs/databases.md', 'examples/adapter-support/README.md', 'lua/README.md']) {
    expect(links.map((link) => link.page)).toContain(page);
  }
  expect(links.flatMap(({ page, target }) => faultOf(page, target) ?? [])).toEqual([]);
});

test('a dead link of each form is found', () => {
  const text =
    '[a](docs/nowhere.md) [b](<docs/errors.md#nowhere>) [c](../outside.md) <img src="no.svg">\n\n[d]: lua/no.md\n';
  const targets = targetsOf(text);
  expect(targets).toHaveLength(5);
  expect(targets.filter((target) => faultOf('README.md', target) === null)).toEqual([]);
  expect(faultOf('README.md', 'docs/errors.md')).toBeNull();
});

test('a page links to no address that package.json does not name', () => {
  const { repository, homepage } = JSON.parse(read('package.json'));
  const known = [repository?.url, homepage].filter(Boolean).map((url: string) => url.replace(/^git\+|\.git$/g, ''));
  const addresses = pages.flatMap((page) => targetsOf(read(page)).filter((target) => /^https?:/.test(target)));
  expect(addresses.filter((url) => !known.some((one) => url.startsWith(one)))).toEqual([]);
});

test('the five lines of the README issue a coupon with the package and the mock alone', async () => {
  const first = [...read('README.md').matchAll(/^```ts\n([\s\S]*?)^```$/gm)][0]![1]!;
  installed.write('first.mjs', first);
  expect(await installed.node('first.mjs')).toBe('issued sold_out\n');
});

test('the demo runs from the package', async () => {
  const demo = 'node_modules/coupon-issuer/examples/demo/demo.js';
  const printed = await installed.node(demo, '--total', '20', '--buyers', '30', '--failure-rate', '0');
  expect(printed).toContain('every invariant holds');
});
