import { verdictsOf } from 'coupon-issuer';
import { notSavedError } from 'coupon-issuer/postgres';
import { sql } from 'kysely';
import { foundAmong } from '../adapter-support/found.js';

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
  };
}

/** How many were new. */
async function insertNew(db, issuances) {
  // The batch is one parameter: one for each column of each row would be too many for a large one.
  const batch = sql`json_populate_recordset(null::coupons, ${JSON.stringify(issuances)})`;
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

/** A `bigint` comes as a string. */
function toIssuance(row) {
  return { ...row, serial: Number(row.serial), state: 'issued' };
}
