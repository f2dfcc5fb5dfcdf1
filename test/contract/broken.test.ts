import { describe, expect, test } from 'vitest';
import type { Issuance, SaveVerdict } from '../../src/index.js';
import {
  type ContractCase,
  type Oracle,
  type PersistenceContractOptions,
  persistenceContract,
} from '../../src/testing/index.js';
import type { Broken } from './broken.js';
import { WRONG_BOXES } from './broken-boxes.js';
import { WRONG_CHANGES } from './broken-changes.js';
import { WRONG_CHECKS } from './broken-checks.js';
import { WRONG_CONFLICTS } from './broken-conflicts.js';
import { WRONG_DATA } from './broken-data.js';
import { WRONG_UNDER_FAULTS, WRONG_WHEN_ABORTED } from './broken-failing.js';
import { WRONG_AT_SIZE } from './broken-large.js';
import { WRONG_ABOUT_NEW_IDS } from './broken-new-ids.js';
import { WRONG_READING } from './broken-reading.js';
import { WRONG_REFUSALS } from './broken-refusals.js';
import { WRONG_AMONG_RIVALS } from './broken-rivals.js';
import { WRONG_STORAGE } from './broken-storage.js';
import { NumberSheet, WRONG_USER_IDS } from './broken-user-ids.js';
import { WRONG_VERDICTS } from './broken-verdicts.js';
import { TRANSACTIONS, WRONG_WITHIN } from './broken-within.js';
import { REFUSED_USER, Sheet } from './sheet.js';

const BROKEN: Broken[] = [
  ...WRONG_VERDICTS,
  ...WRONG_CONFLICTS,
  ...WRONG_AMONG_RIVALS,
  ...WRONG_STORAGE,
  ...WRONG_READING,
  ...WRONG_AT_SIZE,
  ...WRONG_WHEN_ABORTED,
  ...WRONG_UNDER_FAULTS,
  ...WRONG_REFUSALS,
  ...WRONG_CHECKS,
  ...WRONG_DATA,
  ...WRONG_CHANGES,
  ...WRONG_BOXES,
  ...WRONG_USER_IDS,
  ...WRONG_ABOUT_NEW_IDS,
  ...WRONG_WITHIN,
];

/** A sheet looks at all its rows for each issuance: ten thousand are for adapters with indexes. */
const isSmall = ({ name }: ContractCase) => !name.includes('10,000');
const SHEET: PersistenceContractOptions = {
  refusedUserId: REFUSED_USER,
  keepsData: true,
  ...TRANSACTIONS,
};

/** The names of the cases that an adapter fails, and of those that are skipped. */
async function outcomeOf(options: PersistenceContractOptions, chosen: (one: ContractCase) => boolean = isSmall) {
  const contract = persistenceContract(options).filter(chosen);
  const skipped: string[] = [];
  const runs = contract.map(({ name, run }) => run({ skip: () => skipped.push(name) }));
  const outcomes = await Promise.allSettled(runs);
  const failed = contract.filter((_, i) => outcomes[i]?.status === 'rejected').map(({ name }) => name);
  return { failed, skipped };
}

describe('an adapter that', () => {
  for (const { how, Adapter, options, caughtBy } of BROKEN) {
    test(`${how} fails the case for it`, async () => {
      const createAdapter: PersistenceContractOptions['createAdapter'] = async (wire) => new Adapter(wire);
      const { failed } = await outcomeOf({ ...SHEET, createAdapter, ...options }, ({ name }) =>
        caughtBy.includes(name),
      );
      expect(failed.toSorted()).toEqual(caughtBy.toSorted());
    });
  }

  test('keeps every rule fails no case', async () => {
    expect((await outcomeOf(SHEET)).failed).toEqual([]);
  });
});

test('every case of the contract catches at least one of the broken adapters it is meant for', () => {
  const caught = new Set(BROKEN.flatMap(({ caughtBy }) => caughtBy));
  const names = persistenceContract(SHEET).map(({ name }) => name);
  expect(names.filter((name) => !caught.has(name))).toEqual([]);
  expect(names.length).toBeGreaterThan(130);
});

test('every case has a name of its own', () => {
  const names = persistenceContract(SHEET).map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});

test('an oracle that sees no rows convicts an adapter whose own list shows them', async () => {
  const uncommitted: Oracle = async () => [];
  const { failed } = await outcomeOf({ ...SHEET, oracle: uncommitted });
  expect(failed).toContain('a batch is saved: every issuance is told so and stored');
});

