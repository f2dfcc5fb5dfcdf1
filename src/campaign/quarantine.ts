import type { Core } from '../core.js';
import {
  assertListed,
  checkedChoice,
  type QuarantineChoice,
  type QuarantinedIssuance,
  quarantined,
  retry,
  withdrawChosen,
} from '../settle/quarantine.js';

/** The quarantine of one campaign. Each reservation in it keeps its unit until it is retried or withdrawn. */
export class Quarantine {
  readonly #core: Core;
  readonly #id: string;

  /** @internal */
  constructor(core: Core, id: string) {
    this.#core = core;
    this.#id = id;
  }

  /**
   * Lists the reservations in quarantine, in pages of 500. A page is read when the loop comes to it. The loop may retry
   * or withdraw reservations, and so may others: each reservation that stays is listed once.
   *
   * One round trip per page, and one at the end. Throws `UnknownCampaignError`, `NotReadyError` (at the end too: a key
   * is lost, so reservations may be missing from the list), `RedisError`.
   *
   * @example
   * ```ts
   * for await (const { issuance, tries } of launch.quarantine.list()) console.log(issuance.userId, tries);
   * ```
   */
  async *list(): AsyncIterableIterator<QuarantinedIssuance> {
    for (let after: string | null = ''; after !== null; ) {
      const from: string = after;
      const { found, next } = await this.#core.on('quarantineList', this.#id, (serving) => quarantined(serving, from));
      yield* found;
      after = next;
    }
    await this.#core.on('quarantineList', this.#id, assertListed);
  }

  /**
   * Makes settle try reservations again, as if they had never failed: the given issuance ids, or all. Returns the
   * number that was in quarantine. Two round trips per 500. Throws `InvalidArgumentError`, `UnknownCampaignError`,
   * `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * const { retried } = await launch.quarantine.retry({ all: true });
   * ```
   */
  async retry(choice: QuarantineChoice): Promise<{ retried: number }> {
    const ids = checkedChoice('quarantineRetry', choice);
    return this.#core.on('quarantineRetry', this.#id, async (serving) => ({ retried: await retry(serving, ids) }));
  }

  /**
   * Takes the units of reservations out of the stock for good. Their users may ask again. If your adapter's `find`
   * returns a row, the reservation was saved: it stays, and settle finishes it. Where `find` cannot say, nothing more is
   * withdrawn. Make sure that no other row appears later, because an unknown save may still be under way. A `withdrawn`
   * event names each unit. If the campaign delivers, `recall` is called for each.
   *
   * Two round trips and one `find` per 500. Throws `InvalidArgumentError`, `UnknownCampaignError`,
   * `MisconfiguredError`, `NotReadyError`, `PersistenceError`, `RedisError`.
   *
   * @example
   * ```ts
   * const ids = ['1f0e…'];
   * const { withdrawn } = await launch.quarantine.withdraw({ ids });
   * ```
   */
  async withdraw(choice: QuarantineChoice): Promise<{ withdrawn: number }> {
    const ids = checkedChoice('quarantineWithdraw', choice);
    const { campaigns, steps, findOptions } = this.#core;
    return this.#core.on('quarantineWithdraw', this.#id, async (serving) => {
      await campaigns.assertEquipped(serving); // Another database would say that nothing was saved.
      return { withdrawn: await withdrawChosen(serving, ids, steps, findOptions) };
    });
  }
}
