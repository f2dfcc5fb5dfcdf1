import type { Issuance, SaveVerdict } from '../../src/index.js';
import type { Broken } from './broken.js';
import { Sheet } from './sheet.js';

/** Wrong about what stands in the way. */
export const WRONG_CONFLICTS: Broken[] = [
  {
    how: 'has no unique index on the serial',
    Adapter: class extends Sheet {
      protected override sameSerial(): boolean {
        return false;
      }
    },
    caughtBy: [
      'a serial that another user holds is a serial_conflict',
      'of two issuances in one batch that want one serial exactly one is stored',
    ],
  },
  {
    how: 'has no unique index on the code',
    Adapter: class extends Sheet {
      protected override sameCode(): boolean {
        return false;
      }
    },
    caughtBy: ['a code that another user holds is a code_conflict'],
  },
  {
    how: 'has no unique index on the user and grant',
    Adapter: class extends Sheet {
      protected override sameGrant(): boolean {
        return false;
      }
    },
    caughtBy: [
      'a grant that the user holds under another id is a user_conflict with that row',
      "a serial that is the user's own under another id is a user_conflict, not somebody else's",
    ],
  },
  {
    how: 'lets a user have one grant only',
    Adapter: class extends Sheet {
      protected override sameGrant(row: Issuance, issuance: Issuance): boolean {
        return row.userId === issuance.userId;
      }
    },
    caughtBy: ['another grant of the same user is no conflict'],
  },
  {
    how: 'has unique indexes that forget the campaign',
    Adapter: class extends Sheet {
      protected override sameCampaign(): boolean {
        return true;
      }
    },
    caughtBy: ['the same user, serial and code in another campaign are no conflict'],
  },
  {
    how: 'says saved to an id that is stored on another serial',
    Adapter: class extends Sheet {
      protected override isSaved(row: Issuance, issuance: Issuance): boolean {
        return row.id === issuance.id && row.code === issuance.code;
      }
    },
    caughtBy: ['an id that is stored on another serial is a user_conflict with that row, not saved'],
  },
  {
    how: 'forgets to compare the codes',
    Adapter: class extends Sheet {
      protected override isSaved(row: Issuance, issuance: Issuance): boolean {
        return row.id === issuance.id && row.serial === issuance.serial;
      }
    },
    caughtBy: [
      'an id that is stored on this serial with another code is a user_conflict with that row, not saved',
      'an id that is stored on this serial without a code is a user_conflict when it comes with one',
    ],
  },
  {
    how: 'compares ids only within a grant',
    Adapter: class extends Sheet {
      protected override sameId(row: Issuance, issuance: Issuance): boolean {
        return row.id === issuance.id && this.sameGrant(row, issuance);
      }
    },
    caughtBy: ['an id that is stored under another grant of the user is a user_conflict with that row'],
  },
  {
    how: 'says user_conflict without the row',
    Adapter: class extends Sheet {
      protected override userConflict(): SaveVerdict {
        return { verdict: 'user_conflict' } as unknown as SaveVerdict;
      }
    },
    caughtBy: ['a grant that the user holds under another id is a user_conflict with that row'],
  },
  {
    how: 'gives the first row of the user, whichever grant it is',
    Adapter: class extends Sheet {
      protected override userConflict(existing: Issuance): SaveVerdict {
        return { verdict: 'user_conflict', existing: this.rows.find((row) => row.campaignId === existing.campaignId)! };
      }
    },
    caughtBy: ['of several user_conflicts in one batch each carries its own row'],
  },
  {
    how: 'takes two missing codes for the same one',
    Adapter: class extends Sheet {
      protected override sameCode(row: Issuance, issuance: Issuance): boolean {
        return row.code === issuance.code;
      }
    },
    caughtBy: ['issuances without a code are never in conflict over it'],
  },
  {
    how: 'looks at the code before the serial',
    Adapter: class extends Sheet {
      protected override judge(issuance: Issuance): SaveVerdict | null {
        const verdict = super.judge(issuance);
        const codeIsTaken = this.rows.some((row) => this.sameCode(row, issuance));
        return verdict?.verdict === 'serial_conflict' && codeIsTaken ? { verdict: 'code_conflict' } : verdict;
      }
    },
    caughtBy: ['an issuance whose serial and code are both taken is a serial_conflict'],
  },
  {
    how: 'looks at the unit before the user',
    Adapter: class extends Sheet {
      protected override judge(issuance: Issuance): SaveVerdict | null {
        const verdict = super.judge(issuance);
        if (verdict?.verdict !== 'user_conflict') return verdict;
        const holder = this.rows.find((row) => this.sameSerial(row, issuance));
        return holder && holder.userId !== issuance.userId ? { verdict: 'serial_conflict' } : verdict;
      }
    },
    caughtBy: ['a grant that the user holds is a user_conflict, also when serial and code are taken by others'],
  },
  {
    how: 'looks at the grant before the id',
    Adapter: class extends Sheet {
      protected override judge(issuance: Issuance): SaveVerdict | null {
        const verdict = super.judge(issuance);
        const holder = this.rows.find((row) => this.sameGrant(row, issuance));
        return verdict?.verdict === 'user_conflict' && holder ? this.userConflict(holder) : verdict;
      }
    },
    caughtBy: ['where the id and the grant are stored in two rows, the user_conflict carries the row of the id'],
  },
];
