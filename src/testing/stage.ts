import assert from 'node:assert/strict';
import { type Issuance, mintId } from '../issuance.js';
import type { PersistenceAdapter, SaveVerdict } from '../persistence/adapter.js';

/** What an oracle tells of one stored issuance. Numbers may be strings, as some drivers return them for 64-bit columns. */
export interface StoredRow {
  readonly serial: number | string | bigint;
  readonly userId: string;
  readonly grant: number | string | bigint;
  readonly id: string;
  readonly code: string | null;
}

/** Every committed row of a campaign, in any order. */
export type Oracle = (campaignId: string) => Promise<readonly StoredRow[]>;

/** One rule, before it knows the adapter. */
export interface Case {
  readonly name: string;
  readonly check: (stage: Stage) => Promise<void>;
}

/** More than any case stores. */
const ALL = 1000;
/** A last millisecond, which a column of whole seconds would round away. */
const ISSUED_AT = Date.UTC(2026, 0, 31, 23, 59, 59, 999);

/** What one case works with: the adapter, a campaign that no other case has, and a judge of what is stored. */
export class Stage {
  readonly adapter: PersistenceAdapter;
  readonly campaignId = `contract-${mintId()}`;
  readonly #oracle: Oracle | undefined;
  #serial = 0;

  constructor(adapter: PersistenceAdapter, oracle?: Oracle) {
    this.adapter = adapter;
    this.#oracle = oracle;
  }

  /** A new issuance that conflicts with no other, but for what is given. */
  issuance(given: Partial<Issuance> = {}): Issuance {
    this.#serial++;
    return Object.freeze({
      id: mintId(),
      campaignId: this.campaignId,
      userId: `user-${mintId()}`,
      grant: 1,
      serial: this.#serial,
      code: `CODE-${mintId()}`,
      issuedAt: new Date(ISSUED_AT),
      epoch: '1-contract',
      state: 'reserved',
      ...given,
    });
  }

  /** So many new issuances. */
  issuances(count: number): Issuance[] {
    return Array.from({ length: count }, () => this.issuance());
  }

  async save(...issuances: Issuance[]): Promise<readonly SaveVerdict[]> {
    const verdicts = await this.adapter.save(Object.freeze(issuances), { signal: new AbortController().signal });
    assert.equal(verdicts.length, issuances.length, 'save resolves to one verdict for each issuance');
    return verdicts;
  }

  /** Saves one batch, and its verdicts must be these words, in order. */
  async expectSave(issuances: Issuance[], words: SaveVerdict['verdict'][]): Promise<void> {
    assert.deepEqual(wordsOf(await this.save(...issuances)), words);
  }

  /** Saves issuances that nothing stands in the way of. */
  async given(...issuances: Issuance[]): Promise<void> {
    await this.expectSave(
      issuances,
      issuances.map(() => 'saved'),
    );
  }

  /** Saves one issuance, which must be refused because of that row, and the verdict must carry all of it. */
  async expectUserConflict(issuance: Issuance, row: Issuance): Promise<void> {
    const [verdict] = await this.save(issuance);
    assertUserConflict(verdict, row);
  }

  /** Exactly these are stored in their campaigns, and nothing else is in this case's own. */
  async expectStored(...expected: Issuance[]): Promise<void> {
    for (const campaignId of new Set([this.campaignId, ...expected.map((one) => one.campaignId)])) {
      const rows = rowsOf(expected.filter((one) => one.campaignId === campaignId));
      if (this.#oracle) {
        assert.deepEqual({ seenByOracle: rowsOf(await this.#oracle(campaignId)) }, { seenByOracle: rows });
      }
      if (this.adapter.list) {
        const listed = await this.adapter.list(campaignId, { afterSerial: 0, limit: ALL });
        assert.deepEqual({ listed: rowsOf(listed) }, { listed: rows });
      }
    }
    // Even an adapter that can only save knows its own rows again.
    if (expected.length > 0) await this.given(...expected);
  }
}

export function wordsOf(verdicts: readonly SaveVerdict[]): string[] {
  return verdicts.map(({ verdict }) => verdict);
}

/** The verdict is `user_conflict` and carries that row. */
export function assertUserConflict(verdict: SaveVerdict | undefined, row: Issuance): void {
  assert.equal(verdict?.verdict, 'user_conflict');
  assertIssuance((verdict as { existing?: Issuance }).existing, row);
}

/** Every field of the stored issuance came back as it went in, and its state is `issued`. */
export function assertIssuance(actual: Issuance | null | undefined, expected: Issuance): void {
  assert.ok(actual, 'the stored issuance is given');
  assert.ok(actual.issuedAt instanceof Date, 'issuedAt is a Date');
  const { id, campaignId, userId, grant, serial, code, issuedAt, epoch, state } = actual;
  assert.deepEqual(
    { id, campaignId, userId, grant, serial, code, issuedAt: issuedAt.getTime(), epoch, state },
    { ...expected, issuedAt: expected.issuedAt.getTime(), state: 'issued' },
  );
}

/** In one shape and order, whoever tells them. */
function rowsOf(rows: readonly StoredRow[]) {
  return rows
    .map(({ serial, userId, grant, id, code }) => ({ serial: Number(serial), userId, grant: Number(grant), id, code }))
    .sort((a, b) => a.serial - b.serial);
}
