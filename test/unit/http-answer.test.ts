import { describe, expect, test, vi } from 'vitest';
import {
  CampaignConflictError,
  ClosedError,
  type Coupon,
  type CouponIssuerError,
  type CouponIssuerErrorCode,
  HookError,
  httpAnswer,
  httpStatus,
  InvalidArgumentError,
  type Issuance,
  type IssueResult,
  type JoinResult,
  type LeaveResult,
  MisconfiguredError,
  NotIssuedError,
  NotReadyError,
  OverloadedError,
  PersistenceError,
  PROBLEMS,
  type RedeemResult,
  RedisError,
  UnknownCampaignError,
  type UnredeemResult,
  type UserStatus,
} from '../../src/index.js';
import { assertText } from '../../src/model/check.js';
import { couponOf } from '../../src/model/coupon.js';
import { userAnswer } from '../../src/model/user-answer.js';
import { anIssuance } from './support.js';

const CODE = 'K7QX2M9TPA4WZ';
const SECRET = 'hunter2-of-the-caller';
const AT = new Date('2030-05-01T01:00:00.000Z');
const ISO = '2030-05-01T01:00:00.000Z';
const issued = anIssuance(1, { code: CODE, issuedAt: AT, state: 'issued' });
const reserved = anIssuance(2, { code: CODE, issuedAt: AT, state: 'reserved' });
const place = { ticket: 7, position: 3, etaMs: null };

const shownAs = { ...issued, issuedAt: ISO };
const revoked: Issuance = { ...issued, state: 'revoked' };
const revokedAs = { ...revoked, code: null, issuedAt: ISO };
const hiddenAs = { ...reserved, code: null, issuedAt: ISO };

const coupon: Coupon = couponOf({ ...issued, expiresAt: AT }, 0);
const redeemed: Coupon = { ...coupon, state: 'redeemed', redeemedAt: AT, redemptionId: SECRET };
const couponAs = { ...coupon, issuedAt: ISO, expiresAt: ISO };
const redeemedAs = { ...couponAs, state: 'redeemed', redeemedAt: ISO };

/** Each result that is no refusal, with its status code and its body. */
const RESULTS: [
  IssueResult | JoinResult | LeaveResult | UserStatus | RedeemResult | UnredeemResult,
  number,
  Record<string, unknown>,
][] = [
  [{ status: 'issued', issuance: issued }, 201, { status: 'issued', issuance: shownAs }],
  [
    { status: 'issued', issuance: issued, replayed: true },
    201,
    { status: 'issued', issuance: shownAs, replayed: true },
  ],
  [
    { status: 'issued', issuance: { ...issued, expiresAt: AT } },
    201,
    { status: 'issued', issuance: { ...shownAs, expiresAt: ISO } },
  ],
  [
    { status: 'accepted', issuance: { ...reserved, expiresAt: AT } },
    202,
    { status: 'accepted', issuance: { ...hiddenAs, expiresAt: ISO } },
  ],
  [{ status: 'issued', issuance: { ...issued, expiresAt: null } }, 201, { status: 'issued', issuance: shownAs }],
  [{ status: 'accepted', issuance: reserved }, 202, { status: 'accepted', issuance: hiddenAs }],
  [
    { status: 'already_issued', issuances: [issued, reserved] },
    200,
    { status: 'already_issued', issuances: [shownAs, hiddenAs] },
  ],
  [{ status: 'waiting', ...place }, 202, { status: 'waiting', ...place }],
  [{ status: 'waiting', ...place, position: null }, 202, { status: 'waiting', ...place, position: null }],
  [{ status: 'waiting', ...place, issuances: [issued] }, 200, { status: 'waiting', ...place, issuances: [shownAs] }],
  [{ status: 'issued', issuances: [issued] }, 200, { status: 'issued', issuances: [shownAs] }],
  [{ status: 'reserved', issuances: [reserved] }, 200, { status: 'reserved', issuances: [hiddenAs] }],
  [{ status: 'revoked', issuances: [revoked] }, 200, { status: 'revoked', issuances: [revokedAs] }],
  [{ status: 'none', issuances: [] }, 200, { status: 'none', issuances: [] }],
  [{ status: 'left' }, 200, { status: 'left' }],
  [{ status: 'absent' }, 200, { status: 'absent' }],
  [{ status: 'none' }, 200, { status: 'none' }],
  [
    { status: 'redeemed', coupon: redeemed, replayed: true },
    200,
    { status: 'redeemed', coupon: redeemedAs, replayed: true },
  ],
  [{ status: 'unredeemed', coupon }, 200, { status: 'unredeemed', coupon: couponAs }],
  [{ status: 'not_redeemed', coupon }, 200, { status: 'not_redeemed', coupon: couponAs }],
];

