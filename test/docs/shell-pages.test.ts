import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.js';
import { CouponIssuer, generateCodes } from '../../src/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { until } from '../support/checks/until.js';
import { Database, rowsOf } from '../support/servers/database.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { blocksOf, ROOT, read } from './markdown.js';

/** The sections of a page with the shell commands of each. */
function shellOf(page: string): (readonly [heading: string, script: string])[] {
  const sections = read(page).split(/^## /m).slice(1);
  return sections.flatMap((section) => {
    const blocks = blocksOf(page, section).filter(({ language }) => language === 'sh');
    const heading = section.slice(0, section.indexOf('\n'));
    return blocks.length === 0 ? [] : [[heading, blocks.map((block) => block.text).join('')] as const];
  });
}

/** A folder of a user, where `coupon-issuer` is installed, and the servers of that user. */
class UserShell {
  readonly dir = mkdtempSync(join(tmpdir(), 'coupon-shell-'));
  readonly env: Record<string, string>;
  readonly issuer: CouponIssuer;
  readonly #servers: readonly { stop(): Promise<void> }[];

  constructor(
    readonly redis: RedisServer,
    readonly database: Database,
  ) {
    this.#servers = [redis, database];
    const modules = join(this.dir, 'node_modules');
    mkdirSync(join(modules, '.bin'), { recursive: true });
    for (const name of ['ioredis', 'pg']) symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
    symlinkSync(ROOT, join(modules, 'coupon-issuer'));
    chmodSync(join(ROOT, 'dist/cli.js'), 0o755);
    symlinkSync(join(ROOT, 'dist/cli.js'), join(modules, '.bin/coupon-issuer'));
    const path = `${join(modules, '.bin')}:${process.env.PATH}`;
    this.env = { PATH: path, REDIS_URL: `redis://127.0.0.1:${redis.port}`, DATABASE_URL: database.url };
    this.issuer = new CouponIssuer({ redis: redis.client(), persistence: new PostgresPersistence(database.pool) });
  }

  static async start(): Promise<UserShell> {
    return new UserShell(...(await Promise.all([RedisServer.start(), Database.create()])));
  }

  /** Each command has to end with 0. */
  async run(script: string): Promise<string> {
    const stdio = ['ignore', 'pipe', 'pipe'] as const;
    const shell = spawn('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: this.dir,
      env: this.env,
      stdio: [...stdio],
    });
    const [code, stdout, stderr] = await Promise.all([
      new Promise((resolve) => shell.once('close', resolve)),
      text(shell.stdout!),
      text(shell.stderr!),
    ]);
    expect({ code, stdout, stderr }).toMatchObject({ code: 0 });
    return stdout;
  }

  read(file: string): string {
    return readFileSync(join(this.dir, file), 'utf8');
  }

  async stop(): Promise<void> {
    await this.issuer.close();
    await Promise.all(this.#servers.map((server) => server.stop()));
    rmSync(this.dir, { recursive: true, force: true });
  }
}

describe('the page of the command', () => {
  let shell: UserShell;
  beforeAll(async () => {
    shell = await UserShell.start();
  });
  afterAll(() => shell?.stop());

  const sections = shellOf('docs/command.md');

  test('has every command, as it is run', () => {
    const scripts = sections.map(([, script]) => script).join('');
    const names = COMMANDS.map(({ name }) => name);
    expect(names.filter((name) => !new RegExp(`coupon-issuer ${name}\\s`).test(scripts))).toEqual([]);
  });

  const before: Record<string, () => Promise<unknown>> = {
    Coupons: () => shell.issuer.campaign('night').issue({ userId: 'kim' }),
  };
  const after: Record<string, () => void> = {
    Coupons: () => {
      expect(shell.read('night.csv')).toMatch(/,night,kim,1,\*{4}\w{4},.*,revoked,/);
    },
  };

  test.each(sections)('does as it says: %s', async (heading, script) => {
    await before[heading]?.();
    await shell.run(script);
    after[heading]?.();
  });

  test('has a config that works', async () => {
    const [config] = blocksOf('docs/command.md').filter(({ language }) => language === 'js');
    const write = (text: string) => writeFileSync(join(shell.dir, 'coupon-issuer.config.mjs'), text);
    write(config!.text.replace('// prefix:', 'prefix:'));
    const opened = await shell.run('coupon-issuer open elsewhere --total 5 --json && coupon-issuer ls --json');
    expect(opened.trimEnd().split('\n')).toHaveLength(2);
    expect(await shell.redis.client().keys('*shop:elsewhere*')).not.toEqual([]);
    write(config!.text);
    await shell.run('coupon-issuer open here --total 5');
    expect(await shell.redis.client().keys('*coupon:here*'), 'the prefix of the README').not.toEqual([]);
    const found = await shell.run('coupon-issuer doctor || test $? -eq 3');
    const ofClient = [...found.matchAll(/^(\S+) +client\.(\w+)/gm)].map(([, level, name]) => `${name} ${level}`);
    expect(ofClient).toEqual(expect.arrayContaining(['offline_queue ok', 'time_outs ok', 'retries ok']));
  });
});

describe('the runbook', () => {
  const CODES = 1_000;
  const USERS = 1_300;
  let shell: UserShell;
  let codes: string[];
  beforeAll(async () => {
    shell = await UserShell.start();
    codes = generateCodes({ count: CODES });
    const rows = codes.map((code, i) => `${i + 1};${code}`);
    writeFileSync(join(shell.dir, 'partner.csv'), `no;code\r\n${rows.join('\r\n')}\r\n`);
  });
  afterAll(() => shell?.stop());

  const night = () => shell.issuer.campaign('night');
  const statuses: string[] = [];
  let proof = '';

  /** An id may have a line end. */
  const userOf = (n: number) => (n === 2 ? 'user\n2' : `user-${n}`);

  async function revoke(n: number, again: boolean): Promise<void> {
    const userId = userOf(n);
    const [coupon] = await shell.issuer.coupons({ userId, campaignIds: ['night'] });
    const result = await night().revoke({ userId, id: coupon!.id, revocationId: 'fraud', again });
    expect(result.status).toBe('taken_back');
  }

  /** The users that come while a section of the page is run. */
  async function sell(from: number, to: number): Promise<void> {
    const users = Array.from({ length: to - from }, (_, i) => userOf(from + i));
    const results = await Promise.all(users.map((userId) => night().issue({ userId, requestId: `of ${userId}` })));
    statuses.push(...results.map(({ status }) => status));
    await shell.issuer.idle();
  }

  const around: Record<string, (run: () => Promise<string>) => Promise<unknown>> = {
    'A week before: open it': async (run) => {
      expect(await run()).toMatch(/^ok +\S/m);
    },
    'An hour before: rehearse': async (run) => {
      expect(await run()).toMatch(/^state +paused\nstock +codes\ntotal +1,000\n/m);
      expect((await night().issue({ userId: 'early' })).status).toBe('paused');
    },
    'While it runs': async (run) => {
      await sell(1, 100);
      const [output] = await Promise.all([run(), sell(100, 900)]);
      expect(output).toMatch(/^user +user-1\nstatus +issued\n/m);
    },
    'After the sale: close it': async (run) => {
      await revoke(3, false);
      await revoke(4, true);
      await run();
    },
    'The day after: prove it': async (run) => {
      proof = await run();
    },
    'If a wrong file was imported': async (run) => {
      await night().loadCodes(generateCodes({ count: 50 }));
      expect(await run()).toMatch(/^state +paused\nstock +codes\ntotal +1,000\n/m);
    },
    'If Redis loses its data': async (run) => {
      await shell.redis.client().flushall();
      expect(await run()).toMatch(
        /^rows written +899\nlost +0\ncampaign +night\nstate +paused\nstock +codes\ntotal +1,000\n/m,
      );
      await sell(900, USERS + 1);
    },
  };

  test.each(shellOf('docs/runbook.md'))('is run as it is written: %s', async (heading, script) => {
    const run = () => shell.run(script);
    await (around[heading] ?? ((go) => go()))(run);
  });

  test('ends with each code given out once, and a file that says so', async () => {
    expect(statuses.filter((status) => status === 'issued')).toHaveLength(CODES);
    expect(new Set(statuses)).toEqual(new Set(['issued', 'sold_out']));
    const rows = await rowsOf(shell.database, 'night');
    expect(new Set(rows.map(({ code }) => code))).toEqual(new Set(codes));
    expect(shell.read('night.csv').trimEnd().split('\r\n')).toHaveLength(CODES + 1);
    expect(JSON.parse(shell.read('night-books.json'))).toMatchObject({
      state: 'closed',
      issued: CODES - 1,
      available: 0,
    });
    expect(proof).toBe(`${CODES - 2}\n${CODES - 2}\n`);
    await until(() => shell.read('worker.log').includes('the worker stopped'));
    expect(shell.read('dashboard.url')).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/#token=[\w-]{32}\n$/);
  });
});
