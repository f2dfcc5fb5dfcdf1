import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT, read } from './markdown.js';

const scripts: Record<string, string> = JSON.parse(read('package.json')).scripts;
const COPIED = [
  'bench',
  'examples',
  'lua',
  'page',
  'scripts',
  'site',
  'src',
  'test',
  '.cspell',
  '.github',
  'cspell.config.mjs',
  'knip.json',
];
const CONFIGURATION = [
  'package.json',
  'tsconfig.json',
  'tsup.config.ts',
  'vitest.config.ts',
  'typedoc.json',
  'biome.json',
];

let copy: string;
beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'coupon-checks-'));
  const filter = (path: string) => !/node_modules|\/dist$|site\/pages$/.test(path);
  for (const path of [...COPIED, ...CONFIGURATION])
    cpSync(join(ROOT, path), join(copy, path), { recursive: true, filter });
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
});
afterAll(() => rmSync(copy, { recursive: true, force: true }));

/** The findings of a check on the copy, line by line. */
async function findings(script: string): Promise<string> {
  // The cache of the repository is not for a copy.
  const [tool, ...args] = scripts[script]!.split(' ').filter((word) => !/cache/.test(word));
  try {
    await promisify(execFile)(join(ROOT, 'node_modules/.bin', tool!), args, { cwd: copy });
    return '';
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}

test('npm test runs the checks of words and of unused code', () => {
  for (const script of ['words', 'unused']) expect(scripts.test).toContain(`npm run --silent ${script} && `);
});

test('a misspelled word in a page, a comment or a script is found, and nothing else', {
  timeout: 180_000,
}, async () => {
  const wrong = 'receive'.replace('ei', 'ie');
  writeFileSync(join(copy, 'src/model/planted.ts'), `// To ${wrong} a coupon.\n`);
  writeFileSync(join(copy, 'lua/planted.lua'), `-- To ${wrong} a coupon.\n`);
  writeFileSync(join(copy, 'PLANTED.md'), `To ${wrong} a coupon.\n`);
  const found = (await findings('words')).trim().split('\n');
  expect(found.map((line) => line.split(':')[0]).sort()).toEqual([
    'PLANTED.md',
    'lua/planted.lua',
    'src/model/planted.ts',
  ]);
  for (const line of found) expect(line).toContain(`Unknown word (${wrong})`);
  for (const path of ['src/model/planted.ts', 'lua/planted.lua', 'PLANTED.md']) rmSync(join(copy, path));
});

test('a file, an export and a package that nobody uses are found, and nothing else', { timeout: 180_000 }, async () => {
  writeFileSync(join(copy, 'src/model/planted.ts'), 'export const planted = 1;\n');
  writeFileSync(join(copy, 'src/model/codes.ts'), `${read('src/model/codes.ts')}\nexport const nobody = 1;\n`);
  const manifest = JSON.parse(read('package.json'));
  manifest.devDependencies['left-over'] = '1.0.0';
  writeFileSync(join(copy, 'package.json'), JSON.stringify(manifest));
  const found = await findings('unused');
  expect(found).toMatch(/^Unused files \(1\)\nsrc\/model\/planted\.ts/m);
  expect(found).toMatch(/^Unused devDependencies \(1\)\nleft-over/m);
  expect(found).toMatch(/^Unused exports \(1\)\nnobody/m);
  expect(found.match(/^Un\w+ /gm)).toHaveLength(3);
});
