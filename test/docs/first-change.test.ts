import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { blocksOf, ROOT } from './markdown.js';

/** The blocks of "A first change" in CONTRIBUTING, in order. */
const blocks = blocksOf('CONTRIBUTING.md').slice(1);
const commands = blocks.filter(({ language }) => language === 'sh').map(({ text }) => text.trim());

const changed = ['test/unit/codes.test.ts', 'src/model/codes.ts', 'src/index.ts'];

let copy: string;
beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'coupon-first-change-'));
  const copied = ['src', 'lua', 'scripts', 'test/unit/codes.test.ts', 'package.json', 'biome.json', 'tsconfig.json'];
  for (const path of copied) cpSync(join(ROOT, path), join(copy, path), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  // As the real one, without the servers that this file needs none of.
  const config =
    "import { luaVitePlugin } from './scripts/lua-bundle.js';\nexport default { plugins: [luaVitePlugin()] };\n";
  writeFileSync(join(copy, 'vitest.config.js'), config);
});
afterAll(() => rmSync(copy, { recursive: true, force: true }));

function edit(path: string, change: (text: string) => string): void {
  const before = readFileSync(join(copy, path), 'utf8');
  const after = change(before);
  expect(after, `a step of CONTRIBUTING.md has no place in ${path} any more`).not.toBe(before);
  writeFileSync(join(copy, path), after);
}

/** Adds each block that names a file to the end of that file. */
function append(file: string): void {
  const { text } = blocks.find(({ text }) => text.startsWith(`// ${file}\n`))!;
  edit(file, (before) => `${before}\n${text.slice(text.indexOf('\n') + 1)}`);
}

/** Replaces the lines with a minus by those with a plus, file by file. */
function applyDiff(): void {
  const { text } = blocks.find(({ language }) => language === 'diff')!;
  for (const part of text.split(/^--- /m).slice(1)) {
    const [file, ...lines] = part.trimEnd().split('\n');
    const linesWith = (sign: string) => lines.filter((line) => line.startsWith(sign)).map((line) => line.slice(1));
    edit(file!, (before) => before.replace(linesWith('-').join('\n'), () => linesWith('+').join('\n')));
  }
}

async function run(tool: string, ...args: string[]): Promise<{ passes: boolean; output: string }> {
  try {
    const { stdout } = await promisify(execFile)(join(ROOT, 'node_modules/.bin', tool), args, { cwd: copy });
    return { passes: true, output: stdout };
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    return { passes: false, output: `${stdout}${stderr}` };
  }
}

test('the first change of CONTRIBUTING fails, passes and catches its planted defect as it says', {
  timeout: 180_000,
}, async () => {
  const [, command, ...args] = commands[0]!.split(' ');
  const runTests = () => run(command!, ...args);
  append('test/unit/codes.test.ts');
  const without = await runTests();
  expect(without.output).toContain('groupCode is not a function');
  expect(without.passes).toBe(false);

  append('src/model/codes.ts');
  applyDiff();
  expect(await runTests()).toEqual({ passes: true, output: expect.any(String) });
  expect(await run('biome', 'check', ...changed)).toEqual({ passes: true, output: expect.any(String) });
  expect(await run('tsc', '--noEmit')).toEqual({ passes: true, output: expect.any(String) });

  const { text } = blocks.find(({ language }) => language === 'js')!;
  const mutant = runInNewContext(`(${text})`);
  expect(`${mutant.defect} ${mutant.file}`).toContain(commands[2]!.split(' ').at(-1));
  edit(mutant.file, (before) => before.replace(mutant.find, mutant.replace));
  const defective = await runTests();
  expect(defective.output).toContain(mutant.caughtBy.test);
  expect(defective.output).toContain('AssertionError');
  expect(defective.passes).toBe(false);
});

test('its commit has a subject of at most 72 characters, and a body', () => {
  const [subject, body] = [...commands.at(-1)!.matchAll(/"([^"]+)"/g)].map(([, words]) => words!);
  expect(subject!.length).toBeLessThanOrEqual(72);
  expect(body).toMatch(/\.$/);
});
