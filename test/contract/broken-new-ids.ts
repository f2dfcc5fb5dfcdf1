import type { Issuance, SaveVerdict } from '../../src/index.js';
import type { Broken } from './broken.js';
import { Sheet } from './sheet.js';

type Told = { signal: AbortSignal; newIds?: boolean | undefined };

/** Wrong about ids under which no call was made before. */
export const WRONG_ABOUT_NEW_IDS: Broken[] = [
  {
    how: 'takes rows with new ids for rows that nothing stands in the way of',
    Adapter: class extends Sheet {
      override async save(issuances: readonly Issuance[], told?: Told): Promise<readonly SaveVerdict[]> {
        if (!told?.newIds) return super.save(issuances);
        this.rows.push(...issuances.map((one) => this.stored(one)));
        return issuances.map(() => ({ verdict: 'saved' }));
      }
    },
    caughtBy: [
      'of rows with new ids each that is in the way of another one keeps its verdict',
      'a new id is looked for after all where a grant of its campaign is free again (if it looks and changes)',
    ],
  },
  {
    how: 'looks for no new id though a grant is free again',
    Adapter: class extends Sheet {
      #looks = true;

      override async save(issuances: readonly Issuance[], told?: Told): Promise<readonly SaveVerdict[]> {
        this.#looks = !told?.newIds;
        return super.save(issuances);
      }

      protected override sameId(row: Issuance, issuance: Issuance): boolean {
        return this.#looks && super.sameId(row, issuance);
      }
    },
    caughtBy: [
      'a new id is looked for after all where a grant of its campaign is free again (if it looks and changes)',
    ],
  },
];
