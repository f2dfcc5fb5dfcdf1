// Plants defects in a copy of the sources, one at a time, and runs the tests that have to fail of each. `npm run test:mutants` plants them all;
// `npm run test:mutants -- rebuild` those that have this word in their defect or file. Two lanes run at once: each is a process with a copy, a Vitest
// and a PostgreSQL of its own, and plants every second defect.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createVitest } from 'vitest/node';
import { MUTANTS } from '../test/mutants/mutants.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const COPIED = ['bench', 'lua', 'page', 'scripts', 'src', 'test', 'package.json', 'tsconfig.json', 'vitest.config.ts'];
/** A test that hangs proves nothing, and is not waited for. On a busy machine one that passes may take as long as this. */
const TIMEOUT_MS = 30_000;
const WRONG_ANSWERS = ['NOT_ISSUED', 'NOT_READY', 'CAMPAIGN_CONFLICT', 'UNKNOWN_CAMPAIGN'];

const LANES = 2;

const [word = '', lane] = process.argv.slice(2);
const wanted = MUTANTS.filter(({ defect, file }) => `${defect} ${file}`.includes(word));
const mutants = wanted.filter((_, i) => i % LANES === Number(lane));
const startedAt = performance.now();
if (lane === undefined) {
  const ends = await Promise.all(wanted.slice(0, LANES).map((_, i) => inLane(i)));
  const survivors = ends.flatMap((one) => one.survivors);
  const failures = ends.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
  // Again, and last: what went before fills thousands of lines.
  for (const line of [...survivors, ...failures]) console.log(line);
  const hasRun = ends.length > 0 && failures.length === 0;
  const result = hasRun
    ? `${wanted.length - survivors.length} caught, ${survivors.length} survived`
    : 'not every defect was planted';
  console.log(`${result} in ${seconds(startedAt)}`);
  process.exitCode = hasRun && survivors.length === 0 ? 0 : 1;
} else {
  const copy = copyOfSources();
  try {
    process.send({ survivors: await survivorsIn(copy) });
  } catch (error) {
    const failure = `lane ${lane}: ${error.stack}`;
    console.log(failure);
    process.send({ survivors: [], failure });
  } finally {
    rmSync(copy, { recursive: true, force: true });
    process.disconnect();
    // Vitest sets another one where a test fails, as tests have to here.
    process.exitCode = 0;
  }
}

/** What a lane came to: its defects that survived, and why it did not plant them all. */
async function inLane(number) {
  const child = fork(fileURLToPath(import.meta.url), [word, String(number)]);
  let end = null;
  child.on('message', (message) => {
    end = message;
  });
  const [code, signal] = await once(child, 'close');
  return code === 0 && end ? end : { survivors: [], failure: `lane ${number} ended with ${signal ?? code}` };
}

async function survivorsIn(copy) {
  const stale = wanted.filter((mutant) => editOf(copy, mutant) === null);
  if (stale.length > 0) throw new Error(stale.map(({ defect }) => `mutant no longer applies: ${defect}`).join('\n'));
  const vitest = await startVitest(copy);
  try {
    await assertPassing(vitest);
    console.log(`${mutants.length} defects to plant; without any of them every test passes (${seconds(startedAt)})`);
    const survivors = [];
    for (const mutant of mutants) {
      const { caught, verdict } = await tried(vitest, mutant);
      // In one piece, between those of the other lane.
      console.log(verdict);
      if (!caught) survivors.push(verdict);
    }
    return survivors;
  } finally {
    await vitest.close();
  }
}

function copyOfSources() {
  const directory = mkdtempSync(join(tmpdir(), 'coupon-mutants-'));
  // The benchmark has packages of its own, which no test needs.
  const filter = (path) => !path.endsWith('node_modules');
  for (const name of COPIED) cpSync(join(ROOT, name), join(directory, name), { recursive: true, filter });
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  return directory;
}

/** What the file of a mutant holds before and after the defect; `null` where its place is not there, or not the only one. */
function editOf(copy, { file, find, replace }) {
  const path = join(copy, file);
  const before = readFileSync(path, 'utf8');
  return before.split(find).length === 2 ? { path, before, after: before.replace(find, () => replace) } : null;
}

