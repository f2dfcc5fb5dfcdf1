import { setImmediate } from 'node:timers/promises';
import { type Issuance, NotSavedError, type SaveVerdict } from '../../src/index.js';
import type { Wire } from '../../src/testing/index.js';
import type { Broken } from './broken.js';
import { Sheet } from './sheet.js';

interface Page {
  readonly afterSerial: number;
  readonly limit: number;
}

interface Options {
  readonly signal: AbortSignal;
}

/** A right adapter whose every method is one unit of work over the wire. */
class WiredSheet extends Sheet {
  protected readonly wire: Wire;

  constructor(wire: Wire) {
    super();
    this.wire = wire;
  }

  override save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
    return this.wire.send(() => super.save(issuances));
  }

  override list(campaignId: string, page: Page): Promise<readonly Issuance[]> {
    return this.wire.send(() => super.list(campaignId, page));
  }

  override find(issuances: readonly Issuance[]): Promise<readonly (Issuance | null)[]> {
    return this.wire.send(() => super.find(issuances));
  }
}

/** Looks in one unit of work and stores in another what the first let through. */
function lookingFirst(store: (rows: Issuance[], row: Issuance) => Issuance[]) {
  return class extends WiredSheet {
    override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
      const verdicts = await this.wire.send(() => issuances.map((one) => this.judge(one)));
      const free = issuances.filter((_, i) => verdicts[i] === null).map((one) => this.stored(one));
      await this.wire.send(() => {
        for (const row of free) this.rows = store(this.rows, row);
      });
      return verdicts.map((verdict) => verdict ?? { verdict: 'saved' });
    }
  };
}

/** Says for certain that nothing was stored, after errors of this code. */
function callingCertain(code: string, proof: (adapter: Sheet, issuances: readonly Issuance[]) => Promise<boolean>) {
  return class extends WiredSheet {
    override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
      try {
        return await super.save(issuances);
      } catch (error) {
        if ((error as { code?: string }).code === code && (await proof(this, issuances))) throw new NotSavedError(code);
        throw error;
      }
    }
  };
}

export const WRONG_UNDER_FAULTS: Broken[] = [
  {
    how: 'says saved when its database cannot be reached',
    Adapter: class extends WiredSheet {
      override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
        return super.save(issuances).catch(() => issuances.map(() => ({ verdict: 'saved' })));
      }
    },
    caughtBy: ['a save that cannot reach the database tells the truth or throws (if it is wired)'],
  },
  {
    how: 'says that nothing was stored when its second unit cannot reach the database',
    Adapter: class extends WiredSheet {
      override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
        const verdicts = await super.save(issuances);
        try {
          return await this.wire.send(() => verdicts);
        } catch (cause) {
          throw new NotSavedError('no connection', { cause });
        }
      }
    },
    caughtBy: ['a save that cannot reach the database tells the truth or throws (if it is wired)'],
  },
  {
    how: 'takes a lost connection for proof that nothing was stored',
    Adapter: callingCertain('ECONNRESET', async () => true),
    caughtBy: [
      'a save that committed and lost the answer does not deny it, and its repeat says saved (if it is wired)',
    ],
  },
  {
    how: 'takes a time-out for proof that nothing was stored',
    Adapter: callingCertain('ETIMEDOUT', async () => true),
    caughtBy: [
      'a save that commits after it was given up does not deny it, and its repeat says saved (if it is wired)',
    ],
  },
  {
    how: 'looks after a time-out, sees no row, and takes that for proof',
    Adapter: callingCertain('ETIMEDOUT', async (adapter, issuances) => {
      const found = await adapter.find(issuances);
      return found.filter((row) => row !== null).length < issuances.length - 1;
    }),
    caughtBy: [
      'a save that commits after it was given up does not deny it, and its repeat says saved (if it is wired)',
    ],
  },
  {
    how: 'looks after any error, sees no row of a new batch, and takes that for proof',
    Adapter: class extends WiredSheet {
      override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
        try {
          return await super.save(issuances);
        } catch (error) {
          const found = await this.find(issuances);
          if (found.every((row) => row === null)) throw new NotSavedError('no row was found');
          throw error;
        }
      }
    },
    caughtBy: [
      'a save of new rows alone that is cut off does not deny them, and its repeat says saved (if it is wired)',
    ],
  },
  {
    how: 'saves a hundred at a time, and denies them all if it cannot reach the database for the second hundred',
    Adapter: class extends WiredSheet {
      override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
        const verdicts: SaveVerdict[] = [];
        try {
          for (let from = 0; from < issuances.length; from += 100)
            verdicts.push(...(await super.save(issuances.slice(from, from + 100))));
        } catch (error) {
          if ((error as { code?: string }).code === 'ECONNREFUSED') throw new NotSavedError('no connection');
          throw error;
        }
        return verdicts;
      }
    },
    caughtBy: [
      'a save of 1,000 rows that cannot reach the database in the middle does not deny the rows before it (if it is wired)',
    ],
  },
  {
    how: 'stores what it saw no row of, without unique keys',
    Adapter: lookingFirst((rows, row) => [...rows, row]),
    caughtBy: ['a save that arrives after its own repeat stores nothing twice (if it is wired)'],
  },
  {
    how: 'stores what it saw no row of over whatever has that serial now',
    Adapter: lookingFirst((rows, row) => [...rows.filter(({ serial }) => serial !== row.serial), row]),
    caughtBy: ['a save that arrives late overwrites nothing that others stored meanwhile (if it is wired)'],
  },
  {
    how: 'lists nothing when its database cannot be reached',
    Adapter: class extends WiredSheet {
      override list(campaignId: string, page: Page): Promise<readonly Issuance[]> {
        return super.list(campaignId, page).catch(() => []);
      }
    },
    caughtBy: [
      'list that cannot reach the database throws: an empty answer would mean a new campaign (if it lists and is wired)',
    ],
  },
  {
    how: 'finds nothing when its database cannot be reached',
    Adapter: class extends WiredSheet {
      override find(issuances: readonly Issuance[]): Promise<readonly (Issuance | null)[]> {
        return super.find(issuances).catch(() => issuances.map(() => null));
      }
    },
    caughtBy: ['find that cannot reach the database throws (if it finds and is wired)'],
  },
];

