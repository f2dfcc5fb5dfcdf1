import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { CouponIssuer } from 'coupon-issuer';
import { PostgresPersistence } from 'coupon-issuer/postgres';
import { createApp } from './app.js';
import { connect } from './connections.js';

const PRESENCE_MS = 60_000;
const SHUTDOWN_MS = 15_000;
const SHORTEST_TOKEN = 16;

try {
  await main(process.env);
} catch (error) {
  process.stderr.write(`${error.message}\n`, () => process.exit(1));
}

async function main({ REDIS_URL, DATABASE_URL, PORT = '3000', OPERATOR_TOKEN, ...settings }) {
  const operatorToken = OPERATOR_TOKEN ?? randomBytes(24).toString('base64url');
  if (operatorToken.length < SHORTEST_TOKEN) throw new Error(`OPERATOR_TOKEN must have ${SHORTEST_TOKEN} characters`);
  const campaign = campaignOf(settings);
  const clients = await connect({ redisUrl: REDIS_URL, databaseUrl: DATABASE_URL });
  if (clients.embedded) {
    console.log(
      'Redis and PostgreSQL are stand-ins in this process (ioredis-mock, PGlite): they forget everything when it ends',
    );
  }
  const persistence = new PostgresPersistence(clients.sql);
  await persistence.createTable();
  const issuer = new CouponIssuer({ redis: clients.redis, persistence, onEvent });
  const { id: campaignId, ...definition } = campaign;
  await issuer.campaign(campaignId).open(definition);
  issuer.startWorker({ campaigns: [campaignId] });

  const app = createApp({ issuer, campaignId, operatorToken });
  const server = createServer(app.callback());
  server.listen(Number(PORT));
  await once(server, 'listening');
  const { port } = server.address();
  console.log(`listening on port ${port}`);
  console.log(`the line: http://localhost:${port}/`);
  // A token that was chosen elsewhere is known there; this is the only place to read one that was made here.
  console.log(`the operator: http://localhost:${port}/operator${OPERATOR_TOKEN ? '' : `#${operatorToken}`}`);

  const signal = await new Promise((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT']) process.once(name, () => resolve(name));
  });
  console.log(`${signal}: finishing what is in flight`);
  const closed = closeServer(server);
  // Ends the event streams, which the server waits for, and finishes the calls in flight.
  await issuer.close();
  await closed;
  // The clients are ours, not the issuer's: they close last, because it may still be confirming.
  await clients.close();
}

function campaignOf({ CAMPAIGN_ID = 'launch', STOCK = '500', RATE = '2', OPENS_AT }) {
  return {
    id: CAMPAIGN_ID,
    stock: { kind: 'counted', total: numberOf('STOCK', STOCK), generateCodes: true },
    admission: 'queued',
    presenceMs: PRESENCE_MS,
    pace: { admitPerSecond: numberOf('RATE', RATE) },
    ...(OPENS_AT && { opensAt: OPENS_AT }),
  };
}

/** `Number('')` is 0, which would be a choice nobody made. */
function numberOf(name, text) {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new Error(`${name} must be a number`);
  return Number(text);
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
