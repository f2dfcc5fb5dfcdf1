import type { Issuance, SaveVerdict } from '../../src/index.js';
import type { Broken } from './broken.js';
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
  ['a control character', (text) => text.replace(/\p{Cc}/gu, '')],
  ['a letter that is spelt out', (text) => text.replaceAll('\u00df', 'ss')],
  ['the number of spaces', (text) => text.replace(/ +/g, ' ')],
  ['leading zeros', (text) => text.replace(/^0+(?=\d)/, '')],
  ['the way a number is written', (text) => (Number.isNaN(Number(text)) ? text : String(Number(text)))],
  ['the last digit of a long number', (text) => (/^\d{16}/.test(text) ? text.slice(0, 15) : text)],
];

/** What a comparison may take for a pattern: how to make a regular expression of it. */
const PATTERNS: [what: string, pattern: (text: string) => string][] = [
  ['a wildcard of LIKE', (text) => text.replaceAll('%', '.*')],
  ['a wildcard of a pattern', (text) => (/^[\w.-]+$/.test(text) ? text : 'nothing')],
];

/** Compares one field in its own way; the rows themselves are right. */
function comparing(field: TextField, same: (stored: string, given: string) => boolean) {
  const seen = (row: Issuance, { [field]: given }: Issuance): Issuance => {
    const stored = row[field];
    return stored !== null && given !== null && same(stored, given) ? { ...row, [field]: given } : row;
  };
  return class extends Sheet {
    protected override sameCampaign(row: Issuance, issuance: Issuance): boolean {
      return super.sameCampaign(seen(row, issuance), issuance);
    }

    protected override sameId(row: Issuance, issuance: Issuance): boolean {
      return super.sameId(seen(row, issuance), issuance);
    }

    protected override sameGrant(row: Issuance, issuance: Issuance): boolean {
      return super.sameGrant(seen(row, issuance), issuance);
    }

    protected override sameCode(row: Issuance, issuance: Issuance): boolean {
      return super.sameCode(seen(row, issuance), issuance);
    }
  };
}

/** Compares one field as a collation that folds does. */
function folding(field: TextField, fold: Fold) {
  return comparing(field, (stored, given) => fold(stored) === fold(given));
}

function matching(field: TextField, pattern: (text: string) => string) {
  return comparing(field, (stored, given) => new RegExp(`^(${pattern(given)})$`).test(stored));
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
  ...PATTERNS.flatMap(([what, pattern]): Broken[] => [
    {
      how: `takes a user id for ${what}`,
      Adapter: matching('userId', pattern),
      caughtBy: [`user ids that differ only in ${what} are two users`],
    },
    {
      how: `takes a code for ${what}`,
      Adapter: matching('code', pattern),
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
    how: 'has one key of campaign, user and grant, joined by a hyphen',
    Adapter: class extends Sheet {
      protected override sameGrant(row: Issuance, issuance: Issuance): boolean {
        return this.#key(row) === this.#key(issuance);
      }

      protected override sameCampaign(row: Issuance, issuance: Issuance): boolean {
        return super.sameCampaign(row, issuance) || this.#key(row) === this.#key(issuance);
      }

      #key({ campaignId, userId, grant }: Issuance): string {
        return `${campaignId}-${userId}-${grant}`;
      }
    },
    caughtBy: ['a campaign and a user that read the same when written one after the other are kept apart'],
  },
  {
    how: 'writes user and grant one after the other',
    Adapter: class extends Sheet {
      protected override sameGrant(row: Issuance, issuance: Issuance): boolean {
        return `${row.userId}${row.grant}` === `${issuance.userId}${issuance.grant}`;
      }
    },
    caughtBy: ['a user and a grant that read the same when written one after the other are kept apart'],
  },
  {
    how: 'keeps its users in a plain object',
    Adapter: class extends Sheet {
      protected override judge(issuance: Issuance): SaveVerdict | null {
        const byUser: Record<string, Issuance> = {};
        for (const row of this.rows) byUser[row.userId] = row;
        return super.judge(issuance) ?? (byUser[issuance.userId] ? this.userConflict(byUser[issuance.userId]!) : null);
      }
    },
    caughtBy: [
      'a user id and a code of the word __proto__ come back as they went in',
      'a user id and a code of the word constructor come back as they went in',
    ],
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
    how: 'composes characters',
    Adapter: harmingText((text) => text.normalize('NFC')),
    caughtBy: ['a user id and a code of right-to-left text and combining marks come back as they went in'],
  },
  {
    how: 'drops a byte order mark',
    Adapter: harmingText((text) => text.replace(/^\ufeff/, '')),
    caughtBy: ['a user id and a code of a byte order mark and text come back as they went in'],
  },
  {
    how: 'drops control characters',
    Adapter: harmingText((text) => text.replace(/[^\P{Cc}\s]/gu, '')),
    caughtBy: ['a user id and a code of control characters come back as they went in'],
  },
  {
    how: 'stores spaces as nothing',
    Adapter: harmingText((text) => (text.trim() === '' ? '' : text)),
    caughtBy: ['a user id and a code of spaces alone come back as they went in'],
  },
  {
    how: 'cuts off the spaces around',
    Adapter: harmingText((text) => text.replace(/^ +(?=\S)|(?<=\S) +$/g, '')),
    caughtBy: ['a user id and a code of spaces around come back as they went in'],
  },
  {
    how: 'reads what looks like JSON',
    Adapter: harmingText((text) => (text.startsWith('{"') ? JSON.stringify(JSON.parse(text)) : text)),
    caughtBy: ['a user id and a code of JSON come back as they went in'],
  },
  {
    how: 'strips markup',
    Adapter: harmingText((text) => text.replace(/<[^>]*>/g, '')),
    caughtBy: ['a user id and a code of markup come back as they went in'],
  },
  {
    how: 'has a column of numbers for what looks like one',
    Adapter: harmingText((text) => (Number.isNaN(Number(text)) || !text.trim() ? text : String(Number(text)))),
    caughtBy: ['a user id and a code of a number come back as they went in'],
  },
  {
    how: 'has 64 characters for text',
    Adapter: harmingText((text) => [...text].slice(0, 64).join('')),
    caughtBy: ['a user id and a code of 128 letters come back as they went in'],
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
    how: 'has 32 bits for the seconds of issuedAt',
    Adapter: harming(({ issuedAt }) => ({ issuedAt: new Date(Math.min(issuedAt.getTime(), 2 ** 31 * 1000)) })),
    caughtBy: ['issuedAt after 2038 comes back'],
  },
  {
    how: 'gives the grant as text',
    Adapter: harming(({ grant }) => ({ grant: String(grant) as unknown as number })),
    caughtBy: ['grant 100 comes back as a number'],
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
