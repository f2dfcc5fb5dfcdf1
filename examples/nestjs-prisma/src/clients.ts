import { Global, Inject, Injectable, Module, type OnApplicationShutdown } from '@nestjs/common';
import { PrismaPg } from '@prisma/adapter-pg';
import { PrismaClient } from '@prisma/client';
import { fromPrisma, PostgresPersistence } from 'coupon-issuer/postgres';
import { Redis } from 'ioredis';

export const REDIS = 'REDIS';
export const PERSISTENCE = 'PERSISTENCE';

/** The table of the coupons follows the users of the shop, and has a column that is filled from `data`. */
export const TABLE = {
  table: 'coupons',
  userId: { type: 'bigint', references: 'users(id)' },
  columns: { source: { type: 'text' } },
} as const;

export function connectPrisma(): PrismaClient {
  const { DATABASE_URL: connectionString } = process.env;
  if (!connectionString) throw new Error('DATABASE_URL is not set, for example postgres://127.0.0.1:5432/shop');
  return new PrismaClient({ adapter: new PrismaPg({ connectionString }) });
}

export function connectRedis(): Redis {
  const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379', { maxRetriesPerRequest: 0 });
  redis.on('error', (error) => console.error(`redis: ${error.message}`));
  return redis;
}

export const persistenceOf = (prisma: PrismaClient) => new PostgresPersistence(fromPrisma(prisma), TABLE);

/** Nest runs this hook last. An earlier one is too early: calls in flight need the clients. */
@Injectable()
class Closing implements OnApplicationShutdown {
  constructor(
    private readonly prisma: PrismaClient,
    @Inject(REDIS) private readonly redis: Redis,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    this.redis.disconnect();
    await this.prisma.$disconnect();
  }
}

@Global()
@Module({
  providers: [
    { provide: PrismaClient, useFactory: connectPrisma },
    { provide: REDIS, useFactory: connectRedis },
    { provide: PERSISTENCE, inject: [PrismaClient], useFactory: persistenceOf },
    Closing,
  ],
  exports: [PrismaClient, REDIS, PERSISTENCE],
})
export class ClientsModule {}
