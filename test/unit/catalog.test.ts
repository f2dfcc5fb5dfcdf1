import { expect, test } from 'vitest';
import { foundSql, freedIndexesSql, keysSql, usersSql } from '../../src/persistence/postgres/catalog.js';

test('no statement about a table has a question mark, which bridges take for a value', () => {
  const users = { schema: null, name: 'users', column: 'id' };
  const statements = [
    foundSql('to_regclass($1)', '"store"', users),
    usersSql(users),
    keysSql('$1'),
    freedIndexesSql('$1'),
  ];
  expect(statements.filter((sql) => sql.includes('?'))).toEqual([]);
});
