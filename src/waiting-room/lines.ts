import { notReady } from '../redis/campaign-state.js';
import type { Campaigns } from '../redis/campaigns.js';
import { Line, noRoom } from '../redis/line.js';
import type { LineOptions } from '../redis/line-replies.js';
import type { Serving } from '../redis/serving.js';

/** The waiting rooms of the campaigns that this process knows. */
export class Lines {
  readonly #campaigns: Campaigns;
  readonly #options: LineOptions;
  readonly #woke: (line: Line) => void;
  readonly #lines = new WeakMap<Serving, Line>();

  /** `woke` is told when somebody joined a line in which nobody waited. */
  constructor(campaigns: Campaigns, options: LineOptions, woke: (line: Line) => void) {
    this.#campaigns = campaigns;
    this.#options = options;
    this.#woke = woke;
  }

  of(serving: Serving): Line {
    const known = this.#lines.get(serving);
    const line = known ?? new Line(serving.state, this.#options, this.#woke);
    if (!known) this.#lines.set(serving, line);
    return line;
  }

  /**
   * Throws `UnknownCampaignError`, `NotReadyError`, `RedisError`, and `CampaignConflictError` where there is no waiting
   * room.
   */
  async get(campaignId: string): Promise<Line> {
    const serving = await this.#campaigns.get(campaignId);
    const { state } = serving;
    // It may have been made anew, with a waiting room.
    const reason = state.rules.room ? null : await this.#campaigns.reread(serving);
    if (reason) throw notReady(campaignId, reason);
    if (!state.rules.room) throw noRoom(state);
    return this.of(serving);
  }
}
