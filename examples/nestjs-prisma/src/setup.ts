// Makes the tables and opens the campaigns, once. Again, it changes nothing.
import { readFileSync } from 'node:fs';
import { CouponIssuer } from 'coupon-issuer';
import { connectPrisma, connectRedis, persistenceOf } from './clients.js';

const { STOCK = '1000', LINE_OPENS_AT } = process.env;
const [prisma, redis] = [connectPrisma(), connectRedis()];
const persistence = persistenceOf(prisma);
const issuer = new CouponIssuer({ redis, persistence });
try {
  await prisma.$executeRawUnsafe(readFileSync('schema.sql', 'utf8'));
  await persistence.createTable();
  const stock = { kind: 'counted', total: Number(STOCK), generateCodes: true } as const;
  await issuer.campaign('launch').open({ stock });
  const draw = LINE_OPENS_AT ? { opensAt: LINE_OPENS_AT, drawAtOpen: true } : {};
  await issuer.campaign('line').open({ stock, admission: 'queued', ...draw });
} finally {
  await issuer.close();
  redis.disconnect();
  await prisma.$disconnect();
}
