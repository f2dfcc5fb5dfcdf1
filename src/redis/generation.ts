import { randomBytes } from 'node:crypto';

/**
 * The second half of an epoch, `<generation>-<random>`, which names one making of a campaign's Redis state.
 * `next-generation.lua` gives the first half.
 */
export function epochSuffix(): string {
  return randomBytes(9).toString('base64url');
}

/** A process never follows a lower generation: that would be a state from before a rebuild. */
export function generationOf(epoch: string): number {
  return Number.parseInt(epoch, 10);
}
