const POSTGRES = 'test/integration/postgres-errors.test.ts';
const MYSQL = 'test/integration/mysql-errors.test.ts';
const leftOut = 'one user whose row the table leaves out without an error takes no neighbour along: a trigger';
const sources = (test) => ({ file: 'test/integration/code-sources.test.ts', test });

/** Rows that a database leaves out without an error, and sources of codes that were begun or cannot be closed. */
export const SKIPPED = [
  {
    defect: 'a row that was left out without an error is never sent alone',
    file: 'src/persistence/skipped.ts',
    find: '++skipped > MOST_SKIPPED',
    replace: '++skipped > 0',
    caughtBy: { file: POSTGRES, test: leftOut },
  },
  {
    defect: 'every row of a batch that was left out is sent alone, however many they are',
    file: 'src/persistence/skipped.ts',
    find: '++skipped > MOST_SKIPPED',
    replace: '++skipped > 1_000',
    caughtBy: { file: POSTGRES, test: 'of many such rows in one batch nobody knows how it ended' },
  },
  {
    defect: 'a row counts as left out where the client does not tell',
    file: 'src/persistence/postgres/save.ts',
    find: 'written === 0 ? SKIPPED : null',
    replace: 'SKIPPED',
    caughtBy: { file: POSTGRES, test: 'a client that does not tell how many rows were written proves nothing' },
  },
  {
    defect: 'MySQL is not asked for its word on a row that was left out',
    file: 'src/persistence/mysql/save.ts',
    find: 'if (!isDuplicate(error)) throw error;',
    replace: 'throw error;',
    caughtBy: { file: MYSQL, test: 'one user whom a unique key of its own leaves out takes no neighbour along' },
  },
  {
    defect: 'rows that the first look-up does not show are looked for without locks',
    file: 'src/persistence/mysql/save.ts',
    find: "' LOCK IN SHARE MODE'",
    replace: "''",
    caughtBy: { file: 'test/integration/mysql.test.ts', test: 'are found by a look-up with locks' },
  },
  {
    defect: 'an id that is not stored is found as another row',
    file: 'src/persistence/row.ts',
    find: '?? null)',
    replace: '?? stored[0] ?? null)',
    caughtBy: {
      file: 'test/contract/pglite.test.ts',
      test: 'find answers in the order asked, with null for what is not stored',
    },
  },
  {
    defect: 'a unique index on an expression cannot be judged',
    file: 'src/persistence/postgres/catalog.ts',
    find: `coalesce(array_agg(a.attname::text ORDER BY a.attname::text), '{}')`,
    replace: 'array_agg(a.attname::text ORDER BY a.attname::text)',
    caughtBy: {
      file: 'test/integration/postgres-table.test.ts',
      test: 'a unique index of the table on an expression alone',
    },
  },
  {
    defect: 'the table is judged by JSON that the driver has to parse',
    file: 'src/persistence/postgres/catalog.ts',
    find: '::text AS found',
    replace: ' AS found',
    caughtBy: { file: 'test/integration/postgres-table.test.ts', test: 'a driver that does not parse JSON' },
  },
  {
    defect: 'a reason that carries the code reaches clients',
    file: 'src/issue/verdicts.ts',
    find: 'reason: new Redaction(secretsOf(asked.reserved.issuance)).of(reason)',
    replace: 'reason',
    caughtBy: { file: 'test/fault/refused-row.test.ts', test: 'a reason that carries the code is told without it' },
  },
  {
    defect: 'a password that is not in a URL stays in a message',
    file: 'src/model/safe-error.ts',
    find: ".replace(PASSWORD, '$1[redacted]')",
    replace: '',
    caughtBy: { file: 'test/unit/errors.test.ts', test: 'a redacted error has the password of' },
  },
  {
    defect: 'a web stream that was read from before loses its beginning',
    file: 'src/flow/source.ts',
    find: 'readableDidRead ?? Readable.isDisturbed(given as NodeJS.ReadableStream)',
    replace: 'readableDidRead',
    caughtBy: sources('a web stream that was read from before is refused'),
  },
  {
    defect: 'the reader of a file does not say that it was read from before',
    file: 'src/read-codes/index.ts',
    find: 'this.#didRead = true;',
    replace: '',
    caughtBy: sources('the reader of a file that was read from before is refused'),
  },
  {
    defect: 'a source that cannot clean up holds up the call that was aborted',
    file: 'src/flow/source.ts',
    find: 'this.#interrupt = () => resolve(null);',
    replace: '',
    caughtBy: sources('to clean up does not hold up a call that is aborted after'),
  },
  {
    defect: 'a source that cannot clean up holds up the call that an abort has ended',
    file: 'src/flow/source.ts',
    find: 'if (this.#signal?.aborted) resolve(null);',
    replace: '',
    caughtBy: sources('to clean up does not hold up a call that is aborted before'),
  },
  {
    defect: 'the line for a spreadsheet is a code',
    file: 'src/read-codes/rows.ts',
    find: 'if (!line) return',
    replace: 'return',
    caughtBy: { file: 'test/unit/read-codes.test.ts', test: 'has a name below a line for a spreadsheet' },
  },
];
