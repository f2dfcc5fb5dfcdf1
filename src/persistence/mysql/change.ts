import type { Issuance } from '../../model/issuance.js';
import { UNTOUCHED } from '../../model/life.js';
import type { ChangeVerdict, CouponChange, CouponRef } from '../coupon-change.js';
import { failureOf } from '../proof.js';
import { type Row, toIssuance } from '../row.js';
import { IN_TRANSACTION, type MysqlClient } from './client.js';
import { isDeadlock } from './errors.js';
import { utc } from './insert.js';
import { selectedOf } from './select-list.js';
import type { UserIdForm } from './user-ids.js';

type Value = string | number | null;

/** A column of the derived table: one row of it for each ref or change. */
interface GivenColumn<T> {
  readonly name: string;
  readonly of: (item: T) => Value;
}

/** How a coupon is named, and the index that finds it. */
interface Kind {
  readonly names: (ref: CouponRef) => boolean;
  readonly columns: readonly GivenColumn<CouponRef>[];
  /** By the text of `user_id`. */
  readonly match: (userId: string) => string;
}

const part = (name: string) => (ref: CouponRef) => (ref as Readonly<Record<string, Value | undefined>>)[name] ?? null;
const CAMPAIGN = { name: 'campaign', of: part('campaignId') };
const CODE = { name: 'code_', of: part('code') };
const USER = { name: 'user_', of: part('userId') };
const ID = { name: 'id_', of: part('id') };
const SERIAL = { name: 'serial_', of: part('serial') };
const OWN = 't.campaign_id = n.campaign';

const KINDS: readonly Kind[] = [
  {
    names: (ref) => 'code' in ref,
    columns: [CAMPAIGN, CODE, USER],
    match: (userId) => `${OWN} AND t.code = n.code_ AND (n.user_ IS NULL OR ${userId} = n.user_)`,
  },
  {
    names: (ref) => 'id' in ref && 'userId' in ref,
    columns: [CAMPAIGN, ID, USER],
    match: (userId) => `${OWN} AND t.id = n.id_ AND ${userId} = n.user_`,
  },
  {
    names: (ref) => 'id' in ref && 'serial' in ref,
    columns: [CAMPAIGN, ID, SERIAL],
    match: () => `${OWN} AND t.serial = n.serial_ AND t.id = n.id_`,
  },
];

const CHANGED: readonly GivenColumn<CouponChange>[] = [
  { name: 'version_', of: ({ version }) => version },
  { name: 'unexpired', of: ({ unexpired }) => Number(unexpired) },
  { name: 'to_state', of: ({ to }) => to?.state ?? null },
  { name: 'by_id', of: ({ to }) => to?.by ?? null },
  { name: 'undone_', of: ({ undone }) => undone ?? null },
  { name: 'until', of: ({ expiresAt }) => (expiresAt ? utc(expiresAt) : null) },
  { name: 'returned', of: ({ unitReturned }) => Number(unitReturned ?? false) },
  { name: 'frees', of: ({ freesGrant }) => Number(freesGrant ?? false) },
];

/** It may be changed, by the version and by the clock of the database. */
const RIGHT = 't.version = n.version_ AND (n.unexpired = 0 OR t.expires_at IS NULL OR t.expires_at > UTC_TIMESTAMP(3))';
const SET = [
  't.state = COALESCE(n.to_state, t.state)',
  't.state_at = IF(n.to_state IS NULL, t.state_at, UTC_TIMESTAMP(3))',
  't.state_by = IF(n.to_state IS NULL, t.state_by, n.by_id)',
  't.undone = COALESCE(n.undone_, t.undone)',
  't.expires_at = COALESCE(n.until, t.expires_at)',
  't.unit_returned = GREATEST(t.unit_returned, n.returned)',
  't.grant_no = IF(n.frees = 1, NULL, t.grant_no)',
  't.version = t.version + 1',
].join(', ');

/** So many rows of the derived table are one statement. */
const MOST_ROWS = 500;
const MOST_TRIES = 3;
/** The server does not know SKIP LOCKED. */
const SYNTAX_ERROR = 1064;

