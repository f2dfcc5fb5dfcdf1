import type { PersistenceAdapter } from '../persistence/adapter.js';
import { askAdapter } from '../persistence/ask-adapter.js';
import { clockOf } from './clock.js';
import { type Diagnosis, finding, judged, ok, part, toldOf } from './diagnosis.js';

const REACH = 'check the address, the user and the password of the database';
const SLOW_COMMIT_MS = 100;

export async function lookAtDatabase(
  adapter: PersistenceAdapter | undefined,
  timeoutMs: number,
): Promise<readonly Diagnosis[]> {
  if (!adapter) return [];
  const how = { timeoutMs, otherwise: 'no row was written' };
  const asked = [
    part('database.table', REACH, async () => [await tableOf(adapter, how)]),
    part('database.identity', REACH, async () => [await identityOf(adapter, how)]),
    part('database.clock', REACH, async () => factsOf(adapter, how)),
  ];
  return (await Promise.all(asked)).flat();
}

type How = Parameters<typeof askAdapter>[2];

async function tableOf(adapter: PersistenceAdapter, how: How): Promise<Diagnosis> {
  if (!adapter.check) return ok('database.table', 'this adapter has no check()');
  try {
    await askAdapter('check', async () => adapter.check!(), how);
    return ok('database.table', 'the table keeps what a save promises');
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'MISCONFIGURED') throw error;
    return finding(
      'database.table',
      'fault',
      toldOf(error),
      'run the statement that it names. A missing table: createTable(), or coupon-issuer open with --create-table. One of an older version: upgradeTable()',
    );
  }
}

async function identityOf(adapter: PersistenceAdapter, how: How): Promise<Diagnosis> {
  const identity = adapter.identity ? await askAdapter('identity', () => adapter.identity!(), how) : null;
  return judged('database.identity', identity ?? 'this database does not say which one it is', identity !== null, {
    cure: 'run upgradeTable(): then a process with another database is refused',
  });
}

async function factsOf(adapter: PersistenceAdapter, how: How): Promise<Diagnosis[]> {
  if (!adapter.facts) return [];
  const sentAt = Date.now();
  const { version, now, isolation, unsafe, commitMs } = await askAdapter('facts', () => adapter.facts!(), how);
  // The clock is read first; commits of a slow disk follow it.
  const between = commitMs === null ? (sentAt + Date.now()) / 2 : sentAt;
  const time = commitMs === null ? 'its time is not measured' : `it takes ${commitMs.toFixed(1)} ms`;
  const slow = commitMs !== null && commitMs > SLOW_COMMIT_MS;
  return [
    clockOf('database.clock', now.getTime() - between),
    ok('database.isolation', `${isolation || 'not told'}, version ${version}: every level is right`),
    unsafe.length > 0
      ? finding(
          'database.commit',
          'fault',
          unsafe.join(', '),
          'change it: a power cut takes committed coupons back, and their users were told issued',
        )
      : judged('database.commit', `a commit is on disk; ${time}`, !slow, {
          cure: 'use a faster disk, or write-behind: each batch waits for one commit',
        }),
  ];
}
