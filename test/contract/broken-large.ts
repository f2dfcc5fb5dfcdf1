import { type Issuance, MemoryPersistence, type SaveVerdict } from '../../src/index.js';
import type { Broken } from './broken.js';

const FIELDS = 8;
const MAX_PARAMETERS = 65_535;

type Conflict = Extract<SaveVerdict, { verdict: 'user_conflict' }>;

/** Right as long as there is little to do. */
export const WRONG_AT_SIZE: Broken[] = [
  {
    how: 'has a parameter for each field, and room for 65,535 of them',
    Adapter: class extends MemoryPersistence {
      override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
        if (issuances.length * FIELDS > MAX_PARAMETERS) throw new Error('too many parameters');
        return super.save(issuances);
      }
    },
    caughtBy: [
      'a batch of 10,000 is saved, and again, and stored once',
      'a batch of 10,000 of which every second is refused stores the others',
    ],
  },
  {
    how: 'explains a thousand refusals and takes the rest for saved',
    Adapter: class extends MemoryPersistence {
      override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
        let refusals = 0;
        return (await super.save(issuances)).map((one) =>
          one.verdict !== 'saved' && ++refusals > 1_000 ? { verdict: 'saved' } : one,
        );
      }
    },
    caughtBy: ['a batch of 10,000 of which every second is refused stores the others'],
  },
  {
    how: 'hands out the rows of user_conflicts in the order it read them',
    Adapter: class extends MemoryPersistence {
      override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
        const verdicts = await super.save(issuances);
        const rows = verdicts
          .filter((one): one is Conflict => one.verdict === 'user_conflict')
          .map(({ existing }) => existing)
          .sort((a, b) => a.serial - b.serial);
        return verdicts.map((one) =>
          one.verdict === 'user_conflict' ? { verdict: 'user_conflict', existing: rows.shift()! } : one,
        );
      }
    },
    caughtBy: ['in a batch of 1,000 user_conflicts each carries its own row'],
  },
  {
    how: 'lists no more than 1,000, whatever the limit',
    Adapter: class extends MemoryPersistence {
      override async list(campaignId: string, { afterSerial, limit }: { afterSerial: number; limit: number }) {
        return super.list(campaignId, { afterSerial, limit: Math.min(limit, 1_000) });
      }
    },
    caughtBy: ['list of 10,000 issuances is complete in pages of 500, of 3,333 and of 10,000 (if it lists)'],
  },
  {
    how: 'finds the first thousand and no more',
    Adapter: class extends MemoryPersistence {
      override async find(issuances: readonly Issuance[]): Promise<readonly (Issuance | null)[]> {
        return (await super.find(issuances)).map((row, i) => (i < 1_000 ? row : null));
      }
    },
    caughtBy: ['find answers 10,000, of which every second is stored, in the order asked (if it finds)'],
  },
];
