import type { Issuance, SaveVerdict } from '../../src/index.js';
import type { Broken } from './broken.js';
import { Sheet } from './sheet.js';

const EACH = 'each spelling of a user id has a fault, or comes back as it went in (if it judges user ids)';
const WORDS =
  'userIdFault finds no fault in the ids of users, and says of others what an id must be (if it judges user ids)';
const BESIDE = 'a row of a user id with a fault is not stored, and takes no neighbour along (if it judges user ids)';
const FAULT = 'must be a whole number as the database prints it';

const numberFault = (userId: string) => (/^(0|-?[1-9]\d{0,17})$/.test(userId) ? null : FAULT);

/** A right adapter over a column of whole numbers. */
export class NumberSheet extends Sheet {
  override userIdFault(userId: string): string | null {
    return numberFault(userId);
  }

  protected override saveOne(issuance: Issuance): SaveVerdict {
    if (this.userIdFault(issuance.userId) !== null) return { verdict: 'refused', reason: 'user_id' };
    return super.saveOne(issuance);
  }
}

/** Judges ids by this pattern, and stores the value of a number. */
function numbers(pattern: RegExp, value: (userId: string) => string, how: string): Broken {
  return {
    how,
    Adapter: class extends NumberSheet {
      override userIdFault(userId: string): string | null {
        return pattern.test(userId) ? null : FAULT;
      }

      protected override stored(issuance: Issuance): Issuance {
        return { ...super.stored(issuance), userId: value(issuance.userId) };
      }
    },
    options: { userIds: 'bigint' },
    caughtBy: [EACH],
  };
}

const exact = (userId: string) => String(BigInt(userId));

function judging(how: string, fault: (userId: string) => string | null): Broken {
  return {
    how,
    Adapter: class extends Sheet {
      override userIdFault(userId: string): string | null {
        return fault(userId);
      }
    },
    options: { userIds: 'integer' },
    caughtBy: [WORDS],
  };
}

export const WRONG_USER_IDS: Broken[] = [
  numbers(/^\d{1,18}$/, exact, 'takes zeros before a number for no part of it'),
  numbers(/^\s*\d{1,18}\s*$/, (userId) => userId.trim(), 'takes spaces around a number for no part of it'),
  numbers(/^(0|[1-9]\d{0,17})$/, (userId) => String(Number(userId)), 'keeps a long number as one of JavaScript'),
  judging('finds a fault in ids of users', () => FAULT),
  judging('says nothing of a fault', (userId) => (/^[1-9]\d*$/.test(userId) ? null : '')),
  judging('quotes the id in its fault', (userId) =>
    /^[1-9]\d*$/.test(userId) ? null : `must be a number, not ${userId}`,
  ),
  {
    how: 'stores a row of an id with a fault',
    Adapter: class extends Sheet {
      override userIdFault(userId: string): string | null {
        return numberFault(userId);
      }
    },
    options: { userIds: 'integer' },
    caughtBy: [BESIDE],
  },
  {
    how: 'throws anything for a batch with an id that has a fault',
    Adapter: class extends NumberSheet {
      override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
        if (issuances.some(({ userId }) => this.userIdFault(userId) !== null)) throw new Error('22P02');
        return super.save(issuances);
      }
    },
    options: { userIds: 'integer' },
    caughtBy: [BESIDE],
  },
];
