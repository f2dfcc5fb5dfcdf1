import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Database } from '../support/servers/database.js';
import { Mariadb } from '../support/servers/mariadb.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { type Block, blocksOf, examplesOf, fileOf, PAGES, sources } from './markdown.js';
import { faultsOf, Project } from './snippets.js';

const isCode = ({ language }: Block) => language === 'ts' || language === 'js';
// The blocks of CONTRIBUTING are parts of files: first-change.test.ts puts them there, and runs them. Those of a Korean page are the English ones:
// korean.test.ts compares them.
const inPages = PAGES.filter((page) => page !== 'CONTRIBUTING.md' && !/\.ko\.md$|^docs\/ko\//.test(page))
  .flatMap((page) => blocksOf(page))
  .filter(isCode);
const inSources = sources().flatMap((path) => examplesOf(path));

describe('the code in the docs compiles', () => {
  const wrong = { name: '', page: '', language: 'ts', text: 'issuer.issue({ campaignId: 1 });' };
  const blocks = [...inPages, ...inSources];
  const faults = faultsOf([...blocks, wrong], { given: true });
  test.each(blocks.map(({ name }, i) => ({ name, faults: faults[i] })))('$name', ({ faults }) => {
    expect(faults).toEqual([]);
  });

  test('and a wrong block is found out', () => {
    expect(faults.at(-1)).not.toEqual([]);
  });
});

describe('what stands by itself runs as printed', () => {
  const faults = faultsOf(inPages, { given: false });
  // Those that are files belong together: the test of their page runs them.
  const whole = inPages.filter((block, i) => faults[i]!.length === 0 && !fileOf(block));
  let project: Project;
  let server: RedisServer;
  let database: Database;
  let mariadb: Mariadb;
  let env: Record<string, string>;
  beforeAll(async () => {
    project = new Project();
    [server, database, mariadb] = await Promise.all([RedisServer.start(), Database.create(), Mariadb.start()]);
    env = { REDIS_URL: `redis://127.0.0.1:${server.port}`, DATABASE_URL: database.url, MYSQL_URL: mariadb.url };
  });
  afterAll(async () => {
    project.remove();
    await Promise.all([server.stop(), database.stop(), mariadb.stop()]);
  });

  test('which are, in the README, the five lines, the whole wiring, the adapter and the unit test', () => {
    const readme = whole.filter(({ page }) => page === 'README.md');
    expect(readme.map(({ text }) => text.match(/bob|generateCodes|function myCoupons|node:test/)?.[0])).toEqual([
      'bob',
      'generateCodes',
      'function myCoupons',
      'node:test',
    ]);
  });

  test.each(whole)('$name', async (block) => {
    await project.run(block, env);
  });

  test('the five lines of the README print what it says, without a server', async () => {
    const five = whole[0]!;
    expect(five.text.trimEnd().split('\n')).toHaveLength(5);
    expect(await project.run(five, {})).toBe('issued sold_out\n');
  });

  test('the wiring of the README gives the same code each time it is run', async () => {
    const wiring = whole[1]!;
    const printed = await project.run(wiring, env);
    expect(printed).toMatch(/^your code is [0-9A-Z]{13}\n$/);
    expect(await project.run(wiring, env)).toBe(printed);
  });
});
