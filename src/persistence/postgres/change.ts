import type { Issuance } from '../../model/issuance.js';
import type { ChangeVerdict, CouponChange, CouponRef } from '../coupon-change.js';
import type { UserIdType } from '../own-table.js';
import { type Row, toIssuance } from '../row.js';
import type { PostgresClient } from './client.js';
import { codeOf, MOMENTARY } from './errors.js';
import { arrayOf } from './insert.js';
import { selectedOf, USER_TYPES } from './select-list.js';

/** A column as SQL, by its name: of a row of the batch, or one value for all of them. */
type SqlOf = Readonly<Record<string, string>>;

/** How a coupon is named, and the index that finds it. */
interface Kind {
  readonly names: (ref: CouponRef) => boolean;
  readonly columns: readonly RefColumn[];
  readonly match: (n: SqlOf) => string;
}

interface GivenColumn<T> {
  readonly name: string;
  readonly type: string;
  readonly of: (item: T) => string | number | boolean | null;
}

type RefColumn = GivenColumn<CouponRef>;

const part = (ref: CouponRef, name: string) =>
  (ref as Readonly<Record<string, string | number | undefined>>)[name] ?? null;
const column = (name: string, type: string, property: string): RefColumn => ({
  name,
  type,
  of: (ref) => part(ref, property),
});
const CAMPAIGN = column('campaign_id', 'text', 'campaignId');
const CODE = column('code', 'text', 'code');
const ID = column('id', 'text', 'id');
const SERIAL = column('serial', 'bigint', 'serial');

/** The first column tells the coupons of a batch apart. */
const kindsOf = (USER: RefColumn): readonly Kind[] => [
  {
    names: (ref) => 'code' in ref,
    columns: [CODE, CAMPAIGN, USER],
    match: (n) =>
      `t.campaign_id = ${n.campaign_id} AND t.code = ${n.code} AND (${n.user_id} IS NULL OR t.user_id = ${n.user_id})`,
  },
  {
    names: (ref) => 'id' in ref && 'userId' in ref,
    columns: [ID, CAMPAIGN, USER],
    match: (n) => `t.campaign_id = ${n.campaign_id} AND t.user_id = ${n.user_id} AND t.id = ${n.id}`,
  },
  {
    names: (ref) => 'id' in ref && 'serial' in ref,
    columns: [ID, CAMPAIGN, SERIAL],
    match: (n) => `t.campaign_id = ${n.campaign_id} AND t.serial = ${n.serial} AND t.id = ${n.id}`,
  },
];

/** What a row has to be. */
const WANTED: readonly GivenColumn<CouponChange>[] = [
  { name: 'version', type: 'int', of: ({ version }) => version },
  { name: 'unexpired', type: 'boolean', of: ({ unexpired }) => unexpired },
];
/** What it becomes. */
const CHANGED: readonly GivenColumn<CouponChange>[] = [
  { name: 'state', type: 'text', of: ({ to }) => to?.state ?? null },
  { name: 'by_id', type: 'text', of: ({ to }) => to?.by ?? null },
  { name: 'undone', type: 'text', of: ({ undone }) => undone ?? null },
  { name: 'expires_ms', type: 'bigint', of: ({ expiresAt }) => expiresAt?.getTime() ?? null },
  { name: 'returned', type: 'boolean', of: ({ unitReturned }) => unitReturned ?? false },
  { name: 'frees', type: 'boolean', of: ({ freesGrant }) => freesGrant ?? false },
];

/** It may be changed, by the version and by the clock of the database. */
function isRight(n: SqlOf): string {
  return `t.version = ${n.version} AND (NOT ${n.unexpired} OR t.expires_at IS NULL OR t.expires_at > statement_timestamp())`;
}

function setOf(n: SqlOf): string {
  return `SET state = coalesce(${n.state}, t.state),
    state_at = CASE WHEN ${n.state} IS NULL THEN t.state_at ELSE statement_timestamp() END,
    state_by = CASE WHEN ${n.state} IS NULL THEN t.state_by ELSE ${n.by_id} END,
    undone = coalesce(${n.undone}, t.undone), expires_at = coalesce(to_timestamp(${n.expires_ms} / 1000.0), t.expires_at),
    unit_returned = t.unit_returned OR ${n.returned}, grant_no = CASE WHEN ${n.frees} THEN NULL ELSE t.grant_no END,
    version = t.version + 1`;
}

