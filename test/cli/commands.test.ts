import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CouponIssuer } from '../../src/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { cli, linesOf } from '../support/actors/cli.js';
import { Database } from '../support/servers/database.js';
import { Mariadb } from '../support/servers/mariadb.js';
import { RedisServer } from '../support/servers/redis-server.js';

let server: RedisServer;
let database: Database;
let issuer: CouponIssuer;
let env: Record<string, string>;
let dir: string;
beforeAll(async () => {
  [server, database] = await Promise.all([RedisServer.start(), Database.create()]);
  env = { REDIS_URL: `redis://127.0.0.1:${server.port}`, DATABASE_URL: database.url };
  issuer = new CouponIssuer({ redis: server.client(), persistence: new PostgresPersistence(database.pool) });
  dir = mkdtempSync(join(tmpdir(), 'coupon-cli-'));
});
afterAll(async () => {
  await issuer?.close();
  await Promise.all([server?.stop(), database?.stop()]);
  rmSync(dir, { recursive: true, force: true });
});

const run = (line: string, stdin?: string) =>
  cli(line.split(' '), { env, cwd: dir, ...(stdin === undefined ? {} : { stdin }) });

/** The objects that a command prints with --json, which has to be done. */
async function json(line: string, stdin?: string): Promise<Record<string, unknown>[]> {
  const { code, stdout, stderr } = await run(`${line} --json`, stdin);
  expect({ line, code, stderr }).toMatchObject({ code: 0 });
  return linesOf(stdout);
}

let nth = 0;
/** Opens a campaign of its own. */
async function opened(options = '--total 5 --generate-codes'): Promise<string> {
  const id = `night-${++nth}`;
  const [found] = await json(`open ${id} ${options} --create-table`);
  expect(found).toMatchObject({ status: 'opened', id, ready: true });
  return id;
}

async function issued(id: string, userId: string) {
  const result = await issuer.campaign(id).issue({ userId });
  await issuer.idle();
  if (result.status !== 'issued') throw new Error(result.status);
  return result.issuance;
}

