import { assertOnlyKeys } from '../model/check.js';
import type { ListedCampaign } from '../operate/list-campaigns.js';
import type { ShownIssuer } from './options.js';

/** Every campaign, and when they were read: ms since 1970, by the clock of this process. */
interface CampaignsRead {
  readonly at: number;
  readonly campaigns: readonly object[];
}

/** How old a list may be. Many open pages then cost Redis as much as one. */
const FRESH_MS = 1_000;

/** The list of all campaigns, read once for all that ask at the same time. */
export class Overview {
  readonly #issuer: ShownIssuer;
  #last: { readonly began: number; readonly list: Promise<CampaignsRead> } | null = null;

  constructor(issuer: ShownIssuer) {
    this.#issuer = issuer;
  }

  async read(body: object): Promise<CampaignsRead> {
    assertOnlyKeys('the body', body, []);
    const now = performance.now();
    if (!this.#last || now - this.#last.began > FRESH_MS) {
      const last = { began: now, list: this.#list() };
      this.#last = last;
      // A failure is not kept.
      last.list.catch(() => {
        if (this.#last === last) this.#last = null;
      });
    }
    return this.#last.list;
  }

  async #list(): Promise<CampaignsRead> {
    const campaigns: object[] = [];
    for await (const campaign of this.#issuer.campaigns()) campaigns.push(shown(campaign));
    return { at: Date.now(), campaigns };
  }
}

/** The fields of a row of the page. */
function shown(campaign: ListedCampaign): object {
  if (campaign.state === 'unreadable') return { ...campaign, error: campaign.error.message };
  if (!campaign.ready) return campaign;
  const { id, ready, state, stock, total, available, reserved, issued, withdrawn } = campaign;
  const { waiting, backlog, oldestMs, quarantined, opensAt, closesAt } = campaign;
  const counts = { total, available, reserved, issued, withdrawn, waiting, backlog, oldestMs, quarantined };
  return { id, ready, state, stock, ...counts, opensAt, closesAt };
}
