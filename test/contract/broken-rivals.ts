import { setImmediate } from 'node:timers/promises';
import type { Issuance, SaveVerdict } from '../../src/index.js';
import { type Broken, checkedBefore } from './broken.js';
import { Sheet } from './sheet.js';

const saved = { verdict: 'saved' } as const;

/** Wrong only when saves meet. */
export const WRONG_AMONG_RIVALS: Broken[] = [
  {
    how: 'looks first and stores a moment later',
    Adapter: class extends Sheet {
      override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
        const verdicts = issuances.map((issuance) => this.judge(issuance));
        await Promise.resolve();
        return issuances.map((issuance, i): SaveVerdict => {
          if (verdicts[i]) return verdicts[i];
          this.rows.push(this.stored(issuance));
          return saved;
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
    how: 'looks for the code first and stores a moment later',
    Adapter: checkedBefore('sameCode', async () => void (await setImmediate())),
    caughtBy: ['of two simultaneous saves that want one code exactly one is told saved'],
  },
  {
    how: 'answers at once for what another save is still storing',
    Adapter: class extends Sheet {
      readonly #storing = new Set<string>();

      override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
        const fresh = issuances.filter(({ id }) => !this.#storing.has(id));
        for (const { id } of fresh) this.#storing.add(id);
        if (fresh.length > 0) await setImmediate();
        const verdicts = new Map((await super.save(fresh)).map((verdict, i) => [fresh[i]!.id, verdict]));
        for (const { id } of fresh) this.#storing.delete(id);
        return issuances.map(({ id }) => verdicts.get(id) ?? saved);
      }
    },
    caughtBy: ['of two simultaneous saves of the same batch neither says saved before the rows are stored'],
  },
  {
    how: 'takes its own id for a rival when it lost the race',
    Adapter: class extends Sheet {
      override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
        const known = new Set(this.rows.map(({ id }) => id));
        await setImmediate();
        return issuances.map((one): SaveVerdict => {
          const existing = this.rows.find(({ id }) => id === one.id);
          return existing && !known.has(one.id) ? { verdict: 'user_conflict', existing } : this.saveOne(one);
        });
      }
    },
    caughtBy: [
      'two simultaneous saves of the same batch store each issuance once, and both say saved',
      'twenty simultaneous saves of one issuance store it once, and all say saved',
      'a save that is repeated while the aborted one may still go on is no conflict with itself',
    ],
  },
  {
    how: 'says saved to a batch that a dead-lock rolled back',
    Adapter: class extends Sheet {
      readonly #locks = new Map<number, object>();

      override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
        const transaction = {};
        const inserted: Issuance[] = [];
        const verdicts: SaveVerdict[] = [];
        for (const one of issuances) {
          const holder = this.#locks.get(one.serial);
          if (holder && holder !== transaction) {
            this.rows = this.rows.filter((row) => !inserted.includes(row));
            this.#unlock(transaction);
            return issuances.map(() => saved);
          }
          this.#locks.set(one.serial, transaction);
          const before = this.rows.length;
          verdicts.push(this.saveOne(one));
          inserted.push(...this.rows.slice(before));
          await Promise.resolve();
        }
        this.#unlock(transaction);
        return verdicts;
      }

      #unlock(transaction: object): void {
        for (const [serial, holder] of this.#locks) if (holder === transaction) this.#locks.delete(serial);
      }
    },
    caughtBy: [
      'two simultaneous saves that meet in opposite orders store every issuance of both',
      'two simultaneous saves that want the same serials in opposite orders share them out',
    ],
  },
];
