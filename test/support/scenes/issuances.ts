import { expect } from 'vitest';
import type { Issuance } from '../../../src/index.js';
import { mintId } from '../../../src/model/issuance.js';

/** An issuance that conflicts with no other, but for what is given. */
export function issuance(given: Partial<Issuance> = {}): Issuance {
  return {
    id: mintId(),
    campaignId: `campaign-${mintId()}`,
    userId: `user-${mintId()}`,
    grant: 1,
    serial: 1,
    code: null,
    issuedAt: new Date(),
    epoch: '1-epoch',
    state: 'reserved',
    ...given,
  };
}

/** What it rejects with. */
export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.unreachable('it should have been refused'),
    (error: unknown) => error,
  );
}