/** Each refusal, with its status code, its Retry-After and what it carries. */
const REFUSALS: [IssueResult | LeaveResult | RedeemResult, number, string | undefined, Record<string, unknown>][] = [
  [{ status: 'sold_out' }, 409, undefined, {}],
  [{ status: 'not_open', opensAt: AT }, 403, '90', { opensAt: ISO }],
  [{ status: 'closed', closedAt: AT }, 410, undefined, { closedAt: ISO }],
  [{ status: 'closed' }, 410, undefined, {}],
  [{ status: 'paused' }, 503, '5', {}],
  [{ status: 'not_eligible', reason: 'members only' }, 403, undefined, { reason: 'members only' }],
  [{ status: 'not_ready', reason: 'rebuilding' }, 503, '5', { reason: 'rebuilding' }],
  [{ status: 'already_redeemed', redeemedAt: AT }, 409, undefined, { redeemedAt: ISO }],
  [{ status: 'redemption_undone' }, 409, undefined, {}],
  [{ status: 'not_saved_yet', retryAfterMs: 29_001 }, 409, '30', {}],
  [{ status: 'expired', expiresAt: AT }, 410, undefined, { expiresAt: ISO }],
  [{ status: 'revoked', revokedAt: AT }, 410, undefined, { revokedAt: ISO }],
  [{ status: 'revoked', issuance: revoked }, 410, undefined, {}],
  [{ status: 'not_found' }, 404, undefined, {}],
];

/** An error of each code, all of them with a secret in every word that a caller may have brought. */
const ERRORS: {
  [C in CouponIssuerErrorCode]: [CouponIssuerError & { code: C }, number, string | undefined, string, object];
} = {
  INVALID_ARGUMENT: [new InvalidArgumentError(SECRET), 400, undefined, 'invalid_argument', {}],
  UNKNOWN_CAMPAIGN: [new UnknownCampaignError(SECRET), 404, undefined, 'unknown_campaign', {}],
  CAMPAIGN_CONFLICT: [new CampaignConflictError(SECRET), 409, undefined, 'campaign_conflict', {}],
  MISCONFIGURED: [new MisconfiguredError(SECRET), 500, undefined, 'misconfigured', {}],
  OVERLOADED: [new OverloadedError(SECRET, 4_001), 503, '5', 'overloaded', {}],
  REDIS: [
    new RedisError(SECRET, { outcome: 'unknown', cause: new Error(SECRET) }),
    ...([503, '1', 'redis', { outcome: 'unknown' }] as const),
  ],
  NOT_ISSUED: [new NotIssuedError(SECRET, { cause: new Error(SECRET) }), 503, '1', 'not_issued', {}],
  NOT_READY: [new NotReadyError(SECRET, 'missing'), 503, '5', 'not_ready', { reason: 'missing' }],
  PERSISTENCE: [
    new PersistenceError(SECRET, { outcome: 'unknown', cause: new Error(SECRET) }),
    ...([503, '1', 'persistence', { outcome: 'unknown' }] as const),
  ],
  HOOK: [new HookError(SECRET, { cause: new Error(SECRET) }), 503, '1', 'hook', {}],
  CLOSED: [new ClosedError(SECRET), 503, '1', 'shutting_down', {}],
};

/** The answer with everything that JSON makes of it. */
function answerTo(value: unknown) {
  vi.useFakeTimers({ now: AT.getTime() - 89_001, toFake: ['Date'] });
  try {
    const answer = httpAnswer(value);
    expect(JSON.parse(JSON.stringify(answer)), 'every value is one of JSON').toStrictEqual(answer);
    expect(answer.status).toBe(httpStatus(value));
    expect(answer.headers['Cache-Control']).toBe('no-store');
    return answer;
  } finally {
    vi.useRealTimers();
  }
}

