import { expect, test } from 'vitest';
import {
  type Campaign,
  type CampaignDefinition,
  CouponIssuer,
  MemoryPersistence,
  type RedisClient,
} from '../../src/index.js';
import { isNotReady, oneOf } from '../../src/redis/reply-words.js';
import { scripts } from '../../src/redis/scripts.js';
import { mockRedis } from '../mock/support.js';
import { replyOf, shaOf, sourceOf, withReply } from '../support/servers/sent.js';

/** A Redis of a newer version: from now on `change` may have another word in the replies of one script. */
function newerRedis() {
  const redis = mockRedis();
  const changes = new Map<string, (reply: unknown[]) => unknown[]>();
  const changed = (source: string, reply: unknown[]) =>
    withReply(reply, (changes.get(source) ?? ((same) => same))([...replyOf(reply)]));
  const client: RedisClient = {
    evalsha: (sha1, ...args) => redis.evalsha(sha1, ...args),
    eval: async (source, ...args) => {
      return changed(source, (await redis.eval(source, ...args)) as unknown[]);
    },
  };
  client.evalsha = async (sha1, ...args) => {
    const reply = (await redis.evalsha(sha1, ...args)) as unknown[];
    return changed(sourceOf(Object.values(scripts).find((script) => shaOf(script) === sha1)!), reply);
  };
  return { client, changes };
}

const SECRET = 'AAA-1';
const lastWord = (reply: unknown[]) => [...reply.slice(0, -1), SECRET];
const firstWord = (reply: unknown[]) => [SECRET, ...reply.slice(1)];
const wordsAt = (index: number) => (reply: unknown[]) => reply.map((value, i) => (i === index ? SECRET : value));

const UNKNOWN = { code: 'REDIS', outcome: 'unknown', message: expect.not.stringContaining(SECRET) };

test.each([
  ['a user of reserve', wordsAt(4)],
  ['reserve as a whole', firstWord],
])('an unknown word for %s is a fault with an unknown outcome, and is not quoted', async (_, change) => {
  const { client, changes } = newerRedis();
  const issuer = new CouponIssuer({ redis: client, persistence: new MemoryPersistence() });
  const launch = issuer.campaign('launch');
  await launch.open({ stock: { kind: 'counted', total: 2 } });
  changes.set(sourceOf(scripts.reserve), change);
  await expect(launch.issue({ userId: 'ann' })).rejects.toMatchObject(UNKNOWN);
  changes.clear();
  // What it took meanwhile is still there to be settled, and nobody gets it a second time.
  expect((await launch.inspect()).reserved).toBe(1);
  await issuer.close();
});

test('an unknown word for a release never counts as released', async () => {
  const { client, changes } = newerRedis();
  const save = async () => [{ verdict: 'refused', reason: 'no' } as const];
  const issuer = new CouponIssuer({ redis: client, persistence: { save } });
  const launch = issuer.campaign('launch');
  await launch.open({ stock: { kind: 'counted', total: 2 } }, { skipRowCheck: true });
  changes.set(sourceOf(scripts.release), wordsAt(2));
  await expect(launch.issue({ userId: 'ann' })).rejects.toMatchObject(UNKNOWN);
  await issuer.close();
});

test('an unknown word for a confirm is a fault behind the answer', async () => {
  const { client, changes } = newerRedis();
  const faults: string[] = [];
  const onEvent = (event: { type: string; during?: string }) => {
    if (event.type === 'fault') faults.push(String(event.during));
  };
  const issuer = new CouponIssuer({ redis: client, persistence: new MemoryPersistence(), onEvent });
  const launch = issuer.campaign('launch');
  await launch.open({ stock: { kind: 'counted', total: 2 } });
  changes.set(sourceOf(scripts.confirm), lastWord);
  expect(await launch.issue({ userId: 'ann' })).toMatchObject({ status: 'issued' });
  await issuer.idle();
  expect(faults).toEqual(['confirm']);
  await issuer.close();
});

const COUNTED = { stock: { kind: 'counted', total: 2 } } as const;
const POOL = { stock: { kind: 'codes' } } as const;
const QUEUED = { ...COUNTED, admission: 'queued' } as const;

