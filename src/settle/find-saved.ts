import { withDeadline } from '../flow/deadline.js';
import type { Steps } from '../issue/steps.js';
import { ownFound } from '../issue/verdicts.js';
import { secretsOf } from '../model/caller-data.js';
import type { Issuance } from '../model/issuance.js';
import { redacted } from '../model/safe-error.js';
import type { PersistenceAdapter, SaveVerdict } from '../persistence/adapter.js';
import { readFrom } from '../persistence/read-from.js';
import { SAVED } from '../persistence/verdict.js';
import type { Reservation } from '../redis/reservation.js';

/** How to ask the database for its rows. */
export interface FindOptions {
  readonly timeoutMs: number;
  readonly find: PersistenceAdapter['find'];
}

/**
 * The verdict on each reservation that the database already has, so that nothing is delivered a second time. Where it
 * cannot say (`null`), they are delivered again.
 */
export async function findSaved(
  claimed: readonly Reservation[],
  { emit }: Steps,
  { find, timeoutMs }: FindOptions,
): Promise<(SaveVerdict | null)[]> {
  const none = claimed.map(() => null);
  if (!find || claimed.length === 0) return none;
  try {
    const asking = (async () => find(issuancesOf(claimed)))();
    const given = await withDeadline(asking, timeoutMs, () => new Error('find did not answer in time'));
    return verdictsOf(claimed, given);
  } catch (error) {
    const { campaignId } = claimed[0]!.issuance;
    const secrets = claimed.flatMap(({ issuance }) => secretsOf(issuance));
    emit({ type: 'fault', during: 'find', campaignId, error: redacted(error, secrets) });
    return none;
  }
}

/** What a withdrawal has done before it asks. */
export interface WithdrawnSoFar {
  readonly withdrawn: number;
  /** Reservations with a row may have gone back to settle already. */
  readonly isFirst: boolean;
}

/** Which of them have a row, on any unit, where that must be known. Throws `MisconfiguredError`, `PersistenceError`. */
export async function certainlySaved(
  found: readonly Reservation[],
  { find, timeoutMs }: FindOptions,
  { withdrawn, isFirst }: WithdrawnSoFar,
): Promise<boolean[]> {
  if (!find || found.length === 0) return found.map(() => false);
  const outcome = isFirst ? 'not_applied' : 'unknown';
  const state = withdrawn === 0 ? 'no unit was withdrawn' : `units withdrawn so far: ${withdrawn}`;
  const asked = issuancesOf(found);
  const ask = async () => ownFound(await find(asked), asked).map((row) => row !== null);
  return readFrom('find', timeoutMs, ask, { outcome, state });
}

function issuancesOf(reservations: readonly Reservation[]): Issuance[] {
  return reservations.map(({ issuance }) => issuance);
}

/** A row on another unit stands in the way, and so does that of a revoked coupon. */
function verdictsOf(reservations: readonly Reservation[], given: unknown): (SaveVerdict | null)[] {
  const rows = ownFound(given, issuancesOf(reservations));
  return reservations.map(({ issuance }, i) => {
    const row = rows[i];
    if (!row) return null;
    if (row.serial !== issuance.serial || row.state === 'revoked') return { verdict: 'user_conflict', existing: row };
    return row.code === issuance.code ? SAVED : null;
  });
}
