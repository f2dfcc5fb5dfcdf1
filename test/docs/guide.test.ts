import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PersistenceAdapter } from '../../src/index.js';
import { type PersistenceContractOptions, persistenceContract } from '../../src/testing/index.js';
import { Database } from '../support/servers/database.js';
import { GUIDE, Guide, sqlWith } from './guide.js';
import { ROOT, read } from './markdown.js';
import { Project } from './snippets.js';

let project: Project;
let database: Database;
let guide: Guide;
beforeAll(async () => {
  project = new Project();
  guide = new Guide(project);
  database = await Database.create();
  await database.pool.query(sqlWith('CREATE TABLE vouchers'));
});
afterAll(async () => {
  project.remove();
  await database.stop();
});

interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** What the guide says of the kit on one of its adapters. */
function saidOf(name: string): Count {
  const sentence = new RegExp(`The kit on \`${name}\`: (\\d+) pass, (\\d+) fail, (\\d+) are skipped`);
  const [, passed, failed, skipped] = read(GUIDE).match(sentence)!.map(Number) as [number, number, number, number];
  return { passed, failed, skipped };
}

type Make = (db: { query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }> }) => PersistenceAdapter;

async function countOf(make: Make): Promise<Count> {
  const createAdapter: PersistenceContractOptions['createAdapter'] = async ({ send }) =>
    make({ query: (text, values) => send(() => database.pool.query(text, values)) });
  const oracle: PersistenceContractOptions['oracle'] = async (campaignId) => {
    const columns = 'serial, user_id AS "userId", grant_no AS "grant", id, code';
    return (await database.pool.query(`SELECT ${columns} FROM vouchers WHERE campaign_id = $1`, [campaignId])).rows;
  };
  const count = { passed: 0, failed: 0, skipped: 0 };
  for (const { run } of persistenceContract({ createAdapter, oracle })) {
    let outcome: keyof Count = 'passed';
    const skip = () => {
      outcome = 'skipped';
    };
    await run({ skip }).catch(() => {
      outcome = 'failed';
    });
    count[outcome]++;
  }
  return count;
}

describe('the kit says of each step what the guide says', () => {
  test('the first try, which inserts and looks no further', async () => {
    expect(await countOf((await guide.file('first-try')).firstTry)).toEqual(saidOf('firstTry'));
  });

  test('the second try, which says what stands in the way', async () => {
    const count = await countOf((await guide.file('second-try')).secondTry);
    expect(count).toEqual(saidOf('secondTry'));
    expect(count.failed).toBe(0);
  });

  test('the whole adapter, which the runners below are given', () => {
    expect(saidOf('vouchers')).toEqual({ passed: PASSED, failed: 0, skipped: contractNames.length - PASSED });
  });
});

test('an adapter that refuses a row for good, as printed, keeps the rules for it', async () => {
  const { CustomerCoupons } = await guide.file('customers');
  const adapter = new CustomerCoupons(database.pool);
  await adapter.createTable();
  const rule = "ADD CONSTRAINT only_customers CHECK (user_id <> 'barred')";
  await database.pool.query(`ALTER TABLE coupon_issuances ${rule}`);
  const contract = persistenceContract({ createAdapter: async () => adapter, refusedUserId: 'barred' });
  const cases = contract.filter(({ name }) => name.startsWith('a row that the database never accepts'));
  expect(cases).toHaveLength(2);
  for (const { run } of cases) await run();
});

/** The whole kit in a process of its own, or twice, beside everything else that is running. */
const LONG = 180_000;

describe('the kit runs as printed', () => {
  const run = (args: string[]) =>
    promisify(execFile)(process.execPath, args, {
      cwd: guide.dir,
      env: { PATH: process.env.PATH, DATABASE_URL: database.url },
      timeout: LONG,
    });

  test('under node:test', { timeout: LONG }, async () => {
    const { stdout } = await run(['--test-reporter=tap', 'vouchers.node-test.js']);
    expect(stdout).toContain(`# pass ${PASSED}\n`);
    expect(stdout).toContain(`# skipped ${contractNames.length - PASSED}\n`);
  });

  test('under Vitest, and under a runner of globals without a context', { timeout: LONG }, async () => {
    const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
    const { stdout } = await run([vitest, 'run', '--globals', '--no-color', '--reporter=json', '--testTimeout=60000']);
    expect(JSON.parse(stdout)).toMatchObject({
      numPassedTests: 2 * PASSED,
      numFailedTests: 0,
      numPendingTests: 2 * (contractNames.length - PASSED),
    });
  });
});

const namesOf = (options: Pick<PersistenceContractOptions, 'refusedUserId' | 'inTransaction'>) =>
  persistenceContract({ createAdapter: async () => ({ save: async () => [] }), ...options }).map(({ name }) => name);
const contractNames = namesOf({});
/** The adapter of the guide has neither `look` nor `change`, and no `userIdFault`. */
const PASSED = contractNames.filter(
  (name) => !/\(if it (looks|lists by user|lists campaigns|counts|judges user ids)/.test(name),
).length;
const allNames = namesOf({ refusedUserId: 'barred', inTransaction: async () => {} });
/** The first cells of the tables of cases, with what their dots stand for. */
const rows = [...read(GUIDE).matchAll(/^\| `([^`]+)` \| .*[^|] \|$/gm)]
  .map(([, cell]) => cell!)
  .filter((cell) => cell.includes(' '))
  .map((cell) => ({ cell, parts: cell.split('…') }));

function covers({ parts }: { parts: string[] }, name: string): boolean {
  let from = 0;
  for (const part of parts) {
    const at = name.indexOf(part, from);
    if (at < 0 || (from === 0 && at !== 0)) return false;
    from = at + part.length;
  }
  return parts.at(-1) === '' || name.endsWith(parts.at(-1)!);
}

test('every case has a row in the guide, that says what is wrong', () => {
  expect(allNames.filter((name) => !rows.some((row) => covers(row, name)))).toEqual([]);
});

test('every row of the guide names a case', () => {
  const tables = read(GUIDE).split('## The meaning of a failing case')[1]!.split('## Transactions')[0]!;
  const inTables = rows.filter(({ cell }) => tables.includes(`| \`${cell}\` |`));
  expect(inTables.length).toBeGreaterThan(60);
  expect(inTables.filter((row) => !allNames.some((name) => covers(row, name)))).toEqual([]);
});
