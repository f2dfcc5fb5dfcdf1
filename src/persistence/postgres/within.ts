import { invalid } from '../../model/errors.js';
import type { CouponRows } from '../adapter.js';
import type { UserIdType } from '../own-table.js';
import { CouponStatements } from './change.js';
import { PostgresClient, type PostgresLike } from './client.js';
import { codeOf } from './errors.js';

/**
 * The client of an open transaction: a PoolClient or Client of `pg` after BEGIN, or the transaction of PGlite. Other
 * clients have a bridge, as `kyselyTransaction(trx)`. An object of your own fits if its `query` sends each statement on
 * that connection. A pool is none.
 */
export type PostgresTransaction = PostgresLike & {
  readonly totalCount?: undefined;
  readonly autocommit?: false | undefined;
};

const NO_TRANSACTION = '25P01';

/** The rows of coupons in a transaction of the caller. */
export async function rowsWithin(client: PostgresTransaction, table: string, userId: UserIdType): Promise<CouponRows> {
  const own = new PostgresClient(client, { isWithin: true });
  if (own.isPool) throw invalid('within', 'must be the client of your transaction, not a pool; nothing was changed');
  try {
    // It is refused outside a transaction. Each statement takes this lock anyway.
    await own.query(`LOCK TABLE ${table} IN ACCESS SHARE MODE`);
  } catch (error) {
    if (codeOf(error) !== NO_TRANSACTION) throw error;
    throw invalid('within', 'must be a client in a transaction: send BEGIN on it first; nothing was changed');
  }
  const until = (signal: AbortSignal) =>
    new CouponStatements(table, new PostgresClient(client, { isWithin: true, signal }), userId, true);
  return {
    look: (refs, { signal }) => until(signal).look(refs),
    change: (changes, { signal }) => until(signal).change(changes),
  };
}
