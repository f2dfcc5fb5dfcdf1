import type { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  CouponIssuer,
  type CouponIssuerOptions,
  NotDeliveredError,
  NotSavedError,
  type WaitingChange,
} from '../../src/index.js';
import { type Book, memoryBook } from '../support/checks/books.js';
import { checkInvariants, expireLeases } from '../support/checks/invariants.js';
import { until } from '../support/checks/until.js';
import { dump } from '../support/scenes/campaigns.js';
import { openNamed, quarantinedOf, rebuildNamed, replaceCodeNamed } from '../support/scenes/named.js';
import { CAREFUL } from '../support/servers/fault-clients.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { aclOf } from '../support/servers/rights.js';

const LOGIN = { username: 'coupons', password: 'a-long-password' };
const counted = (id: string, total = 5) => ({ id, stock: { kind: 'counted', total } }) as const;
const queued = (id: string, total = 5) => ({ ...counted(id, total), admission: 'queued' }) as const;

let server: RedisServer;
let admin: Redis;
let redis: Redis;
let book: Book;
let faults: string[];
let issuers: CouponIssuer[];

beforeEach(async () => {
  server = await RedisServer.start();
  admin = server.client();
  await grant();
  redis = server.client({ ...LOGIN });
  book = memoryBook();
  [faults, issuers] = [[], []];
});
afterEach(async () => {
  await Promise.all(issuers.map((issuer) => issuer.close()));
  await server.stop();
});

/** Gives the user what the guide says, and then this. */
async function grant(...rules: string[]): Promise<void> {
  const [, , user, ...rights] = aclOf('coupon').split(' ');
  await admin.call('ACL', 'SETUSER', user!, ...rights, ...rules);
}

function newIssuer(options: Partial<CouponIssuerOptions> = {}): CouponIssuer {
  const onEvent: CouponIssuerOptions['onEvent'] = (event) => {
    if (event.type === 'fault') faults.push(event.error.message);
  };
  const issuer = new CouponIssuer({ redis, persistence: book, onEvent, ...options });
  issuers.push(issuer);
  return issuer;
}

async function finalOf(watching: AsyncIterable<WaitingChange>): Promise<WaitingChange | null> {
  let last: WaitingChange | null = null;
  for await (const change of watching) last = change;
  return last;
}

const settled = (issuer: CouponIssuer, id: string) =>
  until(async () => (await issuer.campaign(id).inspect()).reserved === 0);

