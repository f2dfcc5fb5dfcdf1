import type { test as nodeTest } from 'node:test';
import { describe, expectTypeOf, type TestContext, test } from 'vitest';
import type { PersistenceAdapter } from '../../src/index.js';
import type {
  ContractCase,
  Need,
  PersistenceContractOptions,
  SkipContext,
  StoredRow,
  Wire,
} from '../../src/testing/index.js';

describe('the contract kit', () => {
  test('gives cases that a test runner takes as they are', () => {
    expectTypeOf<ContractCase['run']>().toExtend<NonNullable<Parameters<typeof nodeTest>[0]>>();
    expectTypeOf<ContractCase['run']>().toExtend<(context: TestContext) => Promise<void>>();
    expectTypeOf<ContractCase['run']>().toExtend<() => PromiseLike<unknown>>();
    expectTypeOf<{ skip(): never }>().toExtend<SkipContext>();
  });

  test('names what a case needs beyond save: a method of the adapter, or the wire', () => {
    expectTypeOf<Need>().toEqualTypeOf<Exclude<keyof PersistenceAdapter, 'save' | 'facts'> | 'wire'>();
    expectTypeOf<ContractCase['needs']>().toEqualTypeOf<readonly Need[]>();
  });

  test('takes an adapter that knows nothing of the wire, and rows as drivers return them', () => {
    expectTypeOf<() => Promise<PersistenceAdapter>>().toExtend<PersistenceContractOptions['createAdapter']>();
    expectTypeOf<{ serial: string; userId: string; grant: bigint; id: string; code: null }>().toExtend<StoredRow>();
  });

  test('answers over the wire what the work answers, sooner or later', () => {
    const kinds = (wire: Wire) => [wire.send(() => 1), wire.send(async () => 1)] as const;
    expectTypeOf(kinds).returns.toEqualTypeOf<readonly [Promise<number>, Promise<number>]>();
  });
});
