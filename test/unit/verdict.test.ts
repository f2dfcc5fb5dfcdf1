import { describe, expect, test } from 'vitest';
import { type Issuance, verdictOf } from '../../src/index.js';
import { anIssuance } from './support.js';

const asked = anIssuance(7, { code: 'AAA-7' });
const row = (change: Partial<Issuance>) => anIssuance(8, { code: 'AAA-8', ...change });
const { id, userId, grant, serial, code } = asked;
const other = row({});

describe('the verdict on an issuance', () => {
  test.each<[string, Issuance[], string]>([
    ['its own row is stored', [asked], 'saved'],
    ['its own row is stored among others', [other, row({ serial: 9 }), asked], 'saved'],
    ['its id is stored on another serial', [row({ id, code })], 'user_conflict'],
    ['its id is stored with another code', [row({ id, serial })], 'user_conflict'],
    ['its id is stored without a code', [row({ id, serial, code: null })], 'user_conflict'],
    ["the user's grant is stored under another id", [row({ userId, grant })], 'user_conflict'],
    ['its serial is stored for another user', [row({ serial })], 'serial_conflict'],
    ['its code is stored for another user', [row({ code })], 'code_conflict'],
    [
      "its serial and the user's grant are stored in two rows",
      [row({ serial }), row({ userId, grant })],
      'user_conflict',
    ],
    ['its code and its serial are stored in two rows', [row({ code }), row({ serial })], 'serial_conflict'],
  ])('where %s', (_, rows, verdict) => {
    expect(verdictOf(asked, rows).verdict).toBe(verdict);
    expect(verdictOf(asked, [...rows].reverse()).verdict).toBe(verdict);
  });

  test('names the row of its id before the row of its grant', () => {
    const [byGrant, byId] = [row({ userId, grant }), row({ id, serial: 9 })];
    for (const rows of [
      [byGrant, byId],
      [byId, byGrant],
    ]) {
      expect(verdictOf(asked, rows)).toEqual({ verdict: 'user_conflict', existing: byId });
    }
  });

  test.each<[string, Issuance[]]>([
    ['there is no row', []],
    ['no row has anything in common with it', [other]],
    ['the same row is one of another campaign', [{ ...asked, campaignId: 'night' }]],
    ['the user has another grant', [row({ userId, grant: grant + 1 })]],
  ])('is none where %s: nobody knows the outcome', (_, rows) => {
    expect(() => verdictOf(asked, rows)).toThrow(/outcome is unknown/);
  });

  test('is none where two rows have no code', () => {
    const bare = anIssuance(7, { code: null });
    expect(() => verdictOf(bare, [row({ code: null })])).toThrow(/outcome is unknown/);
    expect(verdictOf(bare, [bare])).toEqual({ verdict: 'saved' });
  });

  test('quotes neither the user nor the code where there is none', () => {
    expect(() => verdictOf(asked, [other])).not.toThrow(new RegExp(`${userId}|${code}`));
  });
});
