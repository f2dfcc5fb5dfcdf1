import { NotSavedError, verdictsOf } from 'coupon-issuer';
import { foundAmong } from '../adapter-support/found.js';

const COLUMNS = ['campaignId', 'id', 'serial', 'userId', '"grant"', 'code', 'issuedAt', 'epoch'];
const TABLE = `CREATE TABLE IF NOT EXISTS coupons (
  campaignId TEXT NOT NULL, id TEXT NOT NULL, serial INTEGER NOT NULL, userId TEXT NOT NULL, "grant" INTEGER NOT NULL,
  code TEXT, issuedAt TEXT NOT NULL, epoch TEXT NOT NULL,
  PRIMARY KEY (campaignId, id), UNIQUE (campaignId, serial), UNIQUE (campaignId, userId, "grant"), UNIQUE (campaignId, code)
) STRICT`;

// The batch is one parameter, as JSON: one for each column of each row would be too many for a large one.
// Without WHERE the grammar would take ON CONFLICT for the condition of a join.
const INSERT = `INSERT INTO coupons (${COLUMNS}) SELECT ${COLUMNS.map((column) => `value ->> '$.${column}'`)} FROM json_each(?)
  WHERE true ON CONFLICT DO NOTHING`;
/** Whatever may stand in the way of a batch: the rows that share an id, a serial, a user or a code with it. */
const NEAR = ['id', 'serial', 'userId', 'code']
  .map((column) => `coupons.campaignId = value ->> 'campaignId' AND coupons.${column} = value ->> '${column}'`)
  .map((shared) => `SELECT coupons.* FROM json_each(?1) CROSS JOIN coupons ON ${shared}`)
  .join(' UNION ');
const AFTER = 'SELECT * FROM coupons WHERE campaignId = ? AND serial > ? ORDER BY serial LIMIT ?';

/** For each connection. Without `synchronous = FULL` a power cut may take back what was told `issued`. */
export function setUp(database) {
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000');
  database.exec(TABLE);
}

/**
 * Saves issuances in SQLite. `database` is a connection outside of any transaction, of libsql, better-sqlite3 or node:sqlite.
 * @returns {import('coupon-issuer').PersistenceAdapter}
 */
export function sqlitePersistence(database) {
  const [insert, near, after] = [INSERT, NEAR, AFTER].map((sql) => database.prepare(sql));
  const rowsNear = async (issuances) => (await near.all(JSON.stringify(issuances))).map(toIssuance);
  return {
    async save(issuances) {
      const inserted = await insertNew(insert, issuances);
      if (inserted === issuances.length) return issuances.map(() => ({ verdict: 'saved' }));
      const rows = await rowsNear(issuances);
      return verdictsOf(issuances, rows);
    },
    list: async (campaignId, { afterSerial, limit }) =>
      (await after.all(campaignId, afterSerial, limit)).map(toIssuance),
    find: async (issuances) => foundAmong(await rowsNear(issuances), issuances),
  };
}

/** How many were new. */
async function insertNew(insert, issuances) {
  try {
    return Number((await insert.run(JSON.stringify(issuances))).changes);
  } catch (error) {
    throw asNotSaved(error);
  }
}

/** Refusals after which SQLite has rolled the statement back, by their names; node:sqlite has their numbers. */
const REFUSED_BATCH = /^(SQLITE_(BUSY|LOCKED|READONLY|FULL).*|5|6|8|13)$/;
const REFUSED_ROW = /^(SQLITE_(CONSTRAINT|TOOBIG).*|19|18)$/;

/** What fails below SQLite, as a disk, stays "unknown". */
function asNotSaved(error) {
  const code = 'errcode' in error ? String(error.errcode & 0xff) : error.code;
  const wholeBatch = REFUSED_BATCH.test(code);
  if (!wholeBatch && !REFUSED_ROW.test(code)) return error;
  return new NotSavedError(`the database refused the batch (${code})`, { cause: error, wholeBatch });
}

function toIssuance(row) {
  return { ...row, issuedAt: new Date(row.issuedAt), state: 'issued' };
}
