import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { type Node, parse } from 'luaparse';
import { bundleLua } from '../../scripts/lua-bundle.js';

const SECTIONS = ['KEYS', 'ARGV', 'RETURNS', 'WRITES', 'COST'];
const FOLDER = new URL('../../lua/', import.meta.url).pathname;

export interface ScriptFile {
  readonly name: string;
  readonly text: string;
  /** The script as Redis gets it. */
  readonly source: string;
  readonly header: Readonly<Record<string, string>>;
  /** Lines below the header. */
  readonly length: number;
}

export function scriptFiles(): ScriptFile[] {
  return readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.lua') && !/^(include|joint)\//.test(file))
    .map((file) => {
      const text = readFileSync(FOLDER + file, 'utf8');
      const { header, length } = readHeader(text);
      return { name: basename(file, '.lua'), text, source: bundleLua(FOLDER + file).source, header, length };
    });
}

/** The sections of the header, each `-- NAME     text`, whose text may go on in indented lines. */
function readHeader(text: string): { header: Record<string, string>; length: number } {
  const lines = text.split('\n');
  const end = lines.findIndex((line) => !line.startsWith('--'));
  const header: Record<string, string> = {};
  let section = 'PURPOSE';
  for (const line of lines.slice(0, end)) {
    const start = /^-- ([A-Z]{4,7}) +(.*)$/.exec(line);
    if (start && SECTIONS.includes(start[1]!)) section = start[1]!;
    const content = start && section === start[1] ? start[2]! : line.replace(/^-- ?/, '');
    header[section] = `${header[section] ?? ''} ${content.trim()}`.trim();
  }
  return { header, length: lines.length - 1 - end };
}

/** `a b, then for each x: c d; remarks` */
export function readArguments(text: string): { args: string[]; each: string[] } {
  const [names] = text.split(';') as [string];
  const [args, each = ''] = names.split(/, then for each \w+:/) as [string, string?];
  const words = (list: string) => list.split(' ').filter((word) => word !== '' && word !== 'none');
  return { args: words(args), each: words(each) };
}

/** `a b; remarks` */
export function readNames(text: string): string[] {
  const [names] = text.split(';') as [string];
  return names === 'nothing' ? [] : names.split(' ');
}

interface Command {
  readonly name: string;
  /** The expressions in the place of keys, as written. */
  readonly keys: readonly string[];
}

export interface Body {
  /** Local names that stand for `KEYS[i]` or `ARGV[i]`, by i. */
  readonly keys: ReadonlyMap<number, string>;
  readonly args: ReadonlyMap<number, string>;
  readonly constants: ReadonlyMap<string, number>;
  /** Every command of the bundle, and those that the script can reach: an include may bring more than is used. */
  readonly commands: readonly Command[];
  readonly reached: readonly Command[];
  readonly calls: ReadonlySet<string>;
  /** Loops over all of KEYS. */
  readonly touchesAll: boolean;
  /** Every first word that it may reply, as far as its text says. */
  readonly replies: ReadonlySet<string>;
  /** Every string in what the script can reach. */
  readonly texts: ReadonlySet<string>;
}

const children = (node: Node): Node[] =>
  Object.values(node)
    .flat()
    .filter((value): value is Node => typeof value === 'object' && value !== null && 'type' in value);

function visit(node: Node, enter: (node: Node) => boolean): void {
  if (!enter(node)) return;
  for (const child of children(node)) visit(child, enter);
}

const nameOf = (node: unknown): string => String((node as Node | undefined)?.name ?? '');
/** luaparse leaves the value of a string to whoever knows its encoding. */
const textOf = (node: unknown): string => String((node as Node | undefined)?.raw ?? '').slice(1, -1);

export function readBody(source: string): Body {
  const tree = parse(source, { luaVersion: '5.1' });
  const functions = new Map<string, Node>();
  const keys = new Map<number, string>();
  const args = new Map<number, string>();
  const constants = new Map<string, number>();
  const aliases = new Map<string, string[]>();
  visit(tree, (node) => {
    if (node.type === 'FunctionDeclaration') functions.set(nameOf(node.identifier), node);
    if (node.type === 'LocalStatement') {
      const init = node.init as Node[];
      (node.variables as Node[]).forEach((variable, i) => {
        const name = nameOf(variable);
        if (!init[i]) return;
        const index = indexOfInput(init[i]);
        if (index?.base === 'KEYS') keys.set(index.at, name);
        if (index?.base === 'ARGV') args.set(index.at, name);
        if (init[i].type === 'NumericLiteral') constants.set(name, Number(init[i].value));
        if (name.endsWith('Key')) {
          const named: string[] = [];
          visit(init[i], (inner) => {
            if (inner.type === 'Identifier' && nameOf(inner).endsWith('Key')) named.push(nameOf(inner));
            return true;
          });
          if (named.length > 0) aliases.set(name, named);
        }
      });
    }
    return true;
  });

  const calls = new Set<string>();
  const reached: Command[] = [];
  const texts = new Set<string>();
  let touchesAll = false;
  const walk = (body: Node) =>
    visit(body, (node) => {
      if (node.type === 'FunctionDeclaration' && node !== body) return false;
      if (node.type === 'ForGenericStatement' && overKeys(node)) touchesAll = true;
      if (node.type === 'StringLiteral') texts.add(textOf(node));
      const command = commandOf(node, aliases);
      if (command) reached.push(command);
      const called = node.type === 'CallExpression' ? nameOf(node.base) : '';
      const target = functions.get(called);
      if (called && target && !calls.has(called)) {
        calls.add(called);
        walk(target);
      }
      return true;
    });
  walk(tree);

  const commands: Command[] = [];
  visit(tree, (node) => {
    const command = commandOf(node, aliases);
    if (command) commands.push(command);
    return true;
  });
  const replies = firstWords(tree, functions);
  return { keys, args, constants, commands, reached, calls, touchesAll, replies, texts };
}

