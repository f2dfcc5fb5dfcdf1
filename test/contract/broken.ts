import type { Issuance, PersistenceAdapter, SaveVerdict } from '../../src/index.js';
import type { PersistenceContractOptions, Wire } from '../../src/testing/index.js';
import { Sheet } from './sheet.js';

/** An adapter that breaks one rule. */
export interface Broken {
  /** What is wrong with it. */
  readonly how: string;
  readonly Adapter: new (wire: Wire & { readonly now?: undefined }) => PersistenceAdapter;
  readonly options?: Partial<PersistenceContractOptions>;
  /** Cases that must catch it. */
  readonly caughtBy: string[];
}

type Rule = 'sameGrant' | 'sameSerial' | 'sameCode';

/** Keeps one unique key by looking at the rows there were a moment before it stores. */
export function checkedBefore(rule: Rule, moment: () => Promise<void>) {
  return class extends Sheet {
    #before = new Set<Issuance>();

    constructor() {
      super();
      const honest = this[rule].bind(this);
      this[rule] = (row, issuance) => this.#before.has(row) && honest(row, issuance);
    }

    override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
      const before = new Set(this.rows);
      await moment();
      this.#before = before;
      return super.save(issuances);
    }
  };
}
