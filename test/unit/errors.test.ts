import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import {
  CampaignConflictError,
  ClosedError,
  CouponIssuerError,
  HookError,
  httpStatus,
  InvalidArgumentError,
  type IssueResult,
  MisconfiguredError,
  NotIssuedError,
  NotReadyError,
  OverloadedError,
  RedisError,
  UnknownCampaignError,
} from '../../src/index.js';
import { redacted } from '../../src/model/safe-error.js';
import { anIssuance } from './support.js';

const SECRET = 'K7QX2M9TPA4WZ';
const URL_SECRET = 'redis://admin:hunter2@10.0.0.7:6379/0';

/** An error as a client throws it: with the command's arguments, a row and a connection string. */
function clientError(): Error {
  const error = new Error(`WRONGTYPE at ${URL_SECRET} for ${SECRET}`);
  error.name = 'ReplyError';
  return Object.assign(error, {
    code: 'ECONNRESET',
    command: { name: 'evalsha', args: ['kim', SECRET] },
    detail: `Key (code)=(${SECRET}) already exists`,
    parameters: [SECRET],
    cause: new Error(`cause ${SECRET}`),
  });
}

/** Everything that a log line may be made of. */
function allOf(error: Error): string {
  const named = Object.getOwnPropertyNames(error).map((name) =>
    String((error as unknown as Record<string, unknown>)[name]),
  );
  return [
    String(error),
    inspect(error, { depth: 10, showHidden: true }),
    JSON.stringify(error),
    JSON.stringify(error, Object.getOwnPropertyNames(error)),
    error.stack,
    ...named,
  ].join('\n');
}

describe('a redacted error', () => {
  test('keeps name, code and message, without secrets and connection strings', () => {
    const safe = redacted(clientError(), [SECRET, null]);
    expect(safe.name).toBe('ReplyError');
    expect(safe.message).toBe('WRONGTYPE at [redacted] for [redacted]');
    expect((safe as { code?: string }).code).toBe('ECONNRESET');
    for (const secret of [SECRET, 'hunter2', '10.0.0.7', 'kim']) expect(allOf(safe)).not.toContain(secret);
    expect(safe.cause).toBeUndefined();
  });

  test.each([
    'postgres://u:p@h/db',
    'postgresql://u:p@h:5432/db?sslmode=require',
    'REDISS://u:p@h',
    'mysql://u:p@h/db',
    'https://partner.example/issue?key=1',
    'mongodb+srv://u:p@h',
  ])('has %s blotted out', (url) => {
    expect(redacted(new Error(`cannot reach ${url}, sorry`)).message).toMatch(/^cannot reach \[redacted\]/);
    expect(redacted(new Error(`cannot reach ${url}, sorry`)).message).not.toContain('u:p');
  });

  test.each([
    [`host=db password=hunter2 user=shop`, `host=db password=[redacted] user=shop`],
    [`host=db password = 'hunter2 it\\'s' user=shop`, `host=db password = [redacted] user=shop`],
    [`Server=db;Pwd=hunter2;Port=1`, `Server=db;Pwd=[redacted];Port=1`],
    [`Server=db;Password="hunter2; too"`, `Server=db;Password=[redacted]`],
    [`PGPASSWORD=hunter2 psql`, `PGPASSWORD=[redacted] psql`],
    [`{"host":"db","password":"hunter2"}`, `{"host":"db","password":[redacted]}`],
    [`{\\"password\\": \\"hunter2\\"}`, `{\\"password\\": [redacted]`],
    [`{ host: 'db', 'password': 'hunter2' }`, `{ host: 'db', 'password': [redacted] }`],
  ])('has the password of %s blotted out', (text, said) => {
    expect(redacted(new Error(text)).message).toBe(said);
  });

  test('keeps what a server says of passwords', () => {
    for (const said of ['password authentication failed for user "shop"', 'WRONGPASS invalid username-password pair'])
      expect(redacted(new Error(said)).message).toBe(said);
  });

  test('is made of whatever was thrown', () => {
    for (const thrown of [undefined, null, SECRET, 42, { message: SECRET }, [SECRET], Symbol(SECRET)])
      expect(allOf(redacted(thrown))).not.toContain(SECRET);
  });

  test('takes over no name or code that could hold anything', () => {
    const odd = Object.assign(new Error('x'), { code: `no row ${SECRET}` });
    odd.name = `Error of ${SECRET}`;
    const safe = redacted(odd);
    expect(safe.name).toBe('Error');
    expect('code' in safe).toBe(false);
  });

  test('is short', () => {
    expect(redacted(new Error('x'.repeat(10_000))).message.length).toBeLessThanOrEqual(300);
  });

  test('hides a secret that the cut would leave in pieces', () => {
    expect(redacted(new Error(`${'x'.repeat(295)}${SECRET}`), [SECRET]).message).not.toContain(SECRET.slice(0, 5));
  });

  test('leaves nothing of a secret that begins with another one', () => {
    expect(redacted(new Error('AB and ABCD'), ['AB', 'ABCD']).message).toBe('[redacted] and [redacted]');
  });
});

test('an error of this library carries its cause redacted, and its JSON is name, code and message', () => {
  const error = new RedisError('reserve failed', { outcome: 'unknown', cause: redacted(clientError(), [SECRET]) });
  for (const secret of [SECRET, 'hunter2']) expect(allOf(error)).not.toContain(secret);
  expect(JSON.parse(JSON.stringify(error))).toEqual({ name: 'RedisError', code: 'REDIS', message: 'reserve failed' });
  expect(error).toBeInstanceOf(CouponIssuerError);
  expect(error.name).toBe('RedisError');
});

test.each<[number, CouponIssuerError]>([
  [400, new InvalidArgumentError('x')],
  [404, new UnknownCampaignError('x')],
  [409, new CampaignConflictError('x')],
  [500, new MisconfiguredError('x')],
  [503, new OverloadedError('x', 1)],
  [503, new RedisError('x', { outcome: 'unknown' })],
  [503, new NotIssuedError('x')],
  [503, new NotReadyError('x', 'missing')],
  [503, new HookError('x')],
  [503, new ClosedError('x')],
])('HTTP %i: %s', (status, error) => {
  expect(httpStatus(error)).toBe(status);
});

const results: [number, IssueResult][] = [
  [201, { status: 'issued', issuance: anIssuance() }],
  [202, { status: 'accepted', issuance: anIssuance() }],
  [200, { status: 'already_issued', issuances: [] }],
  [409, { status: 'sold_out' }],
  [403, { status: 'not_open', opensAt: new Date() }],
  [410, { status: 'closed', closedAt: new Date() }],
  [503, { status: 'paused' }],
  [403, { status: 'not_eligible', reason: 'members only' }],
  [503, { status: 'not_ready', reason: 'missing' }],
];
test.each(results.map(([code, result]) => [code, result.status, result] as const))('HTTP %i: %s', (code, _, result) => {
  expect(httpStatus(result)).toBe(code);
});

test('what is not of this library is HTTP 500', () => {
  const foreign = [
    new Error('x'),
    Object.assign(new Error('x'), { code: 'ECONNRESET' }),
    null,
    undefined,
    'issued',
    5,
    {},
  ];
  for (const value of [
    ...foreign,
    { status: 'fine' },
    { status: 'toString' },
    Object.assign(new Error('x'), { code: 'valueOf' }),
  ])
    expect(httpStatus(value)).toBe(500);
});
