import { PrismaMariaDb } from '@prisma/adapter-mariadb';
import { PrismaClient } from '@prisma/client';
import { fromPrisma, prismaTransaction } from 'coupon-issuer/mysql';
import { refuses } from './refuses.js';
import { suite } from './suite.js';

const { hostname: host, port, username: user, pathname } = new URL(process.env.MYSQL_URL);
const database = { host, port: Number(port), user, database: pathname.slice(1) };
const prisma = new PrismaClient({ adapter: new PrismaMariaDb(database) });

suite('Prisma', {
  client: fromPrisma(prisma),
  inTransaction: (work) => prisma.$transaction((tx) => work(prismaTransaction(tx))),
  close: () => prisma.$disconnect(),
  statements: 2,
  poolOf: (initSql) => {
    const other = new PrismaClient({ adapter: new PrismaMariaDb({ ...database, initSql }) });
    return { client: fromPrisma(other), close: () => other.$disconnect() };
  },
});

refuses('a transaction of Prisma', { bridge: fromPrisma, inTransaction: (work) => prisma.$transaction(work) });
refuses('a client that is in no transaction', { bridge: prismaTransaction, inTransaction: (work) => work(prisma) });
