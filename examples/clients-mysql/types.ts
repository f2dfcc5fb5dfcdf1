// Compiled, never run: each bridge takes the types of its client.

import type { PrismaClient } from '@prisma/client';
import * as bridges from 'coupon-issuer/mysql';
import type { drizzle } from 'drizzle-orm/mysql2';
import type { Kysely } from 'kysely';
import type { DataSource } from 'typeorm';

export async function clients(shop: {
  kysely: Kysely<{ orders: { id: string } }>;
  dataSource: DataSource;
  db: ReturnType<typeof drizzle>;
  prisma: PrismaClient;
}): Promise<bridges.MysqlPersistence[]> {
  const { kysely, dataSource, db, prisma } = shop;
  await kysely.transaction().execute((trx) => within(bridges.kyselyTransaction(trx)));
  await dataSource.transaction((manager) => within(bridges.typeormTransaction(manager)));
  await within(bridges.typeormTransaction(dataSource.createQueryRunner()));
  await db.transaction((tx) => within(bridges.drizzleTransaction(tx)));
  await prisma.$transaction((tx) => within(bridges.prismaTransaction(tx)));
  const clients = [
    bridges.fromKysely(kysely),
    bridges.fromTypeorm(dataSource),
    bridges.fromDrizzle(db),
    bridges.fromPrisma(prisma),
    bridges.fromPrisma(prisma.$extends({})),
  ];
  // @ts-expect-error a client is no transaction
  await within(bridges.fromKysely(kysely));
  return clients.map((client) => new bridges.MysqlPersistence(client));
}

async function within(_: bridges.MysqlTransaction): Promise<void> {}
