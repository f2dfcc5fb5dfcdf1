import type { Issuance, JsonObject } from '../../src/index.js';
import type { Broken } from './broken.js';
import { Sheet } from './sheet.js';

const MIXED = 'rows with data and rows without are saved in one batch, each with its own (if it lists)';
const AGAIN = 'an issuance that is saved again with other data keeps the first (if it lists)';
const FOUND = 'find gives the data of a row (if it finds)';
const of = (what: string) => `data of ${what} comes back as it went in (if it lists)`;

/** Stores other data than it was given. */
function storing(harm: (data: JsonObject) => JsonObject | undefined): Broken['Adapter'] {
  return class extends Sheet {
    protected override stored(issuance: Issuance): Issuance {
      const { data, ...row } = super.stored(issuance);
      const harmed = data && harm(data);
      return harmed === undefined ? row : { ...row, data: harmed };
    }
  };
}

/** The text of the JSON is harmed. */
function harming(harm: (text: string) => string): Broken['Adapter'] {
  return storing((data) => JSON.parse(harm(JSON.stringify(data))) as JsonObject);
}

export const WRONG_DATA: Broken[] = [
  {
    how: 'takes no property for no data',
    Adapter: storing((data) => (Object.keys(data).length > 0 ? data : undefined)),
    caughtBy: [of('no property'), MIXED],
  },
  {
    how: 'leaves out what is null',
    Adapter: harming((text) => text.replace('"d":null,', '')),
    caughtBy: [of('values of every kind')],
  },
  {
    how: 'keeps few levels of data',
    Adapter: harming((text) => text.replace('{"a":{"a":{"a":{}}}}', '{}')),
    caughtBy: [of('16 levels')],
  },
  {
    how: 'keeps data in a narrow character set',
    Adapter: harming((text) => text.replace(/[^\p{ASCII}]/gu, '?')),
    caughtBy: [of('Hangul, emoji and quotes')],
  },
  {
    how: 'rounds the numbers of data',
    Adapter: harming((text) => text.replace(/\d{16}/g, (digits) => `${digits.slice(0, 15)}0`)),
    caughtBy: [of('numbers at their ends')],
  },
  {
    how: 'keeps 1,000 bytes of data',
    Adapter: storing((data) => (JSON.stringify(data).length > 1_000 ? {} : data)),
    caughtBy: [of('1,024 bytes')],
  },
  {
    how: 'keeps the newest data',
    Adapter: class extends Sheet {
      protected override isSaved(row: Issuance, issuance: Issuance): boolean {
        const isSaved = super.isSaved(row, issuance);
        if (isSaved) this.rows[this.rows.indexOf(row)] = this.stored(issuance);
        return isSaved;
      }
    },
    caughtBy: [AGAIN],
  },
  {
    how: 'finds rows without their data',
    Adapter: class extends Sheet {
      override async find(issuances: readonly Issuance[]): Promise<readonly (Issuance | null)[]> {
        return (await super.find(issuances)).map((row) => row && { ...row, data: undefined });
      }
    },
    caughtBy: [FOUND],
  },
];
