// Compiled, never run: each bridge takes the types of its client.
import type { PrismaClient } from '@prisma/client';
import * as bridges from 'coupon-issuer/postgres';
import type { drizzle as drizzlePg } from 'drizzle-orm/node-postgres';
import type { drizzle as drizzlePglite } from 'drizzle-orm/pglite';
import type { drizzle as drizzlePostgresJs } from 'drizzle-orm/postgres-js';
import type { Kysely } from 'kysely';
import type postgres from 'postgres';
import type { DataSource } from 'typeorm';

export async function clients(shop: {
  sql: postgres.Sql;
  kysely: Kysely<{ orders: { id: string } }>;
  dataSource: DataSource;
  overPg: ReturnType<typeof drizzlePg>;
  overPglite: ReturnType<typeof drizzlePglite>;
  overPostgresJs: ReturnType<typeof drizzlePostgresJs>;
  prisma: PrismaClient;
}): Promise<bridges.PostgresPersistence[]> {
  const { sql, kysely, dataSource, overPg, overPglite, overPostgresJs, prisma } = shop;
  await sql.begin((tx) => within(bridges.postgresJsTransaction(tx)));
  await kysely.transaction().execute((trx) => within(bridges.kyselyTransaction(trx)));
  await dataSource.transaction((manager) => within(bridges.typeormTransaction(manager)));
  await within(bridges.typeormTransaction(dataSource.createQueryRunner()));
  await overPg.transaction((tx) => within(bridges.drizzleTransaction(tx)));
  await overPglite.transaction((tx) => within(bridges.drizzleTransaction(tx)));
  await overPostgresJs.transaction((tx) => within(bridges.drizzleTransaction(tx)));
  await prisma.$transaction((tx) => within(bridges.prismaTransaction(tx)));
  const clients = [
    bridges.fromPostgresJs(sql),
    bridges.fromKysely(kysely),
    bridges.fromTypeorm(dataSource),
    bridges.fromDrizzle(overPg),
    bridges.fromDrizzle(overPglite),
    bridges.fromDrizzle(overPostgresJs),
    bridges.fromPrisma(prisma),
    bridges.fromPrisma(prisma.$extends({})),
  ];
  // @ts-expect-error a client is no transaction
  await within(bridges.fromKysely(kysely));
  return clients.map((client) => new bridges.PostgresPersistence(client));
}

async function within(_: bridges.PostgresTransaction): Promise<void> {}