/** The changes of a batch that name their coupons in one way, and where their verdicts go. */
interface ChangesOfKind {
  readonly changes: readonly CouponChange[];
  readonly at: readonly number[];
  readonly verdicts: ChangeVerdict[];
}

interface FoundRow {
  readonly ord: number;
  readonly issuance: Issuance;
  /** It could be changed, and was not: another transaction holds it. */
  readonly isRight: boolean;
}

const MOST_TRIES = 3;

/** Looks at rows and changes them: one statement for each way to name a coupon. */
export class CouponStatements {
  readonly #table: string;
  readonly #client: PostgresClient;
  readonly #isWithin: boolean;
  readonly #kinds: readonly Kind[];
  readonly #selected: string;

  /** `isWithin`: the client is in a transaction of the caller. */
  constructor(table: string, client: PostgresClient, userId: UserIdType, isWithin = false) {
    this.#table = table;
    this.#client = client;
    this.#isWithin = isWithin;
    this.#kinds = kindsOf(column('user_id', USER_TYPES[userId], 'userId'));
    this.#selected = selectedOf(userId);
  }

  async look(refs: readonly CouponRef[]): Promise<(Issuance | null)[]> {
    const found: (Issuance | null)[] = refs.map(() => null);
    for (const { kind, at } of byKind(this.#kinds, refs)) {
      const asked = at.map((i) => refs[i]!);
      for (const row of await this.#found(kind, kind.columns, asked)) found[at[row.ord - 1]!] = row.issuance;
    }
    return found;
  }

  async change(changes: readonly CouponChange[]): Promise<ChangeVerdict[]> {
    const verdicts: ChangeVerdict[] = changes.map(() => ({ changed: false, row: null }));
    try {
      for (const { kind, at } of byKind(
        this.#kinds,
        changes.map(({ ref }) => ref),
      )) {
        await this.#changeKind(kind, { changes, at, verdicts });
      }
    } catch (error) {
      // Each statement is committed by itself, so the failure of a later one is no proof.
      const proof = verdicts.some(({ changed }) => changed) ? null : this.#client.proof.notSaved(error);
      throw proof ?? error;
    }
    return verdicts;
  }

  async #changeKind(kind: Kind, { changes, at, verdicts }: ChangesOfKind): Promise<void> {
    const isAlone = changes.length === 1;
    const changed = await this.#changed(
      kind,
      at.map((i) => changes[i]!),
      isAlone,
    );
    for (const { ord, issuance } of changed) verdicts[at[ord - 1]!] = { changed: true, row: issuance };
    const left = at.filter((i) => !verdicts[i]!.changed);
    if (left.length === 0) return;
    // A second statement, because the first one does not see the rows that its rivals committed meanwhile.
    for (const { ord, issuance, isRight } of await this.#unchanged(
      kind,
      left.map((i) => changes[i]!),
    )) {
      const held = isRight && !isAlone;
      verdicts[left[ord - 1]!] = held ? { changed: false, row: null, held } : { changed: false, row: issuance };
    }
  }

  /**
   * A change that is alone waits for its row. A batch leaves out the rows that another transaction holds: it waits for
   * nobody, so batches that share rows do not lock each other out. The rows that it got are changed where they lie.
   */
  async #changed(kind: Kind, changes: readonly CouponChange[], isAlone: boolean): Promise<FoundRow[]> {
    const { n, rows, values } = batchOf([...columnsOf(kind), ...CHANGED], changes);
    const named = `${kind.match(n)} AND ${isRight(n)}`;
    const update = `UPDATE ${this.#table} t ${setOf(n)}`;
    const returning = `RETURNING ${n.ord} AS ord, ${this.#selected}`;
    const free = `SELECT t.tableoid AS part, t.ctid AS place${rows && ', n.*'} FROM ${this.#joined(rows)} ${named} FOR NO KEY UPDATE OF t SKIP LOCKED`;
    const text = isAlone
      ? `${update} WHERE ${named} ${returning}`
      : `WITH n AS MATERIALIZED (${free}) ${update} FROM n WHERE t.ctid = n.place AND t.tableoid = n.part AND ${isRight(n)} ${returning}`;
    return foundRows(await this.#sendUpdate(text, values));
  }

  /** A dead-lock or a serialization failure proves that nothing was changed, and may not come again. */
  async #sendUpdate(
    text: string,
    values: unknown[],
    tries = this.#isWithin ? 1 : MOST_TRIES,
  ): Promise<readonly unknown[]> {
    try {
      return (await this.#client.query(text, values)).rows;
    } catch (error) {
      if (tries > 1 && MOMENTARY.includes(codeOf(error))) return this.#sendUpdate(text, values, tries - 1);
      throw error;
    }
  }

  async #unchanged(kind: Kind, changes: readonly CouponChange[]): Promise<FoundRow[]> {
    return this.#found(kind, columnsOf(kind), changes, (n) => `, ${isRight(n)} AS is_right`);
  }

  async #found<T>(
    kind: Kind,
    columns: readonly GivenColumn<T>[],
    asked: readonly T[],
    more = (_: SqlOf) => '',
  ): Promise<FoundRow[]> {
    const { n, rows, values } = batchOf(columns, asked);
    // The snapshot of a transaction may be old. A row that is locked is the one of now, or the server refuses it.
    const lock = this.#isWithin ? ' FOR NO KEY UPDATE OF t' : '';
    const text = `SELECT ${n.ord} AS ord, ${this.#selected}${more(n)} FROM ${this.#joined(rows)} ${kind.match(n)}${lock}`;
    return foundRows((await this.#client.query(text, values)).rows);
  }

  #joined(rows: string): string {
    return rows ? `${rows} JOIN ${this.#table} t ON` : `${this.#table} t WHERE`;
  }
}

