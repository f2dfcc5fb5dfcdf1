import { withDeadline } from '../flow/deadline.js';
import type { Steps } from '../issue/steps.js';
import { ownFound } from '../issue/verdicts.js';
import { secretsOf } from '../model/caller-data.js';
import { redacted } from '../model/safe-error.js';
import type { PersistenceAdapter, SaveVerdict } from '../persistence/adapter.js';
import { SAVED } from '../persistence/verdict.js';
import type { Reservation } from '../redis/reservation.js';

/** How to ask the database for its rows. */
export interface FindOptions {
  readonly timeoutMs: number;
  readonly find: PersistenceAdapter['find'];
}

/**
 * The verdict on each reservation that the database already has, so that nothing is delivered a second time. Where it
 * cannot say (`null`), they are delivered again. The row of a revoked coupon stands in the way of its repeats.
 */
export async function findSaved(
  claimed: readonly Reservation[],
  { emit }: Steps,
  findOptions: FindOptions,
): Promise<(SaveVerdict | null)[]> {
  const { find, timeoutMs } = findOptions;
  const none = claimed.map(() => null);
  if (!find || claimed.length === 0) return none;
  try {
    const asking = (async () => find(claimed.map(({ issuance }) => issuance)))();
    const given = await withDeadline(asking, timeoutMs, () => new Error('find did not answer in time'));
    const rows = ownFound(
      given,
      claimed.map(({ issuance }) => issuance),
    );
    return claimed.map(({ issuance }, i) => {
      const row = rows[i];
      if (row?.state === 'revoked') return { verdict: 'user_conflict', existing: row };
      return row?.serial === issuance.serial && row.code === issuance.code ? SAVED : null;
    });
  } catch (error) {
    const { campaignId } = claimed[0]!.issuance;
    const secrets = claimed.flatMap(({ issuance }) => secretsOf(issuance));
    emit({ type: 'fault', during: 'find', campaignId, error: redacted(error, secrets) });
    return none;
  }
}
