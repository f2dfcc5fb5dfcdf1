import { afterAll, beforeAll, expect, test } from 'vitest';
import { length } from '../support/checks/lengths.js';
import { until } from '../support/checks/until.js';
import { rebuildNamed } from '../support/scenes/named.js';
import { names, prepareGround, SHORT, WaitingScene } from '../support/scenes/waiting-scene.js';

let ground: Awaited<ReturnType<typeof prepareGround>>;
beforeAll(async () => {
  ground = await prepareGround();
});
afterAll(() => ground.stop());

test.each(['counted', 'codes'] as const)(
  'a unit that came back (%s) reaches the next in line, and no newcomer',
  async (stock) => {
    const codes = names(5, 'code');
    const campaign = stock === 'codes' ? ({ stock: { kind: 'codes' } } as const) : {};
    const scene = await WaitingScene.open(ground, { total: 5, campaign: { ...campaign, overbook: 5 } });
    if (stock === 'codes') await scene.issuer.campaign(scene.campaignId).loadCodes(codes);
    await scene.joinAll(names(4));
    // The database refuses user-1 for good, so an operator withdraws what they were promised; a rebuild puts the unit back into the stock.
    const actor = await scene.actor({ saves: 'refused for good' });
    actor.order({ calls: [['admit', scene.campaignId, { count: 1 }]] });
    await actor.reaches('done');
    await scene.admit(1);
    await scene.issuer.idle();
    expect(await scene.issuer.campaign(scene.campaignId).quarantine.withdraw({ all: true })).toEqual({ withdrawn: 1 });
    await rebuildNamed(scene.issuer, scene.definition, stock === 'codes' ? { codes } : {});
    expect(await scene.join('newcomer')).toMatchObject({ status: 'waiting', position: 3 });
    const free = await ground.redis.lrange(scene.key(stock === 'codes' ? 'pool' : 'returned'), 0, 0);
    expect(free[0]).toMatch(/^1\b/);
    await scene.admit(1);
    await scene.issuer.idle();
    expect(await scene.served()).toEqual(['1 user-3', '2 user-2']);
    await scene.admit(10);
    expect(await scene.served()).toEqual(['1 user-3', '2 user-2', '3 user-4', '4 newcomer']);
    await scene.end({ ordered: false });
  },
);

test('a unit that comes back while a process lets people through: the database had another coupon for its holder', async () => {
  const scene = await WaitingScene.open(ground, { total: 3, campaign: { overbook: 1 } });
  await scene.joinAll(['ann', 'bob', 'cat']);
  const { signal } = new AbortController();
  const row = {
    id: 'rowOfBefore'.padEnd(22, '0'),
    campaignId: scene.campaignId,
    userId: 'ann',
    grant: 1,
    serial: 3,
    code: null,
    issuedAt: new Date(),
    epoch: '1-of-before',
    state: 'issued',
  } as const;
  expect(await ground.book.save([row], { signal })).toEqual([{ verdict: 'saved' }]);
  await scene.admit(1);
  await scene.issuer.idle();
  // The unit of the row is taken along with it, and what lies before it is free.
  expect(await ground.redis.lrange(scene.key('returned'), 0, -1)).toEqual(['1', '2']);
  expect(await scene.join('newcomer')).toMatchObject({ status: 'waiting', position: 3 });
  await scene.admit(2);
  await scene.issuer.idle();
  expect(await scene.served()).toEqual(['1 bob', '2 cat', '3 ann']);
  // The line stays over a rebuild, and ends once nothing is left.
  await rebuildNamed(scene.issuer, scene.definition);
  await scene.admit(1);
  await scene.issuer.idle();
  expect(await scene.leave('newcomer')).toEqual({ status: 'sold_out' });
  await scene.end({ ordered: false });
});

test('a stock that is raised while people wait: the worker that runs serves them, in the order of the line', async () => {
  const scene = await WaitingScene.open(ground, { total: 20, campaign: { overbook: 100 }, issuer: SHORT });
  await scene.joinAll(names(60));
  // The line does not end as long as something is out that may come back: somebody is kept waiting for the database.
  const actor = await scene.actor({ holdAt: { point: 'before save' } });
  actor.order({ calls: [['admit', scene.campaignId, { count: 20 }]] });
  await actor.reaches('before save');
  expect(await scene.inspect()).toMatchObject({ available: 0, reserved: 20, waiting: 40 });
  const worker = scene.issuer.startWorker({ campaigns: [scene.campaignId], intervalMs: 10 });
  const watching = scene.watch('user-50');
  expect(await scene.admit(5)).toMatchObject({ admitted: 0, waiting: 40 });
  await scene.issuer.campaign(scene.campaignId).restock({ add: 40, requestId: 'forty more' });
  actor.goOn();
  await actor.reaches('done');
  await until(async () => (await scene.inspect()).issued === 60);
  expect((await watching).at(-1)).toMatchObject({ status: 'issued', issuance: { serial: 50 } });
  await worker.stop();
  expect(await scene.served()).toEqual(names(60).map((userId, i) => `${i + 1} ${userId}`));
  scene.total = 60;
  await scene.end();
});

test('paused and resumed while absence is watched: nobody loses their place by it, and the order stays', async () => {
  const users = length(300, 3_000);
  const presenceMs = 1_000;
  const scene = await WaitingScene.open(ground, { total: users, campaign: { presenceMs } });
  await scene.joinAll(names(users));
  await scene.issuer.campaign(scene.campaignId).setPace({ admitPerSecond: 1 });
  const worker = scene.issuer.startWorker({ campaigns: [scene.campaignId], intervalMs: 10 });
  await until(async () => (await ground.redis.hget(scene.key('campaign'), 'sweptAt')) !== null);
  await scene.issuer.campaign(scene.campaignId).pause();
  await worker.stop();
  expect(await scene.admit(5)).toEqual({ status: 'paused' });
  const [issued, waiting] = await (async () => {
    const { issued, reserved, waiting } = await scene.inspect();
    return [issued + reserved, waiting!];
  })();
  expect(issued + waiting).toBe(users);
  // As if the pause had lasted for an hour: the last look, the grace before it, and every sign of life were then.
  const hour = 3_600_000;
  for (const name of ['sweptAt', 'graceUntil']) {
    await ground.redis.hincrbyfloat(scene.key('campaign'), name, -hour);
  }
  const waits = await ground.redis.zrange(scene.key('queue'), 0, -1);
  const aging = ground.redis.pipeline();
  for (const userId of waits) aging.zincrby(scene.key('presence'), -hour, userId);
  await aging.exec();
  // Whoever looks after the line meanwhile ends nobody.
  await scene.issuer.campaign(scene.campaignId).setPace({ admitPerSecond: null });
  const meanwhile = scene.issuer.startWorker({ campaigns: [scene.campaignId], intervalMs: 10 });
  expect(await scene.admit(5)).toEqual({ status: 'paused' });
  await scene.issuer.campaign(scene.campaignId).resume();
  await until(async () => (await scene.inspect()).issued === users);
  await meanwhile.stop();
  expect(await scene.rows()).toHaveLength(users);
  await scene.end();
});
