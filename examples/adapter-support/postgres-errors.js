import { NotSavedError } from 'coupon-issuer';

/** Data exceptions, broken constraints and what a trigger raises: one row of the batch may be to blame. */
const REFUSED_ROW = /^(2[23]...|P0001)$/;
/** Serialization failures and deadlocks, lack of resources, limits, locks, a cancelled statement, and no connection at all. */
const REFUSED_BATCH = /^(40(001|P01)|5[345]...|57014|ECONNREFUSED)$/;

/**
 * What the error of an insert says to the issuer. Where the batch is one statement in autocommit, the server's refusal stored nothing.
 * Everything else stays what it is, and means "unknown": a lost connection or a time-out on this side proves nothing.
 */
export function asNotSaved(error) {
  const wholeBatch = REFUSED_BATCH.test(error.code);
  if (!wholeBatch && !REFUSED_ROW.test(error.code)) return error;
  // A value that its column cannot hold will never be stored.
  const permanent = error.code.startsWith('22');
  return new NotSavedError(`the database refused the batch (${error.code})`, { cause: error, wholeBatch, permanent });
}
