// cspell:ignore kimc launchk
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { textFault } from '../../src/model/check.js';
import { deriveId, mintId } from '../../src/model/issuance.js';
import { decodeIssuance, decodeRecord, fieldOf, shownIssuances, splitField } from '../../src/redis/record.js';
import { SEED } from './support.js';

const named = { campaignId: 'launch', userId: 'kim', epoch: '1-abc' };
const of = { ...named, validity: null };
const text = fc.string({ unit: 'binary', maxLength: 128 }).filter((value) => textFault(value) === null);

test(`a record gives back what was written, whatever the code holds (seed ${SEED})`, () => {
  fc.assert(
    fc.property(
      fc.record({
        state: fc.constantFrom('r', 't', 'i', 'i1'),
        stamp: fc.nat(),
        serial: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
        issuedAt: fc.integer({ min: 0, max: 8_640_000_000_000_000 }),
        id: fc.constantFrom('id', 'random').map((kind) => (kind === 'id' ? deriveId('a', 'b', 'c') : mintId())),
        code: fc.option(text),
      }),
      ({ state, stamp, serial, issuedAt, id, code }) => {
        const record = [state, stamp, serial, issuedAt, id, code ?? ''].join(':');
        expect(decodeIssuance('2', record, of)).toEqual({
          ...named,
          id,
          grant: 2,
          serial,
          code,
          issuedAt: new Date(issuedAt),
          state: { r: 'reserved', t: 'reserved', i: 'issued', i1: 'revoked' }[state],
        });
        expect(decodeRecord('2', record, of)).toMatchObject({
          stamp: String(stamp),
          tries: { failures: state === 'i1' ? 1 : 0, counted: 0 },
        });
      },
    ),
    { seed: SEED },
  );
});

test.each(['a:b:c', ':', '::::::', 'a\nb', '\n', '🎟️', 'r:1:1:1:id:code', ' '])(
  'code %j survives its record',
  (code) => {
    expect(decodeIssuance('1', `r:5:7:9:${'A'.repeat(22)}:${code}`, of).code).toBe(code);
  },
);

test('a record has the end that the rule of its campaign gives it, each time it is read', () => {
  const record = `r:5:7:9:${'A'.repeat(22)}:`;
  const ending = { ...of, validity: { until: null, forMs: 60_000, days: null, timeZone: null } };
  expect(decodeIssuance('1', record, ending).expiresAt).toEqual(new Date(60_009));
  expect(decodeIssuance('1', record.replace('r', 'i'), ending).expiresAt).toEqual(new Date(60_009));
  expect(decodeRecord('1', record, ending, '{"a":1}').issuance).toMatchObject({
    expiresAt: new Date(60_009),
    data: { a: 1 },
  });
  expect(decodeIssuance('1', record, of)).not.toHaveProperty('expiresAt');
  const [shown] = shownIssuances(['1', record], ending);
  expect(shown).toMatchObject({ code: null, expiresAt: new Date(60_009) });
});

test('an id of digits alone is not taken for the number before it', () => {
  const id = '1'.repeat(22);
  expect(decodeIssuance('1', `r:1111111111111111:1:1111111111111:${id}:1:${id}`, of)).toMatchObject({
    id,
    serial: 1,
    code: `1:${id}`,
  });
});

test(`a field gives back grant and user id, whatever the user id holds (seed ${SEED})`, () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), text, (grant, userId) => {
      expect(splitField(fieldOf(grant, userId))).toEqual({ grant: String(grant), userId });
    }),
    { seed: SEED },
  );
  expect(splitField('1:2:kim')).toEqual({ grant: '1', userId: '2:kim' });
  expect(splitField('1::')).toEqual({ grant: '1', userId: ':' });
});

test('an id belongs to its campaign, user and request, and to no other way of cutting them', () => {
  const id = deriveId('launch', 'kim', 'click');
  expect(deriveId('launch', 'kim', 'click')).toBe(id);
  const others = [
    deriveId('launch', 'kimc', 'lick'),
    deriveId('launchk', 'im', 'click'),
    deriveId('launch', 'lee', 'click'),
    deriveId('launch', 'kim","click', ''),
  ];
  expect(new Set([id, ...others]).size).toBe(5);
  for (const one of [id, mintId()]) expect(one).toMatch(/^[A-Za-z0-9_-]{22}$/);
});
