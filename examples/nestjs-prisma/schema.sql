-- The tables of the shop. The table of the coupons has a foreign key to users, and is made by src/setup.ts.
CREATE TABLE IF NOT EXISTS users (
  id bigint PRIMARY KEY,
  name text NOT NULL
);
CREATE TABLE IF NOT EXISTS orders (
  id uuid PRIMARY KEY,
  user_id bigint NOT NULL REFERENCES users(id),
  coupon_code text
);