describe('a campaign', () => {
  test('is opened once, and found again', async () => {
    const id = await opened('--total 5 --per-user 2 --opens-at 2030-05-01T10:00:00+09:00 --saves-per-second 2.5');
    const line = `open ${id} --total 5 --per-user 2 --opens-at 2030-05-01T01:00:00Z`;
    expect(await json(line)).toMatchObject([{ status: 'exists', total: 5, perUser: 2, pace: { savesPerSecond: 2.5 } }]);
    const other = await run(`open ${id} --total 6`);
    expect(other).toMatchObject({ code: 1, stdout: '' });
    expect(other.stderr).toMatch(/^coupon-issuer: campaign night-\d+ .*total is 5, not 6.*\n$/);
  });

  test('is opened with every rule that the definition in a file has', async () => {
    const definition = {
      stock: { kind: 'unlimited', generateCodes: true },
      validity: { days: 3, timeZone: 'Asia/Seoul' },
    };
    writeFileSync(join(dir, 'night.json'), JSON.stringify(definition));
    const id = await opened('--definition night.json');
    const options = '--unlimited --generate-codes --valid-days 3 --time-zone Asia/Seoul';
    expect(await json(`open ${id} ${options}`)).toMatchObject([{ status: 'exists', validity: { days: 3 } }]);
  });

  test('with a waiting room has its rules and its pace', async () => {
    const id = await opened('--total 5 --queued --max-waiting 9 --overbook 2 --presence 30s --admit-per-second 0');
    const room = { maxWaiting: 9, overbook: 2, presenceMs: 30_000, drawAtOpen: false };
    expect(await json(`inspect ${id}`)).toMatchObject([{ room, pace: { admitPerSecond: 0 } }]);
    writeFileSync(join(dir, 'waves.json'), JSON.stringify([{ at: '2030-05-01T10:00:00Z', count: 3 }]));
    const [changed] = await json(`pace ${id} --saves-per-second 10 --admit-per-second none --waves waves.json`);
    expect(changed).toMatchObject({ savesPerSecond: 10, admitPerSecond: null, waves: [{ count: 3 }] });
    expect(await json(`pace ${id} --saves-per-second none --waves none`)).toMatchObject([
      { savesPerSecond: null, waves: null },
    ]);
  });

  test('is shown to a person, and listed among the others', async () => {
    const id = await opened('--total 1234567');
    const { stdout } = await run(`inspect ${id}`);
    expect(stdout).toMatch(
      /^campaign +night-\d+\nstate +open\nstock +counted\ntotal +1,234,567\navailable +1,234,567\n/,
    );
    const listed = await run('ls');
    expect(listed.stdout.split('\n')[0]).toMatch(
      /^CAMPAIGN +STATE +STOCK +TOTAL +AVAILABLE +RESERVED +ISSUED +WAITING$/,
    );
    expect(listed.stdout).toMatch(new RegExp(`^${id} +open +counted +1,234,567 +1,234,567 +0 +0 +0$`, 'm'));
    expect(await json('ls')).toContainEqual(expect.objectContaining({ id, state: 'open', ready: true }));
  });

  test('is paused, resumed, changed, restocked, closed and purged', async () => {
    const id = await opened();
    const [, inspected] = [await json(`pause ${id}`), await json(`inspect ${id}`)];
    expect(inspected).toMatchObject([{ state: 'paused' }]);
    expect(await json(`resume ${id}`)).toEqual([{ id, status: 'resumed' }]);
    expect(await json(`update ${id} --per-user 3 --closes-at 2040-01-01T00:00:00Z`)).toMatchObject([
      { perUser: 3, closesAt: '2040-01-01T00:00:00.000Z' },
    ]);
    expect(await json(`update ${id} --closes-at none`)).toMatchObject([{ closesAt: null }]);
    const twice = [`restock ${id} --add 5 --request-id more`, `restock ${id} --add 5 --request-id more`];
    for (const line of twice) expect(await json(line)).toEqual([{ id, total: 10, available: 10 }]);
    const { stderr } = await run(`restock ${id} --add -1`);
    expect(stderr).toMatch(/^after a fault, repeat it with --request-id [0-9a-f-]{36}\n$/);
    expect(await json(`close ${id} --retain 30d --yes`)).toEqual([{ id, status: 'closed' }]);
    expect(await json(`purge ${id} --yes`)).toEqual([{ id, status: 'purged' }]);
    for (const line of [`inspect ${id}`, `purge ${id} --yes`]) {
      const gone = await run(line);
      expect(gone).toMatchObject({ code: 1, stdout: '' });
      expect(gone.stderr).toMatch(/^coupon-issuer: campaign night-\d+ is over: it was closed at [^\n]*\n$/);
      expect(gone.stderr).not.toContain('rebuild');
    }
  });

  test('that is followed gives a line per look, until a signal', async () => {
    const id = await opened();
    const stop = new AbortController();
    const following = cli(['inspect', id, '--follow', '--interval', '1ms'], { env, cwd: dir, signal: stop.signal });
    await issued(id, 'kim');
    const first = await run(`inspect ${id}`);
    expect(first.stdout).toMatch(/^issued +1$/m);
    // It ends after a look that began behind the coupon.
    await server.client().ping();
    stop.abort('SIGINT');
    const { code, stdout } = await following;
    expect(code).toBe(0);
    for (const line of stdout.trimEnd().split('\n')) {
      expect(line).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z open available=\d+ reserved=\d+ issued=\d+$/);
    }
  });

  test('that nobody opened is a fault, told in one line', async () => {
    for (const line of [
      'inspect nobody',
      'pause nobody',
      'codes count nobody',
      'reconcile nobody',
      'user nobody kim',
    ]) {
      const { code, stdout, stderr } = await run(line);
      expect({ line, code, stdout }).toEqual({ line, code: 1, stdout: '' });
      expect(stderr).toMatch(/^coupon-issuer: [^\n]*nobody[^\n]*\n$/);
    }
  });
});

