import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  assertInteger,
  assertName,
  assertObject,
  assertOnlyKeys,
  assertText,
  textFault,
} from '../../src/model/check.js';
import { InvalidArgumentError } from '../../src/model/errors.js';
import { SEED } from './support.js';

const bytes = (text: string) => new TextEncoder().encode(text).length;
const runs = { seed: SEED, numRuns: 500 };

describe('a user id, request id or code', () => {
  test('is any text of 1 to 128 bytes, and only that', () => {
    for (const good of [
      'a',
      '0',
      ' ',
      'kim:1',
      'a\nb',
      '선착순',
      '🎟',
      'x'.repeat(128),
      '쿠'.repeat(42),
      '🎟'.repeat(32),
    ])
      expect(textFault(good)).toBeNull();
    for (const bad of [
      '',
      'x'.repeat(129),
      '쿠'.repeat(43),
      '🎟'.repeat(33),
      `${'x'.repeat(127)}é`,
      'x'.repeat(1_000_000),
    ])
      expect(textFault(bad)).not.toBeNull();
  });

  test('is not a number, an array, an object or anything else that a client would turn into text', () => {
    const hostile = [
      1,
      0,
      Number.NaN,
      2n ** 60n,
      true,
      null,
      undefined,
      [],
      ['kim'],
      ['kim', 'lee'],
      {},
      Symbol('kim'),
      () => 'kim',
    ];
    for (const value of [...hostile, new String('kim'), Buffer.from('kim'), { toString: () => 'kim' }])
      expect(() => assertText('userId', value)).toThrow(InvalidArgumentError);
  });

  test('has no U+0000 and no lone surrogate, wherever it stands', () => {
    for (const bad of ['\0', 'kim\0', '\0kim', '\ud800', 'kim\udfff', '\udc00\ud800', 'a\ud83cb'])
      expect(() => assertText('userId', bad)).toThrow(InvalidArgumentError);
  });

  test(`is taken exactly when it survives the way to Redis and back (seed ${SEED})`, () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 140 }),
      fc.string({ unit: 'binary-ascii', maxLength: 140 }),
    );
    const withSurrogates = fc
      .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 70 })
      .map((units) => String.fromCharCode(...units));
    fc.assert(
      fc.property(fc.oneof(text, withSurrogates), (value) => {
        const survives =
          new TextDecoder('utf-8', { ignoreBOM: true }).decode(new TextEncoder().encode(value)) === value;
        const fits = bytes(value) >= 1 && bytes(value) <= 128;
        expect(textFault(value) === null).toBe(survives && fits && !value.includes('\0'));
      }),
      runs,
    );
  });

  test(`of any other type is refused (seed ${SEED})`, () => {
    const anything = fc.anything({ withBigInt: true, withDate: true, withTypedArray: true, withSparseArray: true });
    fc.assert(
      fc.property(
        anything.filter((value) => typeof value !== 'string'),
        (value) => {
          expect(() => assertText('userId', value)).toThrow(InvalidArgumentError);
        },
      ),
      runs,
    );
  });

  test('is not repeated in the message of its fault, since it may be a code', () => {
    const fault = textFault(`SECRET${'x'.repeat(200)}`);
    expect(fault).not.toContain('SECRET');
  });
});

describe('a campaign id or prefix', () => {
  test(`never leaves its hash tag (seed ${SEED})`, () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 70 }), (value) => {
        const good = /^[A-Za-z0-9._-]+$/.test(value) && value.length <= 64 && !value.includes('\n');
        if (good) assertName('id', value);
        else expect(() => assertName('id', value)).toThrow(InvalidArgumentError);
      }),
      runs,
    );
  });

  test('is 1 to 64 of the letters that are allowed', () => {
    for (const good of ['a', 'Launch.2026_11-a', 'x'.repeat(64), '..', '-']) assertName('id', good);
    for (const bad of ['', 'x'.repeat(65), 'a b', 'a}', '{a', 'a:b', 'a\n', '선착순', 'a\0', 7, null, ['a'], undefined])
      expect(() => assertName('id', bad)).toThrow(InvalidArgumentError);
  });
});

test('a whole number within its range passes, anything else does not', () => {
  assertInteger('count', 1, 1, 10);
  assertInteger('count', 10, 1, 10);
  for (const bad of [0, 11, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '5', null, 5n, [5], undefined])
    expect(() => assertInteger('count', bad, 1, 10)).toThrow('count must be a whole number from 1 to 10');
});

test('an object is neither null nor an array, and has no property that nobody knows', () => {
  for (const bad of [null, [], 'x', 1, undefined])
    expect(() => assertObject('options', bad)).toThrow(InvalidArgumentError);
  assertOnlyKeys('options', { a: 1 }, ['a', 'b']);
  expect(() => assertOnlyKeys('options', { perUsr: 1 }, ['perUser'])).toThrow("options has no property 'perUsr'");
});
