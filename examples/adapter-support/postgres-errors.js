import { notSavedError } from 'coupon-issuer/postgres';

/**
 * What the error of an insert says to the issuer. Where the batch is one statement in autocommit, the server's refusal stored nothing.
 * Everything else stays what it is, and means "unknown": a lost connection or a time-out on this side proves nothing.
 */
export function asNotSaved(error) {
  return notSavedError(error) ?? error;
}
