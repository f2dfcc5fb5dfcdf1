import { once } from 'node:events';
import { serve } from '@hono/node-server';
import { CouponIssuer } from 'coupon-issuer';
import { PostgresPersistence } from 'coupon-issuer/postgres';
import { Redis } from 'ioredis';
import pg from 'pg';
import { createApp } from './app.js';

const { REDIS_URL = 'redis://127.0.0.1:6379', DATABASE_URL, PORT = '3000', STOCK = '1000' } = process.env;

const redis = new Redis(REDIS_URL, { maxRetriesPerRequest: 0 });
redis.on('error', (error) => console.error(`redis: ${error.message}`));
const pool = new pg.Pool({ connectionString: DATABASE_URL });
pool.on('error', (error) => console.error(`pool: ${error.message}`));
const persistence = new PostgresPersistence(pool);
await persistence.createTable();
const issuer = new CouponIssuer({ redis, persistence });
const stock = { kind: 'counted', total: Number(STOCK), generateCodes: true };
await issuer.campaign('launch').open({ stock });
await issuer.campaign('line').open({ stock, admission: 'queued' });
issuer.startWorker();

/** Every token is a login here, of the user of that name: yours come from your own store. */
const sessions = { get: (token) => (token === '' ? undefined : token) };
const app = createApp({ issuer, sessions, campaigns: ['launch', 'line'] });
const server = serve({ fetch: app.fetch, port: Number(PORT) });
if (!server.listening) await once(server, 'listening');
console.log(`listening on port ${server.address().port}`);

const signal = await new Promise((resolve) => {
  for (const name of ['SIGTERM', 'SIGINT']) process.once(name, () => resolve(name));
});
console.log(`${signal}: finishing what is in flight`);
// Takes no new connection. Closing the issuer ends the event streams, which the server waits for.
const closed = new Promise((resolve) => server.close(resolve));
const idle = setInterval(() => server.closeIdleConnections(), 50);
await issuer.close();
await closed;
clearInterval(idle);
await pool.end();
redis.disconnect();
