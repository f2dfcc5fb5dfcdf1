import { NotSavedError, verdictsOf } from 'coupon-issuer';
import { foundAmong } from '../adapter-support/found.js';

const DUPLICATE_KEY = 11000;
/** A row that could be rolled back by a fail-over is not committed, neither when it is written nor when it is read. */
const COMMITTED = { writeConcern: { w: 'majority' }, readConcern: { level: 'majority' }, readPreference: 'primary' };

/** The unique keys are what makes overselling impossible. `_id` is the fourth. */
export async function createIndexes(db) {
  await db.collection('coupons').createIndexes([
    { name: 'serial', key: { campaignId: 1, serial: 1 }, unique: true },
    { name: 'grant', key: { campaignId: 1, userId: 1, grant: 1 }, unique: true },
    // Only where there is a code; as `$gt` and not as `$type`, so that a look-up by code can use the index.
    { name: 'code', key: { campaignId: 1, code: 1 }, unique: true, partialFilterExpression: { code: { $gt: '' } } },
  ]);
}

/**
 * Saves issuances with MongoDB's driver, outside of any session's transaction.
 * @param {import('mongodb').Db} db
 * @returns {import('coupon-issuer').PersistenceAdapter}
 */
export function mongoPersistence(db) {
  const coupons = db.collection('coupons', COMMITTED);
  return {
    async save(issuances) {
      try {
        // Unordered: one that is refused does not keep those behind it from being stored.
        await coupons.insertMany(issuances.map(toDocument), { ordered: false });
        return issuances.map(() => ({ verdict: 'saved' }));
      } catch (error) {
        if (!isOnlyDuplicates(error)) throw asNotSaved(error, issuances);
      }
      const rows = await documentsNear(coupons, issuances);
      return verdictsOf(issuances, rows);
    },

    async list(campaignId, { afterSerial, limit }) {
      const after = { campaignId, serial: { $gt: afterSerial } };
      return (await coupons.find(after, { sort: { serial: 1 }, limit }).toArray()).map(toIssuance);
    },

    async find(issuances) {
      return foundAmong(await documentsNear(coupons, issuances), issuances);
    },
  };
}

/** Whatever may stand in the way of these: the documents that share an id, a serial, a user or a code with one of them. */
async function documentsNear(coupons, issuances) {
  // A code that is null is in nobody's way, yet it would be found in every document without one.
  const among = (field) => ({ $in: issuances.map((issuance) => issuance[field]).filter((value) => value !== null) });
  const campaignId = among('campaignId');
  const near = ['serial', 'userId', 'code'].map((field) => ({ campaignId, [field]: among(field) }));
  return (await coupons.find({ $or: [{ _id: among('id') }, ...near] }).toArray()).map(toIssuance);
}

/** Every document was stored but for those that met a unique key. Where a write concern was not met either, the driver tells that instead. */
function isOnlyDuplicates({ writeErrors = [] }) {
  return writeErrors.length > 0 && writeErrors.every(({ code }) => code === DUPLICATE_KEY);
}

/**
 * A refusal is proof only where the batch is one document: each is stored by itself, and its neighbours may be. Nothing else is proof,
 * not even that no server was found: the driver says so too when it sent the batch, lost the answer and looked for a server to send it again.
 */
function asNotSaved(error, issuances) {
  const [refusal] = error.writeErrors ?? [];
  if (!refusal || issuances.length > 1) return error;
  return new NotSavedError(`the database refused the document (${refusal.code})`, { cause: error });
}

function toDocument({ id, campaignId, serial, userId, grant, code, issuedAt, epoch }) {
  return { _id: id, campaignId, serial, userId, grant, code, issuedAt, epoch };
}

function toIssuance({ _id, ...fields }) {
  return { id: _id, ...fields, state: 'issued' };
}
