import type { Issuance } from '../../model/issuance.js';
import type { ChangeVerdict, CouponChange, CouponRef } from '../coupon-change.js';
import { type Row, toIssuance } from '../row.js';
import type { PostgresClient } from './client.js';
import { codeOf, MOMENTARY } from './errors.js';
import { arrayOf } from './insert.js';
import { SELECTED } from './selected.js';

/** How a coupon is named, and the index that finds it. */
interface Kind {
  readonly names: (ref: CouponRef) => boolean;
  readonly columns: readonly RefColumn[];
  readonly match: string;
}

interface GivenColumn<T> {
  readonly name: string;
  readonly type: string;
  readonly of: (item: T) => string | number | null;
}

type RefColumn = GivenColumn<CouponRef>;

const part = (ref: CouponRef, name: string) =>
  (ref as Readonly<Record<string, string | number | undefined>>)[name] ?? null;
const [CAMPAIGN, CODE, USER, ID, SERIAL] = (
  [
    ['campaign_id', 'text', 'campaignId'],
    ['code', 'text', 'code'],
    ['user_id', 'text', 'userId'],
    ['id', 'text', 'id'],
    ['serial', 'bigint', 'serial'],
  ] as const
).map(([name, type, property]) => ({ name, type, of: (ref: CouponRef) => part(ref, property) })) as [
  RefColumn,
  RefColumn,
  RefColumn,
  RefColumn,
  RefColumn,
];

const KINDS: readonly Kind[] = [
  {
    names: (ref) => 'code' in ref,
    columns: [CAMPAIGN, CODE, USER],
    match: 't.campaign_id = n.campaign_id AND t.code = n.code AND (n.user_id IS NULL OR t.user_id = n.user_id)',
  },
  {
    names: (ref) => 'id' in ref && 'userId' in ref,
    columns: [CAMPAIGN, ID, USER],
    match: 't.campaign_id = n.campaign_id AND t.user_id = n.user_id AND t.id = n.id',
  },
  {
    names: (ref) => 'id' in ref && 'serial' in ref,
    columns: [CAMPAIGN, ID, SERIAL],
    match: 't.campaign_id = n.campaign_id AND t.serial = n.serial AND t.id = n.id',
  },
];

const CHANGED: readonly GivenColumn<CouponChange>[] = [
  { name: 'version', type: 'int', of: ({ version }) => version },
  { name: 'unexpired', type: 'boolean', of: ({ unexpired }) => String(unexpired) },
  { name: 'state', type: 'text', of: ({ to }) => to?.state ?? null },
  { name: 'by_id', type: 'text', of: ({ to }) => to?.by ?? null },
  { name: 'undone', type: 'text', of: ({ undone }) => undone ?? null },
  { name: 'expires_ms', type: 'bigint', of: ({ expiresAt }) => expiresAt?.getTime() ?? null },
  { name: 'returned', type: 'boolean', of: ({ unitReturned }) => String(unitReturned ?? false) },
  { name: 'frees', type: 'boolean', of: ({ freesGrant }) => String(freesGrant ?? false) },
];

