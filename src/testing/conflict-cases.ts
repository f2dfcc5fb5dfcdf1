import type { Issuance } from '../model/issuance.js';
import { assertUserConflict } from './assertions.js';
import type { Case } from './stage.js';

/** Rows that conflict with an issuance, rows that do not, and the verdict of each. */
export const conflictCases: Case[] = [
  {
    name: 'a grant that the user holds under another id is a user_conflict with that row',
    check: async (stage) => {
      const stored = stage.issuance();
      await stage.given(stored);
      await stage.expectUserConflict(stage.issuance({ userId: stored.userId }), stored);
      await stage.expectStored(stored);
    },
  },
  {
    name: 'an id that is stored on another serial is a user_conflict with that row, not saved',
    check: async (stage) => {
      const stored = stage.issuance();
      await stage.given(stored);
      const elsewhere = { ...stored, serial: stored.serial + 1 };
      await stage.expectUserConflict(elsewhere, stored);
      await stage.expectUserConflict({ ...elsewhere, code: 'ANOTHER-CODE' }, stored);
      await stage.expectStored(stored);
    },
  },
  {
    name: 'an id that is stored on this serial with another code is a user_conflict with that row, not saved',
    check: async (stage) => {
      const stored = stage.issuance();
      await stage.given(stored);
      await stage.expectUserConflict({ ...stored, code: 'ANOTHER-CODE' }, stored);
      await stage.expectUserConflict({ ...stored, code: null }, stored);
      await stage.expectStored(stored);
    },
  },
  {
    name: 'an id that is stored on this serial without a code is a user_conflict when it comes with one',
    check: async (stage) => {
      const stored = stage.issuance({ code: null });
      await stage.given(stored);
      await stage.expectUserConflict({ ...stored, code: 'A-CODE' }, stored);
      await stage.expectStored(stored);
    },
  },
  {
    name: 'an id that is stored under another grant of the user is a user_conflict with that row',
    check: async (stage) => {
      const stored = stage.issuance();
      await stage.given(stored);
      await stage.expectUserConflict(stage.issuance({ ...stored, serial: 2, grant: 2, code: 'ANOTHER-CODE' }), stored);
      await stage.expectStored(stored);
    },
  },
  {
    name: "a serial that is the user's own under another id is a user_conflict, not somebody else's",
    check: async (stage) => {
      const stored = stage.issuance();
      await stage.given(stored);
      const { userId, serial, code } = stored;
      await stage.expectUserConflict(stage.issuance({ userId, serial, code }), stored);
      await stage.expectStored(stored);
    },
  },
  {
    name: 'of several user_conflicts in one batch each carries its own row',
    check: async (stage) => {
      const [first, second] = [stage.issuance({ grant: 1 }), stage.issuance({ grant: 2 })];
      await stage.given(first, second);
      const rivals = [second, first].map(({ userId, grant }) => stage.issuance({ userId, grant }));
      const [verdict, otherVerdict] = await stage.save(...rivals);
      assertUserConflict(verdict, second);
      assertUserConflict(otherVerdict, first);
      await stage.expectStored(first, second);
    },
  },
  {
    name: 'a serial that another user holds is a serial_conflict',
    check: async (stage) => {
      const stored = stage.issuance();
      await stage.given(stored);
      await stage.expectSave([stage.issuance({ serial: stored.serial })], ['serial_conflict']);
      await stage.expectStored(stored);
    },
  },
  {
    name: 'a code that another user holds is a code_conflict',
    check: async (stage) => {
      const stored = stage.issuance();
      await stage.given(stored);
      await stage.expectSave([stage.issuance({ code: stored.code })], ['code_conflict']);
      await stage.expectStored(stored);
    },
  },
  {
    name: 'an issuance whose serial and code are both taken is a serial_conflict',
    check: async (stage) => {
      const [one, other] = [stage.issuance(), stage.issuance()];
      await stage.given(one, other);
      const refused = [stage.issuance({ serial: one.serial, code: other.code }), stage.issuance(unitOf(one))];
      await stage.expectSave(refused, ['serial_conflict', 'serial_conflict']);
      await stage.expectStored(one, other);
    },
  },
  {
    name: 'a grant that the user holds is a user_conflict, also when serial and code are taken by others',
    check: async (stage) => {
      const [own, other] = [stage.issuance(), stage.issuance()];
      await stage.given(own, other);
      await stage.expectUserConflict(stage.issuance({ userId: own.userId, ...unitOf(other) }), own);
      await stage.expectStored(own, other);
    },
  },
  {
    name: 'where the id and the grant are stored in two rows, the user_conflict carries the row of the id',
    check: async (stage) => {
      const first = stage.issuance({ grant: 1 });
      const second = stage.issuance({ userId: first.userId, grant: 2 });
      await stage.given(first, second);
      await stage.expectUserConflict(stage.issuance({ ...first, grant: 2, serial: 3, code: 'ANOTHER-CODE' }), first);
      await stage.expectUserConflict(stage.issuance({ ...second, grant: 1, serial: 3, code: 'ANOTHER-CODE' }), second);
      await stage.expectStored(first, second);
    },
  },
  {
    name: 'issuances without a code are never in conflict over it',
    check: async (stage) => {
      const batch = [stage.issuance({ code: null }), stage.issuance({ code: null })];
      const later = stage.issuance({ code: null });
      await stage.given(...batch);
      await stage.given(later);
      await stage.expectStored(...batch, later);
    },
  },
  {
    name: 'the same user, serial and code in another campaign are no conflict',
    check: async (stage) => {
      const stored = stage.issuance();
      const { userId, serial, code } = stored;
      const elsewhere = stage.issuance({ campaignId: `${stage.campaignId}-other`, userId, serial, code });
      await stage.given(stored);
      await stage.given(elsewhere);
      await stage.expectStored(stored, elsewhere);
    },
  },
  {
    name: 'another grant of the same user is no conflict',
    check: async (stage) => {
      const first = stage.issuance({ grant: 1 });
      const second = stage.issuance({ userId: first.userId, grant: 2 });
      const hundredth = stage.issuance({ userId: first.userId, grant: 100 });
      await stage.given(first);
      await stage.given(second, hundredth);
      await stage.expectStored(first, second, hundredth);
    },
  },
];

function unitOf({ serial, code }: Issuance): Pick<Issuance, 'serial' | 'code'> {
  return { serial, code };
}
