import type { Issuance, PersistenceAdapter, SaveVerdict } from '../../src/index.js';

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

  async check(): Promise<{ format: number }> {
    return { format: 1 };
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
    return row.id === issuance.id && row.serial === issuance.serial && row.code === issuance.code;
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