/** For each script one call that it answers, on a campaign of this definition. */
const CALLS: readonly [keyof typeof scripts, CampaignDefinition, (launch: Campaign) => Promise<unknown>][] = [
  ['restock', COUNTED, (launch) => launch.restock({ add: 1, requestId: 'a' })],
  ['updateCampaign', COUNTED, (launch) => launch.update({ perUser: 2, requestId: 'a' })],
  ['setPace', COUNTED, (launch) => launch.setPace({ savesPerSecond: 5 })],
  ['setPaused', COUNTED, (launch) => launch.pause()],
  ['setPaused', COUNTED, (launch) => launch.resume()],
  ['closeCampaign', COUNTED, (launch) => launch.closeForGood()],
  ['findUser', COUNTED, (launch) => launch.userStatus({ userId: 'ann' })],
  ['findPlaces', QUEUED, (launch) => launch.userStatus({ userId: 'ann' })],
  ['joinLine', QUEUED, (launch) => launch.join({ userId: 'ann' })],
  ['leaveLine', QUEUED, (launch) => launch.leave({ userId: 'ann' })],
  ['loadCodes', POOL, (launch) => launch.loadCodes(['BBB'])],
  ['findInPool', POOL, (launch) => launch.replaceCode({ code: 'AAA', replacement: 'CCC' })],
  ['replaceCode', POOL, (launch) => launch.replaceCode({ code: 'AAA', replacement: 'CCC' })],
  ['beginRebuild', COUNTED, (launch) => launch.rebuild(COUNTED)],
  ['keepPromised', COUNTED, (launch) => launch.rebuild(COUNTED)],
  ['finishRebuild', COUNTED, (launch) => launch.rebuild(COUNTED)],
  ['rebuildRows', COUNTED, (launch) => launch.rebuild(COUNTED)],
  ['rebuildCodes', POOL, (launch) => launch.rebuild(POOL, { codes: ['AAA'] })],
  ['keepKnown', POOL, (launch) => launch.rebuild(POOL, { codes: ['AAA'] })],
  ['knowCodes', POOL, (launch) => launch.rebuild(POOL, { codes: ['AAA '] })],
];

test.each(CALLS)('an unknown word of %s is no success, and is not quoted (%j)', async (script, definition, call) => {
  const { client, changes } = newerRedis();
  const issuer = new CouponIssuer({ redis: client, persistence: new MemoryPersistence() });
  const launch = issuer.campaign('launch');
  await launch.open(definition);
  if (definition === POOL) await launch.loadCodes(['AAA']);
  if (definition === COUNTED) await launch.issue({ userId: 'bob' });
  await issuer.idle();
  let changed = 0;
  changes.set(sourceOf(scripts[script]), (reply) => {
    changed++;
    return firstWord(reply);
  });
  await expect(call(launch)).rejects.toMatchObject(UNKNOWN);
  expect(changed).toBe(1);
  await issuer.close();
});

test.each([
  ['joins', 'joinLine', wordsAt(6)],
  ['is let through', 'admitLine', firstWord],
] as const)('an unknown word for a user that %s is a fault', async (_, script, change) => {
  const { client, changes } = newerRedis();
  const issuer = new CouponIssuer({ redis: client, persistence: new MemoryPersistence() });
  const launch = issuer.campaign('launch');
  await launch.open({ stock: { kind: 'counted', total: 2 }, admission: 'queued' });
  changes.set(sourceOf(scripts[script]), change);
  const asked = script === 'joinLine' ? launch.join({ userId: 'ann' }) : launch.admit({ count: 1 });
  await expect(asked).rejects.toMatchObject(UNKNOWN);
  await issuer.close();
});

test('a name that every object has is no reason', () => {
  expect(['missing', 'rolled_back', 'rebuilding'].every(isNotReady)).toBe(true);
  expect(['constructor', 'ok', '', 1, null, undefined].some(isNotReady)).toBe(false);
  expect(() => oneOf('reserve', ['ok'], 'constructor')).toThrow('does not know');
});
