import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CouponIssuer, type CouponIssuerOptions, generateCodes, type RedisClient } from '../../src/index.js';
import { own } from '../support/checks/own.js';
import { SecretScan } from '../support/checks/secret-scan.js';
import { ScriptedPersistence } from '../support/scenes/campaigns.js';
import { quarantinedOf } from '../support/scenes/named.js';
import { client } from '../support/servers/fault-clients.js';
import { ownPort } from '../support/servers/port.js';
import { RedisServer } from '../support/servers/redis-server.js';

const POOL = { kind: 'codes' } as const;
let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server?.stop());

/** A code, or a password, that no text has by accident. */
const fresh = () => generateCodes({ count: 2 }).join('');

function issuerWith(scan: SecretScan, redis: RedisClient, options: Partial<CouponIssuerOptions> = {}): CouponIssuer {
  const onEvent: CouponIssuerOptions['onEvent'] = (event) => scan.see(`event ${event.type}`, event);
  return new CouponIssuer({ redis, persistence: new ScriptedPersistence(), timeoutMs: 2_000, ...options, onEvent });
}

/** Everything that an operator and a user may ask of a campaign, and every failure of it. */
async function askAll(scan: SecretScan, issuer: CouponIssuer, id: string): Promise<void> {
  const calls: Record<string, () => Promise<unknown>> = {
    openCampaign: () => issuer.campaign(id).open({ stock: POOL }),
    loadCodes: () => issuer.campaign(id).loadCodes([scan.secret(fresh()), scan.secret(fresh())], { loadId: 'load' }),
    replaceCode: () =>
      issuer.campaign(id).replaceCode({ code: scan.secret(fresh()), replacement: scan.secret(fresh()) }),
    issue: () => issuer.campaign(id).issue({ userId: 'ann', data: { mail: scan.secret(fresh()) } }),
    'issue again': () => issuer.campaign(id).issue({ userId: 'bob', data: { mail: scan.secret(fresh()) } }),
    status: () => issuer.campaign(id).userStatus({ userId: 'cho' }),
    inspect: () => issuer.campaign(id).inspect(),
    settle: () => issuer.campaign(id).settle(),
    listQuarantined: () => quarantinedOf(issuer.campaign(id)),
    reconcile: () => issuer.campaign(id).reconcile(),
    rebuild: () => issuer.campaign(id).rebuild({ stock: POOL }, { codes: [scan.secret(fresh())] }),
    closeCampaign: () => issuer.campaign(id).closeForGood(),
    purge: () => issuer.campaign(id).purge(),
  };
  for (const [name, call] of Object.entries(calls)) {
    const answer = await call().catch((error: unknown) => error);
    scan.see(name, answer);
    await issuer.idle();
  }
  scan.see('the issuer', issuer);
}

test('the scan finds a planted secret, wherever it is and however it is written', () => {
  const plants: Record<string, (secret: string) => unknown> = {
    message: (secret) => new Error(`no such code ${secret}`),
    cause: (secret) => new Error('no', { cause: new Error('no', { cause: { detail: secret } }) }),
    'hidden property': (secret) => Object.defineProperty(new Error('no'), 'detail', { value: { code: secret } }),
    'aggregated error': (secret) => new AggregateError([new Error(secret)], 'no'),
    stack: (secret) => Object.assign(new Error('no'), { stack: `Error: ${secret}` }),
    name: (secret) => Object.assign(new Error('no'), { name: secret }),
    symbol: (secret) => [Symbol(secret)],
    toJSON: (secret) => ({ toJSON: () => ({ secret }) }),
    'own toString': (secret) => ({ toString: () => secret }),
    map: (secret) => new Map([[{ a: 1 }, { secret }]]),
    part: (secret) => `${secret.slice(3, 12)}…`,
    base64: (secret) => Buffer.from(secret).toString('base64'),
  };
  for (const [where, planted] of Object.entries(plants)) {
    const scan = new SecretScan();
    scan.see('nothing', new Error('no'));
    const secret = scan.secret(fresh());
    expect(scan.leaks()).toEqual([]);
    scan.see(where, planted(secret));
    expect(scan.leaks(), where).toHaveLength(1);
  }
});

