import { PrismaPg } from '@prisma/adapter-pg';
import { PrismaClient } from '@prisma/client';
import { fromPrisma, prismaTransaction } from 'coupon-issuer/postgres';
import { refuses } from './refuses.js';
import { suite } from './suite.js';

const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: process.env.DATABASE_URL }) });

suite('Prisma', {
  client: fromPrisma(prisma),
  inTransaction: (work) => prisma.$transaction((tx) => work(prismaTransaction(tx))),
  close: () => prisma.$disconnect(),
});

refuses('a transaction of Prisma', { bridge: fromPrisma, inTransaction: (work) => prisma.$transaction(work) });
refuses('a client that is in no transaction', { bridge: prismaTransaction, inTransaction: (work) => work(prisma) });
