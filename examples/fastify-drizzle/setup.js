// Makes the tables and opens the campaigns. It may run again: what is there stays as it is.
import { CouponIssuer } from 'coupon-issuer';
import { connectPostgres, connectRedis } from './connections.js';
import { users } from './schema.js';

const KIM = { id: 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', name: 'Kim' };

const { db, persistence, close } = connectPostgres(process.env);
const redis = connectRedis(process.env);
try {
  // Stands in for the migrations of your shop.
  await db.execute(`
    CREATE TABLE IF NOT EXISTS users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL);
    CREATE TABLE IF NOT EXISTS orders (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      user_id uuid NOT NULL REFERENCES users (id),
      price integer NOT NULL,
      coupon_id text UNIQUE
    )`);
  await db.insert(users).values(KIM).onConflictDoNothing();
  await persistence.createTable();
  const issuer = new CouponIssuer({ redis, persistence });
  const stock = { kind: 'counted', total: Number(process.env.STOCK ?? 1_000), generateCodes: true };
  await issuer.campaign('launch').open({ stock });
  await issuer.campaign('line').open({ stock, admission: 'queued' });
  await issuer.close();
} finally {
  redis.disconnect();
  await close();
}
