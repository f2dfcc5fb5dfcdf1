import { monotonicMs } from '../flow/deadline.js';
import { isName } from '../model/check.js';
import type { PersistenceAdapter } from '../persistence/adapter.js';
import { misses, readFrom, unfit } from '../persistence/read-from.js';

const KEPT_MS = 60_000;
/** A list of this age is read again for a code that was found nowhere. */
const FRESH_MS = 1_000;

interface Listed {
  readonly ids: Promise<readonly string[]>;
  readonly at: number;
}

/**
 * The campaigns that have rows, read from the table itself, so that coupons of a campaign that Redis has lost are found too. One list for all calls of a minute, with
 * the campaigns that this process serves: the first coupon of a new one is seen at once.
 */
export class TableCampaigns {
  readonly #adapter: PersistenceAdapter | undefined;
  readonly #timeoutMs: number;
  readonly #served: () => Iterable<string>;
  #listed: Listed | null = null;

  constructor(adapter: PersistenceAdapter | undefined, timeoutMs: number, served: () => Iterable<string>) {
    this.#adapter = adapter;
    this.#timeoutMs = timeoutMs;
    this.#served = served;
  }

  /** Throws `MisconfiguredError`, `PersistenceError`. */
  async ids(mostAgeMs = KEPT_MS): Promise<readonly string[]> {
    if (!this.#listed || monotonicMs() - this.#listed.at >= mostAgeMs) this.#listed = this.#list();
    return [...new Set([...(await this.#listed.ids), ...this.#served()])];
  }

  /** The campaigns that the list lacked, if it was not fresh. */
  async idsBeyond(known: readonly string[]): Promise<readonly string[]> {
    const ids = await this.ids(FRESH_MS);
    return ids.filter((id) => !known.includes(id));
  }

  #list(): Listed {
    const listed = { ids: this.#read(), at: monotonicMs() };
    listed.ids.catch(() => {
      if (this.#listed === listed) this.#listed = null;
    });
    return listed;
  }

  async #read(): Promise<readonly string[]> {
    const campaigns = this.#adapter?.campaigns?.bind(this.#adapter);
    if (!campaigns) throw misses('the campaigns are looked for', 'campaigns (or name campaignIds in the call)');
    const given = await readFrom('campaigns', this.#timeoutMs, (signal) => campaigns({ signal }));
    if (!Array.isArray(given) || given.some((id) => typeof id !== 'string'))
      throw unfit('campaigns', 'an array of ids');
    // A row that this library did not write may have any other id.
    return given.filter(isName);
  }
}
