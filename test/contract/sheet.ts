import type { Issuance, PersistenceAdapter, SaveVerdict } from '../../src/index.js';
import { type CouponTally, countIn, newestFirst, noCounts } from '../../src/model/coupon.js';
import { changedRow } from '../../src/model/life.js';
import {
  type ChangeVerdict,
  type CouponChange,
  type CouponRef,
  isNamedBy,
} from '../../src/persistence/coupon-change.js';

/** The user of whom it stores nothing. */
export const REFUSED_USER = 'refused-user';

/** A right adapter over an array, with one method for each rule: a broken one below breaks a single rule. */
export class Sheet implements PersistenceAdapter {
  rows: Issuance[] = [];

  async save(issuances: readonly Issuance[], _?: { signal: AbortSignal }): Promise<readonly SaveVerdict[]> {
    return issuances.map((issuance) => this.saveOne(issuance));
  }

  async list(campaignId: string, options: { afterSerial: number; limit: number }): Promise<readonly Issuance[]> {
    return this.rows
      .filter((row) => row.campaignId === campaignId && row.serial > options.afterSerial)
      .sort((a, b) => a.serial - b.serial)
      .slice(0, options.limit);
  }

  async find(issuances: readonly Issuance[]): Promise<readonly (Issuance | null)[]> {
    return issuances.map((one) => this.rows.find((row) => row.id === one.id) ?? null);
  }

  async look(refs: readonly CouponRef[], _?: { signal: AbortSignal }): Promise<readonly (Issuance | null)[]> {
    return refs.map((ref) => this.rows.find((row) => this.isNamed(row, ref)) ?? null);
  }

  async change(changes: readonly CouponChange[], _?: { signal: AbortSignal }): Promise<readonly ChangeVerdict[]> {
    return changes.map((change) => this.changeOne(change));
  }

  async listByUser(
    userIds: readonly string[],
    options: { campaignIds: readonly string[]; limit: number },
  ): Promise<readonly Issuance[]> {
    return this.rows
      .filter((row) => userIds.includes(row.userId) && options.campaignIds.includes(row.campaignId))
      .sort(newestFirst)
      .slice(0, options.limit);
  }

  async campaigns(_?: { signal: AbortSignal }): Promise<readonly string[]> {
    return [...new Set(this.rows.map(({ campaignId }) => campaignId))];
  }

  async count(campaignId: string, _?: { signal: AbortSignal }): Promise<CouponTally> {
    const counts = noCounts();
    for (const row of this.rows) if (row.campaignId === campaignId) countIn(counts, row, Date.now());
    return counts;
  }

  async check(): Promise<{ format: number }> {
    return { format: 1 };
  }

  userIdFault(_: string): string | null {
    return null;
  }

  async identity(): Promise<string | null> {
    return 'a-sheet';
  }

  protected saveOne(issuance: Issuance): SaveVerdict {
    if (issuance.userId === REFUSED_USER) return this.refusal(issuance);
    const verdict = this.judge(issuance);
    if (verdict) return verdict;
    this.rows.push(this.stored(issuance));
    return { verdict: 'saved' };
  }

  changeOne(change: CouponChange): ChangeVerdict {
    const at = this.rows.findIndex((row) => this.isNamed(row, change.ref));
    const before = this.rows[at];
    if (!before) return { changed: false, row: null };
    const row = this.changed(before, change);
    if (row) this.rows[at] = row;
    return { changed: row !== null, row: row ?? before };
  }

  protected isNamed(row: Issuance, ref: CouponRef): boolean {
    return isNamedBy(ref, row);
  }

  /** The row after a change; `null`: it must not be made. */
  protected changed(row: Issuance, change: CouponChange): Issuance | null {
    const changed = changedRow(row, change, new Date());
    return changed && { ...row, ...changed, ...(change.freesGrant ? { grant: 0 } : {}) };
  }

  /** What the rows say of an issuance; `null`: nothing stands in its way. */
  protected judge(issuance: Issuance): SaveVerdict | null {
    const rows = this.rows.filter((row) => this.sameCampaign(row, issuance));
    if (rows.some((row) => this.isSaved(row, issuance))) return { verdict: 'saved' };
    const existing =
      rows.find((row) => this.sameId(row, issuance)) ?? rows.find((row) => this.sameGrant(row, issuance));
    if (existing) return this.userConflict(existing);
    if (rows.some((row) => this.sameSerial(row, issuance))) return { verdict: 'serial_conflict' };
    if (rows.some((row) => this.sameCode(row, issuance))) return { verdict: 'code_conflict' };
    return null;
  }

  protected refusal(_: Issuance): SaveVerdict {
    return { verdict: 'refused', reason: 'barred' };
  }

  protected isSaved(row: Issuance, issuance: Issuance): boolean {
    const isRevoked = row.life?.state === 'revoked';
    return row.id === issuance.id && row.serial === issuance.serial && row.code === issuance.code && !isRevoked;
  }

  protected sameCampaign(row: Issuance, issuance: Issuance): boolean {
    return row.campaignId === issuance.campaignId;
  }

  protected sameId(row: Issuance, issuance: Issuance): boolean {
    return row.id === issuance.id;
  }

  protected sameGrant(row: Issuance, issuance: Issuance): boolean {
    return row.userId === issuance.userId && row.grant === issuance.grant;
  }

  protected sameSerial(row: Issuance, issuance: Issuance): boolean {
    return row.serial === issuance.serial;
  }

  protected sameCode(row: Issuance, issuance: Issuance): boolean {
    return row.code !== null && row.code === issuance.code;
  }

  protected userConflict(existing: Issuance): SaveVerdict {
    return { verdict: 'user_conflict', existing };
  }

  protected stored(issuance: Issuance): Issuance {
    return { ...issuance, state: 'issued' };
  }
}
