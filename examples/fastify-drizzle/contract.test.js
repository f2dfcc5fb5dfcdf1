import { after, before, test } from 'node:test';
import { fromDrizzle, PostgresPersistence } from 'coupon-issuer/postgres';
import { persistenceContract } from 'coupon-issuer/testing';
import { COUPONS, connectPostgres } from './connections.js';
import { run } from './processes.js';
import { users } from './schema.js';

const { db, close } = connectPostgres(process.env);
before(() => run('setup.js'));
after(close);

const contract = persistenceContract({
  keepsData: true,
  userIds: 'uuid',
  refusedUserId: '00000000-0000-4000-8000-000000000404',
  prepare: (issuances) =>
    db
      .insert(users)
      .values(issuances.map(({ userId: id }) => ({ id, name: 'A user of the kit' })))
      .onConflictDoNothing(),
  createAdapter: async ({ send }) => {
    const client = fromDrizzle(db);
    const query = (text, values) => send(() => client.query(text, values));
    return new PostgresPersistence({ ...client, query }, COUPONS);
  },
  // Plain SQL on the pool below, so that the bridge is not its own witness.
  oracle: async (campaignId) => {
    const columns = 'serial, user_id AS "userId", grant_no AS "grant", id, code, state';
    const { rows } = await db.$client.query(`SELECT ${columns} FROM coupon_issuances WHERE campaign_id = $1`, [
      campaignId,
    ]);
    return rows;
  },
});
for (const { name, run: keepsIt } of contract) test(name, keepsIt);
