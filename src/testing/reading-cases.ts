import assert from 'node:assert/strict';
import type { Issuance } from '../issuance.js';
import type { PersistenceAdapter } from '../persistence/adapter.js';
import { assertIssuance, type Case, type Stage } from './stage.js';

type List = NonNullable<PersistenceAdapter['list']>;
type Find = NonNullable<PersistenceAdapter['find']>;

/** As many digits as it takes for an order by text to differ from the order by number. */
const SERIALS = [10, 2, 9, 100, 1, Number.MAX_SAFE_INTEGER];
const IN_ORDER = SERIALS.toSorted((a, b) => a - b);

/** The optional methods, where the adapter has them. */
export const readingCases: Case[] = [
  listing('list gives every issuance of the campaign with all its fields', async (stage, list) => {
    const batch = [stage.issuance(), stage.issuance({ code: null }), stage.issuance()];
    await stage.given(...batch);
    assertAll(await list(stage.campaignId, { afterSerial: 0, limit: 10 }), batch);
  }),
  listing('list is in the order of serials, whatever the order of saving', async (stage, list) => {
    await stage.given(...withSerials(stage));
    const listed = await list(stage.campaignId, { afterSerial: 0, limit: 10 });
    assert.deepEqual(serialsOf(listed), IN_ORDER);
  }),
  listing('list begins after afterSerial', async (stage, list) => {
    await stage.given(...withSerials(stage));
    assert.deepEqual(serialsOf(await list(stage.campaignId, { afterSerial: 9, limit: 10 })), IN_ORDER.slice(3));
    const last = Number.MAX_SAFE_INTEGER;
    assert.deepEqual(await list(stage.campaignId, { afterSerial: last, limit: 10 }), [], 'nothing after the last');
  }),
  listing('list gives at most limit, the lowest serials first', async (stage, list) => {
    await stage.given(...withSerials(stage));
    const { campaignId } = stage;
    assert.deepEqual(serialsOf(await list(campaignId, { afterSerial: 0, limit: 1 })), IN_ORDER.slice(0, 1));
    assert.deepEqual(serialsOf(await list(campaignId, { afterSerial: 1, limit: 2 })), IN_ORDER.slice(1, 3));
  }),
  listing('list page by page meets every issuance once', async (stage, list) => {
    await stage.given(...stage.issuances(25));
    const seen: number[] = [];
    for (let page = 0; page < 4; page++) {
      seen.push(...serialsOf(await list(stage.campaignId, { afterSerial: seen.at(-1) ?? 0, limit: 10 })));
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 25 }, (_, i) => i + 1),
    );
  }),
  listing('list leaves other campaigns out', async (stage, list) => {
    const own = stage.issuance();
    await stage.given(own, stage.issuance({ campaignId: `${stage.campaignId}-other` }));
    assertAll(await list(stage.campaignId, { afterSerial: 0, limit: 10 }), [own]);
  }),
  listing('list of a campaign that has no issuance is empty', async (stage, list) => {
    assert.deepEqual(await list(stage.campaignId, { afterSerial: 0, limit: 10 }), []);
  }),
  finding('find answers in the order asked, with null for what is not stored', async (stage, find) => {
    const [first, second] = [stage.issuance(), stage.issuance({ code: null })];
    await stage.given(first, second);
    const [none, foundSecond, noneEither, foundFirst, ...more] = await find([
      stage.issuance(),
      second,
      stage.issuance({ code: null }),
      first,
    ]);
    assert.deepEqual([none, noneEither, more], [null, null, []]);
    assertIssuance(foundSecond, second);
    assertIssuance(foundFirst, first);
  }),
  finding(
    'find does not take another id on the same serial, code or grant for the one it was asked',
    async (stage, find) => {
      const stored = stage.issuance();
      await stage.given(stored);
      const { userId, serial, code } = stored;
      const rivals = [{ userId }, { serial }, { code }, { userId, serial, code }];
      assert.deepEqual(await find(rivals.map((rival) => stage.issuance(rival))), [null, null, null, null]);
    },
  ),
  finding('find gives the row of an id that is stored on another unit', async (stage, find) => {
    const stored = stage.issuance();
    await stage.given(stored);
    const [found, ...more] = await find([stage.issuance({ ...stored, serial: 2, code: 'ANOTHER-CODE' })]);
    assertIssuance(found, stored);
    assert.deepEqual(more, []);
  }),
  finding('find may be asked of several campaigns at once', async (stage, find) => {
    const own = stage.issuance({ serial: 1 });
    const other = stage.issuance({ campaignId: `${stage.campaignId}-other`, serial: 1 });
    await stage.given(own, other);
    assertAll(await find([other, own]), [other, own]);
  }),
];

function listing(rule: string, check: (stage: Stage, list: List) => Promise<void>): Case {
  return {
    name: `${rule} (if it lists)`,
    check: async (stage) => {
      const { adapter } = stage;
      if (adapter.list) await check(stage, adapter.list.bind(adapter));
    },
  };
}

function finding(rule: string, check: (stage: Stage, find: Find) => Promise<void>): Case {
  return {
    name: `${rule} (if it finds)`,
    check: async (stage) => {
      const { adapter } = stage;
      if (adapter.find) await check(stage, adapter.find.bind(adapter));
    },
  };
}

function withSerials(stage: Stage): Issuance[] {
  return SERIALS.map((serial) => stage.issuance({ serial }));
}

function serialsOf(issuances: readonly Issuance[]): number[] {
  return issuances.map(({ serial }) => serial);
}

function assertAll(actual: readonly (Issuance | null)[], expected: readonly Issuance[]): void {
  assert.equal(actual.length, expected.length);
  for (const [i, one] of expected.entries()) assertIssuance(actual[i], one);
}
