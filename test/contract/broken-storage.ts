import type { Issuance } from '../../src/index.js';
import type { Broken } from './broken-verdicts.js';
import { Sheet } from './sheet.js';

type TextField = 'id' | 'campaignId' | 'userId' | 'code';
type Fold = (text: string) => string;

/** What a collation may take for the same text. */
const FOLDS: [what: string, fold: Fold][] = [
  ['letter case', (text) => text.toLowerCase()],
  ['a space at the end', (text) => text.trimEnd()],
  ['a space at the start', (text) => text.trimStart()],
  ['an accent', (text) => text.normalize('NFD').replace(/\p{M}/gu, '')],
  ['the form of one accent, composed or not', (text) => text.normalize('NFC')],
  ['full-width letters', (text) => text.normalize('NFKC')],
  ['an emoji', (text) => text.replace(/\p{Extended_Pictographic}/gu, '?')],
  ['a character without width', (text) => text.replaceAll('\u200b', '')],
];

/** Compares one field as a collation that folds does; the rows themselves are right. */
function folding(field: TextField, fold: Fold) {
  const folded = (one: Issuance) => (one[field] === null ? one : { ...one, [field]: fold(one[field]) });
  return class extends Sheet {
    protected override sameCampaign(row: Issuance, issuance: Issuance): boolean {
      return super.sameCampaign(folded(row), folded(issuance));
    }

    protected override sameId(row: Issuance, issuance: Issuance): boolean {
      return super.sameId(folded(row), folded(issuance));
    }

    protected override sameGrant(row: Issuance, issuance: Issuance): boolean {
      return super.sameGrant(folded(row), folded(issuance));
    }

    protected override sameCode(row: Issuance, issuance: Issuance): boolean {
      return super.sameCode(folded(row), folded(issuance));
    }
  };
}

/** Judges rightly and harms what it stores. */
function harming(harm: (row: Issuance) => Partial<Issuance>) {
  return class extends Sheet {
    protected override stored(issuance: Issuance): Issuance {
      return { ...super.stored(issuance), ...harm(issuance) };
    }
  };
}

/** Harms the user id and the code. */
function harmingText(harm: Fold) {
  return harming(({ userId, code }) => ({ userId: harm(userId), code: code === null ? null : harm(code) }));
}

export const WRONG_STORAGE: Broken[] = [
  ...FOLDS.flatMap(([what, fold]): Broken[] => [
    {
      how: `compares user ids without ${what}`,
      Adapter: folding('userId', fold),
      caughtBy: [`user ids that differ only in ${what} are two users`],
    },
    {
      how: `compares codes without ${what}`,
      Adapter: folding('code', fold),
      caughtBy: [`codes that differ only in ${what} are two codes`],
    },
  ]),
  {
    how: 'compares ids without letter case',
    Adapter: folding('id', (text) => text.toLowerCase()),
    caughtBy: ['ids that differ only in letter case are two ids'],
  },
  {
    how: 'compares campaign ids without letter case',
    Adapter: folding('campaignId', (text) => text.toLowerCase()),
    caughtBy: ['campaign ids that differ only in letter case are two campaigns'],
  },
  {
    how: 'has 63 characters for a campaign id',
    Adapter: folding('campaignId', (text) => text.slice(0, 63)),
    caughtBy: ['a campaign id of 64 characters is stored whole'],
  },
  {
    how: 'unescapes what was not escaped',
    Adapter: harmingText((text) => text.replace(/\\(.)/g, '$1').replaceAll("''", "'")),
    caughtBy: ['a user id and a code of quotes and backslashes come back as they went in'],
  },
  {
    how: 'builds array literals by hand',
    Adapter: harmingText((text) => text.replace(/[{}",]/g, '')),
    caughtBy: ['a user id and a code of braces, commas and the word NULL come back as they went in'],
  },
  {
    how: 'takes the word NULL for a missing code',
    Adapter: harming(({ code }) => ({ code: code === 'NULL' ? null : code })),
    caughtBy: ['a user id and a code of the whole word NULL come back as they went in'],
  },
  {
    how: 'unifies line breaks',
    Adapter: harmingText((text) => text.replaceAll('\r\n', '\n')),
    caughtBy: ['a user id and a code of line breaks and tabs come back as they went in'],
  },
  {
    how: 'has a character set of three bytes a character',
    Adapter: harmingText((text) => text.replace(/[\u{10000}-\u{10ffff}]/gu, '?')),
    caughtBy: ['a user id and a code of emoji and Hangul come back as they went in'],
  },
  {
    how: 'takes text for placeholders',
    Adapter: harmingText((text) => text.replace(/\$\d|\?|[:@]\w+|%s/g, 'value')),
    caughtBy: ['a user id and a code of placeholders come back as they went in'],
  },
  {
    how: 'has 100 bytes for text',
    Adapter: harmingText((text) => Buffer.from(text).subarray(0, 100).toString()),
    caughtBy: ['a user id and a code of 128 bytes of text come back as they went in'],
  },
  {
    how: 'has a floating-point column of single precision for the serial',
    Adapter: harming(({ serial }) => ({ serial: Math.fround(serial) })),
    caughtBy: ['serial 9007199254740991 comes back exact', 'serials beyond 2^32 are told apart to the last digit'],
  },
  {
    how: 'has a column of whole seconds for issuedAt',
    Adapter: harming(({ issuedAt }) => ({ issuedAt: new Date(Math.floor(issuedAt.getTime() / 1000) * 1000) })),
    caughtBy: ['issuedAt comes back to the millisecond'],
  },
  {
    how: 'gives issuedAt as text',
    Adapter: harming(({ issuedAt }) => ({ issuedAt: issuedAt.toISOString() as unknown as Date })),
    caughtBy: ['issuedAt comes back to the millisecond'],
  },
  {
    how: 'stores an empty code for none',
    Adapter: harming(({ code }) => ({ code: code ?? '' })),
    caughtBy: ['a code that is null comes back as null'],
  },
  {
    how: 'has no column for the epoch',
    Adapter: harming(() => ({ epoch: '' })),
    caughtBy: ['the epoch comes back as it went in'],
  },
];