/** How many turns of the event loop a save takes that is aborted under way. */
const TURNS = 3;

export const WRONG_WHEN_ABORTED: Broken[] = [
  {
    how: 'says saved without storing when it is aborted before it began',
    Adapter: class extends Sheet {
      override async save(issuances: readonly Issuance[], { signal }: Options): Promise<readonly SaveVerdict[]> {
        return signal.aborted ? issuances.map(() => ({ verdict: 'saved' })) : super.save(issuances);
      }
    },
    caughtBy: ['a save that is aborted before it began tells the truth or throws, and its repeat says saved'],
  },
  {
    how: 'says at the abort that nothing is stored, while its statement goes on',
    Adapter: class extends Sheet {
      #goingOn: (readonly Issuance[])[] = [];

      override async save(issuances: readonly Issuance[], { signal }: Options): Promise<readonly SaveVerdict[]> {
        for (const batch of this.#goingOn.splice(0)) await super.save(batch);
        for (let turn = 0; turn < TURNS; turn++) {
          await setImmediate();
          if (!signal.aborted) continue;
          this.#goingOn.push(issuances);
          throw new NotSavedError('aborted');
        }
        return super.save(issuances);
      }
    },
    caughtBy: [
      'a save that is aborted before it began tells the truth or throws, and its repeat says saved',
      'a save that is aborted at once tells the truth or throws, and its repeat says saved',
      'a save that is aborted under way tells the truth or throws, and its repeat says saved',
    ],
  },
  {
    how: 'refuses what is still under way as held by somebody else',
    Adapter: class extends Sheet {
      readonly #underWay = new Set<string>();

      override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
        const others = new Set(this.#underWay);
        for (const { id } of issuances) this.#underWay.add(id);
        await setImmediate();
        const verdicts = await super.save(issuances);
        for (const { id } of issuances) this.#underWay.delete(id);
        return verdicts.map((verdict, i) => (others.has(issuances[i]!.id) ? { verdict: 'serial_conflict' } : verdict));
      }
    },
    caughtBy: ['a save that is repeated while the aborted one may still go on is no conflict with itself'],
  },
  {
    how: 'takes back what it stored when the signal is aborted later',
    Adapter: class extends Sheet {
      override async save(issuances: readonly Issuance[], { signal }: Options): Promise<readonly SaveVerdict[]> {
        const before = new Set(this.rows);
        const verdicts = await super.save(issuances);
        const inserted = this.rows.filter((row) => !before.has(row));
        signal.addEventListener('abort', () => {
          this.rows = this.rows.filter((row) => !inserted.includes(row));
        });
        return verdicts;
      }
    },
    caughtBy: ['a signal that is aborted after the save ended takes nothing back'],
  },
  {
    how: 'cancels every save when one is aborted',
    Adapter: class extends Sheet {
      #aborts = 0;

      override async save(issuances: readonly Issuance[], { signal }: Options): Promise<readonly SaveVerdict[]> {
        const aborts = this.#aborts;
        signal.addEventListener('abort', () => this.#aborts++);
        await setImmediate();
        if (this.#aborts > aborts) throw new Error('cancelled');
        return super.save(issuances);
      }
    },
    caughtBy: ['aborting one save leaves those beside it alone'],
  },
];