describe('an adapter that can only save', () => {
  class OnlySaves extends Sheet {
    override list = undefined as never;
    override find = undefined as never;
    override look = undefined as never;
    override change = undefined as never;
    override listByUser = undefined as never;
    override campaigns = undefined as never;
    override count = undefined as never;
    override check = undefined as never;
    override identity = undefined as never;
    override userIdFault = undefined as never;
  }
  const sheet = new OnlySaves();
  const oracle: Oracle = async (campaignId) => sheet.rows.filter((row) => row.campaignId === campaignId);
  const options: PersistenceContractOptions = { createAdapter: async () => sheet, oracle };

  test('is judged by the oracle, and what it cannot do is skipped by name', async () => {
    const { failed, skipped } = await outcomeOf(options);
    expect(failed).toEqual([]);
    const needy = persistenceContract(options).filter((one) => isSmall(one) && one.needs.length > 0);
    expect(skipped.toSorted()).toEqual(needy.map(({ name }) => name).toSorted());
    expect(new Set(needy.flatMap(({ needs }) => needs))).toEqual(
      new Set([
        ...['list', 'find', 'look', 'change', 'listByUser', 'campaigns', 'count', 'check', 'identity', 'userIdFault'],
        'wire',
      ]),
    );
  });

  test('passes no case that it was not tried on, where the runner cannot skip', async () => {
    const needy = persistenceContract(options).filter(({ needs }) => needs.length > 0);
    for (const { needs, run } of needy) await expect(run()).rejects.toThrow(`'${needs[0]}'`);
  });
});

test('the reason of a skip says what is lacking, and a case with nothing lacking is not skipped', async () => {
  const reasons = new Set<string | undefined>();
  for (const { run, needs } of persistenceContract(SHEET).filter(isSmall)) {
    if (needs.length > 0) await run({ skip: (reason) => reasons.add(reason) });
  }
  expect([...reasons]).toEqual(['createAdapter does not send the calls of the adapter over the wire']);
});

test('no case looks to a runner like one that waits for a callback', () => {
  expect(persistenceContract(SHEET).filter(({ run }) => run.length > 0)).toEqual([]);
});

test('an adapter is disposed of after its case, passed, failed or skipped', async () => {
  let disposals = 0;
  const createAdapter = async () => Object.assign(new Sheet(), { [Symbol.asyncDispose]: async () => void disposals++ });
  const { failed, skipped } = await outcomeOf({ createAdapter, oracle: async () => [] });
  expect(failed.length).toBeGreaterThan(0);
  expect(skipped.length).toBeGreaterThan(0);
  expect(disposals).toBe(persistenceContract({ createAdapter }).filter(isSmall).length);
});

describe('an adapter whose user ids are numbers', () => {
  const createAdapter = async () => new NumberSheet();

  test.each([['integer'], ['bigint'], [(n: number) => String(10 * n)]] as const)(
    'keeps every rule with userIds %s',
    async (userIds) => {
      const options = { ...SHEET, createAdapter, userIds, refusedUserId: undefined };
      expect((await outcomeOf(options)).failed).toEqual([]);
    },
  );

  test('keeps none of the rules of saving while the kit takes any text for an id', async () => {
    const { failed } = await outcomeOf({ ...SHEET, createAdapter });
    expect(failed).toContain('a batch is saved: every issuance is told so and stored');
  });
});

describe('an adapter whose rows refer to users', () => {
  const users = new Set<string>();
  class Referring extends Sheet {
    protected override saveOne(issuance: Issuance): SaveVerdict {
      return users.has(issuance.userId) ? super.saveOne(issuance) : { verdict: 'refused', reason: 'unknown_user' };
    }
  }
  const createAdapter = async () => new Referring();
  const prepare = async (issuances: readonly Issuance[]) => {
    for (const { userId } of issuances) users.add(userId);
  };

  test.each(['text', 'uuid', 'bigint'] as const)(
    'keeps every rule once prepare has made them, with userIds %s',
    async (userIds) => {
      const options = { ...SHEET, createAdapter, prepare, userIds, refusedUserId: '0' };
      expect((await outcomeOf(options)).failed).toEqual([]);
    },
  );

  test('is never given the user whose rows it refuses', async () => {
    await outcomeOf({ ...SHEET, createAdapter, prepare, userIds: 'bigint', refusedUserId: '0' });
    expect([users.size > 0, users.has('0')]).toEqual([true, false]);
  });

  test('keeps no rule of saving without prepare', async () => {
    users.clear();
    const { failed } = await outcomeOf({ ...SHEET, createAdapter });
    expect(failed).toContain('a batch is saved: every issuance is told so and stored');
  });
});
