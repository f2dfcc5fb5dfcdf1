import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import pg from 'pg';

const CONNECT_MS = 3_000;

/**
 * A client that fails fast: while Redis is away, a call is refused at once instead of waiting in a queue of the client, and nothing is sent
 * twice. Because nothing waits, the connection has to stand before the first call.
 */
export async function connectRedis(url) {
  const place = placeOf('REDIS_URL', url, ['redis:', 'rediss:'], 6379);
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    commandTimeout: 5_000,
    socketTimeout: 10_000,
    reconnectOnError: (error) => error.message.includes('READONLY'),
  });
  let lastError;
  redis.on('error', (error) => {
    lastError = error;
  });
  const answered = new AbortController();
  const silence = delay(CONNECT_MS + 500, undefined, { signal: answered.signal }).then(() => {
    throw new Error('no answer');
  });
  try {
    await Promise.race([redis.connect(), silence]);
    return redis;
  } catch (error) {
    redis.disconnect();
    throw new Error(`cannot reach Redis at ${place}: ${reasonOf(lastError ?? error)}`);
  } finally {
    answered.abort();
  }
}

export async function connectPostgres(url) {
  const place = placeOf('DATABASE_URL', url, ['postgres:', 'postgresql:'], 5432);
  try {
    const pool = new pg.Pool({ connectionString: url, max: 10, connectionTimeoutMillis: CONNECT_MS });
    // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
    pool.on('error', () => {});
    await pool.query('SELECT 1');
    return pool;
  } catch (error) {
    throw new Error(`cannot reach PostgreSQL at ${place}: ${reasonOf(error)}`);
  }
}

/** Host and port alone: the rest of a connection string may be a password. */
function placeOf(name, url, protocols, defaultPort) {
  if (!URL.canParse(url) || !protocols.includes(new URL(url).protocol)) {
    throw new Error(`${name} must be a URL that begins with ${protocols[0]}//`);
  }
  const { hostname, port } = new URL(url);
  return `${hostname}:${port || defaultPort}`;
}

function reasonOf({ code, message }) {
  return /^E[A-Z]+$/.test(code ?? '')
    ? code
    : String(message)
        .split('\n')[0]
        .replace(/\S+:\/\/\S+/g, '[redacted]');
}
