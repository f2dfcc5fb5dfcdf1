import { describe, expect, test } from 'vitest';
import { type Issuance, verdictOf, verdictsOf } from '../../src/index.js';
import { UNTOUCHED } from '../../src/model/life.js';
import { seeded } from '../support/checks/random.js';
import { anIssuance } from './support.js';

const asked = anIssuance(7, { code: 'AAA-7' });
const row = (change: Partial<Issuance>) => anIssuance(8, { code: 'AAA-8', ...change });
const { id, userId, grant, serial, code } = asked;
const revoked = (one: Issuance): Issuance => ({
  ...one,
  life: { ...UNTOUCHED, version: 1, state: 'revoked', at: new Date(1), by: 'R' },
});
const other = row({});

describe('the verdict on an issuance', () => {
  test.each<[string, Issuance[], string]>([
    ['its own row is stored', [asked], 'saved'],
    ['its own row is stored among others', [other, row({ serial: 9 }), asked], 'saved'],
    ['its own row is revoked', [revoked(asked)], 'user_conflict'],
    ['its own row is revoked and its grant is free again', [{ ...revoked(asked), grant: 0 }], 'user_conflict'],
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

describe('the verdicts on a batch', () => {
  const SEED = 7;

  test(`are the ones that each issuance gets alone (seed ${SEED})`, () => {
    const random = seeded(SEED);
    const pick = (most: number) => Math.floor(random() * most);
    // Few values, so that many issuances and rows meet in one or several of their keys, in either campaign.
    const any = (): Issuance => ({
      ...anIssuance(pick(6) + 1, { code: pick(4) === 0 ? null : `code-${pick(6)}` }),
      campaignId: `campaign-${pick(2)}`,
      id: `id-${pick(8)}`,
      userId: `user-${pick(4)}`,
      grant: pick(2) + 1,
    });
    const outcomeOf = (judge: () => unknown) => {
      try {
        return judge();
      } catch (error) {
        return String(error);
      }
    };
    const seen = new Set<unknown>();
    for (let round = 0; round < 2_000; round++) {
      const rows = Array.from({ length: pick(6) }, any);
      const batch = Array.from({ length: pick(3) + 1 }, any);
      const alone = outcomeOf(() => batch.map((issuance) => verdictOf(issuance, rows)));
      const together = outcomeOf(() => verdictsOf(batch, rows));
      expect(together).toEqual(alone);
      for (const { verdict } of Array.isArray(together) ? together : [{ verdict: 'none' }]) seen.add(verdict);
    }
    expect(seen).toEqual(new Set(['saved', 'user_conflict', 'serial_conflict', 'code_conflict', 'none']));
  });

  test('look at each row a few times, however large the batch is', () => {
    let looks = 0;
    const batch = Array.from({ length: 1_000 }, (_, i) => anIssuance(i + 1, { code: `code-${i}` }));
    const rows = batch.map((issuance) => {
      const counted = { ...issuance };
      return Object.defineProperty(counted, 'campaignId', {
        get: () => {
          looks++;
          return issuance.campaignId;
        },
      });
    });
    expect(new Set(verdictsOf(batch, rows).map(({ verdict }) => verdict))).toEqual(new Set(['saved']));
    expect(looks).toBeLessThan(10 * rows.length);
  });
});
