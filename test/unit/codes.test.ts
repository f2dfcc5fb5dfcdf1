import { expect, test } from 'vitest';
import { generateCodes, InvalidArgumentError, isValidCode } from '../../src/index.js';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const codes = generateCodes({ count: 300 });

const withCharacter = (code: string, at: number, character: string) =>
  code.slice(0, at) + character + code.slice(at + 1);

test('codes are different, valid, 13 characters long and free of I, L, O and U', () => {
  const many = generateCodes({ count: 20_000 });
  expect(new Set(many).size).toBe(20_000);
  for (const code of many) {
    expect(code).toMatch(new RegExp(`^[${ALPHABET}]{13}$`));
    expect(isValidCode(code)).toBe(true);
  }
});

test('every character of the alphabet is used in every place', () => {
  const many = generateCodes({ count: 5_000 });
  for (let at = 0; at < 13; at++) expect(new Set(many.map((code) => code[at])).size).toBe(32);
});

test('any single wrong character is caught', () => {
  for (const code of codes) {
    for (let at = 0; at < 13; at++) {
      for (const character of ALPHABET) {
        if (character !== code[at]) expect(isValidCode(withCharacter(code, at, character))).toBe(false);
      }
    }
  }
});

test('two swapped neighbours are caught, except where the first and the last of the alphabet change places', () => {
  let caught = 0;
  let missed = 0;
  for (const code of generateCodes({ count: 5_000 })) {
    for (let at = 0; at < 12; at++) {
      const [left, right] = [code[at]!, code[at + 1]!];
      if (left === right) continue;
      const swapped = withCharacter(withCharacter(code, at, right), at + 1, left);
      if (isValidCode(swapped)) {
        expect([left, right].sort().join('')).toBe('0Z');
        missed++;
      } else caught++;
    }
  }
  // 2 of 992 ordered pairs.
  expect(missed).toBeGreaterThan(0);
  expect(missed / (caught + missed)).toBeLessThan(0.004);
});

test('a code is complete and in capitals', () => {
  const code = codes[0]!;
  for (const bad of ['', code.slice(1), `${code}0`, ` ${code}`, `${code}\n`, code.replace(/./, 'U'), '0'.repeat(12)])
    expect(isValidCode(bad)).toBe(false);
  const withLetter = codes.find((one) => /[A-Z]/.test(one))!;
  expect(isValidCode(withLetter.toLowerCase())).toBe(false);
});

test('what is not a string is not a code', () => {
  for (const value of [
    undefined,
    null,
    0,
    Number.NaN,
    {},
    [codes[0]],
    new String(codes[0]),
    Symbol('x'),
    () => codes[0],
  ])
    expect(isValidCode(value)).toBe(false);
});

test.each([0, -1, 1.5, 1_000_001, Number.NaN, '10', undefined, null])('count %s is refused', (count) => {
  expect(() => generateCodes({ count: count as number })).toThrow(InvalidArgumentError);
});

test('options that are no object are refused', () => {
  for (const bad of [undefined, null, 10, [10]])
    expect(() => generateCodes(bad as unknown as { count: number })).toThrow(InvalidArgumentError);
});
