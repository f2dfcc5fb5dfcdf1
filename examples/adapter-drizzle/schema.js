import { bigint, boolean, integer, pgTable, primaryKey, text, timestamp, unique } from 'drizzle-orm/pg-core';

/** The unique keys are what makes overselling impossible, whatever happens to Redis. */
export const coupons = pgTable(
  'coupons',
  {
    campaignId: text().notNull(),
    id: text().notNull(),
    serial: bigint({ mode: 'number' }).notNull(),
    userId: text().notNull(),
    grant: integer(),
    code: text(),
    issuedAt: timestamp({ precision: 3, withTimezone: true }).notNull(),
    epoch: text().notNull(),
    // What became of the coupon after its issue.
    expiresAt: timestamp({ precision: 3, withTimezone: true }),
    state: text().notNull().default('issued'),
    stateAt: timestamp({ precision: 3, withTimezone: true }),
    stateBy: text(),
    undone: text().notNull().default(''),
    version: integer().notNull().default(0),
    unitReturned: boolean().notNull().default(false),
  },
  (table) => [
    primaryKey({ name: 'coupons_id', columns: [table.campaignId, table.id] }),
    unique('coupons_serial').on(table.campaignId, table.serial),
    unique('coupons_grant').on(table.campaignId, table.userId, table.grant),
    unique('coupons_code').on(table.campaignId, table.code),
  ],
);
