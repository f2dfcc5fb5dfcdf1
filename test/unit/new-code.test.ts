import { describe, expect, test } from 'vitest';
import { assertNewCode, newCodeFault } from '../../src/model/new-code.js';

const refused = (code: unknown) => newCodeFault(code) !== null;

describe('a new code is refused', () => {
  test.each([
    ['a line end', ['AAA\n', 'AAA\r', 'A\r\nB', '\nAAA', 'AAA\u0085', 'A\u2028B', 'A\u2029B']],
    ['another control character', ['A\tB', 'A\u0001', '\u001B[2J', 'A\u007FB', 'A\u009FB']],
    ['a byte order mark', ['\uFEFFAAA', 'A\uFEFFA', 'AAA\uFEFF']],
    ['white space around it', [' AAA', 'AAA ', '\u00A0AAA', 'AAA\u00A0', '\u3000AAA', 'AAA\u2009', '쿠폰 ', ' ']],
    [
      'a character without width around it',
      ['\u200BAAA', 'AAA\u200D', '\u2060AAA', 'AAA\u200E', '\u202EAAA', '\u3164', '쿠폰\u200B'],
    ],
    ['a character without width in it', ['AAA\u200B-1', 'A\u00ADB', '쿠\u200B폰', 'A\u200DB', 'A\u202EB', 'A\uFE0FB']],
    ['what a line of a CSV has', ['"AAA"', 'AAA;10%;2030', 'AAA,10%', '"A""B"']],
    [
      'the look of a number that a spreadsheet shortened',
      ['1.23457E+12', '1E+12', '9.9E+07', '-1.2E+12', '12E+10', '1.23e+25'],
    ],
    [
      'what a spreadsheet shows for an error or a formula',
      ['#N/A', '#NAME?', '#REF!', '#VALUE!', '#DIV/0!', '#NUM!', '#NULL!', '#SPILL!', '########', '="00123"'],
    ],
    [
      'what a program writes for no value',
      ['null', 'NULL', '(null)', 'None', 'undefined', 'NaN', '\\N', '[object Object]'],
    ],
    ['a sign of another encoding', ['A\uFFFDB', '\uFFFD', 'caf\uFFFD']],
    ['what is no code at all', ['', 'x'.repeat(129), 'A\0', '\uD800', 7, null, undefined, ['A'], Buffer.from('A')]],
  ])('that has %s', (_, codes) => {
    expect(codes.filter((code) => !refused(code))).toEqual([]);
  });
});

test('a new code may be anything that a user can see and type', () => {
  const codes = [
    'AAA-1',
    'a b',
    'ünï:cöde', // cspell:ignore cöde
    '쿠폰 하나',
    'שלום',
    'مرحبا',
    'می‌خواهم',
    '😀',
    '👨‍👩‍👧‍👦',
    '❤️',
    '🇰🇷',
    "' DROP TABLE",
    '5"',
    '=1+1',
    ...[
      '1E12',
      '4E-11',
      'E+12',
      '1.5',
      '#1',
      '#',
      '##',
      '#NEW1',
      'N/A-7',
      'none',
      'NAN',
      'NULL-1',
      'nullify',
      'object',
    ],
    'x'.repeat(128),
  ];
  expect(codes.filter(refused)).toEqual([]);
});

test('the fault names the place and the way out, and never the code', () => {
  const message = (code: unknown) => {
    try {
      assertNewCode('code 7 of the list', code, false);
    } catch (error) {
      return (error as Error).message;
    }
    return '';
  };
  for (const code of ['SECRET\n', ' SECRET', 'SECRET\uFFFD', 'SECRET\u200B1', 'SECRET\uFEFF']) {
    expect(message(code)).toMatch(/^code 7 of the list must not .*asTheyAre/);
    expect(message(code)).not.toContain('SECRET');
  }
  expect(message('SECRET\0')).not.toContain('asTheyAre');
});

test('as they are codes have no limits but those of every text', () => {
  for (const code of ['AAA\n', ' AAA', 'A\uFFFD', '\uFEFF'])
    expect(() => assertNewCode('code', code, true)).not.toThrow();
  for (const code of ['', 'A\0', 'x'.repeat(129)]) expect(() => assertNewCode('code', code, true)).toThrow('code must');
});