describe('a user with exactly the rights of the guide', () => {
  test('does everything with a pool of codes: loads, issues, gives back, quarantines, rebuilds, compares, closes and purges', async () => {
    const id = 'pool';
    let [refuses, fails] = [false, false];
    const save: Book['save'] = (issuances, options) => {
      if (fails) throw new NotSavedError('refused', { permanent: true });
      return book.save(issuances, options);
    };
    const deliver = async () => {
      if (refuses) throw new NotDeliveredError('the partner said no');
    };
    const issuer = newIssuer({ deliver, persistence: { ...book, save } });
    await issuer.campaign(id).open({ stock: { kind: 'codes' } });
    expect(await issuer.campaign(id).loadCodes(['AAA', 'BBB', 'CCC', 'DDD', 'EEE'])).toMatchObject({ loaded: 5 });
    const change = { campaignId: id, code: 'EEE', replacement: 'FFF' };
    expect(await replaceCodeNamed(issuer, change)).toEqual({ status: 'replaced' });
    refuses = true;
    await expect(issuer.campaign(id).issue({ userId: 'ann' })).rejects.toMatchObject({ code: 'NOT_ISSUED' });
    refuses = false;
    expect(await issuer.campaign(id).issue({ userId: 'bob' })).toMatchObject({ status: 'issued' });
    fails = true;
    expect(await issuer.campaign(id).issue({ userId: 'cho' })).toMatchObject({ status: 'accepted' });
    await issuer.idle();
    await expireLeases(admin, id);
    await issuer.campaign(id).settle();
    expect(await quarantinedOf(issuer.campaign(id))).toHaveLength(1);
    await issuer.campaign(id).quarantine.retry({ all: true });
    await issuer.campaign(id).settle();
    const [held] = await quarantinedOf(issuer.campaign(id));
    fails = false;
    await issuer.campaign(id).quarantine.withdraw({ ids: [held!.issuance.id] });
    await issuer.campaign(id).pause();
    expect(await issuer.campaign(id).issue({ userId: 'dan' })).toEqual({ status: 'paused' });
    await issuer.campaign(id).resume();
    const codes = ['AAA', 'BBB', 'CCC', 'DDD', 'FFF'];
    await issuer.campaign(id).rebuild({ stock: { kind: 'codes' } }, { codes });
    expect(await issuer.campaign(id).userStatus({ userId: 'bob' })).toMatchObject({ status: 'issued' });
    expect((await issuer.campaign(id).reconcile({ repair: 'safe' })).findings).toEqual([]);
    await checkInvariants({ redis: admin, campaignId: id, rows: await book.rows(id), settled: true });
    await issuer.campaign(id).closeForGood({ retainMs: 86_400_000 });
    await issuer.campaign(id).purge();
    expect(await admin.keys('*pool}*')).toEqual([]);
    expect(faults.filter((message) => message.includes('may not'))).toEqual([]);
  });

  test('does everything with a number of units: write-behind, a worker, restock, a lost row that is mended', async () => {
    const id = 'number';
    const issuer = newIssuer();
    await openNamed(issuer, { ...counted(id), saveMode: 'write-behind' });
    for (const userId of ['ann', 'bob']) await issuer.campaign(id).issue({ userId });
    await issuer.campaign(id).setPace({ savesPerSecond: 1_000 });
    const worker = issuer.startWorker({ intervalMs: 5 });
    await settled(issuer, id);
    expect(await worker.health()).toMatchObject({ running: true });
    await worker.stop();
    await issuer.campaign(id).restock({ add: 5, requestId: 'more' });
    await issuer.campaign(id).restock({ add: -3, requestId: 'fewer' });
    // A grant that Redis lost, as after a failover.
    await admin.hdel(`{coupon:${id}}:grants`, '1:bob');
    await admin.hincrby(`{coupon:${id}}:campaign`, 'issued', -1);
    await admin.rpush(`{coupon:${id}}:returned`, '2');
    await admin.hincrby(`{coupon:${id}}:campaign`, 'returned', 1);
    await issuer.campaign(id).reconcile({ repair: 'safe' });
    expect(await issuer.campaign(id).inspect()).toMatchObject({ issued: 2, ready: true });
    await rebuildNamed(issuer, { ...counted(id, 7), saveMode: 'write-behind' });
    await checkInvariants({ redis: admin, campaignId: id, rows: await book.rows(id), settled: true });
    await issuer.campaign(id).closeForGood({ retainMs: 0 });
    expect(faults).toEqual([]);
  });

  test('runs a waiting room: draw, join, leave, watch, admit, a worker that hears of who joins', async () => {
    const id = 'room';
    const issuer = newIssuer();
    await openNamed(issuer, { ...queued(id), drawAtOpen: true, opensAt: new Date(Date.now() + 3_600_000) });
    for (const userId of ['ann', 'bob', 'cho']) await issuer.campaign(id).join({ userId });
    await admin.hset(`{coupon:${id}}:campaign`, 'opensAt', '1');
    await issuer.campaign(id).leave({ userId: 'cho' });
    const watching = issuer.campaign(id).watch({ userId: 'ann' });
    await watching.next();
    const channel = `{coupon:${id}}:campaign`;
    await until(async () => Number((await admin.pubsub('NUMSUB', channel))[1]) === 1);
    const worker = issuer.startWorker({ intervalMs: 600_000, campaigns: [id] });
    await issuer.campaign(id).admit({ count: 10 });
    expect(await finalOf(watching)).toMatchObject({ status: 'issued' });
    await until(async () => Number((await admin.pubsub('NUMSUB', channel))[1]) === 1);
    await issuer.campaign(id).join({ userId: 'dan' });
    await until(async () => (await issuer.campaign(id).inspect()).issued === 3);
    await worker.stop();
    await issuer.idle();
    await checkInvariants({ redis: admin, campaignId: id, rows: await book.rows(id), settled: true });
    expect(faults).toEqual([]);
  });
});

