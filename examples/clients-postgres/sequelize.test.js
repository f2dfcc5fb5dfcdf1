import { Sequelize } from 'sequelize';
import { suite } from './suite.js';

const sequelize = new Sequelize(process.env.DATABASE_URL, { logging: false });

suite('Sequelize', {
  client: { autocommit: true, query: bySequelize(sequelize) },
  inTransaction: (work) => sequelize.transaction((transaction) => work({ query: bySequelize(sequelize, transaction) })),
  close: () => sequelize.close(),
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
