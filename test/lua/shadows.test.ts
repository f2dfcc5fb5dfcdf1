import { readdirSync, readFileSync } from 'node:fs';
import { type Node, parse } from 'luaparse';
import { describe, expect, test } from 'vitest';
import { scriptFiles } from './read-script.js';

const BUILTINS = [
  'pairs',
  'ipairs',
  'next',
  'select',
  'type',
  'tonumber',
  'tostring',
  'string',
  'table',
  'math',
  'redis',
];
const INCLUDES = new URL('../../lua/include/', import.meta.url);

/** The names that the `local` statements of a chunk bind, at its top or anywhere in it. */
function boundBy(text: string, where: 'at the top' | 'anywhere'): string[] {
  const names: string[] = [];
  const visit = (node: unknown) => {
    if (node === null || typeof node !== 'object') return;
    const { type, variables, identifier, isLocal } = node as Node & {
      variables?: { name: string }[];
      identifier?: { name: string };
      isLocal?: boolean;
    };
    if (type === 'LocalStatement') names.push(...variables!.map(({ name }) => name));
    if (type === 'FunctionDeclaration' && isLocal) names.push(identifier!.name);
    if (where === 'at the top') return;
    for (const value of Object.values(node)) {
      if (Array.isArray(value)) for (const one of value) visit(one);
      else visit(value);
    }
  };
  const { body } = parse(text, { luaVersion: '5.1' }) as unknown as { body: Node[] };
  for (const statement of body) visit(statement);
  return names;
}

const textOf = new Map(
  readdirSync(INCLUDES).map((file) => [file.replace(/\.lua$/, ''), readFileSync(new URL(file, INCLUDES), 'utf8')]),
);

/** The snippets that a text includes, and those that they include. */
function included(text: string, into = new Set<string>()): Set<string> {
  for (const [, snippet] of text.matchAll(/^--- @include "include\/([a-z-]+)"$/gm)) {
    if (into.has(snippet!)) continue;
    into.add(snippet!);
    included(textOf.get(snippet!)!, into);
  }
  return into;
}

describe.each(scriptFiles())('$name', ({ text, source }) => {
  test('no local hides a builtin, or a name that a snippet gives', () => {
    const names = boundBy(source, 'anywhere');
    const hidden = names.filter((name) => BUILTINS.includes(name));
    const own = new Set(boundBy(text, 'anywhere'));
    for (const snippet of included(text)) {
      const gives = boundBy(textOf.get(snippet)!, 'at the top');
      hidden.push(...gives.filter((name) => own.has(name)).map((name) => `${name} of ${snippet}`));
    }
    expect(hidden).toEqual([]);
  });
});
