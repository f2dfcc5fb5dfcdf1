import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { CouponIssuer, CouponIssuerError, MemoryPersistence } from '../../src/index.js';
import { SEED } from '../support/checks/lengths.js';
import { dump } from '../support/scenes/campaigns.js';
import { cases, hostileText, notAText } from '../support/scenes/hostile.js';
import { CountingClient } from '../support/servers/counting-client.js';
import { RedisServer } from '../support/servers/redis-server.js';

let server: RedisServer;
let redis: Redis;
let issuer: CouponIssuer;
let counting: CountingClient;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
  counting = new CountingClient(redis);
});
afterAll(() => server?.stop());
beforeEach(() => setUp());

async function setUp(): Promise<void> {
  await redis.flushall();
  issuer = new CouponIssuer({ redis: counting, persistence: new MemoryPersistence() });
  for (const id of ['counted', 'closing'])
    await issuer.campaign(id).open({ stock: { kind: 'counted', total: 1_000_000 } });
  await issuer.campaign('codes').open({ stock: { kind: 'codes' }, perUser: 100 });
  await issuer.campaign('codes').loadCodes(['A', 'B', 'C'], { loadId: 'load' });
}

type Given = Record<string, unknown>;

/** Each call that takes an object, with one that is good. */
const CALLS: Record<string, { good: Given; call: (given: never) => unknown }> = {
  issue: {
    good: { userId: 'ann', requestId: 'one', timeoutMs: 1_000 },
    call: (given) => issuer.campaign('counted').issue(given),
  },
  userStatus: { good: { userId: 'ann' }, call: (given) => issuer.campaign('counted').userStatus(given) },
  open: {
    good: {
      stock: { kind: 'counted', total: 5, generateCodes: true },
      perUser: 2,
      opensAt: new Date(1),
      closesAt: new Date(4e12),
      saveMode: 'write-behind',
    },
    call: (given) => issuer.campaign('new').open(given),
  },
  'open, stock': {
    good: { kind: 'counted', total: 5, generateCodes: true },
    call: (stock) => issuer.campaign('new').open({ stock }),
  },
  'open, options': {
    good: { skipRowCheck: true },
    call: (given) => issuer.campaign('counted').open({ stock: { kind: 'counted', total: 1_000_000 } }, given),
  },
  'loadCodes, options': { good: { loadId: 'two' }, call: (given) => issuer.campaign('codes').loadCodes(['D'], given) },
  replaceCode: {
    good: { code: 'A', replacement: 'a' },
    call: (given) => issuer.campaign('codes').replaceCode(given),
  },
  restock: { good: { add: 1, requestId: 'more' }, call: (given) => issuer.campaign('counted').restock(given) },
  closeForGood: {
    good: { retainMs: 1e9 },
    call: async (given) => {
      await issuer.campaign('closing').closeForGood(given);
      // What expires soon must not expire between two looks at all keys.
      for (const key of await redis.keys('*')) await redis.persist(key);
    },
  },
  rebuild: {
    good: { stock: { kind: 'counted', total: 5 }, perUser: 2 },
    call: (given) => issuer.campaign('rebuilt').rebuild(given),
  },
  'rebuild, options': {
    good: { codes: ['A', 'B'] },
    call: (given) => issuer.campaign('rebuilt').rebuild({ stock: { kind: 'codes' } }, given),
  },
  'reconcile, options': { good: { repair: 'safe' }, call: (given) => issuer.campaign('counted').reconcile(given) },
  'quarantine.retry': { good: { ids: ['x'] }, call: (given) => issuer.campaign('counted').quarantine.retry(given) },
  'quarantine.withdraw': {
    good: { ids: ['x'] },
    call: (given) => issuer.campaign('counted').quarantine.withdraw(given),
  },
  setPace: { good: { savesPerSecond: 5 }, call: (given) => issuer.campaign('counted').setPace(given) },
  startWorker: {
    good: { campaigns: ['counted'], intervalMs: 1_000, batchSize: 5 },
    call: (given) => issuer.startWorker(given).stop(),
  },
  'new CouponIssuer': {
    good: { redis: { evalsha: async () => [], eval: async () => [] }, prefix: 'p', leaseMs: 30_000, maxBatch: 5 },
    call: (given) => void new CouponIssuer(given),
  },
};

const anything = fc.oneof(
  fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true, withSet: true }),
  fc.anything({ withObjectString: true, withSparseArray: true, withTypedArray: true }),
  notAText,
  hostileText,
  fc.constantFrom<unknown>(-1, 0, 1, 1.5, 2 ** 53, Number.POSITIVE_INFINITY, '5', new Date(Number.NaN)),
);

/** A good object with one thing wrong, or something else altogether. */
const mutated = (good: Given): fc.Arbitrary<unknown> => {
  const name = fc.constantFrom(...Object.keys(good));
  const with_ = (key: string, value: unknown) => Object.defineProperty({ ...good }, key, { value, enumerable: true });
  return fc.oneof(
    { weight: 6, arbitrary: fc.tuple(name, anything).map(([key, value]) => with_(key, value)) },
    {
      weight: 2,
      arbitrary: name.map((key) => Object.fromEntries(Object.entries(good).filter(([each]) => each !== key))),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(fc.oneof(fc.constantFrom('__proto__', 'constructor', 'toString', 'userid', ''), hostileText), anything)
        .map(([key, value]) => with_(key, value)),
    },
    { weight: 1, arbitrary: fc.constantFrom<unknown>([good], Object.entries(good), new Map(Object.entries(good))) },
    { weight: 3, arbitrary: anything },
  );
};

