import assert from 'node:assert/strict';
import { isNotSaved } from '../model/errors.js';
import { type Issuance, mintId } from '../model/issuance.js';
import type { PersistenceAdapter, SaveVerdict } from '../persistence/adapter.js';
import { assertSame, assertUserConflict, rowsOf, type StoredRow, wordsOf } from './assertions.js';
import type { FaultyWire } from './wire.js';

/** Every committed row of a campaign, in any order. */
export type Oracle = (campaignId: string) => Promise<readonly StoredRow[]>;

/** A need of a case beyond `save`: an optional method of the adapter, or that its calls go over the kit's wire. */
export type Need =
  | 'list'
  | 'find'
  | 'look'
  | 'change'
  | 'listByUser'
  | 'campaigns'
  | 'count'
  | 'check'
  | 'identity'
  | 'userIdFault'
  | 'within'
  | 'wire';

/** One rule, before it knows the adapter. */
export interface Case {
  readonly name: string;
  readonly needs?: readonly Need[];
  readonly check: (stage: Stage) => Promise<void>;
}

/** The facts about stored rows that `persistenceContract` was given. */
export interface Surroundings {
  readonly oracle?: Oracle | undefined;
  /** The ids of users by number; `undefined`: any text is one. */
  readonly userIds?: ((n: number) => string) | undefined;
  readonly refusedUserId?: string | undefined;
  /** Makes the rows that the issuances refer to. */
  readonly prepare?: ((issuances: readonly Issuance[]) => Promise<unknown>) | undefined;
}

/** How a save ended that may fail. */
export type StagedSave =
  | { readonly verdicts: readonly SaveVerdict[]; readonly denied: false }
  /** `denied`: by a `NotSavedError`, which says that nothing is or will be stored. */
  | { readonly verdicts: null; readonly denied: boolean };

/** The facts after a save that stored its batch, or did not. */
export interface Truth {
  readonly words: readonly string[];
  readonly storedBefore: readonly Issuance[];
  readonly storedAfter: readonly Issuance[];
}

/** More than any case stores. */
const ALL = 100_000;
/** A last millisecond, which a column of whole seconds would round away. */
const ISSUED_AT = Date.UTC(2026, 0, 31, 23, 59, 59, 999);

/** The tools of one case: the adapter, a campaign of its own, and a judge of the stored rows. */
export class Stage {
  readonly adapter: PersistenceAdapter;
  readonly wire: FaultyWire;
  readonly campaignId = `contract-${mintId()}`;
  readonly #around: Surroundings;
  readonly #prepared = new WeakSet<Issuance>();
  #serial = 0;
  #user = 0;

  constructor(adapter: PersistenceAdapter, wire: FaultyWire, around: Surroundings = {}) {
    this.adapter = adapter;
    this.wire = wire;
    this.#around = around;
  }

  /** The id of a user that this case has not named yet. */
  userId(): string {
    return this.#around.userIds?.(++this.#user) ?? `user-${mintId()}`;
  }

  /** Whether calls with this id get as far as the adapter, and its row is stored. */
  isUserId(text: string): boolean {
    return text !== this.#around.refusedUserId && (this.adapter.userIdFault?.(text) ?? null) === null;
  }

  /** The id of another user; where any text is an id, one that begins with this one. */
  otherThan(userId: string): string {
    return this.#around.userIds ? this.userId() : `${userId}x`;
  }

  /**
   * Makes the rows that these refer to. Each save does so first; a case of simultaneous saves does it before them.
   */
  async prepare(...issuances: Issuance[]): Promise<void> {
    await this.#unprepared(issuances);
  }

  /** `undefined`: nothing is to be made, so nothing has to be waited for. */
  #unprepared(issuances: readonly Issuance[]): Promise<unknown> | undefined {
    const { prepare } = this.#around;
    if (!prepare) return undefined;
    const fresh = issuances.filter((one) => !this.#prepared.has(one) && this.isUserId(one.userId));
    if (fresh.length === 0) return undefined;
    for (const one of fresh) this.#prepared.add(one);
    return prepare(Object.freeze(fresh));
  }

  /** A new issuance that conflicts with no other, except for the given fields. */
  issuance(given: Partial<Issuance> = {}): Issuance {
    this.#serial++;
    return Object.freeze({
      id: mintId(),
      campaignId: this.campaignId,
      userId: given.userId ?? this.userId(),
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
    return this.saveUnder(new AbortController().signal, issuances);
  }

  /** A save of ids under which no call was made before. */
  async saveNew(...issuances: Issuance[]): Promise<readonly SaveVerdict[]> {
    await this.prepare(...issuances);
    const options = { signal: new AbortController().signal, newIds: true };
    return oneEach(await this.adapter.save(Object.freeze(issuances), options), issuances);
  }

  async saveUnder(signal: AbortSignal, issuances: Issuance[]): Promise<readonly SaveVerdict[]> {
    const preparing = this.#unprepared(issuances);
    if (preparing) await preparing;
    return oneEach(await this.adapter.save(Object.freeze(issuances), { signal }), issuances);
  }

  /** A save that may throw. If it does not, the contract holds for its result. */
  async attempt(issuances: Issuance[], signal: AbortSignal = new AbortController().signal): Promise<StagedSave> {
    const preparing = this.#unprepared(issuances);
    if (preparing) await preparing;
    let verdicts: readonly SaveVerdict[];
    try {
      verdicts = await this.adapter.save(Object.freeze(issuances), { signal });
    } catch (error) {
      return { verdicts: null, denied: isNotSaved(error) };
    }
    return { verdicts: oneEach(verdicts, issuances), denied: false };
  }

  /**
   * A save of which one attempt may fail, as of two that lock each other out: `issue()` would send the same ids once
   * more as well.
   */
  async saveInTwo(...issuances: Issuance[]): Promise<readonly SaveVerdict[]> {
    const { verdicts } = await this.attempt(issuances);
    return verdicts ?? this.save(...issuances);
  }

  /** Saves one batch, and its verdicts must be these words, in order. */
  async expectSave(issuances: Issuance[], words: readonly SaveVerdict['verdict'][]): Promise<void> {
    assertSame('verdicts', wordsOf(await this.save(...issuances)), words);
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
      if (this.#around.oracle) assertSame('seenByOracle', rowsOf(await this.#around.oracle(campaignId)), rows);
      if (this.adapter.list) {
        const listed = await this.adapter.list(campaignId, { afterSerial: 0, limit: ALL });
        assertSame('listed', rowsOf(listed), rows);
      }
    }
    // Even an adapter that can only save knows its own rows again.
    if (expected.length > 0) await this.given(...expected);
  }

  /** The claim of a disturbed save is true: its verdicts if it resolved, nothing stored if it threw `NotSavedError`. */
  async expectTruth({ verdicts, denied }: StagedSave, truth: Truth): Promise<void> {
    if (verdicts) {
      assertSame('verdicts', wordsOf(verdicts), truth.words);
      await this.expectStored(...truth.storedAfter);
    } else if (denied) await this.expectStored(...truth.storedBefore);
  }
}

function oneEach(verdicts: readonly SaveVerdict[], issuances: readonly Issuance[]): readonly SaveVerdict[] {
  assert.equal(verdicts.length, issuances.length, 'save resolves to one verdict for each issuance');
  return verdicts;
}
