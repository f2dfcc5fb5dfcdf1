import { once } from 'node:events';
import { createServer } from 'node:http';
import { CouponIssuer } from 'coupon-issuer';
import { PostgresPersistence } from 'coupon-issuer/postgres';
import { createApp } from './app.js';
import { connectPostgres, connectRedis } from './connections.js';

const SHUTDOWN_MS = 15_000;

try {
  await main(process.env);
} catch (error) {
  process.stderr.write(`${error.message}\n`, () => process.exit(1));
}

async function main({ REDIS_URL = 'redis://127.0.0.1:6379', DATABASE_URL, PORT = '3000' }) {
  if (!DATABASE_URL) throw new Error('DATABASE_URL is not set, for example postgres://127.0.0.1:5432/shop');
  const redis = await connectRedis(REDIS_URL);
  const pool = await connectPostgres(DATABASE_URL);
  const persistence = new PostgresPersistence(pool);
  await persistence.createTable();
  const issuer = new CouponIssuer({ redis, persistence, onEvent });
  // What a process left behind when it died is finished by any other, and users in line get their turn: run this in each.
  issuer.startWorker();

  const server = createServer(createApp({ issuer }));
  server.listen(Number(PORT));
  await once(server, 'listening');
  console.log(`listening on port ${server.address().port}`);

  const signal = await new Promise((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT']) process.once(name, () => resolve(name));
  });
  console.log(`${signal}: finishing what is in flight`);
  const closed = closeServer(server);
  // Ends the event streams, which the server waits for, and finishes the calls in flight.
  await issuer.close();
  await closed;
  // The clients are ours, not the issuer's: they close last, because it may still be confirming.
  await pool.end();
  redis.disconnect();
}

/** Takes no new connection and answers what is in flight; a connection that falls idle is closed, one that does not end is cut off. */
async function closeServer(server) {
  const closed = new Promise((resolve) => server.close(resolve));
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  const cut = setTimeout(() => server.closeAllConnections(), SHUTDOWN_MS);
  await closed;
  clearInterval(idle);
  clearTimeout(cut);
}

function onEvent(event) {
  if (event.type === 'fault') console.error(`${event.during} in ${event.campaignId}: ${event.error.message}`);
}
