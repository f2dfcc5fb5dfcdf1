import { createApp } from './app.js';
import { connectPostgres, connectRedis } from './connections.js';

const { HOST = '127.0.0.1', PORT = '3000', WORKER = 'on' } = process.env;

const redis = connectRedis(process.env);
const { db, persistence, close } = connectPostgres(process.env);
await persistence.checkTable();

/** Every token is a login here, of the user of that id: yours come from your own store. */
const sessions = { get: (token) => (token === '' ? undefined : token) };
const app = createApp({ issuer: { redis, persistence }, worker: WORKER !== 'off', sessions, db, logger: true });
// Runs last: calls in flight still need both clients.
app.addHook('onClose', async () => {
  redis.disconnect();
  await close();
});
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => app.close());
await app.listen({ host: HOST, port: Number(PORT) });
