import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { COMMANDS } from '../../src/cli/commands.js';
import { cli } from '../support/actors/cli.js';

let dir: string;
let listener: Server;
let connections = 0;
let env: Record<string, string>;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'coupon-cli-'));
  listener = createServer((socket) => {
    connections++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as { port: number };
  env = { REDIS_URL: `redis://127.0.0.1:${port}`, DATABASE_URL: `postgres://shop@127.0.0.1:${port}/shop` };
  const files: Record<string, string> = {
    'no-json.json': '{ "stock": SECRET-7 }',
    'list.json': '[]',
    'wrong.json': JSON.stringify({ stock: { kind: 'counted', total: -1 } }),
    'unknown.json': JSON.stringify({ stock: { kind: 'codes' }, peruser: 2 }),
    'columns.csv': 'no,code\n1,SECRET-7\n',
    'mark.txt': 'A\nSECRET-7\u200B\n',
    'waves.json': '[{ "at": "tomorrow", "count": 1 }]',
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
});
afterAll(() => {
  listener.close();
  rmSync(dir, { recursive: true, force: true });
});

/** A command line that is wrong, and what its one line says. A `@` stands for the folder of the test's files. */
const WRONG: readonly [line: string, says: RegExp][] = [
  ['dance', /'dance' is no command/],
  ['redis://:SECRET-7@host ls', /no such command/],
  ['ls night', /takes no argument/],
  ['ls --dance', /unknown option --dance/],
  ['ls --REDIS=SECRET-7', /unknown option\n/],
  ['ls --json=yes', /--json takes no value/],
  ['ls --dry-run', /unknown option --dry-run/],
  ['ls --config @nowhere.js', /--config names no file/],
  ['inspect', /<campaign> is missing/],
  ['inspect a/b', /<campaign> must match/],
  ['inspect night day', /takes 1 argument/],
  ['inspect night --interval 1s', /--interval is for --follow/],
  ['inspect night --follow --interval 5', /--interval must be a number with ms/],
  ['inspect night --follow --interval 2h', /--interval must be from/],
  ['open night', /give one of --total, --codes, --unlimited, --definition/],
  ['open night --total 5 --codes', /give one of/],
  ['open night --total', /--total needs a value/],
  ['open night --total --json', /--total needs a value/],
  ['open night --total 5 --total 6', /--total is given twice/],
  ['open night --total many', /--total must be a whole number\n/],
  ['open night --total -1', /--total must be a whole number from 0/],
  ['open night --codes --generate-codes', /--generate-codes is for/],
  ['open night --total 5 --per-user 0', /--per-user must be a whole number from 1/],
  ['open night --total 5 --opens-at tomorrow', /--opens-at must be a valid Date/],
  ['open night --total 5 --opens-at 2030-05-01T10:00:00', /--opens-at has no offset/],
  ['open night --total 5 --opens-at 2030-05-02T10:00Z --closes-at 2030-05-01T10:00Z', /--closes-at must be after/],
  ['open night --total 5 --save-mode later', /--save-mode must be/],
  ['open night --total 5 --valid-for 30', /--valid-for must be a number with/],
  ['open night --total 5 --valid-days 3', /must have days and timeZone together/],
  ['open night --total 5 --valid-days 3 --time-zone Seoul/Asia', /--time-zone must be the name of a time zone/],
  ['open night --total 5 --valid-for 99999d --valid-until 2030-05-01', /--valid-for must be/],
  ['open night --total 5 --max-waiting 3', /--max-waiting is for campaigns with admission/],
  ['open night --total 5 --queued --presence 1ms', /--presence must be/],
  ['open night --total 5 --saves-per-second 0', /--saves-per-second must be a number above 0/],
  ['open night --total 5 --saves-per-second fast', /--saves-per-second must be a number or none/],
  ['open night --definition @nowhere.json', /the file of --definition cannot be read \(ENOENT\)/],
  ['open night --definition @no-json.json', /the file of --definition is no JSON/],
  ['open night --definition @list.json', /must be an object/],
  ['open night --definition @wrong.json', /--total must be a whole number/],
  ['open night --definition @unknown.json', /has no property 'peruser'/],
  ['open night --definition @wrong.json --per-user 2', /leave out --per-user/],
  ['update night', /there is nothing to change/],
  ['update night --per-user 101', /--per-user must be/],
  ['update night --opens-at noon', /--opens-at must be/],
  ['restock night', /--add is missing/],
  ['restock night --add few', /--add must be a whole number/],
  ['pace night', /there is nothing to change/],
  ['pace night --saves-per-second -3', /--saves-per-second must be/],
  ['pace night --waves @waves.json', /waves/],
  ['close night --yes --retain 99999d', /--retain must be/],
  ['close night', /stdin is no terminal: add --yes/],
  ['purge night', /add --yes to remove campaign night from Redis/],
  ['codes', /^Commands:/],
  ['codes make', /--count is missing/],
  ['codes make --count 0', /--count must be a whole number from 1/],
  ['codes import night', /<file> is missing/],
  ['codes import night @nowhere.csv --dry-run', /cannot be read \(ENOENT\)/],
  ['codes import night @columns.csv --dry-run', /say which one has the codes, by --column\n/],
  ['codes import night @mark.txt --dry-run', /; --as-they-are takes codes as they are\n/],
  ['codes import night @list.json --delimiter ;;', /--delimiter must be/],
  ['codes import night @list.json --column code --no-header', /a column has a name only where/],
  ['codes import night @list.json --header --no-header', /not both/],
  ['codes replace night', /--code is missing/],
  ['codes replace night --code SECRET-7', /--code takes only -/],
  ['user night', /<user> is missing/],
  ['redeem night --user kim --redemption-id order-7', /give one of --code, --id/],
  ['redeem night --user kim --code SECRET-7 --redemption-id order-7', /--code takes only -/],
  ['redeem night --code - --redemption-id order-7', /--user must be a string, or bearer/],
  ['redeem night --user kim --code -', /--redemption-id is missing/],
  ['unredeem night --code -', /--redemption-id is missing/],
  ['revoke night --code - --revocation-id r --unit sold', /--unit must be 'kept' or 'returned'/],
  ['revoke night --id 1 --revocation-id r', /--user must be a string/],
  ['revoke night --user kim --id 1 --revocation-id r', /add --yes to revoke a coupon/],
  ['export night --state sold', /--state must be/],
  ['export night --columns userId,password', /--columns must be an array/],
  ['export night --after-serial -1', /--after-serial must be/],
  ['quarantine retry night', /give one of --id, --all/],
  ['quarantine withdraw night --all', /add --yes to withdraw every reservation/],
  ['settle a/b', /<campaign> must match/],
  ['rebuild night --total 5 --code-list @list.json --yes', /--code-list is for a pool/],
  ['rebuild night --codes --yes', /a pool needs it/],
  ['rebuild night --total 5', /add --yes/],
  ['doctor now', /takes no argument/],
  ['worker --interval 0s', /--interval must be/],
  ['worker --batch-size 1001', /--batch-size must be/],
  ['dashboard --port 70000', /--port must be/],
  ['worker --campaign a/b', /campaigns\[0\] must match/],
];

const argsOf = (line: string) => line.split(' ').map((word) => word.replace(/^@/, `${dir}/`));

describe('a wrong call ends with exit code 2 and one line, without a connection', () => {
  test.each(WRONG)('%s', async (line, says) => {
    const before = connections;
    const { code, stdout, stderr } = await cli(argsOf(line), { env, cwd: dir });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(says);
    if (line !== 'codes') expect(stderr).toMatch(/^coupon-issuer: [^\n]+\n$/);
    expect(stderr).not.toContain('SECRET');
    expect(connections).toBe(before);
  });

  test('every command has such a line', () => {
    const named = WRONG.map(([line]) => line);
    const without = COMMANDS.filter(({ name }) => !named.some((line) => line.startsWith(name)));
    // They take no input beside a campaign, as others do.
    expect(without.map(({ name }) => name)).toEqual(['pause', 'resume', 'codes count', 'quarantine ls', 'reconcile']);
  });
});

describe('an issuer that cannot be made', () => {
  test.each([
    ['no URL at all', {}, /there is no issuer: set REDIS_URL/],
    ['a database alone', { DATABASE_URL: 'postgres://shop:SECRET-7@h/shop' }, /REDIS_URL is missing/],
    ['a Redis of another kind', { REDIS_URL: 'http://:SECRET-7@h' }, /REDIS_URL must be a URL that begins with redis:/],
    ['a Redis that is no URL', { REDIS_URL: 'SECRET-7' }, /REDIS_URL must be a URL/],
    ['a password with a bare percent sign', { REDIS_URL: 'redis://:SECRET-7%ZZ@h' }, /REDIS_URL has a % that/],
    ['a Redis database by a name', { REDIS_URL: 'redis://:SECRET-7@h/SECRET' }, /path of REDIS_URL must be the number/],
    ['a Redis database by a word', { REDIS_URL: 'redis://h?db=SECRET' }, /path of REDIS_URL must be the number/],
    [
      'a database of another kind',
      { REDIS_URL: 'redis://127.0.0.1:1', DATABASE_URL: 'mongodb://:SECRET-7@h' },
      /DATABASE_URL must be a URL that begins with postgres:/,
    ],
  ])('because of %s is a wrong call', async (_, given, says) => {
    const { code, stdout, stderr } = await cli(['ls'], { env: given as Record<string, string>, cwd: dir });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(says);
    expect(stderr).toMatch(/^[^\n]+\n$/);
    expect(stderr).not.toContain('SECRET');
  });
});

describe('the help', () => {
  test('lists every command, on stdout if it was asked for', async () => {
    const { code, stdout, stderr } = await cli(['--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const { name, summary } of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${name} .*${summary}$`, 'm'));
    expect(await cli(['help'])).toEqual({ code, stdout, stderr });
    expect(await cli([])).toEqual({ code: 2, stdout: '', stderr: stdout });
  });

  test.each(COMMANDS.map((command) => [command.name, command] as const))('of %s has an example', async (name, of) => {
    const { code, stdout } = await cli([...name.split(' '), '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain(`Example:\n  coupon-issuer ${of.example}`);
    expect(of.example.startsWith(name)).toBe(true);
    for (const option of Object.keys(of.options)) expect(stdout).toContain(`--${option}`);
    expect((await cli(['help', ...name.split(' ')])).stdout).toBe(stdout);
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(120);
  });

  test('the version is the one of the package', async () => {
    expect(await cli(['--version'])).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: '' });
  });
});

describe('--dry-run', () => {
  test.each([
    ['open night --total 5 --create-table', 'create the table of coupons if it is missing, and open campaign night'],
    ['update night --per-user 2', 'change the rules of campaign night'],
    ['pause night', 'pause campaign night'],
    ['restock night --add -5', 'add -5 units to campaign night'],
    ['close night', 'close campaign night for good'],
    ['purge night', 'remove campaign night from Redis'],
    ['redeem night --user kim --code - --redemption-id order-7', 'redeem a coupon of campaign night'],
    ['quarantine withdraw night --id a --id b', 'withdraw 2 reservation(s) in the quarantine of campaign night'],
    ['settle', 'settle every campaign'],
  ])('%s says it, and asks no server', async (line, says) => {
    const before = connections;
    const { code, stdout, stderr } = await cli([...argsOf(line), '--dry-run'], { env, cwd: dir });
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '', stderr: `would ${says}; nothing was done\n` });
    expect(connections).toBe(before);
  });
});

describe('a question before a final change', () => {
  test.each(['n', '', 'yesterday', 'close'])('takes %j for no', async (answer) => {
    const before = connections;
    const run = await cli(['close', 'night'], { env, cwd: dir, stdin: `${answer}\n`, terminals: ['stdin', 'stderr'] });
    expect(run).toMatchObject({ code: 2, stdout: '' });
    expect(run.stderr).toContain('This will close campaign night for good. Nothing undoes it. Go on? [y/N] ');
    expect(run.stderr).toContain('nothing was done');
    expect(connections).toBe(before);
  });

  test('takes y for yes, and goes on to the servers', async () => {
    const before = connections;
    const run = await cli(['close', 'night'], { env, cwd: dir, stdin: 'y\n', terminals: ['stdin', 'stderr'] });
    expect(run.code).toBe(1);
    expect(connections).toBeGreaterThan(before);
  });

  test('ends with the code of a signal', async () => {
    const stop = new AbortController();
    stop.abort('SIGINT');
    const run = await cli(['close', 'night'], { env, cwd: dir, terminals: ['stdin'], signal: stop.signal });
    expect(run).toMatchObject({ code: 130, stdout: '' });
    expect(run.stderr).toContain('stopped before anything was done');
  });
});
