import type pg from 'pg';
import { type PostgresLike, PostgresPersistence } from '../../../src/persistence/postgres/index.js';
import type { Book } from '../checks/books.js';
import type { Row } from '../checks/invariants.js';

/** Rows saved through one pool and read by the test through another, and what the statements failed with. */
export interface WatchedBook extends Book {
  /** How often a statement failed for each reason: an SQLSTATE, a code of the client, or its words. */
  readonly failures: ReadonlyMap<string, number>;
  failed(reason: RegExp): number;
}

export async function watchedBook(saving: pg.Pool, reading: pg.Pool = saving): Promise<WatchedBook> {
  await new PostgresPersistence(reading).createTable();
  const failures = new Map<string, number>();
  const adapter = new PostgresPersistence(watched(saving, failures));
  const failed = (reason: RegExp) =>
    [...failures].reduce((sum, [name, count]) => sum + (reason.test(name) ? count : 0), 0);
  return {
    save: (issuances) => adapter.save(issuances),
    list: (campaignId, options) => adapter.list(campaignId, options),
    find: (issuances) => adapter.find(issuances),
    look: (refs) => adapter.look(refs),
    change: (changes) => adapter.change(changes),
    rows: (campaignId) => rowsIn(reading, campaignId),
    failures,
    failed,
  };
}

/** The pool itself, but that failures are counted: those to connect, and those of statements. The adapter borrows from it as from any pool. */
export function watched(pool: pg.Pool, failures: Map<string, number>): PostgresLike {
  const counted = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      const reason = code ?? message;
      failures.set(reason, (failures.get(reason) ?? 0) + 1);
      throw error;
    }
  };
  const connect = async () => {
    const lent = await counted(pool.connect());
    const query = (text: string, values?: unknown[]) => counted(lent.query(text, values));
    const [on, removeListener] = [lent.on.bind(lent), lent.removeListener.bind(lent)];
    return { query, on, removeListener, release: lent.release.bind(lent) };
  };
  const query = (text: string, values?: unknown[]) => counted(pool.query(text, values));
  return Object.create(Object.assign(Object.create(pool) as object, { query, connect })) as PostgresLike;
}

/** The rows of a campaign by a query of the test's own, not by the adapter. */
export async function rowsIn(pool: pg.Pool, campaignId: string): Promise<Row[]> {
  const columns =
    'id, user_id AS "userId", grant_no AS "grant", serial::float8 AS serial, code, expires_at AS "expiresAt"';
  const query = `SELECT ${columns} FROM coupon_issuances WHERE campaign_id = $1 ORDER BY serial`;
  return (await pool.query(query, [campaignId])).rows;
}
