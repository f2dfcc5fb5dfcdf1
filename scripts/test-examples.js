// Installs and tests each example that has tests of its own, one after the other, as its README tells, and each release of a framework that the root
// does not install. `npm run test:examples` builds first; `npm run test:examples -- nest` takes the folders with this word in their name.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PLACES = ['examples', 'test/frameworks'];
/** As Node's test runner closes, whichever reporter it chose. */
const COUNT = /^[#ℹ] (pass|fail|skipped) (\d+)$/gm;
/** What an example has to say of its run. */
const NOTE = /^(?:# )?(note: .*)$/gm;

const total = { pass: 0, fail: 0, skipped: 0 };
const [word = ''] = process.argv.slice(2);
const all = PLACES.flatMap((place) => readdirSync(join(ROOT, place)).map((name) => join(place, name)));
for (const name of all.filter((path) => path.includes(word) && hasTests(path))) {
  const dir = join(ROOT, name);
  const install = run('npm', ['ci', '--no-audit', '--no-fund'], dir);
  const tests = install.ok ? run('npm', ['test'], dir) : install;
  const counts = { pass: 0, fail: 0, skipped: 0 };
  for (const [, word, count] of tests.output.matchAll(COUNT)) counts[word] += Number(count);
  // Tests that end badly without a failure to count, or none at all, are one.
  if ((!tests.ok || counts.pass === 0) && counts.fail === 0) counts.fail = 1;
  for (const word of Object.keys(total)) total[word] += counts[word];
  console.log(`${name}: ${inWords(counts)} in ${seconds(tests)}, installed in ${seconds(install)}`);
  for (const [, note] of tests.output.matchAll(NOTE)) console.log(`  ${note}`);
  if (counts.fail > 0) console.log(tests.output);
}
console.log(`examples: ${inWords(total)}`);
process.exitCode = total.fail > 0 || total.pass === 0 ? 1 : 0;

function hasTests(name) {
  const path = join(ROOT, name, 'package.json');
  return existsSync(path) && JSON.parse(readFileSync(path, 'utf8')).scripts?.test !== undefined;
}

function run(command, args, cwd) {
  const startedAt = performance.now();
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', maxBuffer: 2 ** 26 });
  return { ok: status === 0, output: `${stdout}${stderr}`, ms: performance.now() - startedAt };
}

function inWords({ pass, fail, skipped }) {
  return `${pass} passed, ${fail} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

function seconds({ ms }) {
  return `${(ms / 1000).toFixed(1)} s`;
}
