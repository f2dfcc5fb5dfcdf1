import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EntitySchema, MikroORM } from '@mikro-orm/postgresql';
import { suite } from './suite.js';

const Order = new EntitySchema({ name: 'Order', properties: { id: { type: 'string', primary: true } } });
const orm = await MikroORM.init({ clientUrl: process.env.DATABASE_URL, entities: [Order] });

suite('MikroORM', {
  client: { autocommit: true, query: byKnex(orm.em.getKnex()) },
  inTransaction: (work) => orm.em.fork().transactional((em) => work({ query: byKnex(em.getTransactionContext()) })),
  close: () => orm.close(),
});

test('its schema generator drops the tables of coupons, unless it skips them', async () => {
  const updates = async (options) => {
    const other = await MikroORM.init({ clientUrl: process.env.DATABASE_URL, entities: [Order], ...options });
    const sql = await other.schema.getUpdateSchemaSQL();
    await other.close();
    return sql;
  };
  const skipTables = ['coupons_mikroorm', 'coupons_mikroorm_store'];
  assert.match(await updates({}), /drop table if exists "coupons_mikroorm"/);
  assert.doesNotMatch(
    await updates({ schemaGenerator: { skipTables } }),
    /drop table if exists "coupons_mikroorm(_store)?"/,
  );
});

/** Knex binds by name, so `$1` becomes `:p1`. */
function byKnex(knex) {
  return (text, values = []) => {
    const named = Object.fromEntries(values.map((value, i) => [`p${i + 1}`, value]));
    return knex.raw(text.replace(/\$(\d+)/g, ':p$1'), named);
  };
}