test.each(['zadd', 'ltrim', 'lpush', 'hdel', 'unlink', 'time'])(
  'without the right to %s nothing is opened and nothing is written, and the error names the command',
  async (command) => {
    await grant(`-${command}`);
    const opened = openNamed(newIssuer(), counted('new'));
    const message = expect.stringMatching(new RegExp(`may not run ${command.toUpperCase()}; nothing was written`));
    await expect(opened).rejects.toMatchObject({ code: 'MISCONFIGURED', message });
    expect(await dump(admin)).toEqual({});
  },
);

test.each(['zadd', 'ltrim', 'hdel'])(
  'a process that only issues, as a user without the right to %s, does no harm to a campaign that others opened, and serves once it has the right',
  async (command) => {
    const id = 'others';
    const operator = newIssuer({ redis: admin });
    await operator.campaign(id).open({ stock: { kind: 'codes' } });
    await operator.campaign(id).loadCodes(['AAA', 'BBB', 'CCC']);
    await grant(`-${command}`);
    const issuer = newIssuer();
    const before = await dump(admin);
    const ask = (userId: string) => issuer.campaign(id).issue({ userId });
    await expect(ask('ann')).rejects.toMatchObject({ code: 'MISCONFIGURED' });
    await expect(issuer.campaign(id).loadCodes(['DDD'])).rejects.toMatchObject({ code: 'MISCONFIGURED' });
    expect(await dump(admin)).toEqual(before);
    // To read it needs less.
    expect(await issuer.campaign(id).inspect()).toMatchObject({ ready: true, available: 3 });
    expect(await issuer.campaign(id).userStatus({ userId: 'ann' })).toMatchObject({ status: 'none' });
    expect(await operator.campaign(id).issue({ userId: 'bob' })).toMatchObject({ status: 'issued' });
    await grant();
    await expect(ask('ann')).resolves.toMatchObject({ status: 'issued' });
    await Promise.all([issuer.idle(), operator.idle()]);
    await checkInvariants({ redis: admin, campaignId: id, rows: await book.rows(id), settled: true });
  },
);

test('a right that is taken away while a campaign runs leaves the outcome unknown, and a rebuild makes the campaign whole', async () => {
  const id = 'taken';
  const issuer = newIssuer();
  await openNamed(issuer, counted(id));
  await grant('-zadd');
  const asked = issuer.campaign(id).issue({ userId: 'ann' });
  await expect(asked).rejects.toMatchObject({ code: 'REDIS', outcome: 'unknown', message: /may not run .*ZADD/ });
  await grant();
  await rebuildNamed(issuer, counted(id));
  await expireLeases(admin, id);
  await issuer.campaign(id).settle();
  await issuer.idle();
  await checkInvariants({ redis: admin, campaignId: id, rows: await book.rows(id), settled: true });
});

test.each([
  ['a call that waits for the connection', {}],
  ['a call on the new connection', CAREFUL],
])(
  'a user who has fewer rights on the server of the next connection does no harm, and is served once it has them: %s',
  async (_, options) => {
    const id = 'another-server';
    const moving = server.client({ ...LOGIN, ...options });
    await until(() => moving.status === 'ready');
    const issuer = newIssuer({ redis: moving });
    await openNamed(issuer, counted(id));
    expect(await issuer.campaign(id).issue({ userId: 'ann' })).toMatchObject({ status: 'issued' });
    await issuer.idle();
    await grant('-zadd');
    const before = await dump(admin);
    const moved = new Promise((resolve) => moving.once(options === CAREFUL ? 'ready' : 'close', resolve));
    moving.disconnect(true);
    await moved;
    const asked = issuer.campaign(id).issue({ userId: 'bob' });
    await expect(asked).rejects.toMatchObject({ code: 'MISCONFIGURED', message: expect.stringContaining('ZADD') });
    expect(await dump(admin)).toEqual(before);
    await grant();
    expect(await issuer.campaign(id).issue({ userId: 'bob' })).toMatchObject({ status: 'issued' });
    await issuer.idle();
    await checkInvariants({ redis: admin, campaignId: id, rows: await book.rows(id), settled: true });
  },
);