interface FoundRow {
  readonly row: Issuance;
  readonly isRight: boolean;
}

/** Looks at rows and changes them: two statements for each way to name a coupon, because an UPDATE returns no rows. */
export class CouponStatements {
  readonly #table: string;
  readonly #client: MysqlClient;
  readonly #userId: string;
  readonly #selected: string;
  readonly #isWithin: boolean;
  #skipsLocked = true;

  /** `isWithin`: the client is in a transaction of the caller. */
  constructor(table: string, client: MysqlClient, userIds: UserIdForm, isWithin = false) {
    this.#table = table;
    this.#userId = userIds.textOf('t.user_id');
    this.#selected = selectedOf(userIds);
    this.#client = client;
    this.#isWithin = isWithin;
  }

  async look(refs: readonly CouponRef[]): Promise<(Issuance | null)[]> {
    const found: (Issuance | null)[] = refs.map(() => null);
    for (const { kind, at } of groupsOf(refs)) {
      let asked: readonly CouponRef[] = at.map((i) => refs[i]!);
      if (this.#isWithin) asked = await this.#present(kind, kind.columns, asked);
      const rows = await this.#find(kind, kind.columns, asked);
      for (const i of at) found[i] = rows.get(refs[i]!)?.row ?? null;
    }
    return found;
  }

  async change(changes: readonly CouponChange[]): Promise<ChangeVerdict[]> {
    const verdicts: ChangeVerdict[] = changes.map(() => ({ changed: false, row: null }));
    let isSent = false;
    try {
      for (const { kind, at } of groupsOf(changes.map(({ ref }) => ref))) {
        const made = await this.#changeKind(
          kind,
          at.map((i) => changes[i]!),
          changes.length === 1,
          () => {
            isSent = true;
          },
        );
        for (const [nth, i] of at.entries()) verdicts[i] = made[nth]!;
      }
    } catch (error) {
      // Each statement is committed by itself, so the failure of a later one is no proof.
      throw (isSent ? null : this.#client.proof.notSaved(error)) ?? error;
    }
    return verdicts;
  }

  async #changeKind(
    kind: Kind,
    changes: readonly CouponChange[],
    isAlone: boolean,
    committed: () => void,
  ): Promise<ChangeVerdict[]> {
    const columns = columnsOf(kind);
    const asked = this.#isWithin ? await this.#present(kind, columns, changes) : changes;
    const free = isAlone ? asked : await this.#free(kind, asked);
    const affected = free.length === 0 ? 0 : await this.#update(kind, free);
    committed();
    const found = await this.#find(kind, columns, asked, `, ${RIGHT} AS is_right`);
    return changes.map((change): ChangeVerdict => {
      const { row = null, isRight = false } = found.get(change) ?? {};
      if (isRight && !isAlone) return { changed: false, row: null, held: true };
      const isSent = affected > 0 && free.includes(change);
      const changed = row !== null && isSent && (affected === free.length || isMade(change, row));
      return { changed, row };
    });
  }

  /**
   * The refs or changes whose row the transaction of the caller sees. The lock of a row that is not there would keep others from saving it until that transaction
   * ends.
   */
  async #present<T>(kind: Kind, columns: readonly GivenColumn<T>[], items: readonly T[]): Promise<readonly T[]> {
    return [...(await this.#find(kind, columns, items, '', '')).keys()];
  }

  /**
   * The changes that can be made now: of rows that have their version, and that no other transaction holds at this
   * moment. The locks of this statement end with it.
   */
  async #free(kind: Kind, changes: readonly CouponChange[]): Promise<readonly CouponChange[]> {
    const lock = this.#skipsLocked ? ' FOR UPDATE SKIP LOCKED' : '';
    try {
      const found = await this.#find(kind, columnsOf(kind), changes, `, ${RIGHT} AS is_right`, lock);
      return changes.filter((change) => found.get(change)?.isRight);
    } catch (error) {
      if (failureOf(error).errno !== SYNTAX_ERROR || !this.#skipsLocked) throw error;
      this.#skipsLocked = false;
      return this.#free(kind, changes);
    }
  }

  /** How many rows were changed. A deadlock has changed nothing, so the statement is sent again. */
  async #update(
    kind: Kind,
    changes: readonly CouponChange[],
    tries = this.#isWithin ? 1 : MOST_TRIES,
  ): Promise<number> {
    const { rows, values } = derived(columnsOf(kind), changes);
    const sql = `UPDATE ${rows} STRAIGHT_JOIN ${this.#table} t ON ${kind.match(this.#userId)} AND ${RIGHT} SET ${SET}`;
    try {
      const { affectedRows, serverStatus } = (await this.#client.query(sql, values)) as {
        affectedRows: number;
        serverStatus: number;
      };
      if (!this.#isWithin && serverStatus & IN_TRANSACTION) {
        throw new Error('the changes are in an open transaction: it is not known whether it will be committed');
      }
      return affectedRows;
    } catch (error) {
      if (tries > 1 && isDeadlock(error)) return this.#update(kind, changes, tries - 1);
      throw error;
    }
  }

