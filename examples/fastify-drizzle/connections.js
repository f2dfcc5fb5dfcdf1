import { fromDrizzle, PostgresPersistence } from 'coupon-issuer/postgres';
import { drizzle } from 'drizzle-orm/node-postgres';
import { Redis } from 'ioredis';
import pg from 'pg';

/** Each user has a UUID, and each coupon a foreign key to its user. */
export const COUPONS = { userId: { type: 'uuid', references: 'users(id)' } };

export function connectRedis({ REDIS_URL = 'redis://127.0.0.1:6379' }) {
  const redis = new Redis(REDIS_URL, { maxRetriesPerRequest: 0 });
  redis.on('error', (error) => console.error('redis', error.message));
  return redis;
}

export function connectPostgres({ DATABASE_URL }) {
  const pool = new pg.Pool({ connectionString: DATABASE_URL });
  const tell = (error) => console.error('postgres', error.message);
  // Without the second one, a connection that breaks inside a transaction ends this process.
  pool.on('error', tell).on('connect', (client) => client.on('error', tell));
  const db = drizzle({ client: pool });
  return { db, persistence: new PostgresPersistence(fromDrizzle(db), COUPONS), close: () => pool.end() };
}