describe('codes', () => {
  test('are made, imported, counted and replaced', async () => {
    const id = await opened('--codes');
    const made = await run('codes make --count 1500');
    const codes = made.stdout.trimEnd().split('\n');
    expect(new Set(codes).size).toBe(1_500);
    writeFileSync(join(dir, 'codes.txt'), made.stdout);
    expect(await run(`codes import ${id} codes.txt --dry-run`)).toEqual({
      code: 0,
      stdout: '',
      stderr: `would load 1500 codes into campaign ${id}; nothing was done\n`,
    });
    expect(await json(`codes count ${id}`)).toMatchObject([{ total: 0 }]);
    const [loaded] = await json(`codes import ${id} codes.txt`);
    expect(loaded).toMatchObject({ loadId: 'codes.txt', loaded: 1_500, duplicates: 0, total: 1_500, resumedAt: 0 });
    expect(await json(`codes import ${id} codes.txt`)).toMatchObject([{ loaded: 0, resumedAt: 1_500 }]);
    expect(await json(`codes import ${id} - --load-id more`, 'MORE-1\nMORE-2\nMORE-1\n')).toMatchObject([
      { loaded: 2, duplicates: 1, firstDuplicates: [3], total: 1_502 },
    ]);
    expect(await json(`codes replace ${id} --code -`, 'MORE-1\nMORE-3\n')).toEqual([{ id, status: 'replaced' }]);
    const again = await run(`codes replace ${id} --code -`, 'MORE-1\nMORE-4\n');
    expect(again).toMatchObject({ code: 3, stdout: 'not_in_pool\n' });
    expect(await json(`codes count ${id}`)).toMatchObject([{ total: 1_502, available: 1_502, issued: 0 }]);
  });

  test('of a partner come from a column', async () => {
    const id = await opened('--codes');
    writeFileSync(join(dir, 'partner.csv'), 'no;code\n1;PARTNER-1\n2;PARTNER-2\n');
    expect(await json(`codes import ${id} partner.csv --column code`)).toMatchObject([{ loaded: 2 }]);
    expect(await json(`codes import ${id} partner.csv --column 2 --header --delimiter ; --load-id b`)).toMatchObject([
      { loaded: 0, duplicates: 2 },
    ]);
  });

  test('that are bad are told by their line, and never shown', async () => {
    const id = await opened('--codes');
    writeFileSync(join(dir, 'bad.txt'), 'GOOD-1\nSECRET-7\u0007\n');
    const { code, stdout, stderr } = await run(`codes import ${id} bad.txt`);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('coupon-issuer: the code in line 2 of the file must not contain a control character');
    expect(stderr).not.toContain('SECRET');
    expect(await json(`codes count ${id}`)).toMatchObject([{ total: 0 }]);
  });

  test('behind others that are loaded already are told with the option that takes them', async () => {
    const id = await opened('--codes');
    const good = Array.from({ length: 1_000 }, (_, i) => `GOOD-${i}`);
    writeFileSync(join(dir, 'late.txt'), [...good, 'LA\u200BTE', ''].join('\n'));
    const { code, stderr } = await run(`codes import ${id} late.txt`);
    expect(code).toBe(1);
    expect(stderr).toMatch(/; --as-they-are takes codes as they are\. 1000 codes before it are loaded: /);
  });

  test('are not loaded after a signal', async () => {
    const id = await opened('--codes');
    writeFileSync(join(dir, 'stopped.txt'), 'STOPPED-1\n');
    const stop = new AbortController();
    stop.abort('SIGTERM');
    const args = ['codes', 'import', id, 'stopped.txt'];
    const { code, stdout, stderr } = await cli(args, { env, cwd: dir, signal: stop.signal });
    expect({ code, stdout }).toEqual({ code: 143, stdout: '' });
    expect(stderr).toContain('stopped after 0 codes of the file');
    expect(await json(`codes count ${id}`)).toMatchObject([{ total: 0 }]);
  });

  test('are for a pool', async () => {
    const id = await opened();
    expect(await run(`codes count ${id}`)).toMatchObject({ code: 1, stdout: '' });
    expect(await run(`codes replace ${id} --code -`, 'SECRET-7\n')).toMatchObject({
      code: 2,
      stdout: '',
      stderr: 'coupon-issuer: stdin has no line for its replacement\n',
    });
  });
});

