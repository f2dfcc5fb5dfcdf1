import { join } from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { ENTRIES, ROOT } from '../package/installed.js';

const SOURCES: Record<string, string> = {
  '.': 'src/index.ts',
  './postgres': 'src/persistence/postgres/index.ts',
  './mysql': 'src/persistence/mysql/index.ts',
  './testing': 'src/testing/index.ts',
  './codes': 'src/read-codes/index.ts',
  './csv': 'src/csv/index.ts',
  './web': 'src/web/index.ts',
  './nestjs': 'src/nestjs/index.ts',
  './fastify': 'src/fastify/index.ts',
  './opentelemetry': 'src/opentelemetry/index.ts',
  './prometheus': 'src/prometheus/index.ts',
  './dashboard': 'src/dashboard/index.ts',
};

/** Each type that an entry exports, under its public name: the places in the files where it is declared. */
function typesOf(files: Record<string, string>, read?: (path: string) => string | undefined): Map<string, Set<string>> {
  const options = { strict: true, module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2022, noEmit: true };
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile } = host;
  host.fileExists = (path) => read?.(path) !== undefined || fileExists(path);
  host.readFile = (path) => read?.(path) ?? readFile(path);
  const program = ts.createProgram(Object.values(files), { ...options, types: ['node'] }, host);
  const checker = program.getTypeChecker();
  const types = new Map<string, Set<string>>();
  for (const file of Object.values(files)) {
    const module = checker.getSymbolAtLocation(program.getSourceFile(file)!)!;
    for (const exported of checker.getExportsOfModule(module)) {
      const target = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      if (!(target.flags & ts.SymbolFlags.Type)) continue;
      const places = types.get(exported.name) ?? new Set<string>();
      for (const one of target.declarations ?? []) places.add(`${one.getSourceFile().fileName}:${one.pos}`);
      types.set(exported.name, places);
    }
  }
  return types;
}

const shared = (types: Map<string, Set<string>>) =>
  [...types].filter(([, places]) => places.size > 1).map(([name]) => name);

test('two types that the package exports never share a name, over all of its entries', () => {
  const files = ENTRIES.map((entry) => [entry, join(ROOT, SOURCES[entry] ?? `src/${entry.slice(2)}.ts`)]);
  const types = typesOf(Object.fromEntries(files));
  expect(types.size).toBeGreaterThan(70);
  for (const name of ['Campaign', 'PersistenceAdapter', 'PostgresLike', 'MysqlLike', 'ReadCodesOptions', 'TableFormat'])
    expect([...types.keys()]).toContain(name);
  expect(shared(types)).toEqual([]);
});

test('a name that two entries give to two types is found, and one that both pass on is not', () => {
  const texts: Record<string, string> = {
    [join(ROOT, 'test/one.ts')]: 'export interface Row { a: 1 }\nexport type Same = string;\nexport const make = 1;',
    [join(ROOT, 'test/two.ts')]:
      "export interface Row { b: 2 }\nexport type { Same } from './one.js';\nexport const make = 2;",
  };
  const files = Object.fromEntries(Object.keys(texts).map((path) => [path, path]));
  expect(shared(typesOf(files, (path) => texts[path]))).toEqual(['Row']);
});
