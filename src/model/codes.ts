import { randomInt } from 'node:crypto';
import { assertInteger, assertObject } from './check.js';

/** Crockford's base 32: no I, L, O or U, so that a code survives being read aloud or typed. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const BASE = ALPHABET.length;
const LENGTH = 12;
const PATTERN = new RegExp(`^[${ALPHABET}]{${LENGTH + 1}}$`);

/** One code: 12 characters from a cryptographically secure source (60 bits) and a check character. */
export function mintCode(): string {
  let code = '';
  for (let i = 0; i < LENGTH; i++) code += ALPHABET[randomInt(BASE)];
  return code + checkCharacter(code);
}

/**
 * Returns `count` different codes, 1–1,000,000. Each has 12 characters of Crockford base 32 from a cryptographically
 * secure source, and one check character (Luhn mod 32). The check catches any single wrong character and nearly all
 * swapped neighbours. Throws `InvalidArgumentError`.
 *
 * @example
 * ```ts
 * await launch.loadCodes(generateCodes({ count: 1000 }));
 * ```
 */
export function generateCodes(options: { count: number }): string[] {
  assertObject('the argument of generateCodes()', options);
  assertInteger('count', options.count, 1, 1_000_000);
  const codes = new Set<string>();
  while (codes.size < options.count) codes.add(mintCode());
  return [...codes];
}

/**
 * Whether this is a whole code of `generateCodes` with the right check character. It does not say whether the code was
 * issued.
 *
 * @example
 * ```ts
 * if (!isValidCode('0123456789ABC')) response.status(400).json({ error: 'mistyped' });
 * ```
 */
export function isValidCode(code: unknown): boolean {
  return typeof code === 'string' && PATTERN.test(code) && checkCharacter(code.slice(0, LENGTH)) === code[LENGTH];
}

/** Luhn mod N: every second character from the right is doubled, its two digits in base N are added. */
function checkCharacter(code: string): string {
  let sum = 0;
  for (let i = 0; i < code.length; i++) {
    const doubled = ALPHABET.indexOf(code[code.length - 1 - i]!) * (i % 2 === 0 ? 2 : 1);
    sum += Math.floor(doubled / BASE) + (doubled % BASE);
  }
  return ALPHABET[(BASE - (sum % BASE)) % BASE]!;
}
