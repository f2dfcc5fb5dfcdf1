import fc from 'fast-check';
import { expect } from 'vitest';
import { SEED } from '../checks/lengths.js';

/** What has broken something somewhere. */
const KEYS = ['}', '{', '{a}', ':', '1:', '1:ann', 'i:0:1:1:x:', 't3:9:9:9:y:CODE', 'load:', 'restock:', 'epoch', '*'];
const LINES = [
  '\r\n',
  '\n',
  '\t',
  ' ',
  '*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n',
  '$-1\r\n',
  '+OK\r\n',
  '-ERR no\r\n',
];
const LUA = ['redis.call("FLUSHALL")', 'KEYS[1]', ']]', '%s', '%d', '%', '--[[', '\\', '\\u0000', '\\x00'];
const SQL = [
  "'; DROP TABLE coupon_issuances; --",
  "' OR '1'='1",
  '"',
  '$1',
  "\\'",
  '{1,2}',
  'NULL',
  '(SELECT 1)',
  '/*',
];
const WORDS = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'then', 'null', 'undefined'];
const NUMBERS = ['NaN', '0', '-0', '1', '01', '1.0', '1e3', '9007199254740993', '-1', 'true'];
const ALIKE = ['ann', 'Ann', 'ANN', 'ann ', ' ann', 'ann\u200B', 'ann\u00A0', '\u0430nn', '\uFF41nn', '\uFEFFann'];
const COMPOSED = ['a\u0301', '\u00E1', '\u212B', '\u00C5', '\uFB01', 'fi', 'ß', 'ss', '\u0130', 'i\u0307', '\u0131'];
const ODD = ['\u202Enna', '\u2066x\u2069', '\u0001', '\u001B[2J', '\u007F', '\u2028', '\uFFFD', '\uFFFF', '\u{10FFFF}'];
const TONGUES = ['쿠폰', '선착순', 'שלום', 'مرحبا', '\uFDFA', '😀', '👨‍👩‍👧‍👦', '🇰🇷'];
const FRAGMENTS = [KEYS, LINES, LUA, SQL, WORDS, NUMBERS, ALIKE, COMPOSED, ODD, TONGUES].flat();

/** What is no text for Redis or PostgreSQL, or two texts in one. */
const BROKEN = ['', '\0', 'ann\0', '\0ann', '\uD800', '\uDC00', 'ann\uD83D', '\uDE00\uD83D', '\uD83D\uD83D\uDE00'];

/** Whole characters of 1 to 4 bytes, so that the limit is met from both sides. */
const FILLERS = ['x', 'é', '쿠', '😀'];

const fragment = fc.constantFrom(...FRAGMENTS);
const atTheLimit = fc
  .tuple(fc.constantFrom(...FILLERS), fc.integer({ min: 124, max: 132 }), fc.constantFrom('', 'y', 'yy', 'yyy'))
  .map(([filler, bytes, rest]) => filler.repeat(Math.floor(bytes / Buffer.byteLength(filler))) + rest);
const broken = fc.tuple(fragment, fc.constantFrom(...BROKEN), fragment).map((parts) => parts.join(''));

/** Strings that somebody may give as the name of a user, of a request or of a load, or as a code. */
export const hostileText: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: fc.array(fragment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('')) },
  { weight: 4, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  { weight: 4, arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }) },
  { weight: 2, arbitrary: atTheLimit },
  { weight: 1, arbitrary: broken },
  { weight: 1, arbitrary: fc.constantFrom(...BROKEN) },
);

/** Anything at all in the place of a text. */
export const notAText: fc.Arbitrary<unknown> = fc.oneof(
  fc.array(hostileText, { maxLength: 3 }),
  fc.constantFrom<unknown>(null, Number.NaN, -0, 0, 42, 2 ** 53, true, false, Symbol('ann'), 7n, () => 'ann'),
  fc.constantFrom<unknown>(new String('ann'), Buffer.from('ann'), new Date(0), /ann/, new Map(), new Set(['ann'])),
  fc.object({ maxDepth: 2 }),
  fc.constantFrom<unknown>({ toString: () => 'ann' }, { [Symbol.toPrimitive]: () => 'ann' }, Object.create(null)),
);

const NAME_PARTS = [
  'launch',
  'a',
  'A',
  '.',
  '..',
  '-',
  '_',
  '7',
  'x'.repeat(63),
  'x'.repeat(64),
  '__proto__',
  'toString',
];

/** Strings that somebody may give as the id of a campaign or as a prefix: many that are names, many that are not. */
export const hostileName: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.array(fc.constantFrom(...NAME_PARTS), { minLength: 1, maxLength: 4 }).map((all) => all.join('')),
  },
  { weight: 2, arbitrary: fc.string({ unit: fc.constantFrom(...'abzAZ019._-'), minLength: 1, maxLength: 66 }) },
  { weight: 5, arbitrary: hostileText },
);

/** The rule for texts, said another way than the library says it: what UTF-8 gives back unchanged. */
export function isText(value: unknown): value is string {
  if (typeof value !== 'string') return false;
  const bytes = new TextEncoder().encode(value);
  return (
    bytes.length >= 1 &&
    bytes.length <= 128 &&
    !bytes.includes(0) &&
    new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes) === value
  );
}

/** The rule for names, character by character. */
export function isName(value: unknown): value is string {
  if (typeof value !== 'string' || value.length < 1 || value.length > 64) return false;
  return [...value].every((character) =>
    'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-'.includes(character),
  );
}

export function cases<T>(arbitrary: fc.Arbitrary<T>, count: number): T[] {
  return fc.sample(arbitrary, { numRuns: count, seed: SEED });
}

/** Each is refused as a bad argument; the first one that is not fails the test and is named. */
export async function allRefused<T>(values: readonly T[], call: (value: T) => Promise<unknown>): Promise<void> {
  const words = await Promise.all(values.map(async (value) => ({ value, word: await wordOf(() => call(value)) })));
  expect(words.find(({ word }) => word !== 'INVALID_ARGUMENT')).toBeUndefined();
}

/** The code of what a call throws, or what it did instead. */
export async function wordOf(call: () => unknown): Promise<string> {
  try {
    await call();
    return 'it was accepted';
  } catch (error) {
    const { name, code, message } = error as { name?: string; code?: string; message?: string };
    return code ?? `${name}: ${message}`;
  }
}
