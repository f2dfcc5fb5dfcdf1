// cspell:ignore stra strasse
import type { Issuance } from '../model/issuance.js';
import type { Case, Stage } from './stage.js';

/** Two strings that a database may take for one. */
const LOOKALIKES: [what: string, one: string, other: string][] = [
  ['letter case', 'Kim', 'kim'],
  ['a space at the end', 'kim', 'kim '],
  ['a space at the start', 'kim', ' kim'],
  ['an accent', 'jose', 'jos\u00e9'],
  ['the form of one accent, composed or not', 'jos\u00e9', 'jose\u0301'],
  ['full-width letters', 'kim', '\uff4b\uff49\uff4d'],
  ['an emoji', 'kim \u{1f381}', 'kim \u{1f382}'],
  ['a character without width', 'kim', 'k\u200bim'],
  ['a control character', 'kim', 'kim\u0001'],
  ['a letter that is spelt out', 'stra\u00dfe', 'strasse'],
  ['the number of spaces', ' ', '  '],
  ['leading zeros', '7', '007'],
  ['the way a number is written', '1000', '1e3'],
  ['the last digit of a long number', '9007199254740992', '9007199254740993'],
  ['a wildcard of LIKE', 'kim', 'k%m'],
  ['a wildcard of a pattern', 'kim', 'k.m'],
];

/** All but U+0000, which no id may have. */
const CONTROL = String.fromCharCode(...Array.from({ length: 31 }, (_, i) => i + 1));

/** Strings that quoting, escaping or a narrow column would harm. */
const AWKWARD: [what: string, text: string][] = [
  ['quotes and backslashes', `' '' " "" \\ \\\\ \\' \\" \` ; --`],
  ['braces, commas and the word NULL', '{NULL,"a",,{}}'],
  ['the whole word NULL', 'NULL'],
  ['line breaks and tabs', '\n one \r\n two \t'],
  ['emoji and Hangul', '\u{1f469}\u{200d}\u{1f469}\u{200d}\u{1f467} \uc120\ucc29\uc21c'],
  ['placeholders', '$1 ? :name @name %s %'],
  ['right-to-left text and combining marks', '\u202e\u05e9\u05dc\u05d5\u05dd \u0633\u0644\u0627\u0645 a\u0323\u0301'],
  ['a byte order mark and text', '\ufeffkim'],
  ['control characters', `${CONTROL}\u007f\u0085\u2028`],
  ['spaces alone', '   '],
  ['spaces around', '  kim  '],
  ['the word __proto__', '__proto__'],
  ['the word constructor', 'constructor'],
  ['JSON', '{"a":["\\u0000",null,1e3]}'],
  ['markup', '<b title="x">&amp; &#39;</b>'],
  ['a number', '007.50'],
  ['128 bytes of text', '\u{1f381}'.repeat(32)],
  ['128 letters', 'k'.repeat(128)],
];

