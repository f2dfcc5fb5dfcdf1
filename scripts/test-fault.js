// Runs the fault tests and the model, or the files that are named. With `--report` it also writes what they came to: that of all of them to
// docs/reliability.md, and that of one file at full length (SOAK=1) to its part of docs/tables/soak.md. Every other argument goes to vitest.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PAGE = join(ROOT, 'docs', 'reliability.md');
const SOAK_PAGE = join(ROOT, 'docs', 'tables', 'soak.md');

const args = process.argv.slice(2);
const wanted = args.filter((arg) => arg !== '--report');
const full = process.env.SOAK === '1';
const named = wanted.filter((arg) => !arg.startsWith('-'));
const chosen = named.length > 0;
if (chosen && args.includes('--report') && (!full || named.length > 1)) {
  throw new Error('a report is of all files, or of one at full length: name none, or one with SOAK=1');
}
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
    const tests = JSON.parse(readFileSync(testsFile, 'utf8'));
    const written = chosen ? SOAK_PAGE : PAGE;
    writeFileSync(written, chosen ? soakPage(figures, tests) : page(figures, tests));
    console.log(`written: ${relative(ROOT, written)}`);
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}

function page(figures, { testResults, numPassedTests, numFailedTests }) {
  const command = `${full ? 'SOAK=1 ' : ''}npm run test:fault -- --report`;
  const violations = figures.reduce((total, one) => total + one.violations, 0);
  const files = testResults.map((file) => ({ ...file, name: relative(ROOT, file.name).replaceAll('\\', '/') }));
  return `# Reliability

The faults that the issuer was put through on real servers, and the results. This page is the output of \`${command}\`: ${numPassedTests} tests passed,
${numFailedTests} failed, ${grouped(requestsOf(figures))} requests under ${figures.length} kinds of faults, ${violations} violations. Faults had ${full ? 'their full length' : 'about a tenth of their full length ([some at full length](tables/soak.md))'};
Node ${process.versions.node} and all servers shared ${availableParallelism()} cores.

After each run, once the faults are healed and everything is settled, an audit compares Redis, the database and the answers to every caller: no unit
too many, no serial or code in two hands, nobody above their share, every \`issued\` and \`accepted\` there, no unit lost. A violation of any of these fails the test.

## Under load

Requests are calls of \`issue()\`. The outage is the longest time for which no caller of any process was served, faults of the server itself included; a dash
where that has no meaning.

${faultTable(figures)}

## Case by case

Each of these files plants its faults exactly, one case at a time: a kill or a stop at each arrow of the protocol, a reply lost at each call, a copy of a script that comes late. The
model explores every order in which they can come.

| tests | cases | seconds |
|---|--:|--:|
${files.sort(byName('name')).map(caseRow).join('\n')}

A run prints its seed; \`SEED=n\` before the command replays it.
`;
}

/** The faults at full length, of which all together would take many hours: a part for each file, from its last run. */
function soakPage(figures, { numPassedTests, numFailedTests, testResults }) {
  const [part, ...parts] = readFileSync(SOAK_PAGE, 'utf8').split(/^(?=## )/m);
  const minutes = testResults.reduce((sum, { startTime, endTime }) => sum + endTime - startTime, 0) / 60_000;
  const own = `## \`${named[0]}\`

\`npm run test:soak -- --report ${named[0]}\` on ${new Date().toISOString().slice(0, 10)}: ${numPassedTests} tests passed, ${numFailedTests} failed, ${grouped(requestsOf(figures))} requests in
${minutes.toFixed(1)} minutes; Node ${process.versions.node} and all servers shared ${availableParallelism()} cores.

${faultTable(figures)}

`;
  const others = parts.filter((one) => !one.startsWith(`## \`${named[0]}\``));
  return [part, ...[...others, own].sort()].map((one) => `${one.trimEnd()}\n`).join('\n');
}

function faultTable(figures) {
  return `| fault | injected | requests | violations | worst outage |
|---|---|--:|--:|--:|
${figures.sort(byName('fault')).map(row).join('\n')}`;
}

function requestsOf(figures) {
  return figures.reduce((total, { requests }) => total + requests, 0);
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