function columnsOf(kind: Kind): readonly GivenColumn<CouponChange>[] {
  return [
    ...kind.columns.map(({ of, ...column }) => ({ ...column, of: ({ ref }: CouponChange) => of(ref) })),
    ...WANTED,
  ];
}

/** Which of the refs are named in each way. */
function byKind(kinds: readonly Kind[], refs: readonly CouponRef[]): { kind: Kind; at: number[] }[] {
  const groups = kinds.map((kind) => ({ kind, at: [] as number[] }));
  for (const [i, ref] of refs.entries()) groups.find(({ kind }) => kind.names(ref))!.at.push(i);
  return groups.filter(({ at }) => at.length > 0);
}

/**
 * A batch as rows that are numbered in their order. A column that is equal in all of them is one value; the others, and
 * always the first, are arrays. A lone item has no arrays, and no `rows`.
 */
function batchOf<T>(
  columns: readonly GivenColumn<T>[],
  items: readonly T[],
): { n: SqlOf; rows: string; values: (string | number | boolean | null)[] } {
  const n: Record<string, string> = { ord: items.length === 1 ? '1' : 'n.ord' };
  const values: (string | number | boolean | null)[] = [];
  const listed: { name: string; array: string }[] = [];
  for (const [i, { name, type, of }] of columns.entries()) {
    const all = items.map(of);
    const isShared = items.length === 1 || (i > 0 && all.every((value) => value === all[0]));
    values.push(isShared ? all[0]! : arrayOf(all));
    n[name] = isShared ? `$${i + 1}::${type}` : `n.${name}`;
    if (!isShared) listed.push({ name, array: `$${i + 1}::${type}[]` });
  }
  // In a subquery, because a campaign that the statistics do not know would be taken for an empty one.
  if (n.campaign_id?.startsWith('$')) n.campaign_id = `(SELECT ${n.campaign_id})`;
  const arrays = listed.map(({ array }) => array).join(', ');
  const names = listed.map(({ name }) => name).join(', ');
  return { n, rows: arrays && `unnest(${arrays}) WITH ORDINALITY AS n(${names}, ord)`, values };
}

function foundRows(rows: readonly unknown[]): FoundRow[] {
  return (rows as (Row & { ord: number | string; is_right?: boolean })[]).map((row) => ({
    ord: Number(row.ord),
    issuance: toIssuance(row),
    isRight: row.is_right === true,
  }));
}
