import ts from 'typescript';
import { PAGES, read, sources } from './markdown.js';

/** A text that a person reads, and the place of it. */
export interface Prose {
  readonly at: string;
  readonly text: string;
}

const CODE = /^```[\s\S]*?^```$/gm;

/** The paragraphs, list items and table cells of a page, without its code. */
function proseOf(page: string): Prose[] {
  const parts = read(page)
    .replace(CODE, '')
    .split(/\n{2,}|\n(?=\s*(?:[-|#]|\d+\.) ?)| \| /);
  return parts.map((text) => ({ at: page, text: text.replace(/^[\s|#-]+/, '') })).filter(({ text }) => text.trim());
}

/** The docstrings of a source, paragraph by paragraph, without examples. */
function docstringsOf(path: string): Prose[] {
  const comments = read(path).match(/\/\*\*[\s\S]*?\*\//g) ?? [];
  return comments.flatMap((comment) => {
    const bare = comment.replace(/^\/\*\*|\*\/$/g, '').replace(/^ *\* ?/gm, '');
    const text = bare.replace(/^```[\s\S]*?^```$/gm, '').replace(/@\w+/g, '\n\n');
    return text.split(/\n\s*\n/).map((part) => ({ at: path, text: part }));
  });
}

/** Every other comment of a source in TypeScript or Lua; lines that follow each other are one. */
function commentsOf(path: string): Prose[] {
  const mark = path.endsWith('.lua') ? /(?:^|\s)--[- ]?(?!- @)(.*)$/ : /(?:^|\s)\/\/ (.*)$/;
  const parts: string[] = [];
  let open = false;
  for (const line of read(path).split('\n')) {
    const [, text] = line.match(mark) ?? [];
    if (text === undefined) open = false;
    else if (open && /^\s*(?:\/\/|--)/.test(line))
      parts.push(`${parts.pop()}${/^[A-Z]{4,} /.test(text) ? '\n\n' : ' '}${text}`);
    else parts.push(text);
    open = text !== undefined && text.trim() !== '';
  }
  return parts.map((text) => ({ at: path, text }));
}

const MAKERS = ['invalid', 'conflict'];

/** The texts of the errors that a source makes; a value that is put in counts as one word. */
function errorsOf(path: string): Prose[] {
  const found: Prose[] = [];
  const textOf = (node: ts.Node): void => {
    if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) found.push({ at: path, text: node.text });
    else if (ts.isTemplateExpression(node)) {
      const text = node.templateSpans.map(({ literal }) => `X${literal.text}`).join('');
      found.push({ at: path, text: node.head.text + text });
    } else ts.forEachChild(node, textOf);
  };
  const visit = (node: ts.Node): void => {
    const isMade = ts.isNewExpression(node) && /Error$/.test(node.expression.getText());
    const isCalled = ts.isCallExpression(node) && MAKERS.includes(node.expression.getText());
    if (isMade || isCalled) node.arguments?.forEach(textOf);
    else ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, read(path), ts.ScriptTarget.ES2022, true));
  return found;
}

/** A piece of code counts as one word, and so does a link. */
const plain = (text: string) =>
  text
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/`[^`]*`/g, 'Code')
    .replace(/[*_>]/g, '');

export function wordsOf(text: string): string[] {
  return plain(text).match(/[\p{L}\p{N}][\p{L}\p{N}'’-]*/gu) ?? [];
}

export function sentencesOf(text: string): string[] {
  return plain(text).split(/(?<=[.!?][)"']?)\s+(?=\P{Ll})/u);
}

/** How many of a thousand words are `what`, `who` or `whoever`. */
export function vagueness(prose: readonly Prose[]): number {
  const words = prose.flatMap(({ text }) => wordsOf(text));
  const vague = words.filter((word) => /^(?:what|who|whoever)$/i.test(word));
  return (1000 * vague.length) / words.length;
}

export function longSentences(prose: readonly Prose[], most: number): string[] {
  return prose.flatMap(({ at, text }) =>
    sentencesOf(text)
      .filter((sentence) => wordsOf(sentence).length > most)
      .map((sentence) => `${at}: ${sentence.replace(/\s+/g, ' ').trim()}`),
  );
}

/** The guides; the others are made by a program. */
const GUIDES = PAGES.filter((page) => /^docs\/(?!reliability|performance)[\w-]+\.md$/.test(page));

const SOURCES = sources();
export const PROSE = {
  docs: PAGES.flatMap(proseOf),
  guides: ['ARCHITECTURE.md', ...GUIDES].flatMap(proseOf),
  comments: [...SOURCES, ...sources('lua', '.lua')].flatMap(commentsOf),
  docstrings: SOURCES.flatMap(docstringsOf),
  errors: SOURCES.flatMap(errorsOf),
  readme: proseOf('README.md'),
};
