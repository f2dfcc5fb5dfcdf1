import { NotSavedError } from '../../model/errors.js';
import type { PostgresClient } from './client.js';

/** A setting that is local to the transaction is gone in the next statement, unless both are in the same one. */
export async function assertAutocommit(client: PostgresClient): Promise<void> {
  if (client.isPool) return;
  const mark = String(Math.random());
  try {
    await client.query(`SELECT set_config('coupon_issuer.mark', $1, true)`, [mark]);
    const { rows } = await client.query(`SELECT current_setting('coupon_issuer.mark', true) AS mark`);
    if ((rows[0] as { mark: string | null }).mark !== mark) return;
  } catch (error) {
    throw client.proof.notBegun(error) ?? error;
  }
  throw new NotSavedError('the client is inside an open transaction, so nothing would be committed', {
    wholeBatch: true,
  });
}