describe('a coupon', () => {
  test('is shown with its user, redeemed once, and given back', async () => {
    const id = await opened();
    const { id: coupon, code } = await issued(id, 'kim');
    const { stdout } = await run(`user ${id} kim`);
    expect(stdout).toMatch(/^user +kim\nstatus +issued\n\nSERIAL +STATE +CODE +ISSUED +ID\n +1 +issued +\*{4}\w{4} /);
    expect(stdout).not.toContain(code);
    expect(await json(`user ${id} kim --codes`)).toMatchObject([{ status: 'issued', coupons: [{ id: coupon, code }] }]);
    expect(await json(`user ${id} nobody`)).toEqual([{ id, userId: 'nobody', status: 'none', coupons: [] }]);

    const redeem = `redeem ${id} --user kim --code - --redemption-id order-7`;
    const [redeemed] = await json(redeem, `${code}\n`);
    expect(redeemed).toMatchObject({ status: 'redeemed', coupon: { userId: 'kim', code: `****${code!.slice(-4)}` } });
    expect(await json(redeem, `${code}\n`)).toMatchObject([{ status: 'redeemed', replayed: true }]);
    const other = await run(`redeem ${id} --bearer --code - --redemption-id order-8`, `${code}\n`);
    expect(other).toMatchObject({ code: 3, stderr: '' });
    expect(other.stdout).toMatch(/^status +already_redeemed\nredeemedAt +\d{4}/);
    expect(await json(`unredeem ${id} --code - --redemption-id order-7`, `${code}\n`)).toMatchObject([
      { status: 'unredeemed' },
    ]);
    const unknown = await run(`redeem ${id} --user kim --id no-such-id --redemption-id order-9`);
    expect(unknown).toMatchObject({ code: 3, stdout: 'status  not_found\n' });
  });

  test('is revoked, and its unit returned', async () => {
    const id = await opened();
    const { id: coupon } = await issued(id, 'kim');
    const line = `revoke ${id} --user kim --id ${coupon} --revocation-id fraud-7 --unit returned --yes`;
    expect(await json(line)).toMatchObject([{ status: 'taken_back', stock: 'done', coupon: { state: 'revoked' } }]);
    expect(await json(`inspect ${id}`)).toMatchObject([{ available: 5, revoked: 1, replaced: 1 }]);
    const refused = await run(`revoke ${id} --user kim --id ${coupon} --revocation-id other --yes`);
    expect(refused).toMatchObject({ code: 3 });
  });

  test('is exported, its code masked unless it is asked for', async () => {
    const id = await opened();
    const codes = [(await issued(id, 'kim')).code!, (await issued(id, '=lee')).code!];
    const { code, stdout } = await run(`export ${id}`);
    expect(code).toBe(0);
    const [head, ...rows] = stdout.trimEnd().split('\r\n');
    expect(head).toMatch(/^id,campaignId,userId,serial,code,/);
    expect(rows.map((row) => row.split(',')[2])).toEqual(['kim', "'=lee"]);
    for (const one of codes) expect(stdout).not.toContain(one);
    const shown = await run(`export ${id} --codes --columns code --after-serial 1`);
    expect(shown.stdout).toBe(`code\r\n${codes[1]}\r\n`);
    expect(await json(`export ${id} --state redeemed`)).toEqual([]);
    expect(await json(`export ${id}`)).toMatchObject([{ code: `****${codes[0]!.slice(-4)}` }, { userId: '=lee' }]);
  });
});