test.each([
  ['the registry', ['resetkeys', '~{coupon:*'], '~coupon:registry'],
  ['campaigns', ['resetkeys', '~coupon:*'], '~{coupon:*'],
])('keys of %s that are out of reach are named by their pattern', async (_, rules, pattern) => {
  await grant(...rules);
  const opened = openNamed(newIssuer(), counted('new'));
  await expect(opened).rejects.toMatchObject({ code: 'REDIS', message: expect.stringContaining(pattern) });
  expect(await dump(admin)).toEqual({});
});

test('without the right to EVALSHA the error says so', async () => {
  await grant('-evalsha');
  const opened = openNamed(newIssuer(), counted('new'));
  await expect(opened).rejects.toMatchObject({ outcome: 'not_applied', message: /may not run EVALSHA/ });
});

test.each([
  ['the command', ['-publish']],
  ['the channel', ['resetchannels']],
])(
  'a user who may not publish, for want of %s, is told once, with the channel; everybody is served',
  async (_, rules) => {
    await grant(...rules);
    const issuer = newIssuer();
    await openNamed(issuer, queued('room', 50));
    for (let i = 0; i < 20; i++) {
      await issuer.campaign('room').join({ userId: `user-${i}` });
      await issuer.campaign('room').admit({ count: 1 });
    }
    await issuer.idle();
    expect(faults).toEqual([expect.stringMatching(/may not run PUBLISH on \{coupon:room\}:campaign/)]);
  },
);

test('a user who may not subscribe is told once, with the channel, and sees what moves all the same', async () => {
  await grant('resetchannels');
  await grant('-publish', 'resetchannels');
  const operator = newIssuer({ redis: admin });
  for (const id of ['one', 'two']) {
    await openNamed(operator, queued(id));
    for (const userId of ['ann', 'bob']) await operator.campaign(id).join({ userId });
  }
  const issuer = newIssuer();
  const watching = ['one', 'two'].map((campaignId) => finalOf(issuer.campaign(campaignId).watch({ userId: 'ann' })));
  await until(() => faults.length > 0);
  for (const id of ['one', 'two']) await operator.campaign(id).admit({ count: 1 });
  for (const final of watching) expect(await final).toMatchObject({ status: 'issued' });
  expect(faults).toEqual([expect.stringMatching(/may not SUBSCRIBE to \{coupon:(?:one|two)\}:campaign/)]);
});

test('watching ends with the error where the user may not read', async () => {
  await openNamed(newIssuer({ redis: admin }), queued('room'));
  for (const rules of [['-hmget'], ['resetkeys', '~coupon:*'], ['-evalsha']]) {
    await grant(...rules);
    const watching = newIssuer().campaign('room').watch({ userId: 'ann' });
    const ended = watching.next().then(
      () => 'a change',
      ({ code }) => code,
    );
    // A fault that is told would mean that the watching goes on.
    let isOver = false;
    const goesOn = until(() => isOver || faults.some((fault) => !fault.includes('SUBSCRIBE'))).then(() => 'it goes on');
    expect(await Promise.race([ended, goesOn]), rules.join(' ')).toBe('REDIS');
    isOver = true;
    expect(await watching.next()).toEqual({ done: true, value: undefined });
  }
});

test('a worker tells a missing right once per campaign, not at each of its looks, and goes on once it has the right', async () => {
  const operator = newIssuer({ redis: admin });
  await openNamed(operator, { ...counted('due'), saveMode: 'write-behind' });
  await operator.campaign('due').issue({ userId: 'ann' });
  await grant('-zadd', '-hscan');
  const tries = async () => (await commandsRefused('zadd')) + (await commandsRefused('hscan'));
  const issuer = newIssuer();
  const worker = issuer.startWorker({ intervalMs: 2 });
  await until(async () => (await commandsRefused('hscan')) > 5);
  await grant('-zadd');
  await until(async () => (await commandsRefused('zadd')) > 3);
  expect(await tries()).toBeGreaterThan(8);
  expect(faults).toEqual([expect.stringContaining('HSCAN'), expect.stringContaining('ZADD')]);
  await grant();
  await settled(operator, 'due');
  await worker.stop();
});

/** How often the server refused a command for want of a right, from within scripts too. */
async function commandsRefused(command: string): Promise<number> {
  const stats = await admin.info('commandstats');
  return Number(new RegExp(`cmdstat_${command}:.*rejected_calls=(\\d+)`).exec(stats)?.[1] ?? 0);
}
