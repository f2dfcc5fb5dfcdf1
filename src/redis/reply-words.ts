import { MisconfiguredError, NotReadyError, RedisError } from '../model/errors.js';
import { METHODS } from '../model/methods.js';
import type { NotReadyReason } from '../model/result.js';

/** Why nobody may act on the state of a campaign, and what to do about it. */
const CURES: Readonly<Record<NotReadyReason, string>> = {
  missing: `Call ${METHODS.open}() again if it is being opened, and ${METHODS.rebuild}() if Redis lost it`,
  rolled_back: `Redis lost changes: make it again with ${METHODS.rebuild}()`,
  rebuilding: `Ask again once the rebuild has ended; if it was cut short, call ${METHODS.rebuild}() again`,
};

/** Whether a word of a script says that nobody may act on the state of the campaign. */
export function isNotReady(word: unknown): word is NotReadyReason {
  return typeof word === 'string' && Object.hasOwn(CURES, word);
}

/** Maps the refusals that concern a whole campaign to the error of a call that has no status for them. */
export function notReady(campaignId: string, reason: NotReadyReason): NotReadyError {
  return new NotReadyError(
    `the state of campaign ${campaignId} in Redis is ${reason}, so it serves nobody. ${CURES[reason]}`,
    reason,
  );
}

/**
 * A newer version made the campaign, or 0.1 did, and keeps it in another way. This process would misread it, so every
 * script that it has refuses.
 */
export class NewerCampaignError extends MisconfiguredError {
  constructor(campaignId: string) {
    super(
      `campaign ${campaignId} was made by a newer version of coupon-issuer, or by 0.1, in a format that this process does not know: nothing was written. Upgrade coupon-issuer in this process; a campaign of 0.1 is moved as docs/from-0.1.md says`,
    );
  }
}

/**
 * The word of a reply, which has to be one of these: a word that is added to a script has to be added here as well.
 * Throws `RedisError`.
 */
export function oneOf<const W extends string>(script: string, words: readonly W[], word: unknown): W {
  if ((words as readonly unknown[]).includes(word)) return word as W;
  throw unknownWord(script);
}

/** A reply of another version. It is not quoted: in its place may stand a code. */
export function unknownWord(script: string): RedisError {
  return new RedisError(
    `the script ${script} gave a reply that this version does not know; whether it changed anything is not known. Run the same version of coupon-issuer in all processes`,
    { outcome: 'unknown' },
  );
}
