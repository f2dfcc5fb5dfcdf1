import { CouponIssuer } from 'coupon-issuer';
import { PostgresPersistence } from 'coupon-issuer/postgres';
import { handler } from 'coupon-issuer/web';
import { Redis } from 'ioredis';
import pg from 'pg';

/** The routes of the users as one function of a `Request`, and how a server ends them. */
export async function openShop({ REDIS_URL = 'redis://127.0.0.1:6379', DATABASE_URL, STOCK = '1000', RATE = '10' }) {
  const redis = new Redis(REDIS_URL, { maxRetriesPerRequest: 0 });
  redis.on('error', (error) => console.error(`redis: ${error.message}`));
  const pool = new pg.Pool({ connectionString: DATABASE_URL });
  pool.on('error', (error) => console.error(`pool: ${error.message}`));
  const persistence = new PostgresPersistence(pool);
  await persistence.createTable();
  const issuer = new CouponIssuer({ redis, persistence });
  const stock = { kind: 'counted', total: Number(STOCK), generateCodes: true };
  await issuer.campaign('launch').open({ stock });
  await issuer.campaign('line').open({ stock, admission: 'queued', pace: { admitPerSecond: Number(RATE) } });
  issuer.startWorker();
  const coupons = handler(issuer, {
    campaigns: ['launch', 'line'],
    basePath: '/coupons',
    user: userOf,
    onError: (error, { instance }) => console.error(`${instance} ${error?.name}: ${error?.message}`),
  });
  return {
    coupons,
    // Ends the event streams, and finishes the calls in flight.
    async close() {
      await issuer.close();
      await pool.end();
      redis.disconnect();
    },
  };
}

/** Put your own login here. Every token is a login of the user of that name. */
function userOf({ headers }) {
  return /^Bearer (\S+)$/i.exec(headers.get('authorization') ?? '')?.[1] ?? null;
}
