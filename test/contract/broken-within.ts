import { InvalidArgumentError, type Issuance } from '../../src/index.js';
import type { CouponRows } from '../../src/persistence/adapter.js';
import type { CouponChange, CouponRef } from '../../src/persistence/coupon-change.js';
import type { InTransaction } from '../../src/testing/index.js';
import type { Broken } from './broken.js';
import { Sheet } from './sheet.js';

const WITHIN = ' (if it looks and changes and works in a transaction)';

/** A transaction over the sheet of its case. */
class SheetTransaction {
  readonly undo: (() => void)[] = [];
  isOpen = true;
  readonly ended: Promise<void>;
  #end = () => {};

  constructor() {
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  end(): void {
    this.isOpen = false;
    this.#end();
  }
}

const inTransaction: InTransaction = async (work) => {
  const transaction = new SheetTransaction();
  try {
    await work(transaction);
  } catch (error) {
    for (const undo of transaction.undo.reverse()) undo();
    throw error;
  } finally {
    transaction.end();
  }
};

/** A right adapter with row locks: a broken one below breaks a single rule. */
class LockingSheet extends Sheet {
  readonly #locks = new Map<string, SheetTransaction>();

  override async change(changes: readonly CouponChange[]) {
    for (const { ref } of changes) await this.#free(ref);
    return super.change(changes);
  }

  async within(transaction: SheetTransaction): Promise<CouponRows> {
    this.refuse(transaction);
    return {
      look: async (refs) => {
        for (const ref of refs) await this.lock(ref, transaction);
        return super.look(refs);
      },
      change: async (changes, { signal }) => {
        this.heed(signal);
        for (const { ref } of changes) await this.lock(ref, transaction);
        const before = this.rows;
        this.rows = [...before];
        const verdicts = changes.map((change) => this.changeOne(change));
        this.keep(transaction, before);
        return verdicts;
      },
    };
  }

  protected refuse(transaction: SheetTransaction): void {
    if (!transaction.isOpen) throw new InvalidArgumentError('within must be the client of an open transaction');
  }

  protected heed(signal: AbortSignal): void {
    signal.throwIfAborted();
  }

  protected async lock(ref: CouponRef, transaction: SheetTransaction): Promise<void> {
    await this.#free(ref, transaction);
    for (const { id } of this.#named(ref)) this.#locks.set(id, transaction);
  }

  /** What is to be had back if the transaction is rolled back. */
  protected keep(transaction: SheetTransaction, before: Issuance[]): void {
    transaction.undo.push(() => {
      this.rows = before;
    });
  }

  async #free(ref: CouponRef, own: SheetTransaction | null = null): Promise<void> {
    for (const { id } of this.#named(ref)) {
      const holder = this.#locks.get(id);
      if (holder?.isOpen && holder !== own) await holder.ended;
    }
  }

  #named(ref: CouponRef): Issuance[] {
    return this.rows.filter((row) => this.isNamed(row, ref));
  }
}

/** Each looks only at one of the cases: what else they break does not count. */
const broken = (how: string, Adapter: new () => LockingSheet, name: string): Broken => ({
  how,
  Adapter: Adapter as unknown as Broken['Adapter'],
  options: { inTransaction },
  caughtBy: [name + WITHIN],
});

export const WRONG_WITHIN: Broken[] = [
  broken(
    'changes a copy, and never the row, in a transaction',
    class extends LockingSheet {
      protected override keep(_: SheetTransaction, before: Issuance[]): void {
        this.rows = before;
      }
    },
    'a change in a transaction is there once that is committed',
  ),
  broken(
    'commits each change of a transaction at once',
    class extends LockingSheet {
      protected override keep(): void {}
    },
    'a change in a transaction that is rolled back was never made',
  ),
  broken(
    'locks no row',
    class extends LockingSheet {
      protected override async lock(): Promise<void> {}
    },
    'a coupon that was looked at in a transaction is changed by nobody else until that ends',
  ),
  broken(
    'shows the rows as they were when the transaction began',
    class extends LockingSheet {
      override async within(transaction: SheetTransaction): Promise<CouponRows> {
        const rows = await super.within(transaction);
        const snapshot = new Sheet();
        snapshot.rows = [...this.rows];
        return { ...rows, look: (refs) => snapshot.look(refs) };
      }
    },
    'a transaction shows a coupon as it is now, or throws, though it began before a change',
  ),
  broken(
    'heeds no signal in a transaction',
    class extends LockingSheet {
      protected override heed(): void {}
    },
    'a change in a transaction under a signal that was aborted is not made',
  ),
  broken(
    'takes the client of a transaction that is over',
    class extends LockingSheet {
      protected override refuse(): void {}
    },
    'the client of a transaction that is over is refused, and changes nothing',
  ),
];

/** What the right one is tried with. */
export const TRANSACTIONS = { createAdapter: async () => new LockingSheet(), inTransaction };
