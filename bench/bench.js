// `npm run bench`: this library beside the common ways, and beside its release 0.1, on a Redis, a PostgreSQL and a MariaDB of its own, in one run. Every
// contestant runs at its best pool size, rounds alternate so that a slow minute of the machine hits all of them, and every round is checked.
//
// --quick                 shorter rounds, for a first look; ways whose package is not installed are left out, and named
// --only steady,gates     these sections; their names are those of the files in bench/sections
// --in-flight 128,1024    how many callers at a time (default 16,128,1024,4096; with --quick 128,1024)
// --prepared              all ways name their statements, so that PostgreSQL parses and plans them once per connection
// --page                  measures nothing: writes the page again from the figures of the last full run; with --only these sections are
//                         measured anew, and written beside the others
//
// A full run writes bench/results.json, docs/performance.md and docs/performance.svg, and the figures within docs/comparison.md and docs/sizing.md.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { describeGround } from './ground.js';
import { writePage } from './page.js';
import { startMariadb, startPostgres, startRedis } from './servers.js';
import { missing } from './support-packages.js';
import { whole } from './support-rounds.js';

const SECTIONS = [
  'steady',
  'release',
  'spike',
  'duplicates',
  'campaigns',
  'isolation',
  'processes',
  'mariadb',
  'gates',
  'waiting',
  'lone',
  'scale',
  'scripts',
  'http',
  'overload',
  'redeeming',
  'cache',
  'telemetry',
  'profile',
];
const RESULTS = new URL('results.json', import.meta.url);

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    'in-flight': { type: 'string' },
    prepared: { type: 'boolean', default: false },
    page: { type: 'boolean', default: false },
  },
});
const inFlights = (flags['in-flight'] ?? (flags.quick ? '128,1024' : '16,128,1024,4096')).split(',').map(Number);
if (!inFlights.every((count) => Number.isInteger(count) && count >= 2)) {
  throw new TypeError('--in-flight takes whole numbers from 2 on, with commas');
}
const sections = await loadSections(flags.only?.split(','));
const print = (line = '') => process.stdout.write(`${line}\n`);

if (flags.page && !flags.only) writePage(sections, JSON.parse(readFileSync(RESULTS, 'utf8')));
else await bench();

async function loadSections(names = SECTIONS) {
  const unknown = names.filter((name) => !SECTIONS.includes(name));
  if (unknown.length > 0) throw new TypeError(`--only takes ${SECTIONS.join(', ')}: there is no ${unknown.join(', ')}`);
  if (missing.length > 0 && !flags.quick) {
    throw new Error(`not installed: ${missing.join(', ')}; start it with npm run bench, which installs them`);
  }
  const files = SECTIONS.filter((name) => names.includes(name)).map(
    (name) => new URL(`sections/${name}.js`, import.meta.url),
  );
  return Promise.all(files.filter((file) => existsSync(file)).map((file) => import(file)));
}

async function bench() {
  const startedAt = performance.now();
  const servers = await startServers();
  const stop = () => Promise.all(Object.values(servers).map((server) => server?.stop()));
  // Interrupted, it leaves no server behind.
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop().finally(() => process.exit(1)));
  const results = {
    at: new Date().toISOString(),
    quick: flags.quick,
    prepared: flags.prepared,
    inFlights,
    sections: {},
  };
  try {
    const ground = {
      redisPort: servers.redis.port,
      postgresUrl: servers.postgres.url,
      databasePid: servers.postgres.pid,
      mariadb: servers.mariadb,
      quick: flags.quick,
      prepared: flags.prepared,
      inFlights,
      print,
    };
    results.ground = await describeGround(ground);
    for (const [name, value] of Object.entries(results.ground)) print(`${name.padEnd(19)} ${value}`);
    if (missing.length > 0) print(`left out            ${missing.join(', ')}: not installed`);
    for (const section of sections) results.sections[section.name] = await runSection(section, ground);
  } finally {
    await stop();
  }
  results.seconds = Math.round((performance.now() - startedAt) / 1000);
  print(`\n${results.seconds} s`);
  const wrong = Object.values(results.sections).flatMap(({ wrong }) => wrong ?? []);
  for (const one of wrong) print(`WRONG  ${one}`);
  if (wrong.length > 0) process.exitCode = 1;
  const inPart = flags.only && !flags.page;
  if (flags.quick || inPart || flags['in-flight'] || flags.prepared) return;
  const before = flags.only ? JSON.parse(readFileSync(RESULTS, 'utf8')) : results;
  const { at, seconds, sections: measured } = results;
  const again = flags.only && { at, seconds, sections: Object.keys(measured) };
  const all = { ...before, ...(again && { again }), sections: { ...before.sections, ...measured } };
  writeFileSync(RESULTS, `${JSON.stringify(all, null, 1)}\n`);
  writePage(await loadSections(), all);
}

/** All or none: one that does not start takes the others with it. */
async function startServers() {
  const starting = { redis: startRedis(), postgres: startPostgres(), mariadb: startMariadb() };
  const outcomes = await Promise.allSettled(Object.values(starting));
  const failed = outcomes.find(({ status }) => status === 'rejected');
  if (failed) {
    await Promise.all(outcomes.map(({ value }) => value?.stop()));
    throw failed.reason;
  }
  const [redis, postgres, mariadb] = outcomes.map(({ value }) => value);
  return { redis, postgres, mariadb };
}

async function runSection(section, ground) {
  print(`\n${section.title}`);
  const startedAt = performance.now();
  const result = await section.run(ground);
  for (const line of section.lines(result)) print(line);
  for (const { what, aim, seen, reached } of result.aims ?? []) {
    print(`  ${reached ? 'reached' : 'MISSED '}  ${what}: ${seen} (${aim})`);
  }
  print(`  (${whole((performance.now() - startedAt) / 1000)} s)`);
  return result;
}
