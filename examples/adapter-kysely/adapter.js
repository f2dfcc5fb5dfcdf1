import { verdictsOf } from 'coupon-issuer';
import { notSavedError } from 'coupon-issuer/postgres';
import { sql } from 'kysely';
import { foundAmong } from '../adapter-support/found.js';
import { columnsSetBy, fieldsOf, inOneOrder, issuanceOf, namedAmong, newRow } from '../adapter-support/life.js';

/** The clock of the database decides whether a coupon has expired. */
const NOW = sql`statement_timestamp()`;

/**
 * Saves issuances with Kysely. `db` is on a pool, never a transaction: what is saved must be committed.
 * @param {import('kysely').Kysely<any>} db
 * @returns {import('coupon-issuer').PersistenceAdapter}
 */
export function kyselyPersistence(db) {
  return {
    async save(issuances) {
      const inserted = await insertNew(db, issuances);
      if (inserted === issuances.length) return issuances.map(() => ({ verdict: 'saved' }));
      // A second statement, because the first cannot see what a concurrent transaction has just committed.
      const rows = await rowsNear(db, issuances);
      return verdictsOf(issuances, rows);
    },

    async list(campaignId, { afterSerial, limit }) {
      const after = db.selectFrom('coupons').where('campaignId', '=', campaignId).where('serial', '>', afterSerial);
      const rows = await after.selectAll().orderBy('serial').limit(limit).execute();
      return rows.map(toIssuance);
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
  const batch = sql`json_populate_recordset(null::coupons, ${JSON.stringify(issuances.map(newRow))})`;
  const query = db
    .insertInto('coupons')
    // In one order, so that batches which share rows wait for each other instead of locking each other out.
    .expression(sql`select * from ${batch} order by "campaignId", serial`)
    .onConflict((conflict) => conflict.doNothing());
  try {
    const { numInsertedOrUpdatedRows } = await query.executeTakeFirstOrThrow();
    return Number(numInsertedOrUpdatedRows);
  } catch (error) {
    throw notSavedError(error) ?? error;
  }
}

/** Whatever may stand in the way of these: the rows that share an id, a serial, a user or a code with one of them. */
async function rowsNear(db, issuances) {
  const among = (column) => sql`${sql.ref(column)} = any(${issuances.map((issuance) => issuance[column])})`;
  const query = db.selectFrom('coupons').selectAll().where(among('campaignId'));
  const rows = await query.where(({ or }) => or(['id', 'serial', 'userId', 'code'].map(among))).execute();
  return rows.map(toIssuance);
}

/** The row of each ref, or `null`. */
async function rowsNamed(db, refs) {
  const query = db.selectFrom('coupons').selectAll();
  const rows = await query
    .where(({ and, or }) => or(refs.map((ref) => and(Object.fromEntries(fieldsOf(ref))))))
    .execute();
  return namedAmong(rows.map(toIssuance), refs);
}

/** The changes that were made: one statement for each, and one commit for all. */
async function changeAll(db, changes) {
  const changed = new Set();
  let isCommitting = false;
  try {
    await db.transaction().execute(async (trx) => {
      for (const change of inOneOrder(changes)) if ((await changeOne(trx, change)) === 1n) changed.add(change);
      isCommitting = true;
    });
  } catch (error) {
    // If the answer of the COMMIT is lost, Kysely throws the error of the ROLLBACK that it sends next. That one proves nothing.
    throw (isCommitting ? null : notSavedError(error)) ?? error;
  }
  return changed;
}

/** How many rows: 1, or 0 if the row has another version now, or has expired. */
async function changeOne(trx, change) {
  const { ref, version, unexpired } = change;
  const update = trx
    .updateTable('coupons')
    .set({ ...columnsSetBy(change, NOW), version: version + 1 })
    .where(({ and }) => and({ ...Object.fromEntries(fieldsOf(ref)), version }))
    .$if(unexpired, (query) => query.where(sql`("expiresAt" IS NULL OR "expiresAt" > ${NOW})`));
  return (await update.executeTakeFirstOrThrow()).numUpdatedRows;
}

/** A `bigint` comes as a string. */
function toIssuance(row) {
  return issuanceOf({ ...row, serial: Number(row.serial) });
}
