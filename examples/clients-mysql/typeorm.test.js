import { fromTypeorm, typeormTransaction } from 'coupon-issuer/mysql';
import { DataSource } from 'typeorm';
import { refuses } from './refuses.js';
import { suite } from './suite.js';

const dataSource = await new DataSource({ type: 'mysql', url: process.env.MYSQL_URL }).initialize();

suite('TypeORM', {
  client: fromTypeorm(dataSource),
  inTransaction: (work) => dataSource.transaction((manager) => work(typeormTransaction(manager))),
  close: () => dataSource.destroy(),
});

refuses('the manager of a transaction', {
  bridge: fromTypeorm,
  inTransaction: (work) => dataSource.transaction(work),
});
refuses('a query runner', {
  bridge: fromTypeorm,
  inTransaction: (work) => dataSource.transaction(({ queryRunner }) => work(queryRunner)),
});
refuses('a manager that is in no transaction', {
  bridge: typeormTransaction,
  inTransaction: (work) => work(dataSource.manager),
});
