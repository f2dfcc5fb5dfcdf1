const POSTGRES = 'test/integration/postgres-table.test.ts';
const CATALOG = 'src/persistence/postgres-catalog.ts';
const TABLE = 'src/persistence/postgres-table.ts';
const notAKey = (test) => ({ file: POSTGRES, test: `${test} is no unique key of users and grants` });
const spoiled = (test) => ({ file: POSTGRES, test: `after ${test} the table is refused` });

/** The table of an adapter: made whole, altered only by hand, and judged by what the database says of it. */
export const TABLES = [
  {
    defect: 'the unique keys of a table have names that a renamed table may hold',
    file: TABLE,
    find: 'others.map((columns) =>',
    replace: "others.map((columns) => 'CONSTRAINT coupon_issuances_key' + columns.length + ' ' +",
    caughtBy: { file: POSTGRES, test: 'a table that was renamed keeps its indexes' },
  },
  {
    defect: 'processes that make a table at once do not wait for each other',
    file: TABLE,
    find: 'PERFORM pg_advisory_xact_lock(',
    replace: 'PERFORM abs(',
    caughtBy: { file: POSTGRES, test: 'upgradeTable adds what is missing, whoever does so at the same time' },
  },
  {
    defect: 'a table that somebody else made meanwhile is an error',
    file: TABLE,
    find: 'if (!(await this.#exists().catch(() => false))) throw error;',
    replace: 'throw error;',
    caughtBy: { file: POSTGRES, test: 'a table that another made while this process was about to' },
  },
  {
    defect: 'createTable tries to make a table that is there',
    file: TABLE,
    find: 'if (!(await this.#exists())) {',
    replace: 'if (this.#name) {',
    caughtBy: { file: POSTGRES, test: 'a role that may only SELECT and INSERT calls createTable' },
  },
  {
    defect: 'the error of an upgrade quotes the rows',
    file: TABLE,
    find: 'if ((error as { code?: unknown } | null)?.code !== UNIQUE_VIOLATION) throw error;',
    replace: 'if (error) throw error;',
    caughtBy: { file: POSTGRES, test: 'upgradeTable alters nothing where rows forbid a key' },
  },
  {
    defect: 'an upgrade builds a key that is there once more',
    file: TABLE,
    find: "k.flaw = '' AND k.columns",
    replace: "k.flaw = 'none' AND k.columns",
    caughtBy: { file: POSTGRES, test: 'upgradeTable adds what is missing' },
  },
  {
    defect: 'an index that was not built is taken for a unique key',
    file: CATALOG,
    find: 'WHEN NOT (i.indisvalid AND i.indisready AND i.indislive)',
    replace: 'WHEN NOT (i.indisready AND i.indislive)',
    caughtBy: { file: POSTGRES, test: 'an index that could not be built concurrently' },
  },
  {
    defect: 'a deferrable key is taken for one that holds',
    file: CATALOG,
    find: 'WHEN NOT i.indimmediate',
    replace: 'WHEN false',
    caughtBy: notAKey('DEFERRABLE'),
  },
  {
    defect: 'any partial index is taken for a unique key',
    file: CATALOG,
    find: 'WHEN i.indpred IS NOT NULL AND NOT (',
    replace: 'WHEN false AND NOT (',
    caughtBy: notAKey('WHERE grant_no > 0'),
  },
  {
    defect: 'an index of the rows with a code is taken for a unique key of users',
    file: CATALOG,
    find: "NOT ('code' = ANY (n.columns) AND ",
    replace: 'NOT (',
    caughtBy: notAKey('WHERE code IS NOT NULL'),
  },
  {
    defect: 'a key that takes two NULLs for the same is taken for a right one',
    file: CATALOG,
    find: "coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false)",
    replace: 'false',
    caughtBy: notAKey('NULLS NOT DISTINCT'),
  },
  {
    defect: 'the collation of an index is not looked at',
    file: CATALOG,
    find: 'WHERE NOT l.collisdeterministic)',
    replace: 'WHERE false)',
    caughtBy: notAKey('user_id COLLATE nobody'),
  },
  {
    defect: 'included columns count as columns of the key',
    file: CATALOG,
    find: '[0:i.indnkeyatts - 1]',
    replace: '[0:i.indnatts - 1]',
    caughtBy: notAKey('INCLUDE'),
  },
  {
    defect: 'the collation of a column is not looked at',
    file: CATALOG,
    find: 'if (!there.deterministic) {',
    replace: 'if (there.generated) {',
    caughtBy: spoiled('ALTER code TYPE text COLLATE nobody'),
  },
  {
    defect: 'a column that is too short is let pass',
    file: CATALOG,
    find: 'return Number(limit) >= characters;',
    replace: 'return Number(limit) > 0;',
    caughtBy: spoiled('ALTER user_id TYPE varchar'),
  },
  {
    defect: 'a table that a crash empties is let pass',
    file: CATALOG,
    find: 'if (unlogged) {',
    replace: 'if (unlogged && temporary) {',
    caughtBy: spoiled('SET UNLOGGED'),
  },
  {
    defect: 'rows of inheriting tables are forgotten',
    file: CATALOG,
    find: 'if (inherited) {',
    replace: 'if (inherited && temporary) {',
    caughtBy: { file: POSTGRES, test: 'CREATE TABLE more () INHERITS (coupon_issuances)' },
  },
];
