import { verdictsOf } from 'coupon-issuer';
import { notSavedError } from 'coupon-issuer/postgres';
import { and, asc, eq, getTableColumns, gt, isNull, or, sql } from 'drizzle-orm';
import { foundAmong } from '../adapter-support/found.js';
import { columnsSetBy, fieldsOf, inOneOrder, issuanceOf, namedAmong, newRow } from '../adapter-support/life.js';
import { coupons } from './schema.js';

/** The clock of the database decides whether a coupon has expired. */
const NOW = sql`statement_timestamp()`;
const COLUMNS = sql.join(Object.values(getTableColumns(coupons)), sql`, `);

/**
 * Saves issuances with Drizzle. `db` is on a pool, never a transaction: what is saved must be committed.
 * @param {import('drizzle-orm/node-postgres').NodePgDatabase} db
 * @returns {import('coupon-issuer').PersistenceAdapter}
 */
export function drizzlePersistence(db) {
  return {
    async save(issuances) {
      const inserted = await insertNew(db, issuances);
      if (inserted === issuances.length) return issuances.map(() => ({ verdict: 'saved' }));
      // A second statement, because the first cannot see what a concurrent transaction has just committed.
      const rows = await rowsNear(db, issuances);
      return verdictsOf(issuances, rows);
    },

    async list(campaignId, { afterSerial, limit }) {
      const after = and(eq(coupons.campaignId, campaignId), gt(coupons.serial, afterSerial));
      const rows = await run(db.select().from(coupons).where(after).orderBy(asc(coupons.serial)).limit(limit));
      return rows.map(issuanceOf);
    },

    async find(issuances) {
      return foundAmong(await rowsNear(db, issuances), issuances);
    },

    look: (refs) => rowsNamed(db, refs),

    async change(changes) {
      const changed = await changeAll(db, changes);
      const rows = await rowsNamed(
        db,
        changes.map(({ ref }) => ref),
      );
      return changes.map((change, i) => ({ changed: changed.has(change), row: rows[i] }));
    },
  };
}

/** How many were new. */
async function insertNew(db, issuances) {
  // The batch is one parameter: one for each column of each row would be too many for a large one.
  const batch = sql`json_populate_recordset(null::${coupons}, ${JSON.stringify(issuances.map(newRow))}) as ${coupons}`;
  // In one order, so that batches which share rows wait for each other instead of locking each other out.
  const rows = sql`select ${COLUMNS} from ${batch} order by ${coupons.campaignId}, ${coupons.serial}`;
  try {
    return (await run(db.insert(coupons).select(rows).onConflictDoNothing())).rowCount;
  } catch (error) {
    throw notSavedError(error) ?? error;
  }
}

/** Whatever may stand in the way of these: the rows that share an id, a serial, a user or a code with one of them. */
async function rowsNear(db, issuances) {
  const among = (field) => sql`${coupons[field]} = any(${sql.param(issuances.map((issuance) => issuance[field]))})`;
  const near = and(among('campaignId'), or(...['id', 'serial', 'userId', 'code'].map(among)));
  const rows = await run(db.select().from(coupons).where(near));
  return rows.map(issuanceOf);
}

/** The row of each ref, or `null`. */
async function rowsNamed(db, refs) {
  const rows = await run(
    db
      .select()
      .from(coupons)
      .where(or(...refs.map(isNamedBy))),
  );
  return namedAmong(rows.map(issuanceOf), refs);
}

function isNamedBy(ref) {
  return and(...fieldsOf(ref).map(([field, value]) => eq(coupons[field], value)));
}

/** The changes that were made: one statement for each, and one commit for all. */
async function changeAll(db, changes) {
  const changed = new Set();
  let isCommitting = false;
  try {
    await db.transaction(async (tx) => {
      for (const change of inOneOrder(changes)) if ((await changeOne(tx, change)) === 1) changed.add(change);
      isCommitting = true;
    });
  } catch (error) {
    const { cause = error } = error;
    // If the answer of the COMMIT is lost, Drizzle throws the error of the ROLLBACK that it sends next. That one proves nothing.
    throw (isCommitting ? null : notSavedError(cause)) ?? cause;
  }
  return changed;
}

/** How many rows: 1, or 0 if the row has another version now, or has expired. */
async function changeOne(tx, change) {
  const isValid = change.unexpired ? or(isNull(coupons.expiresAt), gt(coupons.expiresAt, NOW)) : undefined;
  const isRight = and(isNamedBy(change.ref), eq(coupons.version, change.version), isValid);
  const set = { ...columnsSetBy(change, NOW), version: change.version + 1 };
  return (await tx.update(coupons).set(set).where(isRight)).rowCount;
}

/** Drizzle's own error has the parameters in its message, so the codes too; its cause is the error of the driver. */
async function run(query) {
  try {
    return await query;
  } catch (error) {
    throw error.cause ?? error;
  }
}
