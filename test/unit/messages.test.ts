import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { CouponIssuer, MemoryPersistence, type RedisError } from '../../src/index.js';
import { differences, toRules } from '../../src/model/campaign-rules.js';
import { conflict } from '../../src/model/errors.js';
import { METHODS, type Operation } from '../../src/model/methods.js';
import { CampaignOverError, neverOpened } from '../../src/redis/registry.js';
import { notReady } from '../../src/redis/reply-words.js';
import { scripts } from '../../src/redis/scripts.js';
import type { RedisContext } from '../../src/redis/shard.js';
import { Worker } from '../../src/worker/worker.js';
import { quarantinedOf } from '../support/scenes/named.js';

const definition = { stock: { kind: 'counted', total: 5 } } as const;
const user = { userId: 'ann' };

const cacheOf = (issuer: CouponIssuer) =>
  issuer.cache({ name: 'grade', load: () => 'gold', ttlMs: 1_000, withoutRedis: 'throw' });

const CALLS: Record<Operation, (issuer: CouponIssuer) => Promise<unknown>> = {
  open: (issuer) => issuer.campaign('c').open(definition),
  load: (issuer) => issuer.campaign('c').loadCodes(['AAA-1'], { loadId: 'l' }),
  replaceCode: (issuer) => issuer.campaign('c').replaceCode({ code: 'AAA-1', replacement: 'AAA-2' }),
  loads: (issuer) => issuer.campaign('c').loads().next(),
  issue: (issuer) => issuer.campaign('c').issue(user),
  join: (issuer) => issuer.campaign('c').join(user),
  leave: (issuer) => issuer.campaign('c').leave(user),
  admit: (issuer) => issuer.campaign('c').admit({ count: 1 }),
  userStatus: (issuer) => issuer.campaign('c').userStatus(user),
  campaigns: (issuer) => issuer.campaigns().next(),
  inspect: (issuer) => issuer.campaign('c').inspect(),
  settle: (issuer) => issuer.settle(),
  quarantineList: (issuer) => quarantinedOf(issuer.campaign('c')),
  quarantineRetry: (issuer) => issuer.campaign('c').quarantine.retry({ all: true }),
  quarantineWithdraw: (issuer) => issuer.campaign('c').quarantine.withdraw({ all: true }),
  pause: (issuer) => issuer.campaign('c').pause(),
  resume: (issuer) => issuer.campaign('c').resume(),
  setPace: (issuer) => issuer.campaign('c').setPace({ savesPerSecond: 5 }),
  closeForGood: (issuer) => issuer.campaign('c').closeForGood(),
  update: (issuer) => issuer.campaign('c').update({ perUser: 2, requestId: 'r' }),
  restock: (issuer) => issuer.campaign('c').restock({ add: 1, requestId: 'r' }),
  rebuild: (issuer) => issuer.campaign('c').rebuild(definition),
  reconcile: (issuer) => issuer.campaign('c').reconcile(),
  purge: (issuer) => issuer.campaign('c').purge(),
  redeem: (issuer) => issuer.campaign('c').redeem({ userId: 'ann', code: 'A', redemptionId: 'r' }),
  unredeem: (issuer) => issuer.campaign('c').unredeem({ userId: 'ann', code: 'A', redemptionId: 'r' }),
  extend: (issuer) => issuer.campaign('c').extend({ userId: 'ann', code: 'A', expiresAt: new Date() }),
  revoke: (issuer) => issuer.campaign('c').revoke({ code: 'A', revocationId: 'r' }),
  revokeAll: (issuer) => issuer.campaign('c').revokeAll({ users: ['ann'], revocationId: 'r' }),
  coupons: (issuer) => issuer.coupons({ userId: 'ann' }),
  findByCode: (issuer) => issuer.findByCode({ code: 'A' }),
  tally: (issuer) => issuer.campaign('c').tally(),
  cacheGet: (issuer) => cacheOf(issuer).get('ann'),
  cacheGetMany: (issuer) => cacheOf(issuer).getMany(['ann']),
  cacheSet: (issuer) => cacheOf(issuer).set('ann', 'gold'),
  cacheInvalidate: (issuer) => cacheOf(issuer).invalidate('ann'),
  cacheWarm: async (issuer) => {
    throw (await cacheOf(issuer).warm(['ann'])).firstError;
  },
  check: (issuer) => issuer.check(),
  workers: (issuer) => issuer.workers(),
  health: async () => {
    throw new Error('a worker without a Redis knows no campaign to look at');
  },
};
/** Redis is not what these ask. */
const OTHERS: readonly Operation[] = [
  'health',
  'redeem',
  'unredeem',
  'extend',
  'revoke',
  'revokeAll',
  'coupons',
  'findByCode',
  'tally',
];
const calls = (Object.keys(CALLS) as Operation[]).filter((operation) => !OTHERS.includes(operation));

async function faultOf(operation: Operation, answer: () => Promise<never>) {
  let asked = 0;
  const ask = () => {
    asked++;
    return answer();
  };
  const redis = { status: 'reconnecting', evalsha: ask, eval: ask };
  const issuer = new CouponIssuer({ redis, persistence: new MemoryPersistence(), timeoutMs: 5 });
  const error = (await CALLS[operation](issuer).catch((fault: unknown) => fault)) as RedisError;
  return { error, asked };
}

