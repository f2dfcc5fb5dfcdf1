import assert from 'node:assert/strict';
import type { JsonObject } from '../model/caller-data.js';
import type { Issuance } from '../model/issuance.js';
import type { Case, Stage } from './stage.js';

/** Data that quoting, a narrow column or a reader of JSON would harm. */
const KEPT: [what: string, data: JsonObject][] = [
  ['no property', {}],
  ['values of every kind', { a: 'x', b: 1.5, c: true, d: null, e: [1, ['2'], { f: false }], '': '' }],
  ['16 levels', JSON.parse(`${'{"a":'.repeat(15)}{}${'}'.repeat(15)}`) as JsonObject],
  ['Hangul, emoji and quotes', { 한글: '가🙂', quotes: `' " \\ \` $1 ? :name %s {}`, lines: '\n\t\u0001\u2028' }],
  ['numbers at their ends', { most: Number.MAX_VALUE, least: Number.MIN_VALUE, whole: Number.MAX_SAFE_INTEGER }],
  ['1,024 bytes', { note: 'x'.repeat(1_013) }],
];

/** For an adapter that stores the data of callers. */
export const dataCases: Case[] = [
  ...KEPT.map(
    ([what, data]): Case => ({
      name: `data of ${what} comes back as it went in`,
      needs: ['list'],
      check: async (stage) => {
        await stage.given(stage.issuance({ data }));
        assert.deepEqual(await listedData(stage), [data]);
      },
    }),
  ),
  {
    name: 'rows with data and rows without are saved in one batch, each with its own',
    needs: ['list'],
    check: async (stage) => {
      const given = [{ of: 'one' }, undefined, {}, { of: 'four' }, undefined];
      await stage.given(...given.map((data) => stage.issuance(data && { data })));
      assert.deepEqual(await listedData(stage), given);
    },
  },
  {
    name: 'an issuance that is saved again with other data keeps the first',
    needs: ['list'],
    check: async (stage) => {
      const first = stage.issuance({ data: { of: 'first' } });
      await stage.given(first);
      await stage.given({ ...first, data: { of: 'second' } });
      assert.deepEqual(await listedData(stage), [{ of: 'first' }]);
    },
  },
  {
    name: 'find gives the data of a row',
    needs: ['find'],
    check: async (stage) => {
      const batch = [stage.issuance({ data: { of: 'one' } }), stage.issuance()];
      await stage.given(...batch);
      assert.deepEqual(dataOf(await stage.adapter.find!(batch)), [{ of: 'one' }, undefined]);
    },
  },
];

async function listedData(stage: Stage): Promise<(JsonObject | undefined)[]> {
  return dataOf(await stage.adapter.list!(stage.campaignId, { afterSerial: 0, limit: 100 }));
}

function dataOf(rows: readonly (Issuance | null)[]): (JsonObject | undefined)[] {
  return rows.map((row) => row?.data);
}
