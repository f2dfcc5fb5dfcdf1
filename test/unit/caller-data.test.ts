import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { InvalidArgumentError } from '../../src/index.js';
import { dataOf, dataText, secretsOf } from '../../src/model/caller-data.js';
import { redacted } from '../../src/model/safe-error.js';

const SECRET = 'kim@example.com';
const cyclic: Record<string, unknown> = { inner: {} };
(cyclic.inner as Record<string, unknown>).back = cyclic;

/** Objects within objects, so many levels in all. */
function nested(levels: number): object {
  let value: object = {};
  for (let level = 1; level < levels; level++) value = { a: value };
  return value;
}

class Order {
  readonly secret = SECRET;
}

function faultOf(data: unknown): InvalidArgumentError {
  try {
    dataText(data);
  } catch (error) {
    return error as InvalidArgumentError;
  }
  throw new Error('it was taken');
}

describe('data is refused', () => {
  test.each<[string, unknown, string]>([
    ['null', null, 'data must be a plain object, not null'],
    ['a text', SECRET, 'data must be a plain object, not string'],
    ['a list', [SECRET], 'data must be a plain object, not array'],
    ['an instance of a class', new Order(), 'data must be a plain object, not an instance of a class'],
    ['a date', new Date(), 'data must be a plain object, not an instance of a class'],
    ['a map within', { order: new Map() }, 'data.order must be JSON, not an instance of a class'],
    ['a number that is none', { order: { price: Number.NaN } }, 'data.order.price must be a finite number'],
    ['an endless number', { list: [1, Number.POSITIVE_INFINITY] }, 'data.list[1] must be a finite number'],
    ['a bigint', { price: 1n }, 'data.price must be JSON, not bigint'],
    ['a function', { price: () => 1 }, 'data.price must be JSON, not function'],
    ['a symbol', { price: Symbol('x') }, 'data.price must be JSON, not symbol'],
    ['a property without a value', { source: undefined }, 'data.source must be JSON, not undefined'],
    ['a list with a hole', { list: new Array(1) }, 'data.list[0] must be JSON, not undefined'],
    ['a symbol for a name', { [Symbol('x')]: 1 }, 'data must have no symbols as names'],
    ['toJSON()', { order: { toJSON: () => SECRET } }, 'data.order must be plain: its toJSON() is never called'],
    ['U+0000 in a text', { note: `a\0${SECRET}` }, 'data.note must not contain U+0000'],
    ['U+0000 in a name', { 'a\0': 1 }, 'data[…] must not contain U+0000'],
    ['half a character', { note: '\ud83d' }, 'data.note must be well-formed Unicode'],
    ['half a character in a name', { '\ud83d': 1 }, 'data[…] must be well-formed Unicode'],
    ['a circle', cyclic, 'data.inner.back must not contain itself'],
    ['17 levels', nested(17), 'data must be at most 16 levels deep'],
    ['a long text', { note: 'x'.repeat(1_014) }, 'data must be at most 1024 bytes of JSON'],
    ['bytes, not characters', { note: '가'.repeat(338) }, 'data must be at most 1024 bytes of JSON'],
    [
      'a getter that throws',
      {
        get note() {
          throw new Error(SECRET);
        },
      },
      'data must be readable',
    ],
    [
      'a proxy that throws',
      new Proxy(
        {},
        {
          ownKeys() {
            throw new Error(SECRET);
          },
        },
      ),
      'data must be readable',
    ],
  ])('that is or has %s', (_, data, message) => {
    const error = faultOf(data);
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect(error.message).toContain(message);
    expect(JSON.stringify([error, error.message, error.stack, error.cause])).not.toContain(SECRET);
  });
});

test('a list that is too long is not read to its end', () => {
  let reads = 0;
  const list = new Proxy([], { get: (_, name) => (name === 'length' ? 1e9 : ++reads % 10) });
  expect(faultOf({ list }).message).toContain('at most 1024 bytes');
  expect(reads).toBeLessThan(2_000);
});

describe('data is taken', () => {
  test.each<[string, object]>([
    ['an empty object', {}],
    ['values of every kind', { a: 'x', b: 1.5, c: true, d: null, e: [1, [2], { f: '' }], '': 0 }],
    ['texts of every kind', { 한글: '가🙂\u2028"\\\n\u0001' }],
    ['numbers at their ends', { most: Number.MAX_VALUE, least: 5e-324, whole: Number.MAX_SAFE_INTEGER, big: 1e21 }],
    ['16 levels', nested(16)],
    ['1,024 bytes', { note: 'x'.repeat(1_013) }],
    ['an object without a prototype', Object.assign(Object.create(null), { a: 1 })],
    ['an object of another realm', runInNewContext('({ a: [1, { b: 2 }] })')],
  ])('of %s, and comes back the same', (_, data) => {
    expect(dataOf(dataText(data))).toEqual(JSON.parse(JSON.stringify(data)));
  });

  test('with a name that objects inherit, as a property of its own', () => {
    const data = dataOf(dataText(JSON.parse('{"__proto__":{"admin":true}}')));
    expect(Object.getPrototypeOf(data)).toBe(Object.prototype);
    expect(JSON.stringify(data)).toBe('{"__proto__":{"admin":true}}');
  });

  test('with minus zero as zero, because JSON in databases has one zero', () => {
    expect(dataText({ a: -0 })).toBe('{"a":0}');
  });

  test('with each property read once', () => {
    let reads = 0;
    const text = dataText({
      get price() {
        return ++reads;
      },
    });
    expect([text, reads]).toEqual(['{"price":1}', 1]);
  });

  test('as no text at all where there is none', () => {
    expect(dataText(undefined)).toBe('');
  });
});

test('the data that hooks get is frozen to its depth', () => {
  const data = dataOf('{"a":{"b":[{"c":1}]}}') as { a: { b: object[] } };
  for (const part of [data, data.a, data.a.b, data.a.b[0]]) expect(Object.isFrozen(part)).toBe(true);
});

test('the texts and numbers of data are blotted out of an error, and short ones are left', () => {
  const issuance = {
    code: 'CODE-1',
    data: { mail: SECRET, price: 12_900, deep: [{ way: 'by-app' }], n: 7, 'kim lee': 1 },
  };
  const error = redacted(new Error(`${SECRET} paid 12900 by-app, CODE-1, kim lee, 7`), secretsOf(issuance));
  expect(error.message).toBe('[redacted] paid [redacted] [redacted], [redacted], [redacted], 7');
  expect(secretsOf({ code: null })).toEqual([null]);
});