describe('a call that Redis does not answer', () => {
  test.each(calls)('%s waits once, and says that Redis is away', async (operation) => {
    const { error, asked } = await faultOf(operation, () => new Promise<never>(() => {}));
    const method = METHODS[operation];
    // On the way to a value of a cache, where a load and the calls for it have to fit, a call waits for a quarter.
    const ms = ['cacheGet', 'cacheGetMany', 'cacheWarm'].includes(operation) ? 2 : 5;
    expect(error.message).toBe(`${method}: no answer from Redis within ${ms} ms (the client is reconnecting)`);
    expect(asked).toBe(1);
  });

  test.each(calls)('%s names itself, and no script, when the client fails', async (operation) => {
    const { error } = await faultOf(operation, async () => {
      throw new Error('Connection is closed.');
    });
    expect(error.message).toBe(`${METHODS[operation]}: Redis failed: Connection is closed.`);
    // A cache asks for its rights first, and sends nothing else.
    expect(error.outcome).toBe(operation.startsWith('cache') ? 'not_applied' : 'unknown');
    for (const { name } of Object.values(scripts).filter((script) => script.name.includes('-')))
      expect(error.message).not.toContain(name);
  });
});

test('a server that answers no INFO is let pass, and one that fails otherwise is not asked again', async () => {
  const reply = Object.assign(new Error("NOPERM can't run 'info'"), { name: 'ReplyError' });
  expect((await faultOf('open', () => Promise.reject(reply))).asked).toBe(2);
  expect((await faultOf('open', () => Promise.reject(new Error('Command timed out')))).asked).toBe(1);
});

test('every method that messages name is there', () => {
  const { health, campaigns, findByCode, check, workers, ...ofCampaign } = METHODS;
  const issuer = new CouponIssuer({ redis: { evalsha: async () => [], eval: async () => [] } });
  const handle = issuer.campaign('c');
  for (const method of [campaigns, findByCode, check, workers, METHODS.coupons])
    expect(issuer[method]).toBeTypeOf('function');
  const cache = cacheOf(issuer);
  for (const method of Object.values(ofCampaign)) {
    const [name, room] = method.split('.').reverse();
    const rooms: Record<string, unknown> = { quarantine: handle.quarantine, cache };
    const on = (room ? rooms[room] : handle) as Record<string, unknown>;
    expect(on[name!], method).toBeTypeOf('function');
  }
  expect(Worker.prototype[health]).toBeTypeOf('function');
});

test('instants that differ are told as people read them', () => {
  const rules = (closesAt?: Date) => toRules({ ...definition, ...(closesAt && { closesAt }) }, []);
  const [noon, one] = [new Date('2030-05-01T12:00:00Z'), new Date('2030-05-01T13:00:00Z')];
  expect(differences(rules(noon), rules(one))).toEqual([
    'closesAt is 2030-05-01T12:00:00.000Z, not 2030-05-01T13:00:00.000Z',
  ]);
  expect(differences(rules(noon), rules())).toEqual(['closesAt is 2030-05-01T12:00:00.000Z, not none']);
});

describe('an error about a campaign says what happened, what it left and what to do', () => {
  test.each([
    ['missing', /Call open\(\) again .* rebuild\(\) if/],
    ['rolled_back', /make it again with rebuild\(\)/],
    ['rebuilding', /Ask again once .* call rebuild\(\) again/],
  ] as const)('whose state is %s', (reason, cure) => {
    const { message, ...error } = notReady('launch', reason);
    expect(message).toContain(`the state of campaign launch in Redis is ${reason}, so it serves nobody. `);
    expect(message).toMatch(cure);
    expect(error).toMatchObject({ code: 'NOT_READY', reason });
  });

  test('that nobody opened', () => {
    expect(neverOpened({ prefix: 'shop' } as RedisContext, 'launch').message).toBe(
      'no campaign launch was opened under the prefix shop; nothing was written. ' +
        'Check the id and the prefix of this issuer, or open() the campaign first. If it was open, Redis lost it: rebuild()',
    );
  });

  test.each([
    ['whose keys expired', false, /another id, or call purge\(\) to use this one again$/],
    ['that was purged', true, /Take another id, or open it anew if the database has no rows of it$/],
  ])('%s', (_, isPurged, cure) => {
    const { message } = new CampaignOverError('launch', new Date(0), isPurged);
    expect(message).toMatch(/^campaign launch is over: it was closed at 1970-.*; nothing was written\. /);
    expect(message).toMatch(cure);
  });

  test('that is another one than the call assumes', () => {
    const not = { what: 'is not closed', cure: 'Close it first' };
    expect(conflict('launch', not).message).toBe('campaign launch is not closed; nothing was changed. Close it first');
    expect(conflict('launch', not, 'nothing was removed').message).toContain('; nothing was removed. ');
  });

  test('in every conflict that src throws', () => {
    const src = new URL('../../src/', import.meta.url).pathname;
    const made = readdirSync(src, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .filter((path) => readFileSync(src + path, 'utf8').includes('new CampaignConflictError('));
    expect(made).toEqual(['model/errors.ts']);
  });
});
