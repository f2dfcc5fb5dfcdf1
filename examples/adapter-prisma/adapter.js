import { NotSavedError, verdictsOf } from 'coupon-issuer';
import { foundAmong } from '../adapter-support/found.js';
import { columnsSetBy, inOneOrder, issuanceOf, namedAmong, newRow } from '../adapter-support/life.js';

/** Prisma takes 32,767 parameters for a query: up to five for an issuance. */
const MOST_AT_ONCE = 5_000;
const FIELDS =
  'campaignId id serial userId grant code issuedAt epoch expiresAt state undone version unitReturned'.split(' ');

/**
 * The part of a Prisma client that this needs. `model Coupon` is in `schema.prisma`.
 * @typedef {{
 *   createMany(args: { data: object[]; skipDuplicates: true }): PromiseLike<{ count: number }>;
 *   updateMany(args: { where: object; data: object }): PromiseLike<{ count: number }>;
 *   findMany(args: { where: object; orderBy?: object; take?: number }): PromiseLike<any[]>;
 * }} CouponDelegate
 * @typedef {{ coupon: CouponDelegate; $transaction<T>(queries: PromiseLike<T>[]): Promise<T[]> }} Client
 */

/**
 * Saves issuances with Prisma. It takes the client, never the one of a transaction: what is saved must be committed.
 * @param {Client} prisma
 * @returns {import('coupon-issuer').PersistenceAdapter}
 */
export function prismaPersistence(prisma) {
  return {
    async save(issuances) {
      // In one order, so that batches which share rows wait for each other instead of locking each other out.
      const data = issuances.map(toRow).toSorted((a, b) => compare(a.campaignId, b.campaignId) || a.serial - b.serial);
      const { count } = await certain(() => prisma.coupon.createMany({ data, skipDuplicates: true }));
      if (count === issuances.length) return issuances.map(() => ({ verdict: 'saved' }));
      // A second query, because the first cannot see what a concurrent transaction has just committed.
      return verdictsOf(issuances, await rowsNear(prisma, issuances));
    },

    async list(campaignId, { afterSerial, limit }) {
      const where = { campaignId, serial: { gt: afterSerial } };
      return (await prisma.coupon.findMany({ where, orderBy: { serial: 'asc' }, take: limit })).map(toIssuance);
    },

    async find(issuances) {
      return foundAmong(await rowsNear(prisma, issuances), issuances);
    },

    look: (refs) => rowsNamed(prisma, refs),

    async change(changes) {
      const sorted = inOneOrder(changes);
      // One statement for each change, and one commit for all.
      const queries = () => sorted.map((change) => prisma.coupon.updateMany(updateOf(change, new Date())));
      const counts = await certain(() => prisma.$transaction(queries()));
      const changed = new Set(sorted.filter((_, i) => counts[i].count === 1));
      const rows = await rowsNamed(
        prisma,
        changes.map(({ ref }) => ref),
      );
      return changes.map((change, i) => ({ changed: changed.has(change), row: rows[i] }));
    },
  };
}

/** It finds no row if the row has another version now, or has expired by the clock of this process. */
function updateOf(change, now) {
  const isValid = change.unexpired ? { OR: [{ expiresAt: null }, { expiresAt: { gt: now } }] } : {};
  return {
    where: { ...change.ref, version: change.version, ...isValid },
    data: { ...columnsSetBy(change, now), version: { increment: 1 } },
  };
}

/** The row of each ref, or `null`. A ref is a condition as it is. */
async function rowsNamed(prisma, refs) {
  const rows = await prisma.coupon.findMany({ where: { OR: refs } });
  return namedAmong(rows.map(toIssuance), refs);
}

/** Whatever may stand in the way of these: the rows that share an id, a serial, a user or a code with one of them. */
async function rowsNear(prisma, issuances) {
  const rows = [];
  for (let from = 0; from < issuances.length; from += MOST_AT_ONCE) {
    const part = issuances.slice(from, from + MOST_AT_ONCE);
    const among = (field) => ({ in: [...new Set(part.map((one) => one[field]))].filter((value) => value !== null) });
    const near = ['id', 'serial', 'userId', 'code'].map((field) => ({ [field]: among(field) }));
    rows.push(...(await prisma.coupon.findMany({ where: { campaignId: among('campaignId'), OR: near } })));
  }
  return rows.map(toIssuance);
}

/** P2034: the transaction met another one, and was rolled back. Nothing else is taken for proof. */
async function certain(query) {
  try {
    return await query();
  } catch (error) {
    if (error.code !== 'P2034') throw error;
    throw new NotSavedError('the database rolled the batch back (P2034)', { cause: error, wholeBatch: true });
  }
}

/** Prisma refuses a field that the model does not have. */
function toRow(issuance) {
  const row = newRow(issuance);
  return Object.fromEntries(FIELDS.map((field) => [field, row[field] ?? null]));
}

/** A `BigInt` comes as one. */
function toIssuance(row) {
  return issuanceOf({ ...row, serial: Number(row.serial) });
}

function compare(a, b) {
  return a < b ? -1 : Number(a > b);
}
