import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PostgresPersistence } from 'coupon-issuer/postgres';
import { Sequelize } from 'sequelize';
import { suite } from './suite.js';

const sequelize = new Sequelize(process.env.DATABASE_URL, { logging: false });

suite('Sequelize', {
  client: { autocommit: true, query: bySequelize(sequelize) },
  inTransaction: (work) => sequelize.transaction((transaction) => work({ query: bySequelize(sequelize, transaction) })),
  close: () => sequelize.close(),
});

test('its sync leaves the tables of coupons alone', async () => {
  const own = new Sequelize(process.env.DATABASE_URL, { logging: false });
  own.define('order', {});
  await own.sync({ alter: true });
  const persistence = new PostgresPersistence({ query: bySequelize(own) }, { table: 'coupons_sequelize' });
  assert.deepEqual(await persistence.checkTable(), { format: 1 });
  await own.close();
});

/** Sequelize puts the parameters into its error and into that of the driver, coupon codes among them. */
function bySequelize(sequelize, transaction = null) {
  return async (text, bind) => {
    try {
      const [rows, result] = await sequelize.query(text, { bind, raw: true, transaction });
      return { rows, rowCount: result.rowCount ?? result };
    } catch (error) {
      delete error.original?.parameters;
      throw error.original ?? error;
    }
  };
}
