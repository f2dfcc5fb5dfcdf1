import { expect, test } from 'vitest';
import { InvalidArgumentError } from '../../src/index.js';
import { createTableSql } from '../../src/persistence/postgres/index.js';

test.each([
  ['userId', 'bigint'],
  ['userId.type', { type: ['bigint'] }],
  ['userId.type', { type: 'BIGINT' }],
  ['userId.references', { type: 'bigint', references: ['users(id)'] }],
  ['userId.references', { type: 'bigint', references: 'users' }],
  ['userId.references', { type: 'bigint', references: 'users(id); DROP TABLE users' }],
])('createTableSql names %s in its error, for %j', (argument, userId) => {
  let error: unknown;
  try {
    createTableSql({ userId: userId as never });
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(InvalidArgumentError);
  expect(error).toMatchObject({ argument });
});

test.each([
  ['columns', ['source']],
  ['columns.source', { source: 'text' }],
  ['columns.source.type', { source: { type: ['text'] } }],
  ['columns.source.from', { source: { type: 'text', from: ['source'] } }],
  ['columns.User_ID', { User_ID: { type: 'text' } }],
  ['columns.a"b', { 'a"b': { type: 'text' } }],
])('createTableSql names %s in its error, for columns %j', (argument, columns) => {
  let error: unknown;
  try {
    createTableSql({ columns: columns as never });
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(InvalidArgumentError);
  expect(error).toMatchObject({ argument });
});