  /**
   * The row of each ref or change, if there is one. The snapshot of a transaction of the caller may be old: a row that is locked is the one of now, or the server
   * refuses it.
   */
  async #find<T>(
    kind: Kind,
    columns: readonly GivenColumn<T>[],
    items: readonly T[],
    more = '',
    lock = this.#isWithin ? ' FOR UPDATE' : '',
  ): Promise<Map<T, FoundRow>> {
    const found = new Map<T, FoundRow>();
    for (let first = 0; first < items.length; first += MOST_ROWS) {
      const { rows, values } = derived(columns, items.slice(first, first + MOST_ROWS));
      const sql = `SELECT n.ord, ${this.#selected}${more} FROM ${rows} STRAIGHT_JOIN ${this.#table} t ON ${kind.match(this.#userId)}${lock}`;
      for (const row of (await this.#client.query(sql, values)) as (Row & {
        ord: number;
        is_right?: number | string;
      })[]) {
        found.set(items[first + Number(row.ord)]!, { row: toIssuance(row), isRight: Number(row.is_right ?? 0) === 1 });
      }
    }
    return found;
  }
}

/** Of several changes some were made: was this one? If the row does not tell, the answer is no, and the next look decides. */
function isMade(
  { version, to, undone, expiresAt }: CouponChange,
  { life = UNTOUCHED, expiresAt: until }: Issuance,
): boolean {
  if (life.version !== version + 1) return false;
  if (to && (to.state !== life.state || to.by !== life.by)) return false;
  if (undone !== undefined && undone !== life.undone) return false;
  if (expiresAt && expiresAt.getTime() !== until?.getTime()) return false;
  return to?.by != null || undone !== undefined || expiresAt !== undefined;
}

function columnsOf(kind: Kind): readonly GivenColumn<CouponChange>[] {
  const named = kind.columns.map(({ name, of }) => ({ name, of: ({ ref }: CouponChange) => of(ref) }));
  return [...named, ...CHANGED];
}

/** Which of the refs are named in each way. */
function groupsOf(refs: readonly CouponRef[]): { kind: Kind; at: number[] }[] {
  const groups = KINDS.map((kind) => ({ kind, at: [] as number[] }));
  for (const [i, ref] of refs.entries()) groups.find(({ kind }) => kind.names(ref))!.at.push(i);
  return groups.filter(({ at }) => at.length > 0);
}

/** Texts go as bytes, which no character set or SQL mode of a session changes on the way. */
function derived<T>(columns: readonly GivenColumn<T>[], items: readonly T[]): { rows: string; values: unknown[] } {
  const first = `SELECT ? AS ord, ${columns.map(({ name }) => `? AS ${name}`).join(', ')}`;
  const next = ` UNION ALL SELECT ?${', ?'.repeat(columns.length)}`;
  const values = items.flatMap((item, ord) => {
    const own = columns.map(({ of }) => of(item));
    return [ord, ...own.map((value) => (typeof value === 'string' ? Buffer.from(value) : value))];
  });
  return { rows: `(${first}${next.repeat(items.length - 1)}) n`, values };
}
