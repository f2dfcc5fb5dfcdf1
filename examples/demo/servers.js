import { setTimeout as delay } from 'node:timers/promises';
import { Problem, reasonOf } from './problem.js';

const CONNECT_MS = 3_000;

/** What the experiment runs on: real servers where a URL is given, stand-ins inside this process where not. */
export async function connect({ redisUrl, postgresUrl }, onStep) {
  const redis = redisUrl ? await realRedis(redisUrl) : await embeddedRedis();
  try {
    onStep(postgresUrl ? 'connecting to PostgreSQL' : 'starting PostgreSQL in this process');
    const sql = postgresUrl ? await realPostgres(postgresUrl) : await embeddedPostgres();
    return {
      redis: redis.client,
      sql: sql.client,
      names: [redis.name, sql.name],
      async close() {
        redis.client.disconnect();
        await sql.close();
      },
    };
  } catch (error) {
    redis.client.disconnect();
    throw error;
  }
}

async function embeddedRedis() {
  const { default: RedisMock } = await import('ioredis-mock');
  return { client: new RedisMock(), name: 'ioredis-mock' };
}

async function realRedis(url) {
  const { Redis } = await import('ioredis');
  const name = `Redis at ${placeOf(url, 6379)}`;
  let lastError;
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  client.on('error', (error) => {
    lastError = error;
  });
  const tooLate = new AbortController();
  try {
    // connectTimeout ends with the TCP connection; a server that accepts and stays silent would hang the hand-shake.
    const silence = delay(CONNECT_MS + 500, undefined, { signal: tooLate.signal }).then(() => {
      throw new Error('no answer');
    });
    await Promise.race([client.connect().then(() => client.ping()), silence]);
    return { client, name };
  } catch (error) {
    client.disconnect();
    throw new Problem(`cannot use ${name}: ${reasonOf(lastError ?? error)}`);
  } finally {
    tooLate.abort();
  }
}

async function embeddedPostgres() {
  const { PGlite } = await import('@electric-sql/pglite');
  const client = await PGlite.create();
  return { client, name: 'PGlite', close: () => client.close() };
}

async function realPostgres(url) {
  const { default: pg } = await import('pg');
  const name = `PostgreSQL at ${placeOf(url, 5432)}`;
  try {
    const client = new pg.Pool({ connectionString: url, max: 4, connectionTimeoutMillis: CONNECT_MS });
    client.on('error', () => {});
    await client.query('SELECT 1').catch(async (error) => {
      await client.end();
      throw error;
    });
    return { client, name, close: () => client.end() };
  } catch (error) {
    throw new Problem(`cannot use ${name}: ${reasonOf(error)}`);
  }
}

function placeOf(url, defaultPort) {
  const { hostname, port } = new URL(url);
  return `${hostname}:${port || defaultPort}`;
}
