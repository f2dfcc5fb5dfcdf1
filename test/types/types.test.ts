import { PGlite } from '@electric-sql/pglite';
import { Cluster, Redis } from 'ioredis';
import RedisMock from 'ioredis-mock';
import { Cluster as Cluster6, Redis as Redis6 } from 'ioredis-v6';
import type { Pool as CallbackPool } from 'mysql2';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { describe, expectTypeOf, test } from 'vitest';
import { toCsv } from '../../src/csv/index.js';
import type {
  Campaign,
  Coupon,
  CouponEvent,
  CouponIssuerErrorCode,
  CouponIssuerOptions,
  CouponTally,
  Issuance,
  IssueRequest,
  IssueResult,
  IssueStatus,
  PersistenceAdapter,
  RedisClient,
  RefusalStatus,
  SaveVerdict,
  Stock,
} from '../../src/index.js';
import { CouponIssuer } from '../../src/issuer.js';
import { MemoryPersistence } from '../../src/persistence/memory.js';
import { type MysqlLike, MysqlPersistence, type MysqlTransaction } from '../../src/persistence/mysql/index.js';
import {
  type PostgresLike,
  PostgresPersistence,
  type PostgresTransaction,
} from '../../src/persistence/postgres/index.js';

// Held by tsc: these are statements about types, and running them only shows that the file loads.

describe('clients that fit as they are', () => {
  test('Redis and Cluster of ioredis 5 and 6, and ioredis-mock', () => {
    expectTypeOf<Redis>().toExtend<RedisClient>();
    expectTypeOf<Cluster>().toExtend<RedisClient>();
    expectTypeOf<Redis6>().toExtend<RedisClient>();
    expectTypeOf<Cluster6>().toExtend<RedisClient>();
    expectTypeOf<InstanceType<typeof RedisMock>>().toExtend<RedisClient>();
    expectTypeOf<InstanceType<typeof RedisMock.Cluster>>().toExtend<RedisClient>();
    const classes = [Redis, Cluster, Redis6, Cluster6, RedisMock];
    expectTypeOf(classes).toBeArray();
  });

  test('Pool and Client of pg, and PGlite', () => {
    expectTypeOf<pg.Pool>().toExtend<PostgresLike>();
    expectTypeOf<pg.Client>().toExtend<PostgresLike>();
    expectTypeOf<pg.PoolClient>().toExtend<PostgresLike>();
    expectTypeOf<PGlite>().toExtend<PostgresLike>();
    expectTypeOf([pg.Pool, PGlite]).toBeArray();
  });

  test('Pool, PoolConnection and Connection of mysql2, and a pool of a cluster', () => {
    expectTypeOf<mysql.Pool>().toExtend<MysqlLike>();
    expectTypeOf<mysql.PoolConnection>().toExtend<MysqlLike>();
    expectTypeOf<mysql.Connection>().toExtend<MysqlLike>();
    expectTypeOf<mysql.PoolNamespace>().toExtend<MysqlLike>();
    expectTypeOf<CallbackPool>().not.toExtend<MysqlLike>();
    expectTypeOf(mysql.createPool).toBeFunction();
  });

  test('a transaction of pg, PGlite and mysql2 is one, and a pool is none', () => {
    expectTypeOf<pg.PoolClient>().toExtend<PostgresTransaction>();
    expectTypeOf<pg.Client>().toExtend<PostgresTransaction>();
    expectTypeOf<Parameters<Parameters<PGlite['transaction']>[0]>[0]>().toExtend<PostgresTransaction>();
    expectTypeOf<pg.Pool>().not.toExtend<PostgresTransaction>();
    expectTypeOf<mysql.PoolConnection>().toExtend<MysqlTransaction>();
    expectTypeOf<mysql.Connection>().toExtend<MysqlTransaction>();
    expectTypeOf<mysql.Pool>().not.toExtend<MysqlTransaction>();
  });

  test('an issuer takes the transactions of its adapter, and without one none', () => {
    const within = <Client>(make: (redis: Redis) => CouponIssuer<Client>) =>
      make as unknown as Parameters<Campaign<Client>['redeem']>[0]['within'];
    const ofPostgres = (redis: Redis) =>
      new CouponIssuer({ redis, persistence: new PostgresPersistence({} as pg.Pool) });
    const ofMysql = (redis: Redis) => new CouponIssuer({ redis, persistence: new MysqlPersistence({} as mysql.Pool) });
    const ofMemory = (redis: Redis) => new CouponIssuer({ redis, persistence: new MemoryPersistence() });
    expectTypeOf(within(ofPostgres)).toEqualTypeOf<PostgresTransaction | undefined>();
    expectTypeOf(within(ofMysql)).toEqualTypeOf<MysqlTransaction | undefined>();
    expectTypeOf(within(ofMemory)).toEqualTypeOf<undefined>();
    expectTypeOf<CouponIssuer<PostgresTransaction>>().toExtend<CouponIssuer>();
  });

  test('a handle is an interface: a test can put an object of its own in its place', () => {
    expectTypeOf<Pick<Campaign, keyof Campaign>>().toExtend<Campaign>();
  });

  test('the adapters of this package are adapters', () => {
    expectTypeOf(MemoryPersistence.prototype).toExtend<PersistenceAdapter>();
    expectTypeOf(PostgresPersistence.prototype).toExtend<PersistenceAdapter>();
    expectTypeOf(MysqlPersistence.prototype).toExtend<PersistenceAdapter>();
  });

  test('a client that cannot run scripts does not', () => {
    expectTypeOf<{ get(key: string): Promise<string> }>().not.toExtend<RedisClient>();
  });
});

