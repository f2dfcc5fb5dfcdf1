// Runs tests on other servers and runtimes than the usual ones, and writes the results to docs/tables/servers.md. `npm run test:matrix -- valkey mysql`
// runs the cells with one of these words and leaves the other rows as they are; `--short` runs three cells for CI and writes nothing.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CELLS } from './matrix-cells.js';
import { unpackServer } from './unpack-server.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const CACHE = join(ROOT, 'node_modules/.cache/servers');
const PAGE = join(ROOT, 'docs/tables/servers.md');
/** Servers that stand for each other: in a cell of one of them no other may have run. */
const FAMILIES = [
  ['Redis', 'Valkey'],
  ['PostgreSQL'],
  ['PgBouncer'],
  ['MariaDB', 'MySQL'],
  ['Node'],
  ['Bun'],
  ['Deno'],
];

const words = process.argv.slice(2).filter((word) => !word.startsWith('-'));
const isShort = process.argv.includes('--short');
const isChosen = ({ name, short }) =>
  isShort ? short : words.length === 0 || words.some((word) => name.toLowerCase().includes(word.toLowerCase()));
const total = { passed: 0, failed: 0 };
for (const cell of CELLS.filter(isChosen)) {
  const row = runCell(cell);
  total.passed += row.passed;
  total.failed += row.failed;
  console.log(`${cell.name}: ${row.result} in ${row.seconds} s on ${row.ran}`);
  if (!isShort) writePage(readRows().set(cell.name, row));
}
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;

/** Runs the tests of a cell with its program. What could not be had is no failure. */
function runCell(cell) {
  const on = new Date().toISOString().slice(0, 10);
  let program;
  try {
    program = obtain(cell);
  } catch (error) {
    // A short run is there to run all its cells.
    const failed = isShort ? 1 : 0;
    return { ran: '–', passed: 0, failed, result: `not tested: ${withoutAddress(error.message)}`, seconds: 0, on };
  }
  const dir = mkdtempSync(join(tmpdir(), 'coupon-matrix-'));
  const startedAt = performance.now();
  try {
    const { seen, passed, failed } = runTests(cell, program, dir);
    const wrong = strangers(cell, seen);
    if (wrong) console.log(`${cell.name}: ${wrong}`);
    const faults = failed + (wrong ? 1 : 0);
    const result = faults > 0 ? `${faults} failed` : `${passed} passed`;
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    return { ran: seen.join(', '), passed, failed: faults, result, seconds, on };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The reason of a failed download, without the address of this machine's archive. */
function withoutAddress(message) {
  return message.replace(/\w+:\/\/\S+/g, '…').replaceAll('|', ' ');
}

/** The path of the program of a cell, or `null` for the usual one. */
function obtain({ name, debian, npm }) {
  const into = join(CACHE, name.toLowerCase().replaceAll(' ', '-'));
  mkdirSync(CACHE, { recursive: true });
  if (debian) return unpackServer({ into, ...debian });
  if (!npm) return null;
  const program = join(into, 'node_modules', '.bin', npm.name);
  if (!existsSync(program)) {
    const quiet = ['--no-save', '--no-audit', '--no-fund', '--loglevel=error'];
    execFileSync('npm', ['install', ...quiet, '--prefix', into, `${npm.name}@${npm.version}`], { stdio: 'ignore' });
  }
  return program;
}

function runTests({ variable, files, only }, program, dir) {
  const [seenFile, resultFile] = [join(dir, 'seen'), join(dir, 'result.json')];
  writeFileSync(seenFile, '');
  const env = { ...process.env, SERVERS_SEEN: seenFile };
  if (program) env[variable] = variable === 'PATH' ? `${dirname(program)}${delimiter}${process.env.PATH}` : program;
  const node = program && variable === 'PATH' ? program : process.execPath;
  const reporters = ['--reporter=dot', '--reporter=json', `--outputFile.json=${resultFile}`];
  const chosen = only ? [...files, '-t', only] : files;
  const args = [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', '--maxWorkers=1', ...reporters, ...chosen];
  spawnSync(node, args, { cwd: ROOT, env, stdio: ['ignore', 'inherit', 'inherit'] });
  const seen = [...new Set(readFileSync(seenFile, 'utf8').split('\n').filter(Boolean))].sort();
  if (!existsSync(resultFile)) return { seen, passed: 0, failed: 1 };
  const { numPassedTests, numFailedTests, numFailedTestSuites, success } = JSON.parse(readFileSync(resultFile, 'utf8'));
  const failed = success ? 0 : Math.max(1, numFailedTests || numFailedTestSuites);
  return { seen, passed: numPassedTests, failed };
}

/** Says so if something else ran than the cell is about. */
function strangers({ name, ran = name }, seen) {
  const family = FAMILIES.find((names) => names.some((one) => ran.startsWith(one)));
  const relatives = seen.filter((one) => family.includes(one.split(' ')[0]));
  if (relatives.length > 0 && relatives.every((one) => one.startsWith(ran))) return null;
  return `the tests ran on ${relatives.join(', ') || 'nothing of its kind'}`;
}

/** The rows of earlier runs, by name. */
function readRows() {
  if (!existsSync(PAGE)) return new Map();
  const lines = readFileSync(PAGE, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| '));
  const cells = lines.slice(1).map((line) => line.slice(2, -2).split(' | '));
  return new Map(cells.map(([name, ran, result, seconds, on]) => [name, { ran, result, seconds, on }]));
}

function writePage(rows) {
  const known = CELLS.filter(({ name }) => rows.has(name));
  const lines = known.map(({ name }) => {
    const { ran, result, seconds, on } = rows.get(name);
    return `| ${[name, ran, result, seconds, on].join(' | ')} |`;
  });
  mkdirSync(dirname(PAGE), { recursive: true });
  writeFileSync(
    PAGE,
    `# Servers and runtimes

\`npm run test:matrix\` writes this page. Each row is one run of tests, with the versions that really ran: a server names
itself in its log. The servers are packages of Debian, and the runtimes are packages of npm. "not tested" has the reason.
\`scripts/matrix-cells.js\` lists the test files of each row.

- **Redis and Valkey**: all scripts, races, issuing, rebuilding, and the line of a waiting room. Short faults: kills
  beside an append-only file, and a cluster whose masters fail.
- **PostgreSQL, MariaDB and MySQL**: the contract kit, and the adapter with its errors and tables. Short faults: saves
  of an unknown outcome in PostgreSQL, and secrets in the errors of the MySQL family.
- **PgBouncer**, in transaction mode: the contract kit and redeeming. Version 1.18 runs without prepared statements, which
  it does not follow.
- **Node**: the contract kit, fences of scripts, races, issuing, HTTP, the packed library, and a process killed at each step.
- **Bun and Deno**: one test, in which the packed library issues, refuses and redeems on Redis and PostgreSQL.
- **TLS and rights**: issuing and redeeming over TLS, a master that is killed behind Sentinel, and all that a Redis user with
  the rights of [the guide](../operating.md#a-redis-user-of-its-own) may do.

| subject | ran on | result | seconds | date |
|---|---|---|--:|---|
${lines.join('\n')}
`,
  );
}
