import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';

/** A database of this test file's own, on the suite's PostgreSQL. */
export class Database {
  readonly url: string;
  readonly pool: pg.Pool;

  private constructor(url: string) {
    this.url = url;
    this.pool = new pg.Pool({ connectionString: url, max: 10 });
    this.pool.on('error', () => {});
  }

  static async create(): Promise<Database> {
    const admin = new pg.Client(inject('postgresUrl'));
    await admin.connect();
    const name = `test_${randomBytes(6).toString('hex')}`;
    await admin.query(`CREATE DATABASE ${name}`);
    await admin.end();
    const url = new URL(inject('postgresUrl'));
    url.pathname = name;
    return new Database(url.href);
  }

  async stop(): Promise<void> {
    await this.pool.end();
  }
}

/** The rows of a campaign by a query of the test's own, not by the adapter. */
export async function rowsOf(database: Database, campaignId: string, table = 'coupon_issuances') {
  const { rows } = await database.pool.query(
    `SELECT id, user_id AS "userId", grant_no AS "grant", serial::float8 AS serial, code, expires_at AS "expiresAt" FROM ${table} WHERE campaign_id = $1 ORDER BY serial`,
    [campaignId],
  );
  return rows as {
    id: string;
    userId: string;
    grant: number;
    serial: number;
    code: string | null;
    expiresAt: Date | null;
  }[];
}
