import { once } from 'node:events';
import { createServer } from 'node:http';
import { CouponIssuer } from 'coupon-issuer';
import { PostgresPersistence } from 'coupon-issuer/postgres';
import { createApp } from './app.js';
import { connectPostgres, connectRedis } from './connections.js';

const SETTLE_MS = 5_000;
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
  const settling = settleEvery(issuer, SETTLE_MS);

  const server = createServer(createApp({ issuer }));
  server.listen(Number(PORT));
  await once(server, 'listening');
  console.log(`listening on port ${server.address().port}`);

  const signal = await new Promise((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT']) process.once(name, () => resolve(name));
  });
  console.log(`${signal}: finishing what is in flight`);
  await closeServer(server);
  clearInterval(settling);
  // The clients are ours, not the issuer's: they close after it, because it may still be confirming.
  await issuer.close();
  await pool.end();
  redis.disconnect();
}

/** What a process left behind when it died is finished by any other: run this in each. */
function settleEvery(issuer, ms) {
  let running = false;
  const timer = setInterval(async () => {
    if (running) return;
    running = true;
    await issuer.settle().catch((error) => console.error(`settle: ${error.message}`));
    running = false;
  }, ms);
  return timer.unref();
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