describe('after a loss', () => {
  test('reconcile finds it with exit code 3, and repairs what is safe', async () => {
    const id = await opened();
    await issued(id, 'kim');
    expect(await json(`reconcile ${id}`)).toMatchObject([{ rows: 1, grants: 1, findings: [] }]);
    await database.pool.query('DELETE FROM coupon_issuances WHERE campaign_id = $1', [id]);
    const found = await run(`reconcile ${id}`);
    expect(found.code).toBe(3);
    expect(found.stdout).toMatch(/1 findings\n- grant_without_row: Redis has issued grant 1 of user "kim"/);
    expect(linesOf((await run(`reconcile ${id} --json`)).stdout)).toMatchObject([{ findings: [{ cure: 'repair' }] }]);
    expect(await json(`reconcile ${id} --fix`)).toMatchObject([{ findings: [{ repaired: true }] }]);
    expect(await json(`settle ${id}`)).toMatchObject([{ id, failed: 0 }]);
    expect(await json(`reconcile ${id}`)).toMatchObject([{ rows: 1, findings: [] }]);
  });

  test('rebuild makes a counted campaign and a pool again', async () => {
    const counted = await opened();
    const pool = await opened('--codes');
    writeFileSync(join(dir, 'pool.txt'), 'POOL-1\nPOOL-2\nPOOL-3\n');
    await json(`codes import ${pool} pool.txt`);
    for (const id of [counted, pool]) await issued(id, 'kim');
    const client = server.client();
    for (const id of [counted, pool]) await client.del(...(await client.keys(`{coupon:${id}}:*`)));
    const lost = await run(`open ${counted} --total 5 --generate-codes`);
    expect(lost).toMatchObject({ code: 1, stdout: '' });
    expect(lost.stderr).toContain('is not new');
    expect(await json(`rebuild ${counted} --total 5 --generate-codes --yes`)).toMatchObject([
      { rows: 1, issued: 1, available: 4, lost: [] },
    ]);
    expect(await json(`rebuild ${pool} --codes --code-list pool.txt --yes`)).toMatchObject([
      { rows: 1, issued: 1, available: 2 },
    ]);
    for (const id of [counted, pool]) expect(await json(`reconcile ${id}`)).toMatchObject([{ findings: [] }]);
  });
});

describe('a pool that Redis lost', () => {
  /** Two lists are loaded, and one user has a code of each. */
  async function lostPool(): Promise<string> {
    const id = await opened('--codes');
    for (const list of ['one', 'two']) {
      writeFileSync(join(dir, `${list}.csv`), `no,code\n1,${list}-A\n2,${list}-B\n`);
      await json(`codes import ${id} ${list}.csv --column code`);
    }
    for (const user of ['kim', 'lee', 'han']) await issued(id, user);
    const client = server.client();
    await client.del(...(await client.keys(`{coupon:${id}}:*`)));
    return id;
  }
  const rebuildLine = (id: string, lists: string) => `rebuild ${id} --codes --column code ${lists}`;

  test('is made again from several lists, and serves nobody before it is resumed', async () => {
    const id = await lostPool();
    const both = rebuildLine(id, '--code-list one.csv --code-list two.csv --paused');
    expect((await run(`${both} --dry-run`)).stderr).toMatch(/^would make .*, with 4 codes; nothing was done\n$/);
    expect(await json(`${both} --yes`)).toMatchObject([{ state: 'paused', total: 4, issued: 3, available: 1 }]);
    expect(await issuer.campaign(id).issue({ userId: 'early' })).toEqual({ status: 'paused' });
    expect(await run(`resume ${id}`)).toMatchObject({ code: 0 });
    expect((await issued(id, 'early')).code).toBe('two-B');
  });

  test('is not made again in silence from the list of another campaign', async () => {
    const id = await lostPool();
    writeFileSync(join(dir, 'other.csv'), 'no,code\n1,other-A\n2,other-B\n');
    const wrong = await run(`${rebuildLine(id, '--code-list other.csv --paused')} --yes`);
    expect(wrong).toMatchObject({ code: 3, stdout: expect.stringMatching(/^state +paused$/m) });
    expect(wrong.stderr).toContain(
      '3 codes that users have, or that a rebuild withdrew, are not on the list: is it the list',
    );
    const right = rebuildLine(id, '--code-list one.csv --code-list two.csv');
    expect(await json(`${right} --yes`)).toMatchObject([{ state: 'paused', total: 4, available: 1 }]);
  });

  test('is not made again in silence from an empty list', async () => {
    const id = await lostPool();
    writeFileSync(join(dir, 'empty.txt'), '');
    const empty = await run(`rebuild ${id} --codes --code-list empty.txt --yes`);
    expect(empty).toMatchObject({ code: 3, stdout: expect.stringMatching(/^total +3$/m) });
    expect(empty.stderr).toContain(
      '3 codes that users have, or that a rebuild withdrew, are not on the list: is it the list',
    );
  });

  test('is not made again in silence from a list that repeats codes, or overlaps another one', async () => {
    const id = await lostPool();
    for (const list of ['one-again', 'one-and-more']) {
      writeFileSync(join(dir, `${list}.csv`), 'no,code\n1,one-A\n2,one-B\n3,one-A\n4,one-B\n');
    }
    const lists = '--code-list one-again.csv --code-list one-and-more.csv --paused';
    const short = await run(`${rebuildLine(id, lists)} --yes`);
    expect(short).toMatchObject({ code: 3, stdout: expect.stringMatching(/^total +3$/m) });
    expect(short.stderr).toContain('are not on the list');
  });

  test('is not touched where a list has a line that is no code', async () => {
    const id = await lostPool();
    writeFileSync(join(dir, 'two.csv'), 'no,code\n1,two-A\n2,\n');
    const bad = await run(`${rebuildLine(id, '--code-list one.csv --code-list two.csv')} --yes`);
    expect(bad).toMatchObject({ code: 2, stderr: 'coupon-issuer: line 3 of the file has no code\n' });
    expect(await server.client().keys(`{coupon:${id}}:*`)).toEqual([]);
  });
});

