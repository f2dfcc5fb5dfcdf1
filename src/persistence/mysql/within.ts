import { invalid } from '../../model/errors.js';
import type { CouponRows } from '../adapter.js';
import { CouponStatements } from './change.js';
import { AUTOCOMMIT, IN_TRANSACTION, MysqlClient, type MysqlLike, type Outcome } from './client.js';
import type { UserIdForm } from './user-ids.js';

/**
 * The client of an open transaction: a PoolConnection or Connection of `mysql2/promise` after `beginTransaction()`.
 * Other clients have a bridge, as `kyselyTransaction(trx)`. A pool is none.
 */
export type MysqlTransaction = MysqlLike & {
  readonly getConnection?: undefined;
  readonly autocommit?: false | undefined;
};

/** The rows of coupons in a transaction of the caller. */
export async function rowsWithin(client: MysqlTransaction, table: string, userIds: UserIdForm): Promise<CouponRows> {
  const own = new MysqlClient(client, { isWithin: true });
  if (own.isPool) throw invalid('within', 'must be the client of your transaction, not a pool; nothing was changed');
  const { serverStatus } = (await own.query('DO 0')) as Outcome;
  // Without autocommit the next statement begins the transaction.
  if ((serverStatus & (IN_TRANSACTION | AUTOCOMMIT)) === AUTOCOMMIT) {
    throw invalid(
      'within',
      'must be a client in a transaction: call beginTransaction() on it first; nothing was changed',
    );
  }
  const until = (signal: AbortSignal) =>
    new CouponStatements(table, new MysqlClient(client, { isWithin: true, signal }), userIds, true);
  return {
    look: (refs, { signal }) => until(signal).look(refs),
    change: (changes, { signal }) => until(signal).change(changes),
  };
}