/** It may be changed, by the version and by the clock of the database. */
const RIGHT =
  't.version = n.version AND (NOT n.unexpired OR t.expires_at IS NULL OR t.expires_at > statement_timestamp())';

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

  constructor(table: string, client: PostgresClient) {
    this.#table = table;
    this.#client = client;
  }

  async look(refs: readonly CouponRef[]): Promise<(Issuance | null)[]> {
    const found: (Issuance | null)[] = refs.map(() => null);
    for (const { kind, at } of byKind(refs)) {
      const asked = at.map((i) => refs[i]!);
      for (const row of await this.#found(kind, kind.columns, asked)) found[at[row.ord - 1]!] = row.issuance;
    }
    return found;
  }

  async change(changes: readonly CouponChange[]): Promise<ChangeVerdict[]> {
    const verdicts: ChangeVerdict[] = changes.map(() => ({ changed: false, row: null }));
    try {
      for (const { kind, at } of byKind(changes.map(({ ref }) => ref))) {
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
   * Rows are locked in one order, so batches that share some do not lock each other out. A change that is alone waits for its row. A batch leaves out the
   * rows that another transaction holds.
   */
  async #changed(kind: Kind, changes: readonly CouponChange[], isAlone: boolean): Promise<FoundRow[]> {
    const { rows, values } = batchOf(columnsOf(kind), changes);
    const free = `SELECT t.campaign_id, t.serial, n.ord FROM n JOIN ${this.#table} t ON ${kind.match} AND ${RIGHT}
      ORDER BY t.campaign_id, t.serial FOR NO KEY UPDATE OF t SKIP LOCKED`;
    const text = isAlone
      ? `WITH n AS MATERIALIZED (SELECT * FROM ${rows}) ${this.#update('n', kind.match)}`
      : `WITH n AS MATERIALIZED (SELECT * FROM ${rows}), free AS MATERIALIZED (${free})
        ${this.#update('n JOIN free USING (ord)', 't.campaign_id = free.campaign_id AND t.serial = free.serial')}`;
    return foundRows(await this.#sendUpdate(text, values));
  }

  /** A dead-lock or a serialization failure proves that nothing was changed, and may not come again. */
  async #sendUpdate(text: string, values: string[], tries = MOST_TRIES): Promise<readonly unknown[]> {
    try {
      return (await this.#client.query(text, values)).rows;
    } catch (error) {
      if (tries > 1 && MOMENTARY.includes(codeOf(error))) return this.#sendUpdate(text, values, tries - 1);
      throw error;
    }
  }

  #update(from: string, where: string): string {
    return `UPDATE ${this.#table} t SET state = coalesce(n.state, t.state),
      state_at = CASE WHEN n.state IS NULL THEN t.state_at ELSE statement_timestamp() END,
      state_by = CASE WHEN n.state IS NULL THEN t.state_by ELSE n.by_id END,
      undone = coalesce(n.undone, t.undone), expires_at = coalesce(to_timestamp(n.expires_ms / 1000.0), t.expires_at),
      unit_returned = t.unit_returned OR n.returned, grant_no = CASE WHEN n.frees THEN NULL ELSE t.grant_no END,
      version = t.version + 1
      FROM ${from} WHERE ${where} AND ${RIGHT} RETURNING ord, ${SELECTED}`;
  }

  async #unchanged(kind: Kind, changes: readonly CouponChange[]): Promise<FoundRow[]> {
    return this.#found(kind, columnsOf(kind), changes, `, ${RIGHT} AS is_right`);
  }

  async #found<T>(kind: Kind, columns: readonly GivenColumn<T>[], asked: readonly T[], more = ''): Promise<FoundRow[]> {
    const { rows, values } = batchOf(columns, asked);
    const text = `SELECT ord, ${SELECTED}${more} FROM ${rows} JOIN ${this.#table} t ON ${kind.match}`;
    return foundRows((await this.#client.query(text, values)).rows);
  }
}

function columnsOf(kind: Kind): readonly GivenColumn<CouponChange>[] {
  return [
    ...kind.columns.map(({ of, ...column }) => ({ ...column, of: ({ ref }: CouponChange) => of(ref) })),
    ...CHANGED,
  ];
}

/** Which of the refs are named in each way. */
function byKind(refs: readonly CouponRef[]): { kind: Kind; at: number[] }[] {
  const groups = KINDS.map((kind) => ({ kind, at: [] as number[] }));
  for (const [i, ref] of refs.entries()) groups.find(({ kind }) => kind.names(ref))!.at.push(i);
  return groups.filter(({ at }) => at.length > 0);
}

/** Rows numbered in their order, of which each column is an array. */
function batchOf<T>(columns: readonly GivenColumn<T>[], items: readonly T[]): { rows: string; values: string[] } {
  const arrays = columns.map(({ type }, i) => `$${i + 1}::${type}[]`);
  const names = columns.map(({ name }) => name);
  return {
    rows: `unnest(${arrays.join(', ')}) WITH ORDINALITY AS n(${names.join(', ')}, ord)`,
    values: columns.map(({ of }) => arrayOf(items.map(of))),
  };
}

function foundRows(rows: readonly unknown[]): FoundRow[] {
  return (rows as (Row & { ord: number | string; is_right?: boolean })[]).map((row) => ({
    ord: Number(row.ord),
    issuance: toIssuance(row),
    isRight: row.is_right === true,
  }));
}
