import type { Issuance } from '../model/issuance.js';
import type { PersistenceAdapter, SaveVerdict } from './adapter.js';
import { knownVerdict } from './verdict.js';

/**
 * An adapter that keeps issuances in this process: for unit tests and demos, not for coupons that matter.
 *
 * @example
 * ```ts
 * const issuer = new CouponIssuer({ redis, persistence: new MemoryPersistence() });
 * ```
 */
export class MemoryPersistence implements PersistenceAdapter {
  readonly #campaigns = new Map<string, Rows>();

  async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
    return issuances.map((issuance) => this.#rows(issuance.campaignId).save(issuance));
  }

  async list(campaignId: string, options: { afterSerial: number; limit: number }): Promise<readonly Issuance[]> {
    return [...this.#rows(campaignId).bySerial.values()]
      .filter((row) => row.serial > options.afterSerial)
      .sort((a, b) => a.serial - b.serial)
      .slice(0, options.limit);
  }

  async find(issuances: readonly Issuance[]): Promise<readonly (Issuance | null)[]> {
    return issuances.map(({ campaignId, id }) => this.#rows(campaignId).byId.get(id) ?? null);
  }

  #rows(campaignId: string): Rows {
    const rows = this.#campaigns.get(campaignId) ?? new Rows();
    this.#campaigns.set(campaignId, rows);
    return rows;
  }
}

/** The rows of one campaign under its unique keys. */
class Rows {
  readonly byId = new Map<string, Issuance>();
  readonly bySerial = new Map<number, Issuance>();
  readonly #byGrant = new Map<string, Issuance>();
  readonly #byCode = new Map<string, Issuance>();

  save(issuance: Issuance): SaveVerdict {
    const { id, serial, code } = issuance;
    const grant = `${issuance.grant}:${issuance.userId}`;
    const inWay = [
      ...[this.byId.get(id), this.#byGrant.get(grant), this.bySerial.get(serial)],
      code === null ? undefined : this.#byCode.get(code),
    ];
    const known = knownVerdict(
      issuance,
      inWay.filter((row) => row !== undefined),
    );
    if (known) return known;
    const row: Issuance = Object.freeze({ ...issuance, state: 'issued' });
    this.byId.set(id, row);
    this.bySerial.set(serial, row);
    this.#byGrant.set(grant, row);
    if (code !== null) this.#byCode.set(code, row);
    return { verdict: 'saved' };
  }
}
