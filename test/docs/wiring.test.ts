import { type ChildProcess, spawn } from 'node:child_process';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../support/checks/until.js';
import { Mariadb } from '../support/servers/mariadb.js';
import { PostgresServer } from '../support/servers/postgres-server.js';
import { newDataDir, RedisServer } from '../support/servers/redis-server.js';
import { blocksOf } from './markdown.js';
import { Project } from './snippets.js';

const textWith = (page: string, words: string) => blocksOf(page).find(({ text }) => text.includes(words))!.text;

/** The process of a reader: the wiring of the README as a server runs it. It issues when a message arrives. */
const LAST = /^await stop\(\);.*\n/m;
const WIRING = textWith('README.md', 'generateCodes: true');
const CLIENT = textWith('README.md', 'maxRetriesPerRequest: 0');
const SERVE = `
let asked = 0;
process.on('message', async () => {
  const answer = await issuer.campaign('launch').issue({ userId: 'asking-' + ++asked }).catch(({ name }) => ({ status: name }));
  process.send(answer.status);
});
process.send('ready');
process.once('SIGTERM', () => process.disconnect());
`;
const AS_PRINTED = `${WIRING.replace(LAST, '')}\n${SERVE}`;
const WITH_OPTIONS = AS_PRINTED.replace(/^const redis = .*\n/m, CLIENT);
const ON_POOL = /^pool\.on\('error'.*\n/m;

const MYSQL = textWith('docs/databases.md', 'MysqlPersistence(pool)').replace('await pool.end();', '');
const ON_MYSQL = AS_PRINTED.replace(/^const pool = [\s\S]*?createTable\(\);\n/m, MYSQL.replace(/^import .*\n/gm, ''))
  .replace("import pg from 'pg';", "import { createPool } from 'mysql2/promise';")
  .replace(/import \{ PostgresPersistence.*/, "import { MysqlPersistence } from 'coupon-issuer/mysql';");

let project: Project;
let postgres: PostgresServer;
let redis: RedisServer;
let mariadb: Mariadb;
beforeAll(async () => {
  project = new Project();
  [postgres, mariadb] = await Promise.all([PostgresServer.start(), Mariadb.start()]);
});
afterAll(async () => {
  project.remove();
  await Promise.all([postgres.stop(), mariadb.stop(), redis?.stop()]);
});
beforeEach(async () => {
  await redis?.stop();
  await postgres.pool().query('DROP TABLE IF EXISTS coupon_issuances');
  redis = await RedisServer.with({ dir: newDataDir(), args: ['--appendonly', 'yes'] });
});

class Reader {
  readonly #child: ChildProcess;
  readonly exited: Promise<number | null>;
  #output = '';

  constructor(child: ChildProcess) {
    this.#child = child;
    this.exited = new Promise((resolve) => child.once('exit', resolve));
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => (this.#output += data));
  }

  static async start(name: string, text: string): Promise<Reader> {
    const file = project.write({ name, page: 'README.md', language: 'ts', text });
    const { port } = redis;
    const urls = { REDIS_URL: `redis://127.0.0.1:${port}`, DATABASE_URL: postgres.url(), MYSQL_URL: mariadb.url };
    const child = spawn(process.execPath, [file], {
      env: { ...process.env, ...urls },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const reader = new Reader(child);
    expect(await reader.#heard(), reader.#output).toBe('ready');
    return reader;
  }

  /** The next message, or the death of the process. */
  #heard(): Promise<unknown> {
    return Promise.race([
      new Promise((resolve) => this.#child.once('message', resolve)),
      this.exited.then((code) => `exit ${code}: ${this.#output}`),
    ]);
  }

  /** Asks until a coupon is issued: what is refused meanwhile is a value or a fault, and never the end of the process. */
  async issues(): Promise<void> {
    let answer: unknown;
    await until(async () => {
      this.#child.send('issue', () => {});
      answer = await this.#heard();
      if (String(answer).startsWith('exit')) throw new Error(String(answer));
      return answer === 'issued';
    }, 40_000);
  }

  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM');
    return this.exited;
  }
}

const terminate = async () => {
  const { rowCount } = await postgres
    .pool()
    .query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
    );
  return rowCount;
};

describe('a process that is wired as the README says', () => {
  test.each([
    ['with the client as it comes', AS_PRINTED],
    ['with the recommended options of the client', WITH_OPTIONS],
  ])('%s outlives the end of its connections and a restart of both servers', async (name, text) => {
    const reader = await Reader.start(name, text);
    await reader.issues();
    expect(await terminate()).toBeGreaterThan(0);
    await reader.issues();
    expect(await postgres.kill()).toBe('SIGKILL');
    await postgres.restart();
    await reader.issues();
    expect(await redis.kill()).toBe('SIGKILL');
    await redis.restart();
    await reader.issues();
    expect(await reader.stop()).toBe(0);
  });

  test('would not without the listener on the pool', async () => {
    expect(AS_PRINTED).toMatch(ON_POOL);
    expect(AS_PRINTED).toContain("process.once('SIGTERM', stop)");
    const reader = await Reader.start('without a listener', AS_PRINTED.replace(ON_POOL, ''));
    await reader.issues();
    await terminate();
    expect(await reader.exited).toBe(1);
  });

  test('outlives the end of its connections to MariaDB', async () => {
    const reader = await Reader.start('on MariaDB', ON_MYSQL);
    await reader.issues();
    const [rows] = await mariadb.pool.query('SHOW PROCESSLIST');
    const mine = (await mariadb.pool.query('SELECT CONNECTION_ID() AS id'))[0] as { id: number }[];
    const others = (rows as { Id: number; User: string }[]).filter(
      ({ Id, User }) => User === 'root' && Id !== mine[0]!.id,
    );
    expect(others.length).toBeGreaterThan(0);
    for (const { Id } of others) await mariadb.pool.query(`KILL ${Id}`).catch(() => {});
    await reader.issues();
    expect(await reader.stop()).toBe(0);
  });
});

test('the unit test of the README passes twice in one file', async () => {
  const text = textWith('README.md', 'node:test');
  const [, body] = text.match(/^(test\([\s\S]*)/m)!;
  const twice = {
    name: 'twice',
    page: 'README.md',
    language: 'ts',
    text: text + body!.replace("test('", "test('again: "),
  };
  const printed = await project.run(twice, {});
  expect(printed).toMatch(/pass 2\n/);
  expect(printed).toMatch(/fail 0\n/);
});
