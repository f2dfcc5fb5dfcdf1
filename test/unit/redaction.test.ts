// cspell:ignore secretcode
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Redaction } from '../../src/model/redact.js';
import { redacted } from '../../src/model/safe-error.js';

const SPECIAL = 'SE"C\'RE/T +\\%41-1234';

test.each<[string, string, (code: string) => string, string]>([
  ['as it stands', SPECIAL, (code) => code, '[redacted]'],
  ['quoted for JSON', SPECIAL, (code) => JSON.stringify({ c: code }), '{"c":"[redacted]"}'],
  [
    'quoted for JSON within JSON',
    SPECIAL,
    (code) => JSON.stringify(JSON.stringify({ c: code })),
    JSON.stringify('{"c":"[redacted]"}'),
  ],
  ['quoted for SQL by doubling', "SE'CRET1234", (code) => `'${code.replaceAll("'", "''")}'`, "'[redacted]'"],
  ['quoted for SQL by a backslash', "SE'CRET1234", (code) => `'${code.replaceAll("'", "\\'")}'`, "'[redacted]'"],
  ['in the path of a URL', SPECIAL, (code) => `PUT /c/${encodeURIComponent(code)}`, 'PUT /c/[redacted]'],
  ['in the query of a URL', SPECIAL, (code) => `PUT /?${new URLSearchParams({ c: code })}`, 'PUT /?c=[redacted]'],
  ['in a URL, in lower case', SPECIAL, (code) => encodeURIComponent(code).toLowerCase(), '[redacted]'],
  ['in lower case', 'SECRETCODE12', (code) => code.toLowerCase(), '[redacted]'],
  ['in upper case', 'secretcode12', (code) => code.toUpperCase(), '[redacted]'],
  ['of other letters, escaped', 'ключ-1234', () => '\\u043a\\u043b\\u044e\\u0447-1234', '[redacted]'],
  ['of other letters, in a URL', 'ключ-1234', (code) => encodeURIComponent(code), '[redacted]'],
  ['with entities', 'A&B<C>1234', () => 'A&amp;B&lt;C&#62;1234', '[redacted]'],
  ['in hex', 'SECRETCODE12', (code) => `x'${Buffer.from(code).toString('hex').toUpperCase()}'`, "x'[redacted]'"],
  ['in base64', 'SECRETCODE12', (code) => Buffer.from(code).toString('base64'), '[redacted]'],
  ['in base64url', 'SECRET???~~~', (code) => Buffer.from(code).toString('base64url'), '[redacted]'],
  ['with a line break, in JSON', 'SECRET\nCODE', (code) => JSON.stringify(code), '"[redacted]"'],
])('a code is blotted out whole %s', (_, code, disguise, clean) => {
  const told = redacted(new Error(`before ${disguise(code)} after`), ['OTHER-CODE-1', code]).message;
  expect(told).toBe(`before ${clean} after`);
});

test('a code that is cut is blotted out, its beginning and its end', () => {
  const code = 'QWERTZUIOPASDFGHJKLYXCVBNM';
  expect(redacted(new Error(`value "${code.slice(0, 20)}…" is too long`), [code]).message).toBe(
    'value "[redacted]…" is too long',
  );
  expect(redacted(new Error(`…${code.slice(-9)} is unknown`), [code]).message).toBe('…[redacted] is unknown');
});

test('the first and the last eight characters of a code are blotted out, also with quotes among them', () => {
  const code = 'PA"RT-NER-AbCd+EfGh/"121';
  expect(new Redaction([code]).of(`no ${code.slice(0, 8)}…`)).toBe('no [redacted]…');
  expect(new Redaction([code]).of(`no …${code.slice(-8)}`)).toBe('no …[redacted]');
  const letters = [...'abcdefgh0123456789'];
  const character = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...letters) }, fc.constantFrom(...'"\'`+/-'));
  // With fewer than four others among them, quotes say little.
  const part = fc
    .tuple(
      fc.array(character, { minLength: 4, maxLength: 4 }),
      fc.array(fc.constantFrom(...letters), { minLength: 4, maxLength: 4 }),
    )
    .map(([some, others]) => [...some, ...others].join(''));
  fc.assert(
    fc.property(part, fc.string(), part, (head, between, tail) => {
      const redaction = new Redaction([head + between + tail]);
      for (const cut of [head, tail]) expect(redaction.of(cut).replaceAll('[redacted]', '')).not.toMatch(/[a-h0-9]/);
    }),
    { numRuns: 2_000, seed: 65 },
  );
});

test('of a code that begins with another one nothing is left', () => {
  expect(redacted(new Error('SECRET-1 and SECRET-12'), ['SECRET-1', 'SECRET-12']).message).toBe(
    '[redacted] and [redacted]',
  );
});

test('codes of few characters are blotted out as they stand, and words are left alone', () => {
  expect(redacted(new Error('no row for A1, a1'), ['A1']).message).toBe('no row for [redacted], a1');
  expect(redacted(new Error('no row for ABCD'), ['abcd']).message).toBe('no row for [redacted]');
});

test('a message of ten megabytes is not searched to its end, and no code is cut through where the search ends', () => {
  const codes = Array.from({ length: 500 }, (_, i) => `SECRET-CODE-${String(i).padStart(6, '0')}`);
  const told = new Redaction(codes).of(codes.join(',').repeat(1_000));
  expect(told.length).toBeLessThan(8_192);
  expect(told.replaceAll('[redacted]', '').replaceAll(',', '')).toBe('');
  expect(new Redaction(codes).of('x'.repeat(10_000_000)).length).toBeLessThanOrEqual(8_192);
});

test('a name or a code of an error that quotes a coupon in disguise is left out', () => {
  const error = Object.assign(new Error('no'), { name: 'secretcode12', code: 'SECRETCODE12' });
  const told = redacted(error, ['SecretCode12']);
  expect({ name: told.name, code: (told as { code?: unknown }).code }).toEqual({ name: 'Error', code: undefined });
});

test('no text makes it throw, as a secret or as a message', () => {
  expect(() => new Redaction(['&apo\u017f;-1234'])).not.toThrow();
  const parts = [
    '&apo\u017f;',
    '&APOS;',
    '&#x110000;',
    '&#0;',
    '&',
    ';',
    '%',
    '%ff',
    '%4',
    '\\ud800',
    '\\u00',
    '\ud800',
    'İ',
    'ß',
    'K',
    'ab',
  ];
  const text = fc
    .array(fc.oneof(fc.constantFrom(...parts), fc.string({ unit: 'binary', maxLength: 4 })))
    .map((all) => all.join(''));
  fc.assert(
    fc.property(text, text, (secret, message) => {
      expect(typeof new Redaction([secret]).of(`${message}${secret}`)).toBe('string');
    }),
    { numRuns: 2_000 },
  );
});