describe('the HTTP answer to a result', () => {
  test.each(RESULTS.map(([result, status, body]) => ({ word: result.status, status, result, body })))(
    'that is $word is $status with its fields as JSON',
    ({ result, status, body }) => {
      const answer = answerTo(result);
      expect(answer).toStrictEqual({
        status,
        headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' },
        body,
      });
    },
  );

  test('shows no code while the row of it is not committed', () => {
    for (const [result] of RESULTS) {
      const text = JSON.stringify(answerTo(result).body);
      const isStored = 'coupon' in result || JSON.stringify(result).includes('"issued"');
      expect(text.includes(CODE)).toBe(isStored);
    }
    expect(JSON.stringify(answerTo({ status: 'issued', issuance: reserved }))).not.toContain(CODE);
  });

  test('has no field that a result does not have', () => {
    const more = { status: 'issued', issuance: { ...issued, note: SECRET }, code: SECRET, stack: SECRET };
    expect(JSON.stringify(answerTo(more))).not.toContain(SECRET);
  });

  test.each([
    [{ status: 'issued' }],
    [{ status: 'issued', issuance: null }],
    [{ status: 'accepted' }],
    [{ status: 'already_issued', issuances: 'all' }],
    [{ status: 'waiting', ticket: 1 }],
  ])('that lost a part on its way is none: %j', (result) => {
    expect(httpAnswer(result)).toMatchObject({ status: 500, body: { type: 'about:blank' } });
  });

  test('is by one look at its status', () => {
    const words = ['sold_out', 'issued'];
    const moving = Object.defineProperty({ issuance: issued }, 'status', { get: () => words.shift() });
    expect(httpAnswer(moving)).toMatchObject({ status: 409, body: { type: '/problems/sold_out' } });
  });

  test('that went through JSON is the same answer', () => {
    for (const [result] of [...RESULTS, ...REFUSALS]) {
      expect(answerTo(JSON.parse(JSON.stringify(result)))).toStrictEqual(answerTo(result));
    }
  });
});

test('the answer for a user is the same without the parts of a coupon that stay on the server', () => {
  for (const [result, status, { issuance, issuances, coupon: full, ...rest }] of RESULTS) {
    const { body, ...answer } = userAnswer(result);
    expect(answer).toStrictEqual({ status, headers: httpAnswer(result).headers });
    expect(body).toMatchObject(rest);
    expect(JSON.stringify(body)).not.toMatch(/"(id|epoch|userId|campaignId|redemptionId)"/);
    expect(['coupon' in body, 'coupons' in body]).toEqual([Boolean(issuance || full), Boolean(issuances)]);
  }
  const { serial, grant, code } = issued;
  const shown = { serial, code, issuedAt: ISO };
  expect(userAnswer({ status: 'redeemed', coupon: redeemed }).body).toStrictEqual({
    status: 'redeemed',
    coupon: { ...shown, state: 'redeemed', expiresAt: ISO, redeemedAt: ISO },
  });
  expect(userAnswer({ status: 'already_issued', issuances: [issued, reserved] }).body).toStrictEqual({
    status: 'already_issued',
    coupons: [
      { ...shown, grant, state: 'issued' },
      { serial: 2, grant: reserved.grant, code: null, state: 'reserved', issuedAt: ISO },
    ],
  });
  for (const [refusal] of REFUSALS.filter(([{ status }]) => status !== 'not_open')) {
    expect(userAnswer(refusal)).toStrictEqual(httpAnswer(refusal));
  }
});

describe('the HTTP answer to a refusal', () => {
  test.each(REFUSALS.map(([result, ...rest]) => ({ word: result.status, result, rest })))(
    'that is $word is a problem',
    ({ word, result, rest: [status, retryAfter, carried] }) => {
      const { headers, body, ...answer } = answerTo(result);
      expect(answer.status).toBe(status);
      expect(headers['Content-Type']).toBe('application/problem+json');
      expect(headers['Retry-After']).toBe(retryAfter);
      const words = PROBLEMS[word as keyof typeof PROBLEMS];
      expect(body).toStrictEqual({ type: `/problems/${word}`, ...words, status, ...carried });
    },
  );

  test('comes back in a second at least, also where the clock of this process is ahead', () => {
    const early = { status: 'not_open', opensAt: new Date(0) };
    expect(answerTo(early).headers['Retry-After']).toBe('1');
    expect(answerTo({ status: 'not_open' }).headers).not.toHaveProperty('Retry-After');
  });
});