describe('a rebuild of a campaign that is over', () => {
  async function over(): Promise<string> {
    const id = await opened();
    await issued(id, 'kim');
    for (const line of [`close ${id} --retain 30d --yes`, `purge ${id} --yes`]) await json(line);
    return id;
  }
  const says = (id: string) =>
    new RegExp(`campaign ${id} is over: it was closed at 20[^ ]+Z\\. A rebuild lets it serve again`);
  const onTerminal = (id: string, stdin: string) =>
    cli(['rebuild', id, '--total', '5', '--generate-codes'], { env, cwd: dir, stdin, terminals: ['stdin', 'stderr'] });

  test('says that it will serve again, and ends with findings', async () => {
    const id = await over();
    const made = await run(`rebuild ${id} --total 5 --generate-codes --yes`);
    expect(made).toMatchObject({ code: 3, stdout: expect.stringMatching(/^state +open$/m) });
    expect(made.stderr).toMatch(says(id));
    // It is no more over than any other campaign.
    const again = await run(`rebuild ${id} --total 5 --generate-codes --yes`);
    expect(again.code).toBe(0);
    expect(again.stderr).not.toContain('over');
  });

  test('asks once more on a terminal, and a no leaves it over', async () => {
    const id = await over();
    const no = await onTerminal(id, 'y\nn\n');
    expect(no).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(says(id)) });
    expect(no.stderr).toMatch(/Go on\? \[y\/N\] nothing was done\n$/);
    expect(await server.client().keys(`{coupon:${id}}:*`)).toEqual([]);
    expect((await run(`inspect ${id}`)).stderr).toContain('is over');
    const yes = await onTerminal(id, 'y\ny\n');
    expect(yes).toMatchObject({ code: 3, stdout: expect.stringMatching(/^state +open$/m) });
  });
});

describe('a rebuild without a row', () => {
  test('of a campaign that nobody opened asks whether the id is right', async () => {
    const id = `mistyped-${++nth}`;
    const made = await run(`rebuild ${id} --total 5 --generate-codes --yes`);
    expect(made).toMatchObject({ code: 3, stdout: expect.stringMatching(/^rows written +0$/m) });
    expect(made.stderr).toContain(`neither Redis nor the database had anything of campaign ${id}: is the id right?`);
  });

  test('of a campaign that was opened has nothing to say', async () => {
    const id = await opened();
    const client = server.client();
    await client.del(...(await client.keys(`{coupon:${id}}:*`)));
    const made = await run(`rebuild ${id} --total 5 --generate-codes --yes`);
    expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^rows written +0$/m) });
    expect(made.stderr).not.toContain('is the id right?');
  });
});

