import assert from 'node:assert/strict';
import type { Issuance } from '../model/issuance.js';
import type { PersistenceAdapter } from '../persistence/adapter.js';
import { assertIssuance, assertIssuances } from './assertions.js';
import type { Case, Stage } from './stage.js';

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
    assertIssuances(await list(stage.campaignId, { afterSerial: 0, limit: 10 }), batch);
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
  listing('list page by page meets every issuance once, whatever the size of a page', async (stage, list) => {
    const all = stage.issuances(25);
    await stage.given(...all);
    for (const limit of [1, 7, 25, 26]) {
      const seen: Issuance[] = [];
      // As many pages as there are, and one more.
      for (let page = 0; page <= all.length / limit; page++) {
        seen.push(...(await list(stage.campaignId, { afterSerial: seen.at(-1)?.serial ?? 0, limit })));
      }
      assert.deepEqual(serialsOf(seen), serialsOf(all), `in pages of ${limit}`);
    }
  }),
  listing('list page by page misses nothing while issuances are saved before and behind', async (stage, list) => {
    const committed = [10, 20, 30, 40, 50, 60].map((serial) => stage.issuance({ serial }));
    await stage.given(...committed);
    const seen: Issuance[] = [];
    for (let page = 1; page <= 3; page++) {
      seen.push(...(await list(stage.campaignId, { afterSerial: seen.at(-1)?.serial ?? 0, limit: 2 })));
      const { serial } = committed[page * 2 - 1]!;
      await stage.given(stage.issuance({ serial: serial - 11 }), stage.issuance({ serial: 100 + page }));
    }
    assertIssuances(seen, committed);
    const rest = await list(stage.campaignId, { afterSerial: 60, limit: 10 });
    assert.deepEqual(serialsOf(rest), [101, 102, 103]);
  }),
  listing('list while saves go on gives everything that was committed before', async (stage, list) => {
    const committed = Array.from({ length: 20 }, (_, i) => stage.issuance({ serial: 2 * i + 1 }));
    await stage.given(...committed);
    const between = committed.map(({ serial }) => stage.issuance({ serial: serial + 1 }));
    await stage.prepare(...between);
    const saves = between.map((one) => stage.given(one));
    const listing = list(stage.campaignId, { afterSerial: 0, limit: 100 });
    await Promise.all([...saves, listing]);
    const listed = await listing;
    const known = new Set(committed.map(({ id }) => id));
    assertIssuances(
      listed.filter(({ id }) => known.has(id)),
      committed,
    );
    assertIssuances(await list(stage.campaignId, { afterSerial: 0, limit: 100 }), inOrder([...committed, ...between]));
  }),
  listing('list leaves other campaigns out', async (stage, list) => {
    const own = stage.issuance();
    await stage.given(own, stage.issuance({ campaignId: `${stage.campaignId}-other` }));
    assertIssuances(await list(stage.campaignId, { afterSerial: 0, limit: 10 }), [own]);
  }),
  listing('list takes the campaign id for a name, not for a pattern', async (stage, list) => {
    const ids = ['a_b', 'a.b', 'axb'].map((name) => `${stage.campaignId}-${name}`);
    const stored = ids.map((campaignId) => stage.issuance({ campaignId }));
    await stage.given(...stored);
    for (const [i, id] of ids.entries()) assertIssuances(await list(id, { afterSerial: 0, limit: 10 }), [stored[i]!]);
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
  finding('find answers an id that is asked twice both times', async (stage, find) => {
    const stored = stage.issuance();
    await stage.given(stored);
    assertIssuances(await find([stored, stored]), [stored, stored]);
  }),
  finding('find may be asked of several campaigns at once', async (stage, find) => {
    const own = stage.issuance({ serial: 1 });
    const other = stage.issuance({ campaignId: `${stage.campaignId}-other`, serial: 1 });
    await stage.given(own, other);
    assertIssuances(await find([other, own]), [other, own]);
  }),
];

function listing(name: string, check: (stage: Stage, list: List) => Promise<void>): Case {
  return { name, needs: ['list'], check: (stage) => check(stage, stage.adapter.list!.bind(stage.adapter)) };
}

function finding(name: string, check: (stage: Stage, find: Find) => Promise<void>): Case {
  return { name, needs: ['find'], check: (stage) => check(stage, stage.adapter.find!.bind(stage.adapter)) };
}

function inOrder(issuances: Issuance[]): Issuance[] {
  return issuances.toSorted((a, b) => a.serial - b.serial);
}

function withSerials(stage: Stage): Issuance[] {
  return SERIALS.map((serial) => stage.issuance({ serial }));
}

function serialsOf(issuances: readonly Issuance[]): number[] {
  return issuances.map(({ serial }) => serial);
}
