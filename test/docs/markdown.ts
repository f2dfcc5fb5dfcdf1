import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';

export const ROOT = resolve(import.meta.dirname, '../..');

/** Every page that a person wrote, by its path in the repository. */
export const PAGES = [
  ...['README.md', 'README.ko.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'],
  ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`),
  ...['decisions', 'ko', 'tables'].flatMap((dir) =>
    readdirSync(join(ROOT, 'docs', dir)).map((name) => `docs/${dir}/${name}`),
  ),
].filter((path) => path.endsWith('.md'));

export function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

export interface Block {
  /** Where it is, for messages: `README.md, block 2`. */
  readonly name: string;
  readonly page: string;
  readonly language: string;
  readonly text: string;
}

/** The fenced blocks of a page, in order. */
export function blocksOf(page: string, text = read(page)): Block[] {
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language, body], i) => ({
    name: `${page}, block ${i + 1}`,
    page,
    language: language!,
    text: body!,
  }));
}

/** The name of a block that is a file of its own, from its first line: `// rows.ts`. Other blocks of the page may import it. */
export function fileOf({ text }: Block): string | null {
  return text.match(/^\/\/ ([\w.-]+\.ts)\n/)?.[1] ?? null;
}

/** The `@example` blocks of a source file, without the stars of the comment. */
export function examplesOf(path: string): Block[] {
  const comments = [...read(path).matchAll(/\/\*\*[\s\S]*?\*\//g)].map(([comment]) => comment);
  const bare = comments.filter((comment) => comment.includes('@example')).map((c) => c.replace(/^ *\* ?/gm, ''));
  return blocksOf(path, bare.join('\n')).filter(({ language }) => language === 'ts');
}

export function sources(dir = 'src', extension = '.ts'): string[] {
  return readdirSync(join(ROOT, dir), { recursive: true, encoding: 'utf8' })
    .filter((name) => basename(name).endsWith(extension) && !name.endsWith('.d.ts'))
    .map((name) => `${dir}/${name}`);
}

/** The rows of the table under a heading whose first cell is `first`, cell by cell, without the two lines of its head. */
export function tableOf(page: string, first: string): string[][] {
  const lines = read(page).split('\n');
  const head = lines.findIndex((line) => line.startsWith(`| ${first} |`));
  if (head < 0) throw new Error(`${page} has no table that begins with ${first}`);
  const rows: string[][] = [];
  for (const line of lines.slice(head + 2)) {
    if (!line.startsWith('|')) break;
    rows.push(
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
  }
  return rows;
}

/** What stands in single backticks. */
export function ticked(text: string): string[] {
  return [...text.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/`([^`]+)`/g)].map(([, word]) => word!);
}

/** The anchors of a page's headings. */
export function toAnchors(text: string): string[] {
  const headings = text.split('\n').filter((line) => /^#+ /.test(line));
  return headings.map((heading) =>
    heading
      .replace(/^#+ /, '')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-'),
  );
}
