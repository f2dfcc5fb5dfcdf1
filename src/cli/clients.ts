import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { withDeadline } from '../flow/deadline.js';
import { CouponIssuer } from '../issuer.js';
import type { FaultEvent } from '../model/events.js';
import type { PersistenceAdapter } from '../persistence/adapter.js';
import { MysqlPersistence } from '../persistence/mysql/index.js';
import { PostgresPersistence } from '../persistence/postgres/index.js';
import { UsageError } from './faults.js';
import type { CliWorld } from './world.js';

const CONNECT_MS = 5_000;

/** Clients of the packages that the user has installed, as far as they are needed here. */
interface RedisOfUrl {
  on(event: string, listener: (error: Error) => void): unknown;
  once(event: string, listener: (error: Error) => void): unknown;
  disconnect(): void;
}
interface PoolOfUrl {
  end(): Promise<unknown>;
  on?(event: string, listener: (error: Error) => void): unknown;
}

/** The shipped adapters, without transactions of a caller: a command has none. */
type OwnPersistence = PersistenceAdapter & { createTable(): Promise<unknown> };

interface WiredByUrls {
  readonly issuer: CouponIssuer;
  readonly persistence: OwnPersistence | undefined;
  readonly close: () => Promise<void>;
}

/** Throws `UsageError` for a URL of another kind and for a package that is not installed. */
export async function connectByUrls(
  world: CliWorld,
  urls: { readonly redis: string; readonly database: string | undefined },
): Promise<WiredByUrls> {
  assertUrl('REDIS_URL', urls.redis, ['redis:', 'rediss:']);
  assertParts(new URL(urls.redis));
  const protocol = urls.database && assertUrl('DATABASE_URL', urls.database, ['postgres:', 'postgresql:', 'mysql:']);
  const { Redis } = (await load(world, 'ioredis', 'REDIS_URL')) as {
    Redis: new (url: string, options: object) => RedisOfUrl;
  };
  const database = urls.database ? await databaseOf(world, urls.database, protocol === 'mysql:') : null;
  const redis = await ready(
    new Redis(urls.redis, {
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      connectTimeout: CONNECT_MS,
      commandTimeout: CONNECT_MS,
      socketTimeout: 2 * CONNECT_MS,
      connectionName: 'coupon-issuer',
    }),
  );
  const onEvent = (event: { readonly type: string }) => {
    if (event.type === 'fault') world.stderr.write(`${faultLine(event as FaultEvent)}\n`, () => {});
  };
  const persistence = database?.persistence;
  const issuer = new CouponIssuer({ redis: redis as never, persistence, onEvent });
  const close = async () => {
    await issuer.close();
    redis.disconnect();
    await database?.pool.end();
  };
  return { issuer, persistence, close };
}

/** Events carry no code, and their errors are redacted. */
function faultLine({ during, campaignId, error }: FaultEvent): string {
  return `fault during ${during}${campaignId ? ` of ${campaignId}` : ''}: ${error.message}`;
}

function assertUrl(name: string, text: string, protocols: readonly string[]): string {
  const protocol = URL.canParse(text) ? new URL(text).protocol : '';
  if (protocols.includes(protocol)) return protocol;
  throw new UsageError(`${name} must be a URL that begins with ${protocols.map((one) => `${one}//`).join(' or ')}`);
}

/** `ioredis` throws for the one, and ends the process for the other. */
function assertParts({ username, password, pathname, searchParams }: URL): void {
  try {
    decodeURIComponent(username + password);
  } catch {
    throw new UsageError('REDIS_URL has a % that begins no escape: write it as %25');
  }
  if (!/^\d*$/.test(searchParams.get('db') ?? pathname.slice(1))) {
    throw new UsageError('the path of REDIS_URL must be the number of a database');
  }
}

/** Imports a package from the project of the user, or else from beside this package. */
async function load(world: CliWorld, name: string, variable: string): Promise<Record<string, unknown>> {
  for (const from of [pathToFileURL(join(world.cwd, 'package.json')).href, import.meta.url]) {
    let path: string;
    try {
      path = createRequire(from).resolve(name);
    } catch {
      continue;
    }
    const module = (await import(pathToFileURL(path).href)) as Record<string, unknown>;
    return { ...(module.default as object), ...module };
  }
  const root = name.split('/')[0];
  throw new UsageError(`${variable} needs the package ${root}, which is not installed here: npm install ${root}`);
}

async function databaseOf(
  world: CliWorld,
  url: string,
  isMysql: boolean,
): Promise<{ readonly pool: PoolOfUrl; readonly persistence: OwnPersistence }> {
  if (isMysql) {
    const { createPool } = await load(world, 'mysql2/promise', 'DATABASE_URL');
    const pool = (createPool as (options: object) => PoolOfUrl)({
      uri: url,
      connectionLimit: 4,
      connectTimeout: CONNECT_MS,
    });
    return { pool, persistence: new MysqlPersistence(pool as never) };
  }
  const { Pool } = await load(world, 'pg', 'DATABASE_URL');
  const pool = new (Pool as new (options: object) => PoolOfUrl)({
    connectionString: url,
    max: 4,
    connectionTimeoutMillis: CONNECT_MS,
    application_name: 'coupon-issuer',
  });
  // An idle connection that is lost must not end the process; the next call connects again.
  pool.on?.('error', () => {});
  return { pool, persistence: new PostgresPersistence(pool as never) };
}

/** A client whose first connection failed is not tried again: a command answers now. */
async function ready(redis: RedisOfUrl): Promise<RedisOfUrl> {
  const first = new Promise<void>((done, failed) => {
    redis.once('ready', () => done());
    redis.once('error', failed);
  });
  redis.on('error', () => {});
  try {
    await withDeadline(first, 2 * CONNECT_MS, () => new Error('Redis did not answer'));
    return redis;
  } catch (error) {
    redis.disconnect();
    throw new Error(`Redis of REDIS_URL cannot be reached: ${(error as Error).message}`);
  }
}
