import { integer, pgTable, text, uuid } from 'drizzle-orm/pg-core';

export const users = pgTable('users', {
  id: uuid().primaryKey().defaultRandom(),
  name: text().notNull(),
});

/** An order names its coupon by its id, so no statement of the shop carries a code. */
export const orders = pgTable('orders', {
  id: uuid().primaryKey().defaultRandom(),
  userId: uuid('user_id')
    .notNull()
    .references(() => users.id),
  price: integer().notNull(),
  couponId: text('coupon_id').unique(),
});
