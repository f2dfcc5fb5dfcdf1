const BRIDGES = 'src/persistence/postgres/bridges.ts';
const CLIENTS = 'src/persistence/foreign-clients.ts';
const unit = (test) => ({ file: 'test/unit/bridges.test.ts', test });

/** Other clients of PostgreSQL: their errors, and the clients that are refused. */
export const POSTGRES_BRIDGES = [
  {
    defect: 'a client that needs a bridge is taken for one of the driver',
    file: CLIENTS,
    find: 'if (!bridge) return;',
    replace: 'if (bridge !== null) return;',
    caughtBy: unit('is refused as a pool, and the error names the bridge'),
  },
  {
    defect: 'a transaction that needs a bridge is told the bridge of a pool',
    file: CLIENTS,
    find: 'isWithin ? bridge.toTransaction : bridge.toPool',
    replace: 'bridge.toPool',
    caughtBy: unit('is refused as a transaction, and the error names the bridge'),
  },
  {
    defect: 'a transaction of Kysely is taken for its pool',
    file: BRIDGES,
    find: "has(db, 'executeQuery') && db.isTransaction === false",
    replace: "has(db, 'executeQuery')",
    caughtBy: unit('refuses the client of a transaction, and others that it cannot take'),
  },
  {
    defect: 'a transaction of Drizzle is taken for its pool',
    file: BRIDGES,
    find: "has(db, 'execute') && !has(db, 'rollback')",
    replace: "has(db, 'execute')",
    caughtBy: unit('refuses the client of a transaction, and others that it cannot take'),
  },
  {
    defect: 'a transaction of Prisma is taken for its client',
    file: BRIDGES,
    find: "has(prisma, '$queryRawUnsafe') && has(prisma, '$connect')",
    replace: "has(prisma, '$queryRawUnsafe')",
    caughtBy: unit('refuses the client of a transaction, and others that it cannot take'),
  },
  {
    defect: 'a manager of TypeORM without a transaction is taken for one with it',
    file: BRIDGES,
    find: 'runner?.isTransactionActive === true',
    replace: 'runner !== undefined',
    caughtBy: unit('has its like for a transaction, which refuses the client of a pool'),
  },
  {
    defect: 'a bridge is given a statement with a name',
    file: 'src/persistence/postgres/index.ts',
    find: 'if (prepare && !this.#client.takesNames)',
    replace: 'if (prepare && !this.#client)',
    caughtBy: unit('a name for a statement is refused on a bridge, which passes text on'),
  },
  {
    defect: 'a lone connection under Drizzle counts as a pool',
    file: BRIDGES,
    find: '...(lends && { autocommit: true })',
    replace: 'autocommit: true',
    caughtBy: unit('on a lone connection Drizzle does not say that each statement is committed'),
  },
  {
    defect: 'an error of Prisma has no SQLSTATE',
    file: BRIDGES,
    find: "if (typeof originalCode !== 'string') return error;",
    replace: 'return error;',
    caughtBy: unit('of Prisma gets the SQLSTATE back that its adapter was told, and proves what that proves'),
  },
  {
    defect: 'a server that Prisma does not reach may have stored the rows',
    file: BRIDGES,
    find: "if (kind === 'DatabaseNotReachable')",
    replace: "if (kind === 'Never')",
    caughtBy: unit('of Prisma proves that nothing was stored, if the server was not reached'),
  },
  {
    defect: 'an error of TypeORM tells the parameters of the statement',
    file: CLIENTS,
    find: 'throw read(() => (error as { driverError?: unknown }).driverError) ?? error;',
    replace: 'throw error;',
    caughtBy: unit('of TypeORM and Drizzle is that of the driver, because theirs has the parameters'),
  },
  {
    defect: 'TypeORM never gets its connection back',
    file: CLIENTS,
    find: '    await runner.release();\n',
    replace: '',
    caughtBy: unit('TypeORM gives its connection back, whatever becomes of the statement'),
  },
  {
    defect: 'a condition of a change is sent as text',
    file: 'src/persistence/postgres/change.ts',
    find: 'of: ({ unexpired }) => unexpired }',
    replace: 'of: ({ unexpired }) => String(unexpired) }',
    caughtBy: unit('a condition is sent as a boolean: a client that knows the type would take any text for false'),
  },
  {
    defect: 'a bridge to a pool is asked for a transaction by each batch',
    file: 'src/persistence/postgres/client.ts',
    find: "'totalCount' in client || client.autocommit === true",
    replace: "'totalCount' in client",
    caughtBy: unit('a batch on a bridge is one statement'),
  },
];
