import knex from 'knex';
import { suite } from './suite.js';

const db = knex({ client: 'pg', connection: process.env.DATABASE_URL });

suite('Knex', {
  client: { autocommit: true, query: byKnex(db) },
  inTransaction: (work) => db.transaction((trx) => work({ query: byKnex(trx) })),
  close: () => db.destroy(),
});

/** Knex binds by name, so `$1` becomes `:p1`. */
function byKnex(knex) {
  return (text, values = []) => {
    const named = Object.fromEntries(values.map((value, i) => [`p${i + 1}`, value]));
    return knex.raw(text.replace(/\$(\d+)/g, ':p$1'), named);
  };
}
