import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  CouponIssuer,
  CouponIssuerError,
  type CouponIssuerOptions,
  generateCodes,
  type Issuance,
  NotDeliveredError,
  NotSavedError,
} from '../../src/index.js';
import { expireLeases } from '../support/checks/invariants.js';
import { SecretScan } from '../support/checks/secret-scan.js';
import { answers, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { openNamed, quarantinedOf, rebuildNamed } from '../support/scenes/named.js';
import { client } from '../support/servers/fault-clients.js';
import { RedisServer } from '../support/servers/redis-server.js';

let server: RedisServer;
let campaigns = 0;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server?.stop());

const fresh = () => generateCodes({ count: 2 }).join('');

/** What drivers and partners throw, and on which of its parts the code and a password hang. */
const THROWN: Record<string, (row: Issuance, url: string) => unknown> = {
  'a message with the code': ({ code }) => new Error(`code ${code} was refused`),
  'a message with the whole row': (row) => new Error(`cannot take ${JSON.stringify(row)}`),
  'a message with the data of the caller': ({ data }) => new Error(`cannot take ${JSON.stringify(data)}`),
  'a message with a part of the data': ({ data }) => new Error(`${data?.mail} is unknown`),
  'a message with a URL': (_, url) => new Error(`connect to ${url} failed`),
  'a long message that ends in the code': ({ code }) => new Error(`${'x'.repeat(290)}${code}`),
  'a property code with the code of the coupon': ({ code }) => Object.assign(new Error('no'), { code }),
  'the code as its name': ({ code }) => Object.assign(new Error('no'), { name: code }),
  'nested properties': (row, url) => Object.assign(new Error('no'), { response: { data: { row }, config: { url } } }),
  'a chain of causes': ({ code }, url) => new Error('no', { cause: new Error(`${code}`, { cause: new Error(url) }) }),
  'several errors in one': ({ code }) => new AggregateError([new Error(`${code}`)], 'all failed'),
  'a stack with the code': ({ code }) => Object.assign(new Error('no'), { stack: `Error: ${code}\n at x` }),
  'a string': ({ code }) => `no: ${code}`,
  'an object that is no error': (row) => ({ message: row.code, row }),
  'an object for a message': (row) => Object.assign(new Error('no'), { message: { toString: () => row.code } }),
  'a message that cannot be read': ({ code }) =>
    Object.defineProperty(new Error('no'), 'message', {
      get: () => {
        throw new Error(`${code}`);
      },
    }),
};

type Throw = (issuance: Issuance) => never;

/** Each place where code of the user runs, and how it is made to fail there. */
const PLACES: Record<string, (fail: Throw) => Partial<CouponIssuerOptions>> = {
  save: (fail) => ({ persistence: { save: async ([issuance]) => fail(issuance!) } }),
  'save, refused': (fail) => ({
    persistence: { save: async ([issuance]) => refuse(() => fail(issuance!), new NotSavedError('no')) },
  }),
  find: (fail) => ({
    deliver: () => {},
    persistence: {
      save: () => Promise.reject(new Error('gone')),
      find: async ([issuance]) => fail(issuance!),
    },
  }),
  deliver: (fail) => ({ deliver: (issuance) => fail(issuance) }),
  'deliver, refused': (fail) => ({ deliver: (issuance) => refuse(() => fail(issuance), new NotDeliveredError('no')) }),
  recall: (fail) => {
    const persistence = new ScriptedPersistence();
    persistence.next(...Array.from({ length: 3 }, () => answers({ verdict: 'serial_conflict' })));
    return { persistence, deliver: () => {}, recall: (issuance) => fail(issuance) };
  },
};

/** The same parts on the error that proves that nothing happened. */
function refuse(fail: () => never, proof: Error): never {
  try {
    return fail();
  } catch (error) {
    if (typeof error === 'object' && error !== null) {
      for (const name of Object.getOwnPropertyNames(error).filter((each) => each !== 'name')) {
        Object.defineProperty(proof, name, Object.getOwnPropertyDescriptor(error, name)!);
      }
    }
    throw proof;
  }
}

