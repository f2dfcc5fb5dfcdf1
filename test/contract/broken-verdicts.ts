import type { Issuance, PersistenceAdapter, SaveVerdict } from '../../src/index.js';
import { Sheet } from './sheet.js';

/** An adapter that breaks one rule. */
export interface Broken {
  /** What is wrong with it. */
  readonly how: string;
  readonly Adapter: new () => PersistenceAdapter;
  /** Cases that must catch it. */
  readonly caughtBy: string[];
}

export const WRONG_VERDICTS: Broken[] = [
  {
    how: 'stores nothing and says saved',
    Adapter: class extends Sheet {
      override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
        return issuances.map(() => ({ verdict: 'saved' }));
      }
    },
    caughtBy: [
      'a batch is saved: every issuance is told so and stored',
      'list gives every issuance of the campaign with all its fields (if it lists)',
    ],
  },
  {
    how: 'stores only the first hundred of a batch',
    Adapter: class extends Sheet {
      override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
        await super.save(issuances.slice(0, 100));
        return issuances.map(() => ({ verdict: 'saved' }));
      }
    },
    caughtBy: ['five hundred issuances are saved in one batch'],
  },
  {
    how: 'stores the same issuance again and again',
    Adapter: class extends Sheet {
      protected override saveOne(issuance: Issuance): SaveVerdict {
        const verdict = this.judge(issuance) ?? ({ verdict: 'saved' } as const);
        if (verdict.verdict === 'saved') this.rows.push(this.stored(issuance));
        return verdict;
      }
    },
    caughtBy: [
      'saving the same batch again says saved and stores nothing twice',
      'an issuance that is twice in one batch is stored once, and both are told saved',
    ],
  },
  {
    how: 'does not know its own rows again',
    Adapter: class extends Sheet {
      protected override isSaved(): boolean {
        return false;
      }
    },
    caughtBy: [
      'saving the same batch again says saved and stores nothing twice',
      'a batch of which a part is stored already stores the rest and says saved to all',
      'an issuance that is twice in one batch is stored once, and both are told saved',
    ],
  },
  {
    how: 'looks first and stores a moment later',
    Adapter: class extends Sheet {
      override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
        const verdicts = issuances.map((issuance) => this.judge(issuance));
        await Promise.resolve();
        return issuances.map((issuance, i): SaveVerdict => {
          if (verdicts[i]) return verdicts[i];
          this.rows.push(this.stored(issuance));
          return { verdict: 'saved' };
        });
      }
    },
    caughtBy: [
      'two simultaneous saves of the same batch store each issuance once, and both say saved',
      'of two simultaneous saves that want one serial exactly one is told saved',
      'of two simultaneous saves of one grant exactly one is told saved, and the other gets its row',
      'of two issuances in one batch that want one serial exactly one is stored',
    ],
  },
  {
    how: 'takes the campaign of the first issuance for that of the whole batch',
    Adapter: class extends Sheet {
      override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
        const { campaignId } = issuances[0]!;
        return super.save(issuances.map((one) => ({ ...one, campaignId })));
      }
    },
    caughtBy: ['a batch that mixes campaigns stores each issuance in its own'],
  },
  {
    how: 'refuses the whole batch when one issuance is in conflict',
    Adapter: class extends Sheet {
      override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
        const refusal = issuances.map((one) => this.judge(one)).find((one) => one && one.verdict !== 'saved');
        return refusal ? issuances.map(() => refusal) : super.save(issuances);
      }
    },
    caughtBy: ['one refused issuance does not take the others of its batch along'],
  },
  {
    how: 'gives the verdicts of what it stored first, then the others',
    Adapter: class extends Sheet {
      override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
        const verdicts = await super.save(issuances);
        const [saved, refused] = [true, false].map((yes) =>
          verdicts.filter((one) => (one.verdict === 'saved') === yes),
        );
        return [...saved!, ...refused!];
      }
    },
    caughtBy: ['verdicts come in the order of the issuances'],
  },
  {
    how: 'leaves out the verdicts of what it refused',
    Adapter: class extends Sheet {
      override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
        return (await super.save(issuances)).filter(({ verdict }) => verdict === 'saved');
      }
    },
    caughtBy: ['one refused issuance does not take the others of its batch along'],
  },
  {
    how: 'takes a serial that was stored for proof that whoever asked for it has it',
    Adapter: class extends Sheet {
      override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
        const before = new Set(this.rows);
        const verdicts = await super.save(issuances);
        const inserted = this.rows.filter((row) => !before.has(row));
        return issuances.map((one, i) =>
          inserted.some((row) => row.serial === one.serial) ? { verdict: 'saved' } : verdicts[i]!,
        );
      }
    },
    caughtBy: ['a refused issuance is not told saved because a neighbour in its batch got that serial'],
  },
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
];
