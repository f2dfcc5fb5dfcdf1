import { verdictsOf } from 'coupon-issuer';
import { notSavedError } from 'coupon-issuer/postgres';
import { Any, MoreThan } from 'typeorm';
import { foundAmong } from '../adapter-support/found.js';
import { Coupon } from './coupon.js';

// The batch is one parameter: one for each column of each row would be too many for a large one.
// In one order, so that batches which share rows wait for each other instead of locking each other out.
const INSERT = `INSERT INTO coupons SELECT * FROM json_populate_recordset(null::coupons, $1) ORDER BY "campaignId", serial
  ON CONFLICT DO NOTHING RETURNING id`;

/**
 * Saves issuances with TypeORM. It takes the data source, never the manager of a transaction: what is saved must be committed.
 * @param {import('typeorm').DataSource} dataSource
 * @returns {import('coupon-issuer').PersistenceAdapter}
 */
export function typeormPersistence(dataSource) {
  const coupons = dataSource.getRepository(Coupon);
  return {
    async save(issuances) {
      const inserted = await insertNew(coupons, issuances);
      if (inserted === issuances.length) return issuances.map(() => ({ verdict: 'saved' }));
      // A second statement, because the first cannot see what a concurrent transaction has just committed.
      const rows = await rowsNear(coupons, issuances);
      return verdictsOf(issuances, rows);
    },

    async list(campaignId, { afterSerial, limit }) {
      const where = { campaignId, serial: MoreThan(afterSerial) };
      const rows = await coupons.find({ where, order: { serial: 'ASC' }, take: limit });
      return rows.map(toIssuance);
    },

    async find(issuances) {
      return foundAmong(await rowsNear(coupons, issuances), issuances);
    },
  };
}

/** How many were new. */
async function insertNew(coupons, issuances) {
  try {
    return (await coupons.query(INSERT, [JSON.stringify(issuances)])).length;
  } catch (error) {
    throw notSavedError(error) ?? error;
  }
}

/** Whatever may stand in the way of these: the rows that share an id, a serial, a user or a code with one of them. */
async function rowsNear(coupons, issuances) {
  const among = (field) => Any(issuances.map((issuance) => issuance[field]));
  const where = ['id', 'serial', 'userId', 'code'].map((field) => ({
    campaignId: among('campaignId'),
    [field]: among(field),
  }));
  return (await coupons.find({ where })).map(toIssuance);
}

function toIssuance(row) {
  return { ...row, state: 'issued' };
}
