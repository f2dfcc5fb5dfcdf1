import { EntitySchema, MikroORM } from '@mikro-orm/postgresql';
import { suite } from './suite.js';

const Order = new EntitySchema({ name: 'Order', properties: { id: { type: 'string', primary: true } } });
const orm = await MikroORM.init({ clientUrl: process.env.DATABASE_URL, entities: [Order] });

suite('MikroORM', {
  client: { autocommit: true, query: byKnex(orm.em.getKnex()) },
  inTransaction: (work) => orm.em.fork().transactional((em) => work({ query: byKnex(em.getTransactionContext()) })),
  close: () => orm.close(),
});

/** Knex binds by name, so `$1` becomes `:p1`. */
function byKnex(knex) {
  return (text, values = []) => {
    const named = Object.fromEntries(values.map((value, i) => [`p${i + 1}`, value]));
    return knex.raw(text.replace(/\$(\d+)/g, ':p$1'), named);
  };
}
