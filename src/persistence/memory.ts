import { type CouponTally, countIn, newestFirst, noCounts } from '../model/coupon.js';
import { type Issuance, rowState } from '../model/issuance.js';
import { changedRow } from '../model/life.js';
import type { PersistenceAdapter, SaveVerdict } from './adapter.js';
import { type ChangeVerdict, type CouponChange, type CouponRef, isNamedBy } from './coupon-change.js';
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
  readonly #now: () => Date;

  /** `now`: the clock that decides whether a coupon has expired; default: that of this process. */
  constructor({ now = () => new Date() }: { readonly now?: (() => Date) | undefined } = {}) {
    this.#now = now;
  }

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

  async look(refs: readonly CouponRef[]): Promise<readonly (Issuance | null)[]> {
    return refs.map((ref) => this.#rows(ref.campaignId).named(ref));
  }

  async change(changes: readonly CouponChange[]): Promise<readonly ChangeVerdict[]> {
    return changes.map((change) => this.#rows(change.ref.campaignId).change(change, this.#now()));
  }

  async listByUser(
    userIds: readonly string[],
    options: { campaignIds: readonly string[]; limit: number },
  ): Promise<readonly Issuance[]> {
    const users = new Set(userIds);
    return options.campaignIds
      .flatMap((id) => [...this.#rows(id).byId.values()].filter(({ userId }) => users.has(userId)))
      .sort(newestFirst)
      .slice(0, options.limit);
  }

  async campaigns(): Promise<readonly string[]> {
    return [...this.#campaigns].filter(([, { byId }]) => byId.size > 0).map(([id]) => id);
  }

  async count(campaignId: string): Promise<CouponTally> {
    const counts = noCounts();
    const now = this.#now().getTime();
    for (const row of this.#rows(campaignId).byId.values()) countIn(counts, row, now);
    return counts;
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
    const inWay = [
      ...[this.byId.get(id), this.#byGrant.get(grantOf(issuance)), this.bySerial.get(serial)],
      code === null ? undefined : this.#byCode.get(code),
    ];
    const known = knownVerdict(
      issuance,
      inWay.filter((row) => row !== undefined),
    );
    if (known) return known;
    this.#keep({ ...issuance, state: 'issued' });
    return { verdict: 'saved' };
  }

  named(ref: CouponRef): Issuance | null {
    const row = 'code' in ref ? this.#byCode.get(ref.code) : this.byId.get(ref.id);
    return row && isNamedBy(ref, row) ? row : null;
  }

  change(change: CouponChange, now: Date): ChangeVerdict {
    const row = this.named(change.ref);
    const changed = row && changedRow(row, change, now);
    if (!changed) return { changed: false, row };
    if (change.freesGrant) this.#byGrant.delete(grantOf(row));
    const freed = change.freesGrant ? { grant: 0 } : {};
    return { changed: true, row: this.#keep({ ...row, ...changed, ...freed, state: rowState(changed.life) }) };
  }

  #keep(row: Issuance): Issuance {
    const kept = Object.freeze(row);
    this.byId.set(row.id, kept);
    this.bySerial.set(row.serial, kept);
    if (row.grant !== 0) this.#byGrant.set(grantOf(row), kept);
    if (row.code !== null) this.#byCode.set(row.code, kept);
    return kept;
  }
}

function grantOf({ grant, userId }: Issuance): string {
  return `${grant}:${userId}`;
}
