import { describe, expect, test } from 'vitest';
import { type Oracle, type PersistenceContractOptions, persistenceContract } from '../../src/testing/index.js';
import { WRONG_READING } from './broken-reading.js';
import { WRONG_STORAGE } from './broken-storage.js';
import { type Broken, WRONG_VERDICTS } from './broken-verdicts.js';
import { Sheet } from './sheet.js';

const BROKEN: Broken[] = [...WRONG_VERDICTS, ...WRONG_STORAGE, ...WRONG_READING];

/** The names of the cases that an adapter fails, of all or of those given. */
async function failuresOf(options: PersistenceContractOptions, names?: string[]): Promise<string[]> {
  const contract = persistenceContract(options).filter(({ name }) => !names || names.includes(name));
  const outcomes = await Promise.allSettled(contract.map(({ run }) => run()));
  return contract.filter((_, i) => outcomes[i]?.status === 'rejected').map(({ name }) => name);
}

describe('an adapter that', () => {
  for (const { how, Adapter, caughtBy } of BROKEN) {
    test(`${how} fails the case for it`, async () => {
      const failures = await failuresOf({ createAdapter: async () => new Adapter() }, caughtBy);
      expect(failures.toSorted()).toEqual(caughtBy.toSorted());
    });
  }

  test('keeps every rule fails no case', async () => {
    expect(await failuresOf({ createAdapter: async () => new Sheet() })).toEqual([]);
  });
});

test('every case of the contract catches at least one of the broken adapters it is meant for', () => {
  const caught = new Set(BROKEN.flatMap(({ caughtBy }) => caughtBy));
  const contract = persistenceContract({ createAdapter: async () => new Sheet() });
  expect(contract.map(({ name }) => name).filter((name) => !caught.has(name))).toEqual([]);
});

test('every case has a name of its own', () => {
  const names = persistenceContract({ createAdapter: async () => new Sheet() }).map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});

test('an oracle that sees no rows convicts an adapter whose own list shows them', async () => {
  const uncommitted: Oracle = async () => [];
  const failures = await failuresOf({ createAdapter: async () => new Sheet(), oracle: uncommitted });
  expect(failures).toContain('a batch is saved: every issuance is told so and stored');
});

test('an adapter that can only save is judged by the oracle', async () => {
  class OnlySaves extends Sheet {
    override list = undefined as never;
    override find = undefined as never;
  }
  const sheet = new OnlySaves();
  const oracle: Oracle = async (campaignId) => sheet.rows.filter((row) => row.campaignId === campaignId);
  expect(await failuresOf({ createAdapter: async () => sheet, oracle })).toEqual([]);
});

test('an adapter is disposed of after its case, passed or failed', async () => {
  let disposals = 0;
  const createAdapter = async () => Object.assign(new Sheet(), { [Symbol.asyncDispose]: async () => void disposals++ });
  const failures = await failuresOf({ createAdapter, oracle: async () => [] });
  expect(failures.length).toBeGreaterThan(0);
  expect(disposals).toBe(persistenceContract({ createAdapter }).length);
});
