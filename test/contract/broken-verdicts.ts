import type { Issuance, SaveVerdict } from '../../src/index.js';
import { type Broken, checkedBefore } from './broken.js';
import { Sheet } from './sheet.js';

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
    how: 'sorts the batch that it was given',
    Adapter: class extends Sheet {
      override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
        return super.save((issuances as Issuance[]).sort((a, b) => a.serial - b.serial));
      }
    },
    caughtBy: ['a batch is saved: every issuance is told so and stored'],
  },
  {
    how: 'writes the newest epoch and time over those that are stored',
    Adapter: class extends Sheet {
      protected override saveOne(issuance: Issuance): SaveVerdict {
        this.rows = this.rows.map((row) => (this.isSaved(row, issuance) ? this.stored(issuance) : row));
        return super.saveOne(issuance);
      }
    },
    caughtBy: ['an issuance that is stored is saved again under another epoch and time, and keeps its first'],
  },
  {
    how: 'takes an issuance of another epoch for another one',
    Adapter: class extends Sheet {
      protected override isSaved(row: Issuance, issuance: Issuance): boolean {
        return super.isSaved(row, issuance) && row.epoch === issuance.epoch;
      }
    },
    caughtBy: ['an issuance that is stored is saved again under another epoch and time, and keeps its first'],
  },
  {
    how: 'does not compare the serials within a batch',
    Adapter: checkedBefore('sameSerial', async () => {}),
    caughtBy: ['of two issuances in one batch that want one serial exactly one is stored'],
  },
  {
    how: 'does not compare the codes within a batch',
    Adapter: checkedBefore('sameCode', async () => {}),
    caughtBy: ['of two issuances in one batch that want one code exactly one is stored'],
  },
  {
    how: 'does not compare the grants within a batch',
    Adapter: checkedBefore('sameGrant', async () => {}),
    caughtBy: ['of two issuances of one grant in one batch exactly one is stored, and the other gets its row'],
  },
  {
    how: 'notes refused serials without their campaign',
    Adapter: class extends Sheet {
      override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
        const verdicts = await super.save(issuances);
        const refused = verdicts.map(({ verdict }, i) => (verdict === 'serial_conflict' ? issuances[i]!.serial : 0));
        return verdicts.map((one, i) =>
          refused.includes(issuances[i]!.serial) ? { verdict: 'serial_conflict' } : one,
        );
      }
    },
    caughtBy: ['in a batch that mixes campaigns a conflict in one is none in the other'],
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
];