/** What came of a call: `done`, or the error. A bad argument must not have been sent anywhere, and nothing may have changed. */
async function outcome(call: (given: never) => unknown, given: unknown): Promise<string> {
  await issuer.idle();
  const [before, there] = [counting.sent, await dump(redis)];
  try {
    await call(given as never);
    return 'done';
  } catch (error) {
    if (!(error instanceof CouponIssuerError)) return String(error);
    if (error.code !== 'INVALID_ARGUMENT') return error.code;
    if (isStream(given)) return error.code;
    if (counting.sent > before) return 'refused after it was sent';
    expect(await dump(redis)).toEqual(there);
    return error.code;
  }
}

/** Codes that are no array are read as they are loaded. */
function isStream(given: unknown): boolean {
  const { codes } = (given ?? {}) as { codes?: unknown };
  return typeof codes === 'object' && codes !== null && Symbol.iterator in codes && !Array.isArray(codes);
}

const TYPED = [
  'done',
  'INVALID_ARGUMENT',
  'UNKNOWN_CAMPAIGN',
  'CAMPAIGN_CONFLICT',
  'OVERLOADED',
  'REDIS',
  'MISCONFIGURED',
  'NOT_READY',
];

test.each(Object.entries(CALLS))('%s takes what is good, or refuses it before any I/O', async (_, { good, call }) => {
  const counts = new Map<string, number>();
  const strange: string[] = [];
  for (const given of cases(mutated(good), 500)) {
    const word = await outcome(call, given);
    counts.set(word, (counts.get(word) ?? 0) + 1);
    if (!TYPED.includes(word)) strange.push(`${word}: ${fc.stringify(given)}`);
  }
  expect(strange, `seed=${SEED}`).toEqual([]);
  expect(counts.get('INVALID_ARGUMENT')).toBeGreaterThan(100);
});

/** What a second look at the same property would find. */
const LATER: unknown[] = ['', '}', 'later', ['later', 'later'], -1, 1e300, null, { kind: 'codes' }, Number.NaN];

test.each(Object.entries(CALLS))('%s: what was checked is what is used', async (_, { good, call }) => {
  const strange: string[] = [];
  for (const name of Object.keys(good)) {
    for (const later of LATER) {
      await setUp();
      let looks = 0;
      const get = () => (looks++ === 0 ? good[name] : later);
      const word = await outcome(call, Object.defineProperty({ ...good }, name, { get, enumerable: true }));
      const left = (await traces()).filter((text) => TRACES.includes(text) || text.includes('later'));
      if (!['done', 'INVALID_ARGUMENT'].includes(word) || left.length > 0) {
        strange.push(`${name}, at the second look ${fc.stringify(later)}: ${word} ${left}`);
      }
    }
  }
  expect(strange).toEqual([]);
});

/** What it would leave in Redis. */
const TRACES = ['1:', '-1', '1e+300', 'NaN', 'null'];

/** The names of all keys, and the fields and values of those that are hashes. */
async function traces(): Promise<string[]> {
  await issuer.idle();
  const keys = await redis.keys('*');
  const fields = await Promise.all(keys.map((key) => redis.hgetall(key).catch(() => ({}))));
  return keys.concat(fields.flatMap((each) => Object.entries(each).flat()));
}

test('a property that cannot be read fails as it fails, and nothing is sent', async () => {
  const oops = new Error('no');
  for (const { good, call } of Object.values(CALLS)) {
    for (const name of Object.keys(good)) {
      const given = Object.defineProperty({ ...good }, name, {
        get: () => {
          throw oops;
        },
        enumerable: true,
      });
      const word = await outcome(call, given);
      expect([String(oops), 'INVALID_ARGUMENT']).toContain(word);
    }
  }
});

test.each(['a hole', 'a number', 'an empty code', 'a lone surrogate'])(
  'an array of 700 codes with %s near its end is refused whole',
  async (what) => {
    const codes: unknown[] = Array.from({ length: 700 }, (_, i) => `code-${i}`);
    if (what === 'a hole') delete codes[650];
    else codes[650] = { 'a number': 42, 'an empty code': '', 'a lone surrogate': '\uD800' }[what];
    expect(await outcome(() => issuer.campaign('codes').loadCodes(codes as string[]), {})).toBe('INVALID_ARGUMENT');
    const rebuilding = { codes: codes as string[] };
    expect(await outcome(() => issuer.campaign('codes').rebuild({ stock: { kind: 'codes' } }, rebuilding), {})).toBe(
      'INVALID_ARGUMENT',
    );
  },
);

test.each([['5'], [true], [[5]], [new Date(5)], [{}], [0], [1_000_001]])('a rate of %j is no rate', async (rate) => {
  const savesPerSecond = rate as number;
  const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
  await expect(issuer.campaign('counted').setPace({ savesPerSecond })).rejects.toEqual(refused);
  const definition = { stock: { kind: 'counted', total: 5 }, pace: { savesPerSecond } } as const;
  await expect(issuer.campaign('paced').open(definition)).rejects.toEqual(refused);
});
