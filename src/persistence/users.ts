import { isNotSaved } from '../model/errors.js';
import type { Issuance } from '../model/issuance.js';
import type { SaveVerdict } from './adapter.js';

/** The reasons that clients get. */
const UNKNOWN_USER: SaveVerdict = Object.freeze({ verdict: 'refused', reason: 'unknown_user' });
const NO_USER_ID: SaveVerdict = Object.freeze({ verdict: 'refused', reason: 'invalid_user_id' });
/** Users that are deleted while their coupons are saved may be missed by one look. */
const MOST_LOOKS = 3;

/** The users of a table, as one database asks for them. */
export interface Users {
  readonly userIdFault: (userId: string) => string | null;
  /** Whether a foreign key refused the statement. */
  readonly isForeignKey: (error: unknown) => boolean;
  /** Of these ids, the ones that are not there. */
  readonly missing: (userIds: readonly string[]) => Promise<ReadonlySet<string>>;
}

type Save = (issuances: readonly Issuance[]) => Promise<readonly SaveVerdict[]>;

/**
 * Saves the rows of users that are there, and refuses each other row alone. A foreign key refuses a whole statement for
 * one user, and its error does not name all of them.
 */
export async function saveOfUsers(issuances: readonly Issuance[], users: Users, save: Save): Promise<SaveVerdict[]> {
  const verdicts = new Map<Issuance, SaveVerdict>();
  for (const one of issuances) if (users.userIdFault(one.userId) !== null) verdicts.set(one, NO_USER_ID);
  for (let look = 1; ; look++) {
    const open = issuances.filter((one) => !verdicts.has(one));
    try {
      const saved = open.length > 0 ? await save(open) : [];
      for (const [i, one] of open.entries()) verdicts.set(one, saved[i]!);
      return issuances.map((one) => verdicts.get(one)!);
    } catch (error) {
      if (look === MOST_LOOKS || !isNotSaved(error) || !users.isForeignKey(error.cause)) throw error;
      const missing = await users
        .missing([...new Set(open.map(({ userId }) => userId))])
        .catch(() => new Set<string>());
      // Of another foreign key, or the user has come meanwhile: the batch is saved in halves.
      if (missing.size === 0) throw error;
      for (const one of open) if (missing.has(one.userId)) verdicts.set(one, UNKNOWN_USER);
    }
  }
}
