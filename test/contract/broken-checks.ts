import { type Issuance, MisconfiguredError, type SaveVerdict } from '../../src/index.js';
import { mintId } from '../../src/model/issuance.js';
import type { Wire } from '../../src/testing/index.js';
import type { Broken } from './broken.js';
import { Sheet } from './sheet.js';

/** Right, over the wire: its table is fit, and it says which database it is. */
class Knowing extends Sheet {
  protected readonly wire: Wire;

  constructor(wire: Wire) {
    super();
    this.wire = wire;
  }

  override save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
    return this.wire.send(() => super.save(issuances));
  }

  override async check(): Promise<{ format: number }> {
    return this.wire.send(() => ({ format: 1 }));
  }

  override async identity(): Promise<string | null> {
    return this.wire.send(() => 'a-database');
  }
}

const FIT =
  'check finds the table fit that save has stored in, however often and by however many it is asked (if it checks its table)';
const QUIET = 'check stores nothing and removes nothing (if it checks its table)';
const UNSEEN =
  'a check that got no answer does not say that the table is not fit (if it checks its table and is wired)';
const STEADY = 'identity is the same text each time, 1 to 128 bytes, or null (if it says which database it is)';
const UNASKED =
  'an identity that got no answer is thrown, and never answered as null (if it says which database it is and is wired)';

export const WRONG_CHECKS: Broken[] = [
  {
    how: 'is never content with its table',
    Adapter: class extends Knowing {
      override async check(): Promise<never> {
        throw new MisconfiguredError('there is no table');
      }
    },
    caughtBy: [FIT],
  },
  {
    how: 'tells a format that is no number',
    Adapter: class extends Knowing {
      override check = async () => ({ format: 'one' }) as unknown as { format: number };
    },
    caughtBy: [FIT],
  },
  {
    how: 'checks its table while another check is under way, and then no more',
    Adapter: class extends Knowing {
      #checking = false;
      override async check(): Promise<{ format: number }> {
        if (this.#checking) throw new Error('busy');
        this.#checking = true;
        return { format: 1 };
      }
    },
    caughtBy: [FIT],
  },
  {
    how: 'tries a row in order to check its table',
    Adapter: class extends Knowing {
      override async check(): Promise<{ format: number }> {
        this.rows = this.rows.slice(1);
        return { format: 1 };
      }
    },
    caughtBy: [QUIET],
  },
  {
    how: 'takes a check without an answer for a table that is not fit',
    Adapter: class extends Knowing {
      override check = async () => {
        try {
          return await this.wire.send(() => ({ format: 1 }));
        } catch {
          throw new MisconfiguredError('there is no table');
        }
      };
    },
    caughtBy: [UNSEEN],
  },
  {
    how: 'makes its identity up',
    Adapter: class extends Knowing {
      override identity = async () => mintId();
    },
    caughtBy: [STEADY],
  },
  {
    how: 'has an identity that is no text',
    Adapter: class extends Knowing {
      override identity = async () => '';
    },
    caughtBy: [STEADY],
  },
  {
    how: 'does not know its identity while the database is away',
    Adapter: class extends Knowing {
      override identity = async () => this.wire.send(() => 'a-database').catch(() => null);
    },
    caughtBy: [UNASKED],
  },
];