/** Compiles only while every status has its case, and every case reads only what its member carries. */
function told(result: IssueResult): string {
  switch (result.status) {
    case 'issued':
    case 'accepted':
      return String(result.issuance.serial satisfies number);
    case 'revoked':
      return result.issuance.id;
    case 'already_issued':
      return result.issuances.map(({ code }) => code satisfies string | null).join();
    case 'sold_out':
    case 'paused':
      return result.status;
    case 'not_open':
      return (result.opensAt satisfies Date).toISOString();
    case 'closed':
      return (result.closedAt satisfies Date).toISOString();
    case 'not_eligible':
      return result.reason satisfies string;
    case 'not_ready':
      return result.reason satisfies 'missing' | 'rolled_back' | 'rebuilding';
    default:
      return result satisfies never;
  }
}

function noted(event: CouponEvent): string {
  switch (event.type) {
    case 'issued':
    case 'accepted':
    case 'released':
    case 'withdrawn':
    case 'lost':
    case 'quarantined':
    case 'settled':
      // @ts-expect-error events carry no code
      return String(event.code);
    case 'refused':
      return `${event.status} ${event.count satisfies number}`;
    case 'exhausted':
      return event.campaignId;
    case 'places_ended':
      return `${event.reason} ${event.count satisfies number}`;
    case 'drawn':
      return event.seed;
    case 'redeemed':
    case 'unredeemed':
    case 'extended':
    case 'taken_back':
      return event.id;
    case 'revoked':
      return `${event.unit satisfies 'kept' | 'returned'} ${event.again satisfies boolean}`;
    case 'audit':
      return `${event.by} ${event.action} ${event.campaignId} ${event.done satisfies boolean}`;
    case 'fault':
      return `${event.during} ${event.error.message}`;
    default:
      return event satisfies never;
  }
}

function judged(verdict: SaveVerdict): string {
  switch (verdict.verdict) {
    case 'saved':
    case 'serial_conflict':
    case 'code_conflict':
      return verdict.verdict;
    case 'refused':
      return verdict.reason satisfies string;
    case 'user_conflict':
      return (verdict.existing satisfies Issuance).id;
    default:
      return verdict satisfies never;
  }
}

function shown(coupon: Coupon): string {
  switch (coupon.state) {
    case 'issued':
    case 'redeemed':
    case 'expired':
    case 'revoked':
      return coupon.state;
    default:
      return coupon.state satisfies never;
  }
}

