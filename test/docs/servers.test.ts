import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CELLS } from '../../scripts/matrix-cells.js';
import { serverOf } from '../support/servers/programs.js';
import { ROOT, tableOf } from './markdown.js';

test('the page of servers has a row for each cell of the matrix, and none of them failed', () => {
  const rows = tableOf('docs/tables/servers.md', 'subject');
  expect(rows.map(([name]) => name)).toEqual(CELLS.map(({ name }) => name));
  for (const [name, ran, result] of rows) expect(`${name} ${ran}: ${result}`).toMatch(/: (\d+ passed|not tested: .+)$/);
});

test('every test file of the matrix is there', () => {
  const files = CELLS.flatMap((cell) => cell.files);
  expect(files.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
});

test.each([
  ['Redis version=7.0.15, bits=64, commit=00000000', 'Redis 7.0.15'],
  ['Valkey version=9.1.2, bits=64', 'Valkey 9.1.2'],
  ['LOG:  starting PostgreSQL 15.18 (Debian 15.18-0+deb12u1) on x86_64', 'PostgreSQL 15.18'],
  ['LOG process up: PgBouncer 1.18.0, libevent 2.1.12-stable', 'PgBouncer 1.18.0'],
  [`ready for connections.\nVersion: '11.8.9-MariaDB-0+deb13u1 from Debian'  socket:`, 'MariaDB 11.8.9'],
  [`mysqld: ready for connections. Version: '9.7.4-2'  socket:`, 'MySQL 9.7.4'],
])('a server is named by its log: %j', (log, name) => {
  expect(serverOf(log)).toBe(name);
});
