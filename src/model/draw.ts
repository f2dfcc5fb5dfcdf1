import { createHash, randomBytes } from 'node:crypto';

/** For a draw to come. */
export function drawSeed(): string {
  return randomBytes(16).toString('base64url');
}

/**
 * Returns the ticket of a user in the draw: at least 0, below 1, the smallest first. It is the first 52 bits of
 * SHA-256 of `<seed>:<userId>` as a fraction. So anybody with the seed can check the order.
 *
 * @example
 * ```ts
 * import { drawKey } from 'coupon-issuer';
 *
 * const joinedBefore = ['ann', 'bob', 'cat'];
 * const { drawSeed } = await launch.inspect();
 * if (drawSeed) joinedBefore.sort((a, b) => drawKey(drawSeed, a) - drawKey(drawSeed, b));
 * ```
 */
export function drawKey(seed: string, userId: string): number {
  const digest = createHash('sha256').update(`${seed}:${userId}`).digest();
  return Number(digest.readBigUInt64BE() >> 12n) / 2 ** 52;
}
