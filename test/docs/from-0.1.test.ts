import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { buildRelease } from '../../bench/release.js';
import { type Block, blocksOf, ROOT, read } from './markdown.js';
import { faultsOf } from './snippets.js';

const PAGE = 'docs/from-0.1.md';
const release = await buildRelease();
/** The sources of 0.1; a clone without its history does not have them. */
const OLD = release.dist && join(release.dist, '../src');

const diffs = blocksOf(PAGE).filter(({ language }) => language === 'diff');

/** A block as it was (`-`), or as it is (`+`): the lines without a sign are in both. */
const sideOf = (block: Block, sign: '-' | '+'): Block => {
  const lines = block.text.split('\n').filter((line) => line[0] === sign || line[0] === ' ');
  return { ...block, text: lines.map((line) => line.slice(1)).join('\n') };
};
const before = diffs.map((block) => sideOf(block, '-'));
const after = diffs.map((block) => sideOf(block, '+'));

test('the code after each change compiles', () => {
  expect(diffs.length).toBeGreaterThan(4);
  expect(faultsOf(after, { given: true })).toEqual(after.map(() => []));
});

test('the code before each change does not compile any more', () => {
  const broken = faultsOf(before, { given: true }).map((faults) => faults.length > 0);
  expect(broken).toEqual(before.map(() => true));
});

interface Face {
  readonly names: ReadonlySet<string>;
  readonly members: ReadonlyMap<string, ReadonlySet<string>>;
}

/** What an index exports: its names, and the members of each type. */
function faceOf(index: string): Face {
  const options = { strict: true, module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2022, types: ['node'] };
  const program = ts.createProgram([index, join(ROOT, 'src/lua.d.ts')], options);
  const checker = program.getTypeChecker();
  const members = new Map<string, Set<string>>();
  for (const exported of checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(index)!)!)) {
    const target = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
    const properties = checker.getDeclaredTypeOfSymbol(target).getProperties();
    members.set(exported.name, new Set(properties.map(({ name }) => name).filter((name) => /^\w+$/.test(name))));
  }
  return { names: new Set(members.keys()), members };
}

describe.skipIf(!OLD)('beside the sources of 0.1', () => {
  test('the code before each change compiled', () => {
    const paths = {
      'coupon-issuer': [join(OLD!, 'index.ts')],
      'coupon-issuer/postgres': [join(OLD!, 'persistence/postgres.ts')],
      'coupon-issuer/mysql': [join(OLD!, 'persistence/mysql.ts')],
      'coupon-issuer/testing': [join(OLD!, 'testing/index.ts')],
    };
    const [first] = before;
    const wrong = { ...first!, text: "issuer.campaign('launch');" };
    const faults = faultsOf([...before, wrong], { given: true, paths });
    expect(faults.slice(0, -1)).toEqual(before.map(() => []));
    expect(faults.at(-1)).toEqual([expect.stringContaining("'campaign' does not exist")]);
  });

  test('the page names every export that is gone, and every member of a type that is left', () => {
    const [old, now] = [faceOf(join(OLD!, 'index.ts')), faceOf(join(ROOT, 'src/index.ts'))];
    const gone = [...old.names].filter((name) => !now.names.has(name));
    const members = [...old.members].flatMap(([type, names]) =>
      // The type of this name is another one now.
      type === 'Campaign' ? [] : [...names].filter((name) => now.names.has(type) && !now.members.get(type)!.has(name)),
    );
    expect(gone).toContain('Need');
    expect(members).toEqual(expect.arrayContaining(['openCampaign', 'maxSavesPerSecond', 'id', 'campaignId']));
    const page = read(PAGE);
    const missing = [...gone, ...members].filter((name) => !new RegExp(`\\b${name}\\b`).test(page));
    expect(missing).toEqual([]);
  });
});
