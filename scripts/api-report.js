// `npm run api` writes etc/api.md: every name that the package exports, with its type, as the built declarations say it.
// A test compares that file with the build, so a change of the public face is a change of a file that somebody reviews.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { entriesOf, ROOT } from './entries.js';

export const REPORT = join(ROOT, 'etc/api.md');

const HEAD = `# The exported API

Every name that the package exports, with its type. \`npm run api\` writes this file from the build, and a test compares the
two. A line that changes here is a change for users: it belongs in CHANGELOG.md, and a line that goes is a break.
`;

const byName = (a, b) => (a.name < b.name ? -1 : 1);

const readers = new Map();

/** One reader for each extension: its program takes a second. */
function readerOf(extension) {
  if (!readers.has(extension)) readers.set(extension, makeReader(entriesOf(extension)));
  return readers.get(extension);
}

/** Looks names up in the declarations alone: what Node and the peers declare is none of ours. */
function makeReader(entries) {
  const options = { noLib: true, types: [], module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2022 };
  const files = entries.map(({ file }) => file);
  const program = ts.createProgram(files, options);
  const checker = program.getTypeChecker();
  const targetOf = (symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol);
  return {
    exportsOf(file) {
      const source = program.getSourceFile(file);
      if (!source) throw new Error(`${file} is missing: npm run build`);
      const module = checker.getSymbolAtLocation(source);
      const values = new Set(
        checker
          .getTypeOfSymbolAtLocation(module, source)
          .getProperties()
          .map(({ name }) => name),
      );
      const toExport = ({ name }, target) => ({ name, target, isValue: values.has(name) });
      return checker
        .getExportsOfModule(module)
        .map((symbol) => toExport(symbol, targetOf(symbol)))
        .sort(byName);
    },
    /** The top-level declarations of the package that a declaration names. */
    namedBy(declaration) {
      const found = new Set();
      const visit = (node) => {
        const symbol = ts.isIdentifier(node) ? checker.getSymbolAtLocation(node) : undefined;
        const target = symbol && targetOf(symbol);
        const place = target?.declarations?.[0];
        if (place?.getSourceFile().fileName.startsWith(join(ROOT, 'dist/')) && isTopLevel(place)) found.add(target);
        ts.forEachChild(node, visit);
      };
      visit(declaration);
      return found;
    },
  };
}

const statementOf = (declaration) => (ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration);
const isTopLevel = (declaration) => ts.isSourceFile(statementOf(declaration).parent);

const printer = ts.createPrinter({ removeComments: true });

function textOf({ declarations }) {
  const texts = declarations.map((declaration) => {
    const node = statementOf(declaration);
    const text = printer.printNode(ts.EmitHint.Unspecified, node, node.getSourceFile());
    return text.replace(/^(?:export )?(?:declare )?/, '').replaceAll('    ', '  ');
  });
  return texts.join('\n');
}

const sectionOf = (title, blocks) =>
  `\n## ${title}\n\n\`\`\`ts\n${blocks.join('\n\n').replace(/^(\/\/ .*)\n\n(?=\/\/ )/gm, '$1\n')}\n\`\`\`\n`;

/** The report, as text. `extension` is `.d.ts` for the declarations of ES modules, `.d.cts` for those of CommonJS. */
export function apiReport(extension = '.d.ts') {
  const entries = entriesOf(extension);
  const reader = readerOf(extension);
  const first = new Map();
  const sections = entries.map(({ entry, file }) => {
    const blocks = reader.exportsOf(file).map(({ name, target, isValue }) => {
      if (first.has(target)) return `// ${name}: as in ${first.get(target)}`;
      first.set(target, entry);
      const isTypeOfClass = !isValue && target.flags & ts.SymbolFlags.Class;
      return `${isTypeOfClass ? '// A type alone: it cannot be made.\n' : ''}${textOf(target)}`;
    });
    return sectionOf(entry, blocks);
  });
  // A set grows while it is walked: a type that is not exported may name another one.
  const told = new Set(first.keys());
  for (const { declarations } of told)
    for (const one of declarations) for (const name of reader.namedBy(one)) told.add(name);
  const inner = [...told].filter((symbol) => !first.has(symbol)).sort(byName);
  if (inner.length > 0) sections.push(sectionOf('Named above, and exported by no entry', inner.map(textOf)));
  return HEAD + sections.join('');
}

/** The names of each entry that the declarations promise at run time. */
export function declaredValues(extension) {
  const entries = entriesOf(extension);
  const reader = readerOf(extension);
  const valuesOf = (file) => reader.exportsOf(file).filter(({ isValue }) => isValue);
  return Object.fromEntries(entries.map(({ entry, file }) => [entry, valuesOf(file).map(({ name }) => name)]));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(REPORT, apiReport());