/** Stored rows equal the given rows, to the byte and to the millisecond. */
export const fidelityCases: Case[] = [
  ...LOOKALIKES.flatMap(([what, one, other]): Case[] => [
    {
      name: `user ids that differ only in ${what} are two users`,
      check: twoOf((text, stage) => (stage.isUserId(text) ? stage.issuance({ userId: text }) : null), [one, other]),
    },
    {
      name: `codes that differ only in ${what} are two codes`,
      check: twoOf((text, stage) => stage.issuance({ code: text }), [one, other]),
    },
  ]),
  {
    name: 'ids that differ only in letter case are two ids',
    check: async (stage) => {
      const first = stage.issuance({ grant: 1 });
      const swapped = [...first.id].map((c) => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase())).join('');
      await stage.given(first);
      const second = stage.issuance({ id: swapped, userId: first.userId, grant: 2 });
      await stage.given(second);
      await stage.expectStored(first, second);
    },
  },
  {
    name: 'campaign ids that differ only in letter case are two campaigns',
    check: async (stage) => {
      const lower = stage.issuance({ campaignId: `${stage.campaignId}-summer`, serial: 1 });
      const upper = stage.issuance({ campaignId: `${stage.campaignId}-SUMMER`, serial: 1 });
      await stage.given(lower, upper);
      await stage.expectStored(lower, upper);
    },
  },
  {
    name: 'a campaign id of 64 characters is stored whole',
    check: async (stage) => {
      const long = `${stage.campaignId}-`.padEnd(63, '.');
      const [one, other] = ['a', 'b'].map((end) => ({ campaignId: `${long}${end}`, serial: 1 }));
      const batch = [stage.issuance(one), stage.issuance(other)];
      await stage.given(...batch);
      await stage.expectStored(...batch);
    },
  },
  {
    name: 'a campaign and a user that read the same when written one after the other are kept apart',
    check: async (stage) => {
      const pairs = ['', '-', '.', '_'].flatMap((between): [string, string][] => [
        [stage.campaignId, `x${between}1`],
        [`${stage.campaignId}${between}x`, '1'],
      ]);
      const named = pairs.filter(([, text]) => stage.isUserId(text));
      const batch = named.map(([campaignId, text]) => stage.issuance({ campaignId, userId: text, code: text }));
      for (const one of batch) await stage.given(one);
      await stage.expectStored(...batch);
    },
  },
  {
    name: 'a user and a grant that read the same when written one after the other are kept apart',
    check: async (stage) => {
      const pairs = [['kim', 11] as const, ['kim1', 1] as const, ['7', 11] as const, ['71', 1] as const];
      const named = pairs.filter(([userId]) => stage.isUserId(userId));
      const batch = named.map(([userId, grant]) => stage.issuance({ userId, grant }));
      for (const one of batch) await stage.given(one);
      await stage.expectStored(...batch);
    },
  },
  ...AWKWARD.map(
    ([what, text]): Case => ({
      name: `a user id and a code of ${what} come back as they went in`,
      check: comesBack({ userId: text, code: text }),
    }),
  ),
  { name: 'serial 9007199254740991 comes back exact', check: comesBack({ serial: Number.MAX_SAFE_INTEGER }) },
  {
    name: 'serials beyond 2^32 are told apart to the last digit',
    check: async (stage) => {
      const batch = [0, 1, 2].map((n) => stage.issuance({ serial: Number.MAX_SAFE_INTEGER - n }));
      await stage.given(...batch);
      await stage.expectStored(...batch);
    },
  },
  {
    name: 'issuedAt comes back to the millisecond',
    check: comesBack({ issuedAt: new Date('2026-03-29T01:30:00.001Z') }),
  },
  { name: 'issuedAt after 2038 comes back', check: comesBack({ issuedAt: new Date('2040-02-29T12:00:00.000Z') }) },
  { name: 'grant 100 comes back as a number', check: comesBack({ grant: 100 }) },
  { name: 'a code that is null comes back as null', check: comesBack({ code: null }) },
  { name: 'the epoch comes back as it went in', check: comesBack({ epoch: '12-Ab_cd-EF' }) },
];

/** Two issuances that differ in one string are both stored, one after the other. `null`: no call names such a user. */
function twoOf(make: (text: string, stage: Stage) => Issuance | null, texts: string[]): Case['check'] {
  return async (stage) => {
    const made = texts.map((text) => make(text, stage)).filter((one) => one !== null);
    for (const one of made) await stage.given(one);
    await stage.expectStored(...made);
  };
}

/**
 * The row that a `user_conflict` carries has every field as it was saved: each adapter can show a row this way, even
 * one without `list`.
 */
function comesBack(given: Partial<Issuance>): Case['check'] {
  return async (stage) => {
    const isOwn = given.userId === undefined || stage.isUserId(given.userId);
    const stored = stage.issuance(isOwn ? given : { ...given, userId: stage.userId() });
    await stage.given(stored);
    const { userId, grant } = stored;
    await stage.expectUserConflict(stage.issuance({ userId, grant }), stored);
    await stage.expectStored(stored);
  };
}