async function startVitest(copy) {
  // Two lanes with a worker each are as many as a run of the tests has.
  const options = { root: copy, watch: false, reporters: [{}], testTimeout: TIMEOUT_MS, maxWorkers: 1 };
  const vitest = await createVitest('test', options, { cacheDir: join(copy, '.vite') });
  await vitest.standalone();
  return vitest;
}

/** Every test that has to catch a mutant exists and passes while there is none. */
async function assertPassing(vitest) {
  const namesOf = new Map();
  for (const { caughtBy } of mutants) {
    namesOf.set(caughtBy.file, [...(namesOf.get(caughtBy.file) ?? []), caughtBy.test]);
  }
  const { tests, faults } = await run(vitest, [...namesOf]);
  const failed = tests.filter(({ passed }) => !passed).map(({ name, errors }) => `${name}: ${errors[0]?.message}`);
  if (faults.length + failed.length > 0) throw new Error(`without a mutant: ${[...faults, ...failed].join('\n')}`);
  for (const [file, names] of namesOf) {
    const missing = names.filter((name) => !tests.some((test) => test.file === file && test.name.includes(name)));
    if (missing.length > 0) throw new Error(`${file} has no test named: ${missing.join('; ')}`);
  }
}

/** Caught is a mutant of which a test fails because something was found wrong, not because nothing runs any more. */
async function tried(vitest, mutant) {
  const { defect, file, caughtBy } = mutant;
  const { path, before, after } = editOf(vitest.config.root, mutant);
  const plantedAt = performance.now();
  write(vitest, path, after);
  const { tests, faults } = await run(vitest, [[caughtBy.file, [caughtBy.test]]]);
  write(vitest, path, before);
  const failed = tests.filter(({ passed }) => !passed);
  const by = failed.find(({ errors }) => errors.some(isFinding));
  const otherwise = [...faults, ...failed.flatMap(({ errors }) => errors.map(({ message }) => message))];
  const proof = by?.name ?? otherwise[0] ?? 'every test passes';
  const verdict = `${by ? 'caught  ' : 'SURVIVED'}  ${defect} (${file}), ${seconds(plantedAt)}\n          ${caughtBy.file}: ${proof}`;
  return { caught: by !== undefined, verdict };
}

function write(vitest, path, text) {
  writeFileSync(path, text);
  // What a script includes is a part of it.
  const lua = join(vitest.config.root, 'lua');
  const scripts = readdirSync(lua, { recursive: true }).map((name) => join(lua, name));
  for (const changed of [path, ...scripts]) vitest.invalidateFile(changed);
}

/** An assertion, or an answer that is wrong. An error of Redis is neither: a script that does not even compile brings one. */
function isFinding({ name, code, cause }) {
  return name === 'AssertionError' || WRONG_ANSWERS.includes(code) || (cause instanceof Object && isFinding(cause));
}

/** Runs the tests whose full names contain one of those given, file by file. */
async function run(vitest, namesOf) {
  const specifications = namesOf.map(([file, names]) => {
    const testNamePattern = new RegExp(names.map(literal).join('|'));
    return vitest.getRootProject().createSpecification(join(vitest.config.root, file), { testNamePattern });
  });
  const { testModules: everyRun, unhandledErrors } = await vitest.runTestSpecifications(specifications);
  const testModules = everyRun.filter(({ moduleId }) => specifications.some((one) => one.moduleId === moduleId));
  const tests = testModules.flatMap((module) =>
    [...module.children.allTests()].map((test) => ({
      file: module.relativeModuleId,
      name: test.fullName.replaceAll(' > ', ' '),
      state: test.result().state,
      passed: test.result().state === 'passed',
      errors: test.result().errors ?? [],
    })),
  );
  const faults = [...unhandledErrors, ...testModules.flatMap((module) => module.errors())];
  return { tests: tests.filter(({ state }) => state !== 'skipped'), faults: faults.map(({ message }) => message) };
}

function literal(text) {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

function seconds(since) {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}
