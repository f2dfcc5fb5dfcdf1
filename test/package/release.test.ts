import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import manifest from '../../package.json' with { type: 'json' };
import { ROOT } from './installed.js';

const [major, minor] = manifest.version.split('.').map(Number);
const NEXT = `${major}.${minor! + 1}.0`;
const COPIED = ['.changeset', 'CHANGELOG.md', 'package.json', 'package-lock.json'];
const SCRIPTS = ['scripts/write-version.js', 'scripts/check-release.js', 'src/model/version.ts'];

let copy: string;
beforeEach(() => {
  copy = mkdtempSync(join(tmpdir(), 'coupon-release-'));
  for (const path of [...COPIED, ...SCRIPTS]) cpSync(join(ROOT, path), join(copy, path), { recursive: true });
  // Changes that wait in the repository are not the subject here.
  for (const name of readdirSync(join(copy, '.changeset'))) {
    if (name.endsWith('.md') && name !== 'README.md') rmSync(join(copy, '.changeset', name));
  }
});
afterEach(() => rmSync(copy, { recursive: true, force: true }));

const read = (path: string) => readFileSync(join(copy, path), 'utf8');
const write = (path: string, text: string) => writeFileSync(join(copy, path), text);
const edit = (path: string, change: (text: string) => string) => write(path, change(read(path)));

/** Runs in the copy and answers what it wrote to stderr, line by line; an empty list if it ends with 0. */
async function faultsOf(command: string, ...args: string[]): Promise<string[]> {
  const PATH = `${join(ROOT, 'node_modules/.bin')}${delimiter}${process.env.PATH}`;
  try {
    await promisify(execFile)(command, args, { cwd: copy, env: { ...process.env, PATH } });
    return [];
  } catch (error) {
    return (error as { stderr: string }).stderr.trim().split('\n');
  }
}

/** A change that waits, as `npx changeset` writes it. */
const waiting = (sentence: string) => `---\n'${manifest.name}': minor\n---\n\n${sentence}\n`;

test('`npm run bump` turns the changes that wait into a section above the last one, and raises every version', async () => {
  const before = read('CHANGELOG.md');
  write('.changeset/one.md', waiting('Coupons sing.\nThey do so at night.'));
  await promisify(execFile)('git', ['init', '--quiet'], { cwd: copy });
  expect(await faultsOf('sh', '-c', manifest.scripts.bump)).toEqual([]);
  const section = `\n## ${NEXT}\n### Minor Changes\n\n- Coupons sing.\n  They do so at night.\n`;
  expect(read('CHANGELOG.md')).toBe(before.replace('\n', `\n${section}`));
  expect(JSON.parse(read('package.json'))).toEqual({ ...manifest, version: NEXT });
  const lock = JSON.parse(read('package-lock.json'));
  expect([lock.version, lock.packages[''].version]).toEqual([NEXT, NEXT]);
  expect(read('src/model/version.ts')).toContain(`VERSION = '${NEXT}';`);
  expect(readdirSync(join(copy, '.changeset'))).not.toContain('one.md');
});

describe('a release', () => {
  const check = (tag = `v${manifest.version}`) => faultsOf(process.execPath, 'scripts/check-release.js', tag);
  beforeEach(() => {
    const repository = { type: 'git', url: 'git+https://example.org/coupons.git' };
    write('package.json', JSON.stringify({ ...manifest, repository }));
    edit('CHANGELOG.md', (text) => text.replace(/^(## \S+) \(unreleased\)$/m, '$1'));
  });

  test('goes ahead where tag, version and changelog agree', async () => {
    expect(await check()).toEqual([]);
  });

  test('is refused for a tag of another version', async () => {
    expect(await check('v9.9.9')).toEqual([`the tag is v9.9.9, and package.json says ${manifest.version}`]);
  });

  test('is refused while changes wait for a version', async () => {
    write('.changeset/one.md', waiting('Coupons sing.'));
    expect(await check()).toEqual(['changes wait for a version: one.md; run `npm run bump`']);
  });

  test('is refused while the changelog calls it unreleased, or does not have it', async () => {
    const heading = `## ${manifest.version}`;
    edit('CHANGELOG.md', (text) => text.replace(/^## .*$/m, `${heading} (unreleased)`));
    expect(await check()).toEqual([`CHANGELOG.md calls ${manifest.version} unreleased`]);
    edit('CHANGELOG.md', (text) => text.replace(/^## .*$/m, '## 0.0.1'));
    expect(await check()).toEqual([`CHANGELOG.md begins with "## 0.0.1", not with ${manifest.version}`]);
  });

  test('is refused without a repository, whose name is part of its provenance', async () => {
    write('package.json', JSON.stringify({ ...manifest, repository: undefined }));
    expect(await check()).toEqual([expect.stringContaining('names no repository')]);
  });
});

interface Job {
  readonly permissions?: Record<string, string>;
  readonly needs?: string;
  readonly steps: readonly { uses?: string; run?: string }[];
}

describe('the workflow of a release', () => {
  const workflow = (name: string) => readFileSync(join(ROOT, '.github/workflows', name), 'utf8');
  const release = parse(workflow('release.yml')) as { permissions: object; jobs: Record<'pack' | 'publish', Job> };
  const { pack, publish } = release.jobs;
  const runs = ({ steps }: Job) => steps.flatMap(({ run }) => run ?? []);

  test('gives each job no right but the one that it needs, and no secret', () => {
    expect(release.permissions).toEqual({});
    expect(pack.permissions).toEqual({ contents: 'read' });
    expect(publish.permissions).toEqual({ 'id-token': 'write' });
    expect(workflow('release.yml')).not.toMatch(/secrets\.|NODE_AUTH_TOKEN/);
  });

  test('checks the tag, runs what CI runs, and packs', () => {
    const [check, ci] = runs(pack);
    expect(check).toContain('scripts/check-release.js "$GITHUB_REF_NAME"');
    expect(ci).toBe('.ci/run');
    expect(runs(pack).at(-1)).toBe('npm pack');
  });

  test('publishes the file that was packed, with provenance, beside no code of the repository', () => {
    expect(publish.needs).toBe('pack');
    expect(publish.steps.flatMap(({ uses }) => uses?.split('@')[0] ?? [])).toEqual(['actions/download-artifact']);
    const [command, ...rest] = runs(publish);
    expect(command).toMatch(/^npm publish --provenance .*--ignore-scripts \.\/coupon-issuer-\*\.tgz$/);
    expect(rest).toEqual([]);
  });

  test.each(readdirSync(join(ROOT, '.github/workflows')))(
    '%s takes each action by a commit, whose version it names',
    (name) => {
      const uses = workflow(name).match(/uses: .*/g)!;
      for (const line of uses) expect(line).toMatch(/^uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
    },
  );
});
