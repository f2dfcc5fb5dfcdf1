import { MisconfiguredError, UnknownCampaignError } from '../model/errors.js';
import type { Emit } from '../model/events.js';
import { messageOf } from '../model/foreign.js';
import { redacted } from '../model/safe-error.js';
import { isForbidden } from '../redis/server-errors.js';

/** Tells the faults that a worker meets. `null` in place of a campaign: of the registry. */
export class Faults {
  readonly #emit: Emit;
  /** Those that stay until an operator acts. */
  readonly #standing = new Map<string | null, string>();

  constructor(emit: Emit) {
    this.#emit = emit;
  }

  /**
   * A right, a hook or a campaign that is missing does not come by itself. So its fault is told once, and a second time
   * only after another fault or a success.
   */
  tell(campaignId: string | null, error: unknown): void {
    const stays = isForbidden(error) || error instanceof MisconfiguredError || error instanceof UnknownCampaignError;
    const message = stays ? messageOf(error) : '';
    if (message !== '' && this.#standing.get(campaignId) === message) return;
    this.#standing.set(campaignId, message);
    this.#emit({ type: 'fault', during: 'settle', campaignId, error: redacted(error) });
  }

  /** It went well, or nobody looks after it any more. */
  forget(campaignId: string | null): void {
    this.#standing.delete(campaignId);
  }
}
