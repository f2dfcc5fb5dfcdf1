import type { Campaigns } from '../redis/campaigns.js';
import { Line, noRoom } from '../redis/line.js';
import type { LineOptions } from '../redis/line-replies.js';
import { notReady } from '../redis/reply-words.js';
import type { Serving } from '../redis/serving.js';

/** The waiting rooms of the campaigns that this process knows. */
export class Lines {
  readonly #campaigns: Campaigns;
  readonly #options: LineOptions;
  readonly #woke: (line: Line) => void;
  readonly #lines = new WeakMap<Serving, Line>();

  /** `woke` is called when a user joined an empty line. */
  constructor(campaigns: Campaigns, options: LineOptions, woke: (line: Line) => void) {
    this.#campaigns = campaigns;
    this.#options = options;
    this.#woke = woke;
  }

  of(serving: Serving): Line {
    const known = this.#lines.get(serving);
    const line = known ?? new Line(serving.campaign, this.#options, this.#woke);
    if (!known) this.#lines.set(serving, line);
    return line;
  }

  /**
   * Throws `UnknownCampaignError`, `NotReadyError`, `RedisError`, and `CampaignConflictError` where there is no waiting
   * room.
   */
  async get(campaignId: string): Promise<Line> {
    const serving = await this.#campaigns.get(campaignId);
    const { campaign } = serving;
    // It may have been made anew, with a waiting room.
    const reason = campaign.rules.room ? null : await this.#campaigns.reread(serving);
    if (reason) throw notReady(campaignId, reason);
    if (!campaign.rules.room) throw noRoom(campaign);
    return this.of(serving);
  }
}
