import pg from 'pg';
import { expect, onTestFinished } from 'vitest';
import { length } from '../checks/lengths.js';
import type { Database } from '../servers/database.js';
import { clientsOf } from '../servers/fault-clients.js';
import type { RedisServer } from '../servers/redis-server.js';
import { campaignsOf, FaultRun } from './fault-run.js';
import { type WatchedBook, watchedBook } from './postgres-books.js';

/** One kind of trouble with a database, made again and again while users ask. */
export interface Trouble {
  readonly name: string;
  /** How the pool is made through which the issuers save. */
  readonly pool?: pg.PoolConfig;
  /** Makes trouble once; what it leaves behind is over when it resolves. */
  readonly make: (ground: Ground) => Promise<unknown>;
  /** How often something failed of it so far, and how often is enough. */
  readonly failures: (book: WatchedBook) => number;
  readonly enough?: number;
}

export interface Ground {
  readonly database: Database;
  /** The pool of the issuers. */
  readonly pool: pg.Pool;
  readonly book: WatchedBook;
  /** Of the campaigns that are served. */
  readonly campaignIds: readonly string[];
}

/** A call takes no longer than this, and what it leaves behind is settled while the users still ask. */
const TIMES = { timeoutMs: 800, leaseMs: 1_200 };
const ENOUGH = length(20, 200);
const MAX_ROUNDS = 500;
let runs = 0;

/** Users ask, the trouble goes on until enough saves failed of it, and at the end everything told is true. */
export async function endure(trouble: Trouble, database: Database, redis: RedisServer): Promise<void> {
  const pool = new pg.Pool({ connectionString: database.url, max: 4, ...trouble.pool });
  pool.on('error', () => {});
  onTestFinished(() => pool.end());
  const book = await watchedBook(pool, database.pool);
  const campaigns = campaignsOf(`trouble-${++runs}`, length(1_500, 15_000));
  const fault = `PostgreSQL: ${trouble.name}`;
  const run = await FaultRun.open({ fault, processes: clientsOf(redis.port), book, campaigns, issuer: TIMES });
  const load = run.load({ askers: 24, maxRequests: 1_000_000, within: [TIMES.timeoutMs, 3_000] });
  const ground = { database, pool, book, campaignIds: campaigns.map(({ id }) => id) };
  let rounds = 0;
  while (trouble.failures(book) < (trouble.enough ?? ENOUGH) && rounds < MAX_ROUNDS) {
    rounds++;
    await trouble.make(ground);
  }
  await load.stop();
  expect(run.ledger.late, 'every call came to its end').toBe(0);
  const injected = { rounds, failures: trouble.failures(book) };
  await run.end({ injected, redis: redis.client(), kept: true });
}

/** A transaction of somebody else, which may fail of what it does to others. What it did not commit is rolled back. */
export async function foreignly(database: Database, act: (client: pg.PoolClient) => Promise<unknown>): Promise<void> {
  const client = await database.pool.connect();
  try {
    await client.query('BEGIN');
    await act(client);
  } catch (error) {
    if (!FOREIGN_LOSSES.includes(String((error as { code?: string }).code))) throw error;
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
}

/** It came too late, or lost against the issuers: unique_violation, serialization_failure, deadlock_detected. */
const FOREIGN_LOSSES = ['23505', '40001', '40P01'];

/** A row of somebody else under a serial: until its transaction ends, whoever saves that serial waits. */
export async function holdSerial(client: pg.PoolClient, campaignId: string, serial: number): Promise<void> {
  const columns = '(campaign_id, serial, user_id, grant_no, id, issued_at, epoch)';
  const insert = `INSERT INTO coupon_issuances ${columns} VALUES ($1, $2, $3, 1, $3, now(), '1-foreign')`;
  await client.query(insert, [campaignId, serial, `stranger-${serial}`]);
}

/** Waits until so many sessions of the database wait for a lock, but no longer than `ms`. */
export async function someWait(database: Database, ms: number, count = 1): Promise<boolean> {
  const query = `SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  const deadline = performance.now() + ms;
  while (performance.now() < deadline) {
    if ((await database.pool.query(query)).rows[0].n >= count) return true;
  }
  return false;
}