describe('an issuer of URLs', () => {
  test('says that a campaign with hooks needs a config, and steers it all the same', async () => {
    const id = `night-${++nth}`;
    const persistence = new PostgresPersistence(database.pool);
    await using delivering = new CouponIssuer({ redis: server.client(), persistence, deliver: () => {} });
    await persistence.createTable();
    await delivering.campaign(id).open({ stock: { kind: 'counted', total: 5 } });
    const { code, stdout, stderr } = await run(`settle ${id}`);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/was opened with deliver and persistence.*export yours from coupon-issuer\.config\.js\n$/);
    expect(await json(`pause ${id}`)).toEqual([{ id, status: 'paused' }]);
    expect(await json(`close ${id} --yes`)).toEqual([{ id, status: 'closed' }]);
  });

  test('takes MariaDB and MySQL too', async () => {
    const mariadb = await Mariadb.start();
    try {
      const shop = { ...env, DATABASE_URL: mariadb.url };
      const id = `night-${++nth}`;
      const inShop = (line: string) => cli(line.split(' '), { env: shop, cwd: dir });
      expect(await inShop(`open ${id} --total 5 --create-table`)).toMatchObject({ code: 0 });
      expect(await inShop(`reconcile ${id}`)).toMatchObject({ code: 0 });
      expect(await inShop(`export ${id} --columns userId`)).toMatchObject({ code: 0, stdout: 'userId\r\n' });
      // A campaign is bound to its database.
      expect(await run(`reconcile ${id} --fix`)).toMatchObject({ code: 1, stdout: '' });
    } finally {
      await mariadb.stop();
    }
  });

  test('without a database keeps coupons in Redis alone', async () => {
    const id = `night-${++nth}`;
    const alone = (line: string) => cli(line.split(' '), { env: { REDIS_URL: env.REDIS_URL! }, cwd: dir });
    expect(await alone(`open ${id} --total 5`)).toMatchObject({ code: 0 });
    await using inRedis = new CouponIssuer({ redis: server.client() });
    await inRedis.campaign(id).issue({ userId: 'kim' });
    await inRedis.idle();
    const { stdout } = await alone(`user ${id} kim --json`);
    expect(linesOf(stdout)).toMatchObject([
      { status: 'issued', coupons: [{ serial: 1, state: 'issued', code: null }] },
    ]);
    expect(await alone(`export ${id}`)).toMatchObject({ code: 1, stdout: '' });
    expect(await alone(`open ${id} --total 5 --create-table`)).toMatchObject({ code: 2, stdout: '' });
  });
});

describe('the quarantine', () => {
  test('is listed with exit code 3, retried and withdrawn', async () => {
    const id = await opened('--total 5 --save-mode write-behind');
    const refusing = new CouponIssuer({
      redis: server.client(),
      persistence: {
        save: async (issuances) => issuances.map(() => ({ verdict: 'refused', reason: 'the test says so' })),
        list: async () => [],
        find: async (issuances) => issuances.map(() => null),
        identity: () => new PostgresPersistence(database.pool).identity(),
      },
    });
    for (const userId of ['kim', 'lee']) await refusing.campaign(id).issue({ userId });
    expect(await run(`quarantine ls ${id}`)).toEqual({ code: 0, stdout: '', stderr: 'nothing is in quarantine\n' });
    await refusing.campaign(id).settle();
    await refusing.close();
    const listed = await run(`quarantine ls ${id}`);
    expect(listed.code).toBe(3);
    expect(listed.stdout).toMatch(/^ID +USER +SERIAL +RESERVED +TRIES\n\S+ +kim +1 /);
    const [first, second] = linesOf((await run(`quarantine ls ${id} --json`)).stdout);
    expect(await json(`quarantine retry ${id} --id ${first!.id}`)).toEqual([{ id, retried: 1 }]);
    expect(await json(`quarantine withdraw ${id} --id ${second!.id} --yes`)).toEqual([{ id, withdrawn: 1 }]);
    expect(await json(`settle ${id}`)).toMatchObject([{ settled: 1 }]);
    expect(await json(`inspect ${id}`)).toMatchObject([{ issued: 1, withdrawn: 1, reserved: 0 }]);
    expect(await json(`quarantine retry ${id} --all`)).toEqual([{ id, retried: 0 }]);
  });
});