/** `KEYS[1]`, or `tonumber(ARGV[2])`. */
function indexOfInput(node: Node): { base: string; at: number } | null {
  if (node.type === 'CallExpression' && nameOf(node.base) === 'tonumber') {
    const [first] = node.arguments as Node[];
    return first ? indexOfInput(first) : null;
  }
  if (node.type !== 'IndexExpression') return null;
  const index = node.index as Node;
  return index.type === 'NumericLiteral' ? { base: nameOf(node.base), at: Number(index.value) } : null;
}

function overKeys(loop: Node): boolean {
  const [iterator] = loop.iterators as Node[];
  return nameOf((iterator?.arguments as Node[] | undefined)?.[0]) === 'KEYS';
}

/** The first words of all that a script may return: of tables, of what it calls, and of what its names were given anywhere. */
function firstWords(tree: Node, functions: ReadonlyMap<string, Node>): Set<string> {
  const given = new Map<string, Node[]>();
  const give = (target: Node, value: Node | undefined) => {
    const [at, base] = [target.index as Node | undefined, nameOf(target.base)];
    const first = target.type === 'IndexExpression' && at?.type === 'NumericLiteral' && at.value === 1;
    const name = first ? `${base}[1]` : nameOf(target);
    if (value) given.set(name, [...(given.get(name) ?? []), value]);
  };
  visit(tree, (node) => {
    if (node.type !== 'LocalStatement' && node.type !== 'AssignmentStatement') return true;
    const init = node.init as Node[];
    (node.variables as Node[]).forEach((variable, i) => {
      give(variable, init[i]);
    });
    return true;
  });

  const words = new Set<string>();
  const seen = new Set<unknown>();
  let unfenced = false;
  const returned = (body: Node): Node[] => {
    const values: Node[] = [];
    visit(body, (node) => {
      if (node.type === 'FunctionDeclaration' && node !== body) return false;
      if (node.type === 'ReturnStatement') values.push(...(node.arguments as Node[]).slice(0, 1));
      return true;
    });
    return values;
  };
  const say = (value: Node | undefined): void => {
    if (!value || seen.has(value)) return;
    seen.add(value);
    if (value.type === 'StringLiteral') words.add(textOf(value));
    if (value.type === 'TableConstructorExpression') say((value.fields as Node[])[0]?.value as Node | undefined);
    if (value.type === 'LogicalExpression') {
      if (value.operator === 'or') say(value.left as Node);
      say(value.right as Node);
    }
    if (value.type === 'Identifier') {
      for (const name of [nameOf(value), `${nameOf(value)}[1]`]) for (const one of given.get(name) ?? []) say(one);
    }
    if (value.type === 'CallExpression') call(value);
  };
  const call = (value: Node): void => {
    const args = value.arguments as Node[];
    const target = functions.get(nameOf(value.base));
    if (!target && nameOf(value.base) === 'unpack') say(args[0]);
    // Without a fence no state went back.
    if (['unserved', 'mismatch'].includes(nameOf(value.base)) && args.length < 2) unfenced = true;
    for (const one of target ? returned(target) : []) if (!unfenced || textOf(one) !== 'rolled_back') say(one);
  };
  for (const value of returned(tree)) say(value);
  return words;
}

/** The words of a RETURNS section: those that a reply may begin with, and those that may follow. */
export function readWords(text: string): { first: string[]; inner: string[] } {
  const plain = text.replace(/\([^)]*\)/g, '');
  const words = (list: string) => list.split(/[ |]+/).filter((word) => word !== '');
  const alternatives = plain.split(/; /).filter((part, i) => i === 0 || part.startsWith('or '));
  const heads = alternatives.map((part) => part.replace(/^or /, '').split(',')[0]!.trim());
  const first = heads.filter((head) => /^[a-z_]+( *\| *[a-z_]+)*$/.test(head)).flatMap(words);
  const lists = [
    ...plain.matchAll(/(?:: |Words: |spaces between: )((?:[a-z_]+(?::<[a-z]+>)*)(?:( \| | )[a-z_]+(?::<[a-z]+>)*)*)/g),
  ];
  const listed = lists.filter(([all, list]) => list!.includes('|') || /^(Words|spaces between)/.test(all));
  return { first, inner: listed.flatMap(([, list]) => words(list!.replace(/:<[a-z]+>/g, ''))) };
}

/** `redis.call(NAME, key, …)` or `writeAll(NAME, key, …)`. */
function commandOf(node: Node, aliases: ReadonlyMap<string, string[]>): Command | null {
  if (node.type !== 'CallExpression') return null;
  const base = node.base as Node;
  const direct =
    base.type === 'MemberExpression' && nameOf(base.base) === 'redis' && nameOf(base.identifier) === 'call';
  if (!direct && nameOf(base) !== 'writeAll') return null;
  const [command, ...rest] = node.arguments as Node[];
  // Within writeAll the command is its parameter; its callers say which.
  if (command?.type !== 'StringLiteral') return null;
  const name = textOf(command);
  if (name === 'TIME' || name === 'INFO') return { name, keys: [] };
  const keys = ['EXISTS', 'UNLINK', 'RENAME'].includes(name) ? rest.map(nameOf) : [nameOf(rest[0])];
  return { name, keys: keys.flatMap((key) => aliases.get(key) ?? [key]) };
}
