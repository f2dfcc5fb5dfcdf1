// Which page of the repository stands where on the site, and how a link of a page leads there.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

const AT_THE_TOP = ['README.md', 'README.ko.md', 'ARCHITECTURE.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md'];

/** Every page of the site but the reference, by its path in the repository. */
export function listPages(root = ROOT) {
  const below = (dir) =>
    readdirSync(join(root, dir), { recursive: true, encoding: 'utf8' }).map((name) => `${dir}/${name}`);
  const docs = below('docs').filter((path) => path.endsWith('.md') && !path.startsWith('docs/reference/'));
  const examples = readdirSync(join(root, 'examples')).map((name) => `examples/${name}/README.md`);
  return [...AT_THE_TOP, ...docs.sort(), ...examples, 'lua/README.md'].filter((path) => existsSync(join(root, path)));
}

/** The place of a page, or of another file of the repository, on the site. */
export function placeOf(path) {
  if (path === 'README.ko.md') return 'ko/index.md';
  const place = path.replace(/^docs\//, '').replace(/^(examples\/[^/]+|lua)\/README\.md$/, '$1.md');
  return place.replace(/(^|\/)README\.md$/, '$1index.md').replace(/^[A-Z]+\.md$/, (name) => name.toLowerCase());
}

/** Of the folder of an example: its page, the files of an installation or a build, and pages that need its server. */
const LEFT_OUT = /(?:^|\/)(?:README\.md|node_modules|package-lock\.json|dist|generated|public|\..*)(?:\/|$)/;
const CODE = /^(`{3,})[\s\S]*?^\1$|``[^`\n]+``|`[^`\n]+`/gm;
const LINK = /(\]\()([^)\s]+)(?=[)\s])/g;

/**
 * The text of a page with its links as the site needs them. A link to another page stays relative; one to any other file of the repository
 * goes into `files`, which are served beside the pages. Throws for a link that leads nowhere.
 */
export function toSite(path, text, { pages, files, root = ROOT }) {
  const moved = (target) => {
    if (/^(?:[a-z]+:|#|\/)/.test(target)) return target;
    const [to, anchor] = target.split('#');
    const found = resolveFile(normalize(join(dirname(path), to)), root);
    if (!found) throw new Error(`${path} links to ${target}, and there is no such file`);
    if (!pages.has(found)) {
      files.add(found);
      return `/${placeOf(found)}`;
    }
    const place = relative(dirname(placeOf(path)), placeOf(found));
    return `${place.startsWith('.') ? place : `./${place}`}${anchor ? `#${anchor}` : ''}`;
  };
  return outsideCode(text, (prose) => prose.replace(LINK, (_, before, target) => before + moved(target)));
}

/** A folder stands for its page. */
function resolveFile(path, root) {
  const file = [path, `${path}/README.md`].find(
    (each) => existsSync(join(root, each)) && statSync(join(root, each)).isFile(),
  );
  return file ?? null;
}

function outsideCode(text, change) {
  let out = '';
  let from = 0;
  for (const { 0: code, index } of text.matchAll(CODE)) {
    out += change(text.slice(from, index)) + code;
    from = index + code.length;
  }
  return out + change(text.slice(from));
}

/** The files of an example as a list at the end of its page, for a reader without the repository; of another page nothing. */
export function sourcesOf(path, root = ROOT) {
  const [, dir] = path.match(/^(examples\/[^/]+)\/README\.md$/) ?? [];
  if (!dir) return '';
  const names = readdirSync(join(root, dir), { recursive: true, encoding: 'utf8' });
  const own = names.filter((name) => !LEFT_OUT.test(name) && statSync(join(root, dir, name)).isFile());
  return `\n## Files\n\n${own
    .sort()
    .map((name) => `- [${name}](${name})`)
    .join('\n')}\n`;
}

/** Its first heading, as plain text. */
export function titleOf(text) {
  return plain(text.match(/^# (.+)$/m)?.[1] ?? '');
}

/** Its first paragraph in one line. */
export function openingOf(text) {
  const body = text.replace(CODE, (code) => (code.startsWith('```') ? '' : code)).split(/^# .+$/m)[1] ?? '';
  const paragraph = body.split(/\n{2,}/).find((part) => /^[\p{L}`*]/u.test(part.trim()));
  return plain(paragraph ?? '')
    .replace(/\s+/g, ' ')
    .trim();
}

const plain = (text) => text.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[`*\\]/g, '');

export const read = (path, root = ROOT) => readFileSync(join(root, path), 'utf8');

/** As the pages are linked where they are read on their own: without punctuation, a dash for each space. */
export function slugify(heading) {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_ -]/gu, '')
    .replaceAll(' ', '-');
}
