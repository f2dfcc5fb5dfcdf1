// Runs the fault tests and the model, or the files that are named. With `--report` it also writes what they came to to docs/reliability.md; every other argument goes to vitest.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PAGE = join(ROOT, 'docs', 'reliability.md');

const args = process.argv.slice(2);
const wanted = args.filter((arg) => arg !== '--report');
const chosen = wanted.some((arg) => !arg.startsWith('-'));
if (chosen && args.includes('--report')) throw new Error('a report is of the whole run: name no files with --report');
const directory = mkdtempSync(join(tmpdir(), 'coupon-faults-'));
try {
  const [figuresFile, testsFile] = [join(directory, 'figures.jsonl'), join(directory, 'tests.json')];
  writeFileSync(figuresFile, '');
  const reporters = ['default', './scripts/count-reporter.js', 'json'].map((reporter) => `--reporter=${reporter}`);
  const folders = chosen ? [] : ['test/fault', 'test/model'];
  const { status } = spawnSync(
    'npx',
    ['vitest', 'run', ...folders, ...wanted, ...reporters, `--outputFile.json=${testsFile}`],
    { cwd: ROOT, stdio: 'inherit', env: { ...process.env, FAULT_FIGURES: figuresFile } },
  );
  process.exitCode = status ?? 1;
  if (args.includes('--report')) {
    const figures = readFileSync(figuresFile, 'utf8').split('\n').filter(Boolean).map(JSON.parse);
    writeFileSync(PAGE, page(figures, JSON.parse(readFileSync(testsFile, 'utf8'))));
    console.log(`written: ${relative(ROOT, PAGE)}`);
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}

function page(figures, { testResults, numPassedTests, numFailedTests }) {
  const full = process.env.SOAK === '1';
  const command = `${full ? 'SOAK=1 ' : ''}npm run test:fault -- --report`;
  const sum = (pick) => figures.reduce((total, one) => total + pick(one), 0);
  const files = testResults.map((file) => ({ ...file, name: relative(ROOT, file.name).replaceAll('\\', '/') }));
  return `# Reliability

The faults that the issuer was put through on real servers, and the results. This page is the output of \`${command}\`: ${numPassedTests} tests passed,
${numFailedTests} failed, ${grouped(sum((one) => one.requests))} requests under ${figures.length} kinds of faults, ${sum((one) => one.violations)} violations. Faults had ${full ? 'their full length' : 'about a tenth of their full length (`npm run test:soak` has it all)'};
Node ${process.versions.node} and all servers shared ${availableParallelism()} cores.

After each run, once the faults are healed and everything is settled, an audit compares Redis, the database and the answers to every caller: no unit
too many, no serial or code in two hands, nobody above their share, every \`issued\` and \`accepted\` there, no unit lost. A violation of any of these fails the test.

## Under load

Requests are calls of \`issue()\`. The outage is the longest time for which no caller of any process was served, faults of the server itself included; a dash
where that has no meaning.

| fault | injected | requests | violations | worst outage |
|---|---|--:|--:|--:|
${figures.sort(byName('fault')).map(row).join('\n')}

## Case by case

Each of these files plants its faults exactly, one case at a time: a kill or a stop at each arrow of the protocol, a reply lost at each call, a copy of a script that comes late. The
model explores every order in which they can come.

| tests | cases | seconds |
|---|--:|--:|
${files.sort(byName('name')).map(caseRow).join('\n')}

A run prints its seed; \`SEED=n\` before the command replays it.
`;
}

function row({ fault, injected, requests, violations, outageSeconds }) {
  const faults = Object.entries(injected).map(([name, count]) => `${grouped(count)} ${name}`);
  const outage = outageSeconds === null ? '–' : `${outageSeconds.toFixed(2)} s`;
  return `| ${capitalized(fault)} | ${faults.join(', ')} | ${grouped(requests)} | ${violations} | ${outage} |`;
}

function caseRow({ name, assertionResults, startTime, endTime }) {
  const passed = assertionResults.filter(({ status }) => status === 'passed').length;
  // A name, no link: the package has this page, and not the tests.
  return `| \`${name}\` | ${passed} | ${((endTime - startTime) / 1000).toFixed(0)} |`;
}

function byName(key) {
  return (a, b) => a[key].localeCompare(b[key], 'en', { sensitivity: 'base' });
}

function grouped(count) {
  return count.toLocaleString('en');
}

function capitalized(words) {
  return words[0].toUpperCase() + words.slice(1);
}