test.each([
  { fault: 'a wrong password', seen: /WRONGPASS|NOAUTH/ },
  { fault: 'a wrong user', seen: /WRONGPASS|NOAUTH/ },
  { fault: 'a refused connection', seen: /max retries per request/ },
])('the password in the URL of Redis is told to nobody: $fault', async ({ fault, seen }) => {
  const scan = new SecretScan();
  const locked = await own(RedisServer.start(['--requirepass', scan.secret(fresh())]));
  const port = fault === 'a refused connection' ? await ownPort() : locked.port;
  const user = fault === 'a wrong user' ? scan.secret(fresh()) : '';
  const careful = { maxRetriesPerRequest: 0, retryStrategy: () => 20 };
  const redis = client(new Redis(`redis://${user}:${scan.secret(fresh())}@127.0.0.1:${port}/0`, careful));
  const issuer = issuerWith(scan, redis);
  const worker = issuer.startWorker({ campaigns: ['locked'], intervalMs: 5 });
  await askAll(scan, issuer, 'locked');
  await scan.fails('health', worker.health());
  await worker.stop();
  expect(scan.saw(seen)).toBe(true);
  expect(scan.leaks()).toEqual([]);
});

/** A campaign of codes, some of them issued, some reserved; then something happens to Redis, and everybody asks. */
async function afterwards(id: string, happen: (scan: SecretScan, redis: Redis) => Promise<RedisClient | undefined>) {
  const scan = new SecretScan();
  const redis = client(server.client());
  let now: RedisClient = redis;
  const moving: RedisClient = { evalsha: (...args) => now.evalsha(...args), eval: (...args) => now.eval(...args) };
  const persistence = new ScriptedPersistence();
  const issuer = issuerWith(scan, moving, { persistence });
  await issuer.campaign(id).open({ stock: POOL });
  await issuer.campaign(id).loadCodes(Array.from({ length: 6 }, () => scan.secret(fresh())));
  await issuer.campaign(id).issue({ userId: 'bob' });
  persistence.next(
    () => Promise.reject(new Error('gone')),
    () => Promise.reject(new Error('gone')),
  );
  await issuer.campaign(id).issue({ userId: 'cho' });
  await issuer.idle();
  const end = persistence.hold();
  const reached = persistence.reached();
  const held = issuer
    .campaign(id)
    .issue({ userId: 'dee' })
    .catch((error: unknown) => error);
  await reached;
  now = (await happen(scan, redis)) ?? redis;
  end(new Error('gone'));
  scan.see('what was under way', await held);
  await askAll(scan, issuer, id);
  return scan;
}

test.each(['grants', 'senders', 'leases', 'returned', 'pool', 'codes', 'campaign'])(
  'a key of the wrong type, %s, brings no code to light',
  async (name) => {
    const scan = await afterwards(`typed-${name}`, async (_, redis) => {
      await redis.set(`{coupon:typed-${name}}:${name}`, 'text');
      return undefined;
    });
    expect(scan.saw(/WRONGTYPE/)).toBe(true);
    expect(scan.leaks()).toEqual([]);
  },
);

test('a Redis out of memory brings no code to light', async () => {
  const scan = await afterwards('full', async (_, redis) => {
    await redis.config('SET', 'maxmemory', '1');
    return undefined;
  });
  await server.client().config('SET', 'maxmemory', '0');
  expect(scan.saw(/OOM/)).toBe(true);
  expect(scan.leaks()).toEqual([]);
});

test('a record that cannot be read brings no code to light', async () => {
  const scan = await afterwards('broken', async (_, redis) => {
    const grants = await redis.hgetall('{coupon:broken}:grants');
    for (const [field, record] of Object.entries(grants))
      await redis.hset('{coupon:broken}:grants', field, record.slice(2));
    return undefined;
  });
  expect(scan.saw(/ERR/)).toBe(true);
  expect(scan.leaks()).toEqual([]);
});

// The server quotes the first 128 bytes of what it was sent, so it depends on the length of the keys where the quotation ends.
test.each([1, 5, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36])(
  'a Redis that no longer knows EVALSHA quotes what it was sent, and no code comes to light: an id of %i characters',
  async (length) => {
    const ignorant = await own(RedisServer.start(['--rename-command', 'EVALSHA', '']));
    const scan = await afterwards('x'.repeat(length), async () => client(ignorant.client()));
    expect(scan.saw(/unknown command/)).toBe(true);
    expect(scan.leaks()).toEqual([]);
  },
);