describe('coupons after their issue', () => {
  test('are read as they are, and have a state that can be switched over to the last case', () => {
    expectTypeOf(shown).returns.toBeString();
    expectTypeOf<CouponIssuer['coupons']>().returns.resolves.toEqualTypeOf<readonly Coupon[]>();
    expectTypeOf<CouponIssuer['findByCode']>().returns.resolves.toEqualTypeOf<readonly Coupon[]>();
    expectTypeOf<Campaign['coupons']>().returns.toExtend<AsyncIterable<Coupon>>();
    expectTypeOf<Campaign['tally']>().returns.resolves.toEqualTypeOf<CouponTally>();
    expectTypeOf<keyof CouponTally>().toEqualTypeOf<Coupon['state'] | 'returned'>();
    expectTypeOf<Parameters<CouponIssuer['coupons']>[0]['userId']>().toEqualTypeOf<string>();
  });

  test('go into a CSV from a list as well as from a campaign', () => {
    expectTypeOf<ReturnType<Campaign['coupons']>>().toExtend<Parameters<typeof toCsv>[0]>();
    expectTypeOf<readonly Coupon[]>().toExtend<Parameters<typeof toCsv>[0]>();
    expectTypeOf(toCsv).returns.toExtend<AsyncIterable<string>>();
  });
});

describe('what is told', () => {
  test('can be switched over to the last case', () => {
    expectTypeOf(told).returns.toBeString();
    expectTypeOf(noted).returns.toBeString();
    expectTypeOf(judged).returns.toBeString();
  });

  test('is one of ten statuses, eight of which take nothing', () => {
    expectTypeOf<IssueStatus>().toEqualTypeOf<
      | 'issued'
      | 'accepted'
      | 'already_issued'
      | 'revoked'
      | 'sold_out'
      | 'not_open'
      | 'closed'
      | 'paused'
      | 'not_eligible'
      | 'not_ready'
    >();
    expectTypeOf<RefusalStatus>().toEqualTypeOf<Exclude<IssueStatus, 'issued' | 'accepted'>>();
  });

  test('a refusal carries no issuance, but that of a coupon that was revoked', () => {
    expectTypeOf<Extract<IssueResult, { status: 'sold_out' }>>().toEqualTypeOf<{ readonly status: 'sold_out' }>();
    expectTypeOf<Extract<IssueResult, { issuance: unknown }>['status']>().toEqualTypeOf<
      'issued' | 'accepted' | 'revoked'
    >();
  });

  test('a fault has one of eleven codes', () => {
    expectTypeOf<CouponIssuerErrorCode>().toEqualTypeOf<
      | 'INVALID_ARGUMENT'
      | 'UNKNOWN_CAMPAIGN'
      | 'CAMPAIGN_CONFLICT'
      | 'MISCONFIGURED'
      | 'OVERLOADED'
      | 'REDIS'
      | 'PERSISTENCE'
      | 'NOT_ISSUED'
      | 'NOT_READY'
      | 'HOOK'
      | 'CLOSED'
    >();
  });
});

describe('what is asked', () => {
  test('a user id is a string, never a number', () => {
    expectTypeOf<IssueRequest['userId']>().toBeString();
    expectTypeOf<Campaign['issue']>().parameter(0).toEqualTypeOf<IssueRequest>();
  });

  test('a total belongs to counted stock alone', () => {
    expectTypeOf<{ kind: 'counted'; total: number }>().toExtend<Stock>();
    expectTypeOf<{ kind: 'counted' }>().not.toExtend<Stock>();
    // @ts-expect-error codes are counted by loading them
    const withTotal: Stock = { kind: 'codes', total: 5 };
    expectTypeOf(withTotal).toExtend<Stock>();
  });

  test('only the client has to be given', () => {
    expectTypeOf<{ redis: RedisClient }>().toExtend<CouponIssuerOptions>();
    expectTypeOf<Record<never, never>>().not.toExtend<CouponIssuerOptions>();
  });

  test('an adapter needs nothing but save', () => {
    expectTypeOf<Pick<PersistenceAdapter, 'save'>>().toExtend<PersistenceAdapter>();
  });
});
