import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { VERSION } from '../../src/model/version.js';
import { ROOT, read } from '../docs/markdown.js';

interface Field {
  readonly type: string;
  readonly id?: string;
  readonly attributes: { label?: string; value?: string; options?: string[] };
}

const manifest = JSON.parse(read('package.json'));
const forms = readdirSync(join(ROOT, '.github/ISSUE_TEMPLATE')).filter((name) => name !== 'config.yml');
const written = [
  'SECURITY.md',
  '.github/pull_request_template.md',
  '.github/workflows/ci.yml',
  ...readdirSync(join(ROOT, '.github/ISSUE_TEMPLATE')).map((name) => `.github/ISSUE_TEMPLATE/${name}`),
];

test('workers and the command tell the version of package.json', () => {
  expect(VERSION).toBe(manifest.version);
});

test('the index of decisions lists each decision once, by its number, and nothing else', () => {
  const entries = read('docs/decisions/README.md').matchAll(/\[(\d+)\]\(([^)]+)\)/g);
  const listed = [...entries].map(([, number, file]) => ({ number: Number(number), file: file! }));
  const files = readdirSync(join(ROOT, 'docs/decisions')).filter((name) => name !== 'README.md');
  expect(listed.sort((one, other) => one.number - other.number)).toEqual(
    files.sort().map((file) => ({ number: Number(file.slice(0, 4)), file })),
  );
});

test('each decision has a number of its own, and begins with it', () => {
  const files = readdirSync(join(ROOT, 'docs/decisions')).filter((name) => name !== 'README.md');
  expect(new Set(files.map((file) => file.slice(0, 4))).size).toBe(files.length);
  for (const file of files) {
    expect(read(`docs/decisions/${file}`)).toMatch(new RegExp(`^# ${Number(file.slice(0, 4))}\\. \\S`));
  }
});

test('the public workflow runs what .ci/run runs, on every Node from the oldest that the package takes', () => {
  const { jobs } = parse(read('.github/workflows/ci.yml'));
  const [job] = Object.values(jobs) as [
    { strategy: { matrix: { node: number[] } }; container: string; steps: { run?: string }[] },
  ];
  expect(job.strategy.matrix.node).toEqual([20, 22, 24]);
  expect(manifest.engines.node).toBe(`>=${job.strategy.matrix.node[0]}`);
  expect(job.container).toContain('matrix.node');
  expect(job.steps.flatMap(({ run }) => run ?? [])).toEqual(['.ci/run']);
  expect(statSync(join(ROOT, '.ci/run')).mode & 0o111).not.toBe(0);
});

test.each(forms)('the form %s has fields that GitHub takes, each with a label, none twice', (name) => {
  const form: { name: string; description: string; body: Field[] } = parse(read(`.github/ISSUE_TEMPLATE/${name}`));
  expect(form).toMatchObject({ name: expect.stringMatching(/\S/), description: expect.stringMatching(/\S/) });
  const fields = form.body.filter(({ type }) => type !== 'markdown');
  expect(fields.length).toBeGreaterThan(1);
  for (const { type, id, attributes } of fields) {
    expect(['input', 'textarea', 'dropdown', 'checkboxes']).toContain(type);
    expect(id).toMatch(/^[\w-]+$/);
    expect(attributes.label).toMatch(/\S/);
    if (type === 'dropdown') expect(new Set(attributes.options).size).toBeGreaterThan(1);
  }
  for (const names of [fields.map(({ id }) => id), fields.map(({ attributes }) => attributes.label)]) {
    expect(new Set(names).size).toBe(names.length);
  }
});

test.each(written)('%s links to no address that package.json does not know, and names files that exist', (path) => {
  const home: string | undefined = manifest.repository?.url?.replace(/^git\+|\.git$/g, '');
  for (const [url] of read(path).matchAll(/https?:\/\/[^\s)]+/g))
    expect(url.startsWith(home ?? 'no repository')).toBe(true);
  for (const [, file] of read(path).matchAll(/`((?:docs|test|src|lua)\/[\w./-]+)`/g)) {
    expect(existsSync(join(ROOT, file!)), `${path}: ${file}`).toBe(true);
  }
});
