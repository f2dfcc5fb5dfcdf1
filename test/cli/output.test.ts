import { EventEmitter } from 'node:events';
import { PassThrough, Writable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { printable, Secrets } from '../../src/cli/faults.js';
import { guard } from '../../src/cli/guard.js';
import { main } from '../../src/cli/main.js';
import { fieldsOf, Output, tableOf } from '../../src/cli/output.js';
import { Progress, progressLine } from '../../src/cli/progress.js';
import { RedisError } from '../../src/index.js';

describe('a line of progress', () => {
  const first = { done: 1_000, part: 0.1 };
  test.each([
    [
      'has a bar, a rate and the time that is left',
      { done: 6_000, part: 0.6 },
      5_000,
      '[############        ] 60% · 6,000 codes · 1,000/s · ETA 4 s',
    ],
    ['counts the rate from where this run began', first, 5_000, '[##                  ] 10% · 1,000 codes'],
    ['has no bar where the end is not known', { done: 6_000, part: null }, 5_000, '6,000 codes · 1,000/s'],
    [
      'tells minutes',
      { done: 1_001, part: 0.11 },
      1_000,
      '[##                  ] 11% · 1,001 codes · 1/s · ETA 1 min 29 s',
    ],
    ['ends without a time', { done: 10_000, part: 1 }, 9_000, '[####################] 100% · 10,000 codes · 1,000/s'],
  ])('%s', (_, step, ms, line) => {
    expect(progressLine('codes', step, first, ms)).toBe(line);
  });

  function told(isTTY: boolean): string {
    const stderr = Object.assign(new PassThrough(), { isTTY, columns: 40 });
    const world = { env: {}, cwd: '/', stdin: new PassThrough(), stdout: new PassThrough(), stderr };
    const progress = new Progress(new Output({ ...world, signal: new AbortController().signal }, false), 'codes');
    for (let done = 1; done <= 1_000; done++) progress.at({ done, part: done / 1_000 });
    progress.end();
    return String(stderr.read());
  }

  test('is drawn in its place on a terminal, no wider than that', () => {
    const text = told(true);
    expect(text.startsWith('\r\u001B[2K[')).toBe(true);
    expect(text.endsWith('\n')).toBe(true);
    const drawn = text.trimEnd().split('\r\u001B[2K').slice(1);
    expect(drawn.at(-1)).toContain('100% · 1,000 cod');
    expect(drawn.length).toBeLessThan(100);
    for (const line of drawn) expect(line.length).toBeLessThan(40);
  });

  test('is a plain line elsewhere, and the last one is told', () => {
    const lines = told(false).trimEnd().split('\n');
    expect(lines[0]).toContain('1 codes');
    expect(lines.at(-1)).toContain('1,000 codes');
    expect(lines.length).toBeLessThan(10);
    expect(lines.join('')).not.toContain('\u001B');
  });
});

describe('lines for a person', () => {
  test('stand in columns, numbers to the right', () => {
    expect(
      tableOf(
        ['ID', 'N'],
        [
          ['a', 1_000],
          ['longer', null],
        ],
      ),
    ).toEqual(['ID          N', 'a       1,000', 'longer      -']);
    expect(fieldsOf({ total: 5, 'opens at': new Date(0), absent: undefined })).toEqual([
      'total     5',
      'opens at  1970-01-01T00:00:00.000Z',
    ]);
  });

  test('show control characters of a user id as escapes, so no user draws on the terminal', () => {
    const [line] = tableOf(['USER'], [['kim\u001B[2J\r\nlee\u009B\u202E']]).slice(1);
    expect(line).toBe('kim\\u001b[2J\\u000d\\u000alee\\u009b\\u202e');
    expect(printable('김\u200D철수 ❤️')).toBe('김\u200D철수 ❤️');
  });
});

describe('a stdout that takes no more', () => {
  async function made(code: string): Promise<{ code: number; said: unknown }> {
    const failure = Object.assign(new Error(`write ${code}`), { code });
    const stderr = new PassThrough();
    const stdout = new Writable({ write: (_chunk, _encoding, done) => done(failure) }).on('error', () => {});
    const world = { env: {}, cwd: '/', stdin: new PassThrough(), stdout, stderr, signal: new AbortController().signal };
    return { code: await main(['codes', 'make', '--count', '5000'], world), said: stderr.read()?.toString() ?? null };
  }

  test('ends the command without a word if its reader is gone', async () => {
    expect(await made('EPIPE')).toEqual({ code: 0, said: null });
  });

  test('is a fault if its disk is full, so no part is taken for the whole', async () => {
    const { code, said } = await made('ENOSPC');
    expect(code).toBe(1);
    expect(said).toMatch(/^coupon-issuer: stdout took no more \(ENOSPC\)[^\n]*\n$/);
  });
});

describe('an end that the work does not tell', () => {
  function told(event: string, error?: Error): string[] {
    const lines: string[] = [];
    const process = new EventEmitter();
    guard(process, new Secrets({}), (line) => lines.push(line));
    process.emit(event, error);
    process.emit('beforeExit');
    return lines;
  }

  test('is one line about an error that nobody caught, without its stack and URL', () => {
    const lines = told('uncaughtException', new Error('first\nredis://:SECRET-7@cache'));
    expect(lines).toEqual([expect.stringMatching(/^coupon-issuer: first\\u000a\[redacted\]; it is not known [^\n]+$/)]);
  });

  test('is a fault where nothing is left to wait for', () => {
    expect(told('beforeExit')).toEqual([expect.stringMatching(/^coupon-issuer: the work stopped before its end/)]);
  });
});

describe('data of a user on a terminal', () => {
  const drawing = 'kim\u001B[2J\u009B1A\u202Elee\u007F\u{E0001}';
  async function shown(isTTY: boolean, act: (out: Output) => Promise<void>): Promise<string> {
    const stdout = Object.assign(new PassThrough(), { isTTY });
    const world = { env: {}, cwd: '/', stdin: new PassThrough(), stdout, stderr: new PassThrough() };
    await act(new Output({ ...world, signal: new AbortController().signal }, true));
    return String(stdout.read());
  }

  test('is JSON without a control character, and reads back as it was', async () => {
    const text = await shown(true, (out) => out.item({ userId: drawing }, () => []));
    expect(text).toMatch(/^[\x20-\x7E]+\n$/);
    expect(JSON.parse(text)).toEqual({ userId: drawing });
  });

  test('is CSV whose cells draw nothing, and in a file it is as it was', async () => {
    const csv = `${drawing},1\r\n"a\nb",2\r\n`;
    expect(await shown(true, (out) => out.raw(csv))).toBe(`${printable(drawing)},1\r\n"a\nb",2\r\n`);
    expect(await shown(false, (out) => out.raw(csv))).toBe(csv);
  });
});

test('NO_COLOR, a pipe and a dumb terminal get plain text', () => {
  const styled = (isTTY: boolean, env: Record<string, string>) => {
    const stdout = Object.assign(new PassThrough(), { isTTY });
    const world = { env, cwd: '/', stdin: new PassThrough(), stdout, stderr: new PassThrough() };
    return new Output({ ...world, signal: new AbortController().signal }, false).style('yellow', 'paused');
  };
  expect(styled(true, {})).toBe(['\u001B[33m', 'paused', '\u001B[0m'].join(''));
  expect([styled(true, { NO_COLOR: '1' }), styled(false, {}), styled(true, { TERM: 'dumb' })]).toEqual(
    Array(3).fill('paused'),
  );
});

describe('the line of an error', () => {
  const env = { REDIS_URL: 'redis://:hunter%202secret@cache:6379', DATABASE_URL: 'postgres://shop:swordfish@db/shop' };
  test.each([
    ['a foreign error', new Error(`connect to ${env.REDIS_URL} failed`)],
    ['an error of the library', new RedisError(`of ${env.DATABASE_URL}`, { outcome: 'unknown' })],
    ['a decoded password', new RedisError('hunter 2secret and swordfish', { outcome: 'unknown' })],
    ['a code from stdin', new Error('no row of SECRET-CODE-7')],
  ])('has no URL, no password and no code: %s', (_, error) => {
    const secrets = new Secrets(env);
    secrets.add('SECRET-CODE-7');
    expect(secrets.lineOf(error)).toContain('[redacted]');
    expect(secrets.lineOf(error)).not.toMatch(/hunter|swordfish|SECRET|:\/\//);
  });

  test('is one line', () => {
    expect(new Secrets({}).lineOf(new Error('first\nsecond'))).toBe('first\\u000asecond');
  });
});