describe('the HTTP answer to an error', () => {
  test.each(Object.entries(ERRORS))('with the code %s is a problem without a word of its message', (_, expected) => {
    const [error, status, retryAfter, name, carried] = expected;
    const answer = answerTo(error);
    expect(answer.status).toBe(status);
    expect(answer.headers['Content-Type']).toBe('application/problem+json');
    expect(answer.headers['Retry-After']).toBe(retryAfter);
    const words = PROBLEMS[name as keyof typeof PROBLEMS];
    expect(answer.body).toStrictEqual({ type: `/problems/${name}`, ...words, status, ...carried });
    expect(JSON.stringify(answer)).not.toContain(SECRET);
  });

  test('says that nothing was taken where Redis certainly did nothing', () => {
    const { body } = answerTo(new RedisError('x', { outcome: 'not_applied' }));
    expect(body).toMatchObject({ outcome: 'not_applied', detail: expect.stringContaining('Nothing was taken') });
  });

  test('names the argument that is wrong, and never its value', () => {
    const told = (check: () => void) => {
      try {
        check();
      } catch (error) {
        return answerTo(error).body;
      }
      throw new Error('nothing was thrown');
    };
    expect(told(() => assertText('userId', 7))).toMatchObject({ detail: 'userId must be a string, not number' });
    const long = told(() => assertText('userId', SECRET.repeat(9)));
    expect(long).toMatchObject({ detail: 'userId must be at most 128 bytes of UTF-8' });
  });

  test('shows no message of another library that has the same code', () => {
    const foreign = Object.assign(new Error(SECRET), { code: 'INVALID_ARGUMENT', argument: 'privateKey' });
    expect(JSON.stringify(answerTo(foreign))).not.toContain(SECRET);
    const odd = Object.assign(new Error(SECRET), { code: 'REDIS', outcome: SECRET, reason: SECRET, opensAt: SECRET });
    expect(JSON.stringify(answerTo(odd))).not.toContain(SECRET);
    for (const other of [foreign, odd, Object.assign(new Error(SECRET), { code: 'CLOSED' })]) {
      expect(answerTo(other)).toMatchObject({ status: 500, body: { type: 'about:blank' } });
    }
  });

  test('takes the wait of an overload only where it is a number', () => {
    for (const [retryAfterMs, seconds] of [
      [0, '1'],
      [-5, '1'],
      [1e30, '315360000'],
      [Number.NaN, '1'],
      [Number.POSITIVE_INFINITY, '1'],
      [60_000, '60'],
      [SECRET, '1'],
    ]) {
      const error = Object.assign(new OverloadedError('x', 1), { retryAfterMs });
      expect(answerTo(error).headers['Retry-After']).toBe(seconds);
    }
  });
});

test('the HTTP answer to any other value is a 500 without a word of it', () => {
  const touch = () => {
    throw new Error(SECRET);
  };
  const untouchable = new Proxy({}, { get: touch, has: touch, getPrototypeOf: touch });
  const others = [
    ...[undefined, null, SECRET, 7, 7n, Symbol(SECRET), [SECRET], () => SECRET, new Date(), untouchable],
    ...[new Error(SECRET), new TypeError(SECRET), { status: SECRET }, { status: 'toString' }, { code: 'REDIS' }],
    Object.assign(new Error(SECRET), { code: 'ECONNREFUSED', status: 'issued' }),
  ];
  for (const value of others) {
    const { status, headers, body } = answerTo(value);
    expect([status, headers['Content-Type']]).toEqual([500, 'application/problem+json']);
    expect(body).toMatchObject({ type: 'about:blank', title: 'Internal Server Error', status: 500 });
    expect(JSON.stringify(body)).not.toContain(SECRET);
  }
  const lost = httpAnswer({ status: 'issued', issuance: { ...issued, issuedAt: SECRET } });
  expect([lost.status, JSON.stringify(lost).includes(SECRET)]).toEqual([500, false]);
});

test('each problem has a name of its own and words for people', () => {
  const names = Object.values(ERRORS).map(([, , , name]) => name);
  const words = new Set([...names, ...REFUSALS.map(([{ status }]) => status)]);
  expect([...words].sort()).toEqual(Object.keys(PROBLEMS).sort());
  for (const { title, detail } of Object.values(PROBLEMS)) expect(`${title} ${detail}`).toMatch(/^[A-Z].+\.$/);
});