const cases = Object.keys(PLACES).flatMap((place) => Object.keys(THROWN).map((what) => [place, what] as const));

test.each(cases)('%s throws %s: neither the code nor the password is told', async (place, what) => {
  const scan = new SecretScan();
  const campaignId = `hooks-${++campaigns}`;
  const url = `https://user:${scan.secret(fresh())}@partner.example/codes`;
  let thrown = 0;
  const parts = PLACES[place]!((issuance) => {
    thrown++;
    scan.secret(issuance.code!);
    throw THROWN[what]!(issuance, url);
  });
  const redis = server.client();
  const issuer = new CouponIssuer({
    redis: client(redis),
    persistence: new ScriptedPersistence(),
    maxTries: 1,
    ...parts,
    onEvent: (event) => scan.see(`event ${event.type}`, event),
  });
  await issuer
    .campaign(campaignId)
    .open({ stock: { kind: 'counted', total: 5, generateCodes: true } }, { skipRowCheck: true });
  const worker = issuer.startWorker({ campaigns: [campaignId], intervalMs: 3_600_000 });
  for (const userId of ['ann', 'bob']) {
    const told = await issuer
      .campaign(campaignId)
      .issue({ userId, data: { mail: scan.secret(fresh()) } })
      .catch((error: unknown) => error);
    if (told instanceof Error) expect(told).toBeInstanceOf(CouponIssuerError);
    scan.see('issue', told);
  }
  await expireLeases(redis, campaignId);
  for (const call of [
    () => issuer.campaign(campaignId).settle(),
    () => worker.health(),
    () => quarantinedOf(issuer.campaign(campaignId)),
  ]) {
    scan.see(String(call), await call().catch((error: unknown) => error));
  }
  await issuer.close();
  expect(thrown).toBeGreaterThan(0);
  expect(scan.saw(/fault/)).toBe(true);
  expect(scan.leaks()).toEqual([]);
});

test.each(Object.keys(THROWN))('a list that throws %s tells no code and no password', async (what) => {
  const scan = new SecretScan();
  const id = `hooks-${++campaigns}`;
  const definition = { id, stock: { kind: 'codes' } } as const;
  const url = `https://user:${scan.secret(fresh())}@database.example/codes`;
  const codes = Array.from({ length: 3 }, () => scan.secret(fresh()));
  const persistence = new ScriptedPersistence();
  const issuer = new CouponIssuer({ redis: client(server.client()), persistence });
  await openNamed(issuer, definition);
  await issuer.campaign(id).loadCodes(codes);
  await issuer.campaign(id).issue({ userId: 'ann' });
  await issuer.idle();
  const [row] = await persistence.rows(id);
  persistence.list = async () => {
    throw THROWN[what]!(row!, url);
  };
  await scan.fails('reconcile', issuer.campaign(id).reconcile());
  await scan.fails('openCampaign', issuer.campaign(`${id}-new`).open({ ...definition }));
  await scan.fails('rebuild', rebuildNamed(issuer, definition, { codes }));
  expect(scan.saw(/HookError/)).toBe(true);
  expect(scan.leaks()).toEqual([]);
});

test.each(Object.keys(THROWN))('a rule that throws %s tells no password', async (what) => {
  const scan = new SecretScan();
  const campaignId = `hooks-${++campaigns}`;
  const url = `https://user:${scan.secret(fresh())}@rules.example`;
  const eligible = async () => {
    throw THROWN[what]!({ code: null } as Issuance, url);
  };
  const issuer = new CouponIssuer({ redis: client(server.client()), eligible });
  await issuer.campaign(campaignId).open({ stock: { kind: 'unlimited' } });
  await scan.fails('issue', issuer.campaign(campaignId).issue({ userId: 'ann' }));
  expect(scan.saw(/HookError/)).toBe(true);
  expect(scan.leaks()).toEqual([]);
});
