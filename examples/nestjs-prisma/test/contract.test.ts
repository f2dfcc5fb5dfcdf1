import { after, before, test } from 'node:test';
import { fromPrisma, PostgresPersistence } from 'coupon-issuer/postgres';
import { persistenceContract } from 'coupon-issuer/testing';
import { connectPrisma, TABLE } from '../src/clients.js';

const prisma = connectPrisma();
const client = fromPrisma(prisma);
const options = { ...TABLE, table: 'kit_coupons', userId: { type: 'bigint', references: 'kit_users(id)' } } as const;
before(async () => {
  await prisma.$executeRawUnsafe('CREATE TABLE kit_users (id bigint PRIMARY KEY)');
  await new PostgresPersistence(client, options).createTable();
});
after(() => prisma.$disconnect());

const contract = persistenceContract({
  keepsData: true,
  userIds: 'bigint',
  refusedUserId: '404',
  createAdapter: async ({ send }) => {
    const query: typeof client.query = (text, values) => send(() => client.query(text, values));
    return new PostgresPersistence({ ...client, query }, options);
  },
  oracle: (campaignId) => prisma.$queryRaw`
    SELECT serial, user_id::text AS "userId", grant_no AS "grant", id, code FROM kit_coupons
    WHERE campaign_id = ${campaignId}`,
  prepare: (issuances) => prisma.$executeRaw`
    INSERT INTO kit_users SELECT DISTINCT unnest(${issuances.map(({ userId }) => BigInt(userId))}::bigint[])
    ON CONFLICT DO NOTHING`,
});
for (const { name, run } of contract) test(name, run);
