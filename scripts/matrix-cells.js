// The cells of `npm run test:matrix`: a server or a runtime each, how it is had, and the tests that speak to it.

const REDIS = [
  'test/lua/',
  'test/race/settling.test.ts',
  'test/race/takeover.test.ts',
  'test/integration/campaign.test.ts',
  'test/integration/rebuild.test.ts',
  'test/waiting-room/line.test.ts',
  'test/fault/redis-restart.test.ts',
  'test/fault/redis-cluster.test.ts',
];
const POSTGRES = [
  'test/contract/postgres.test.ts',
  'test/contract/own-postgres.test.ts',
  'test/integration/postgres.test.ts',
  'test/integration/postgres-errors.test.ts',
  'test/integration/postgres-table.test.ts',
  'test/fault/save.test.ts',
];
/** No test of these takes a session for its own. */
const POOLED = ['test/contract/postgres.test.ts', 'test/integration/redeeming.test.ts'];
const MYSQL = [
  'test/contract/mysql.test.ts',
  'test/contract/own-mysql.test.ts',
  'test/race/mysql.test.ts',
  'test/integration/mysql.test.ts',
  'test/integration/mysql-errors.test.ts',
  'test/integration/mysql-issuer.test.ts',
  'test/integration/mysql-table.test.ts',
  'test/fault/secrets-changes.test.ts',
];
const NODE = [
  'test/contract/memory.test.ts',
  'test/contract/postgres.test.ts',
  'test/lua/fences.test.ts',
  'test/race/takeover.test.ts',
  'test/integration/campaign.test.ts',
  'test/web/node.test.ts',
  'test/package/runtimes.test.ts',
  'test/fault/killed-issuer.test.ts',
];

const debian = (suite, packages, programs) => ({ debian: { suite, packages, programs } });
const npm = (name, version) => ({ npm: { name, version } });
/** A server is named by the variable that `test/support/servers/programs.ts` reads; without a source the usual one runs. */
const redis = (name, source) => ({ name, variable: 'TEST_REDIS', files: REDIS, ...source });
const postgres = (name, source) => ({ name, variable: 'TEST_POSTGRES', files: POSTGRES, ...source });
const mysql = (name, source) => ({ name, variable: 'TEST_MYSQL', files: MYSQL, ...source });
/** In transaction mode. Until 1.21 a pooler does not follow prepared statements. */
const pooled = (name, source, only) => ({ name, variable: 'TEST_PGBOUNCER', files: POOLED, only, ...source });
const node = (version, source) => ({ name: `Node ${version}`, variable: 'PATH', files: NODE, ...source });
const runtime = (name, source) => ({
  name,
  variable: 'TEST_RUNTIME',
  files: ['test/package/runtimes.test.ts'],
  ...source,
});

const postgresBin = (version) => ['postgres', 'initdb'].map((name) => `usr/lib/postgresql/${version}/bin/${name}`);
const mariadbBin = ['usr/sbin/mariadbd', 'usr/bin/my_print_defaults', 'usr/bin/resolveip'];

/** `ran` is the beginning of what has to have run, if it is not the name. `short` takes part in `--short`. */
export const CELLS = [
  redis('Redis 7.0', debian('bookworm', ['redis-server'], ['usr/bin/redis-server'])),
  redis('Redis 8.0', debian('trixie', ['redis-server'], ['usr/bin/redis-server'])),
  { ...redis('Valkey 8', debian('trixie', ['valkey-server'], ['usr/bin/valkey-server'])), short: true },
  redis('Valkey 9', debian('sid', ['valkey-server'], ['usr/bin/valkey-server'])),
  postgres('PostgreSQL 15', debian('bookworm', ['postgresql-15'], postgresBin(15))),
  postgres('PostgreSQL 17', debian('trixie', ['postgresql-17'], postgresBin(17))),
  postgres('PostgreSQL 18'),
  pooled('PgBouncer 1.18', debian('bookworm', ['pgbouncer'], ['usr/sbin/pgbouncer']), '^(?!.*prepared statements)'),
  pooled('PgBouncer 1.24', debian('trixie', ['pgbouncer'], ['usr/sbin/pgbouncer'])),
  mysql('MariaDB 10.11', debian('bookworm', ['mariadb-server'], mariadbBin)),
  { ...mysql('MariaDB 11.8', debian('trixie', ['mariadb-server'], mariadbBin)), short: true },
  mysql('MySQL 9', debian('sid', ['mysql-server-core'], ['usr/sbin/mysqld'])),
  node(20, process.versions.node.startsWith('20.') ? {} : npm('node', '20')),
  node(22, npm('node', '22')),
  { ...node(24, npm('node', '24')), short: true },
  node(26, npm('node', '26')),
  runtime('Bun', npm('bun', '1.4.4')),
  runtime('Deno', npm('deno', '2.9.6')),
  { name: 'Redis over TLS', ran: 'Redis', files: ['test/integration/tls.test.ts'], only: 'Redis over TLS' },
  { name: 'Sentinel over TLS', ran: 'Redis', files: ['test/fault/redis-sentinel.test.ts'], only: 'over TLS' },
  {
    name: 'PostgreSQL over TLS',
    ran: 'PostgreSQL',
    files: ['test/integration/tls.test.ts'],
    only: 'PostgreSQL over TLS',
  },
  {
    name: 'Redis with the rights of the guide',
    ran: 'Redis',
    files: ['test/lua/rights.test.ts', 'test/fault/redis-rights.test.ts'],
  },
];
