import { describe, expect, test } from 'vitest';
import { CouponIssuer, HookError, InvalidArgumentError, MemoryPersistence } from '../../src/index.js';

const FAULT = 'must be a whole number as the database prints it';

/** Of a table whose user ids are numbers. Every call that gets as far as the store is counted. */
class Numbers extends MemoryPersistence {
  asked: string[] = [];
  readonly judge: (userId: string) => string | null;

  constructor(judge = (userId: string): string | null => (/^[1-9]\d*$/.test(userId) ? null : FAULT)) {
    super();
    this.judge = judge;
    const called = (name: string) => {
      this.asked.push(name);
      return Promise.reject(new Error('the store was asked'));
    };
    for (const name of ['save', 'list', 'find', 'look', 'change', 'listByUser', 'campaigns', 'count'] as const) {
      this[name] = () => called(name);
    }
  }

  userIdFault(userId: string): string | null {
    return this.judge(userId);
  }

  async within() {
    this.asked.push('within');
    return { look: () => this.look([]), change: () => this.change([]) };
  }
}

function issuerOver(persistence: Numbers): { issuer: CouponIssuer; redisCalls: () => number } {
  let count = 0;
  const called = () => {
    count++;
    return Promise.reject(new Error('Redis was asked'));
  };
  return {
    issuer: new CouponIssuer({ redis: { evalsha: called, eval: called }, persistence }),
    redisCalls: () => count,
  };
}

type Verb = (issuer: CouponIssuer, userId: string) => unknown;
const coupon = (userId: string) => ({ userId, code: 'AAA-1' });
const launch = (issuer: CouponIssuer) => issuer.campaign('launch');
const WATCH: Verb = (issuer, userId) => launch(issuer).watch({ userId });
const VERBS: [name: string, verb: Verb, argument?: string][] = [
  ['issue', (issuer, userId) => launch(issuer).issue({ userId })],
  ['issue under a request id', (issuer, userId) => launch(issuer).issue({ userId, requestId: 'r', timeoutMs: 5 })],
  ['join', (issuer, userId) => launch(issuer).join({ userId })],
  ['leave', (issuer, userId) => launch(issuer).leave({ userId })],
  ['watch', WATCH],
  ['userStatus', (issuer, userId) => launch(issuer).userStatus({ userId })],
  ['redeem by code', (issuer, userId) => launch(issuer).redeem({ ...coupon(userId), redemptionId: 'o' })],
  ['redeem by id', (issuer, userId) => launch(issuer).redeem({ userId, id: 'x', redemptionId: 'o' })],
  ['unredeem', (issuer, userId) => launch(issuer).unredeem({ ...coupon(userId), redemptionId: 'o' })],
  ['extend', (issuer, userId) => launch(issuer).extend({ ...coupon(userId), expiresAt: new Date(0) })],
  ['revoke', (issuer, userId) => launch(issuer).revoke({ ...coupon(userId), revocationId: 'v' })],
  ['coupons', (issuer, userId) => issuer.coupons({ userId })],
  [
    'revokeAll of users',
    (issuer, userId) => launch(issuer).revokeAll({ users: ['7', userId], revocationId: 'v' }),
    'users[1]',
  ],
  [
    'revokeAll of coupons',
    (issuer, userId) =>
      launch(issuer).revokeAll({ coupons: [{ userId: '7', id: 'x' }, coupon(userId)], revocationId: 'v' }),
    'coupons[1].userId',
  ],
];

describe.each(VERBS)('%s', (_, verb, argument = 'userId') => {
  test.each(['007', '+7', '7 ', 'kim'])(
    'refuses the user id %j, which the table cannot hold as it is spelt, before any I/O',
    async (userId) => {
      const persistence = new Numbers();
      const { issuer, redisCalls } = issuerOver(persistence);
      const error = await rejection(() => verb(issuer, userId));
      expect(error).toBeInstanceOf(InvalidArgumentError);
      expect(error).toMatchObject({ argument, message: `${argument} ${FAULT}` });
      expect([redisCalls(), persistence.asked]).toEqual([0, []]);
    },
  );
});

// While Redis is away, the iterator of watch() waits instead of asking again at once.
test.each(VERBS.filter(([, verb]) => verb !== WATCH))(
  '%s goes on with an id that the table can hold',
  async (_, verb) => {
    const persistence = new Numbers();
    const { issuer, redisCalls } = issuerOver(persistence);
    const error = await rejection(() => verb(issuer, '8'));
    expect(error).not.toBeInstanceOf(InvalidArgumentError);
    expect(redisCalls() + persistence.asked.length).toBeGreaterThan(0);
  },
);

test('a redeem in a transaction of the shop refuses such an id before it asks the transaction', async () => {
  const persistence = new Numbers();
  const { issuer } = issuerOver(persistence);
  const request = { ...coupon('007'), redemptionId: 'o', within: {} as never };
  await expect(launch(issuer).redeem(request)).rejects.toMatchObject({ argument: 'userId' });
  expect(persistence.asked).toEqual([]);
});

test('an adapter that throws over an id is a HookError, which tells none of its words', async () => {
  const judge = () => {
    throw new Error('no such user 007');
  };
  const { issuer, redisCalls } = issuerOver(new Numbers(judge));
  const error = await rejection(() => launch(issuer).issue({ userId: '007' }));
  expect(error).toBeInstanceOf(HookError);
  expect(String(error) + String((error as Error).cause)).not.toContain('007');
  expect(redisCalls()).toBe(0);
});

async function rejection(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  return expect.fail('it did not reject');
}
