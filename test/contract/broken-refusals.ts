import type { Issuance, SaveVerdict } from '../../src/index.js';
import type { Broken } from './broken.js';
import { REFUSED_USER, Sheet } from './sheet.js';

const ALONE = 'a row that the database never accepts is refused with a word for clients, and not stored';
const BESIDE = 'a row that the database never accepts takes no neighbour along';

function refusing(reason: unknown): Broken['Adapter'] {
  return class extends Sheet {
    protected override refusal(): SaveVerdict {
      return { verdict: 'refused', reason: reason as string };
    }
  };
}

export const WRONG_REFUSALS: Broken[] = [
  { how: 'refuses a row without a reason', Adapter: refusing(undefined), caughtBy: [ALONE, BESIDE] },
  { how: 'gives an empty reason', Adapter: refusing(''), caughtBy: [ALONE, BESIDE] },
  { how: 'gives a reason of more than 128 bytes', Adapter: refusing('é'.repeat(65)), caughtBy: [ALONE, BESIDE] },
  { how: 'gives a reason of two lines', Adapter: refusing('no\nrow'), caughtBy: [ALONE, BESIDE] },
  {
    how: 'stores the row that it refuses',
    Adapter: class extends Sheet {
      protected override refusal(issuance: Issuance): SaveVerdict {
        this.rows.push(this.stored(issuance));
        return super.refusal(issuance);
      }
    },
    caughtBy: [ALONE, BESIDE],
  },
  {
    how: 'refuses the neighbours of a row as well',
    Adapter: class extends Sheet {
      override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
        const isRefused = issuances.some(({ userId }) => userId === REFUSED_USER);
        return isRefused ? issuances.map((one) => this.refusal(one)) : super.save(issuances);
      }
    },
    caughtBy: [BESIDE],
  },
  {
    how: 'throws anything for a batch with a row that it refuses',
    Adapter: class extends Sheet {
      override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
        if (issuances.length > 1 && issuances.some(({ userId }) => userId === REFUSED_USER)) throw new Error('no');
        return super.save(issuances);
      }
    },
    caughtBy: [BESIDE],
  },
];
