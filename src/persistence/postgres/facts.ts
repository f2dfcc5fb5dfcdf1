import { monotonicMs } from '../../flow/deadline.js';
import type { DatabaseFacts } from '../adapter.js';
import type { PostgresClient } from './client.js';

const ASK = `SELECT current_setting('server_version') AS version, current_setting('fsync') AS fsync,
 current_setting('synchronous_commit') AS synchronous_commit, current_setting('full_page_writes') AS full_page_writes,
 current_setting('default_transaction_isolation') AS isolation,
 (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now`;
/** Without a row: a message in the log, which its commit has to flush. */
const COMMIT = "SELECT pg_logical_emit_message(true, 'coupon-issuer', '')";
const SAFETY = ['fsync', 'synchronous_commit', 'full_page_writes'];

export async function postgresFacts(client: PostgresClient): Promise<DatabaseFacts> {
  const [row] = (await client.query(ASK)).rows as [Record<string, string>];
  const unsafe = SAFETY.filter((name) => row[name] === 'off').map((name) => `${name} off`);
  const commitMs = await commitTime(client).catch(() => null);
  return { version: row.version!, now: new Date(Number(row.now)), isolation: row.isolation!, unsafe, commitMs };
}

async function commitTime(client: PostgresClient): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    const sentAt = monotonicMs();
    await client.query(COMMIT);
    times.push(monotonicMs() - sentAt);
  }
  return times.sort((a, b) => a - b)[2]!;
}
