import type { DatabaseFacts } from '../adapter.js';

const NAMES = ['tx_isolation', 'transaction_isolation', 'innodb_flush_log_at_trx_commit', 'log_bin', 'sync_binlog'];
const ASK = 'SELECT VERSION() AS version, UNIX_TIMESTAMP(NOW(3)) AS now';
const SETTINGS = `SHOW VARIABLES WHERE Variable_name IN (${NAMES.map((name) => `'${name}'`).join(', ')})`;

export async function mysqlFacts(query: (text: string) => Promise<readonly unknown[]>): Promise<DatabaseFacts> {
  const [row] = (await query(ASK)) as [{ version: string; now: string }];
  const listed = (await query(SETTINGS)) as { Variable_name: string; Value: string }[];
  const settings = new Map(listed.map((one) => [one.Variable_name, one.Value]));
  const flush = settings.get('innodb_flush_log_at_trx_commit');
  const binlog = settings.get('log_bin') === 'ON' ? settings.get('sync_binlog') : '1';
  const unsafe = [
    ...(flush === '1' ? [] : [`innodb_flush_log_at_trx_commit ${flush}`]),
    ...(binlog === '1' ? [] : [`sync_binlog ${binlog}`]),
  ];
  const isolation = settings.get('transaction_isolation') ?? settings.get('tx_isolation') ?? '';
  return { version: row.version, now: new Date(Number(row.now) * 1000), isolation, unsafe, commitMs: null };
}
