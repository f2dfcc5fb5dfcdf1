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

const program = ts.createProgram(
  ENTRIES.map((entry) => join(ROOT, SOURCES[entry] ?? `src/${entry.slice(2)}.ts`)),
  {
    strict: true,
    exactOptionalPropertyTypes: true,
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    noEmit: true,
    types: ['node'],
  },
);
const checker = program.getTypeChecker();
const own = (node: ts.Node) => node.getSourceFile().fileName.startsWith(join(ROOT, 'src/'));

/** What users only read needs no `undefined`. */
const isAnswer = (node: ts.Node) =>
  /src\/(model\/(result|http-answer|user-answer|problems|events|place|coupon)|redeem\/results|tracing\/(channels|step-channel))\.ts$/.test(
    node.getSourceFile().fileName,
  );

const isPrivate = (node: ts.Node) =>
  ts.isClassElement(node) &&
  ((!!node.name && ts.isPrivateIdentifier(node.name)) ||
    ts.getJSDocTags(node).some(({ tagName }) => tagName.text === 'internal'));

/** Every type that a user of the package may write down: what is exported, and what that refers to. */
function publicDeclarations(): Set<ts.Node> {
  const found = new Set<ts.Node>();
  const visit = (node: ts.Node): void => {
    if (ts.isTypeReferenceNode(node) || ts.isExpressionWithTypeArguments(node)) {
      const name = ts.isTypeReferenceNode(node) ? node.typeName : node.expression;
      const symbol = checker.getSymbolAtLocation(name);
      const target = symbol && symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
      for (const declaration of target?.declarations ?? []) add(declaration);
    }
    if (ts.isBlock(node) || isPrivate(node)) return;
    ts.forEachChild(node, visit);
  };
  const add = (declaration: ts.Node) => {
    if (found.has(declaration) || !own(declaration)) return;
    found.add(declaration);
    if (!ts.isVariableDeclaration(declaration)) ts.forEachChild(declaration, visit);
  };
  for (const entry of program.getRootFileNames()) {
    const module = checker.getSymbolAtLocation(program.getSourceFile(entry)!)!;
    for (const exported of checker.getExportsOfModule(module)) {
      const target = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      for (const declaration of target.declarations ?? []) add(declaration);
    }
  }
  return found;
}

function optionalProperties(): { name: string; takesUndefined: boolean }[] {
  const properties = new Map<ts.Node, { name: string; takesUndefined: boolean }>();
  const visit = (node: ts.Node): void => {
    if (ts.isBlock(node) || isPrivate(node)) return;
    if (ts.isPropertySignature(node) && node.questionToken && node.type && !isAnswer(node)) {
      const type = checker.getTypeFromTypeNode(node.type);
      const takesUndefined = checker.isTypeAssignableTo(checker.getUndefinedType(), type);
      properties.set(node, {
        name: `${node.parent.parent.getText().split(/[{=(]/)[0]}… ${node.getText()}`,
        takesUndefined,
      });
    }
    ts.forEachChild(node, visit);
  };
  for (const declaration of publicDeclarations()) visit(declaration);
  return [...properties.values()];
}

test('every optional property that a user may write takes undefined, so that exactOptionalPropertyTypes lets a config through', () => {
  const properties = optionalProperties();
  expect(properties.length).toBeGreaterThan(50);
  for (const name of [
    'maxTries?',
    'closesAt?',
    'retainMs?',
    'skipRowCheck?',
    'prepare?',
    'wholeBatch?',
    'keepAliveMs?',
  ])
    expect(
      properties.some((property) => property.name.includes(name)),
      name,
    ).toBe(true);
  expect(properties.filter(({ takesUndefined }) => !takesUndefined).map(({ name }) => name)).toEqual([]);
});
