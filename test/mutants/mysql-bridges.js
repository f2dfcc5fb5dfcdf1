const BRIDGES = 'src/persistence/mysql/bridges.ts';
const UNIT = 'test/unit/mysql-bridges.test.ts';

/** Other clients of MySQL: their errors, and the clients that are refused. */
export const MYSQL_BRIDGES = [
  {
    defect: 'an error that the driver under Prisma made up is taken for one of the server',
    file: BRIDGES,
    find: 'errno > 0 && errno < FIRST_OF_DRIVER',
    replace: 'errno > 0',
    caughtBy: { file: UNIT, test: 'an error of the driver under Prisma is no proof, whatever SQLSTATE it made up' },
  },
  {
    defect: 'a SQLSTATE that Prisma leaves out stays lost',
    file: BRIDGES,
    find: "state ?? STATES[errno] ?? ''",
    replace: "state ?? ''",
    caughtBy: { file: UNIT, test: 'a value that is too long is proof through Prisma, which leaves out its SQLSTATE' },
  },
  {
    defect: 'a batch whose id Prisma does not tell counts as new',
    file: BRIDGES,
    find: 'insertId: undefined, serverStatus',
    replace: 'insertId: 0, serverStatus',
    caughtBy: { file: UNIT, test: 'a batch through Prisma is not saved before its rows were seen' },
  },
  {
    defect: 'a bridge to a pool without autocommit is believed',
    file: 'src/persistence/mysql/autocommit.ts',
    find: 'return Number(row?.autocommit) === 1;',
    replace: 'return row !== undefined;',
    caughtBy: { file: UNIT, test: 'a bridge to a pool without autocommit saves nothing' },
  },
  {
    defect: 'a transaction of Kysely is taken for its pool',
    file: BRIDGES,
    find: "has(db, 'executeQuery') && db.isTransaction === false",
    replace: "has(db, 'executeQuery')",
    caughtBy: { file: UNIT, test: 'the client of a transaction of Kysely is for within alone' },
  },
];
