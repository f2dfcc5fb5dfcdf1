import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cacheKeys, campaignKeys, registryKeys } from '../../src/redis/keys.js';
import { type Script, ScriptRunner } from '../../src/redis/runner.js';
import { scripts } from '../../src/redis/scripts.js';
import { dump } from '../support/scenes/campaigns.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { readBody, scriptFiles } from './read-script.js';
import { openWorld } from './world.js';

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());

const registry = Object.values(scripts);
const ofCampaign = registry.filter(({ keys }) => (keys as readonly string[]).includes('campaign'));
/** They ask the server, or a channel, and look at no key. */
const KEYLESS = ['inspect-server', 'announce'];
const looking = ofCampaign.map(({ name }) => name).filter((name) => !KEYLESS.includes(name));

test('the scripts that may do without the format touch no key of a campaign', () => {
  const touching = scriptFiles().filter(({ source }) =>
    readBody(source).reached.some(({ name, keys }) => name !== 'PUBLISH' && keys.includes('campaignKey')),
  );
  expect(touching.map(({ name }) => name).sort()).toEqual([...looking].sort());
});

const OTHERS = { 'a newer format': '2', 'an earlier format': '0', 'no format': '' };

test.each(looking.flatMap((name) => Object.entries(OTHERS).map(([which, format]) => [name, which, format] as const)))(
  '%s refuses a campaign of %s, and nothing is written',
  async (name, _, format) => {
    const { run, calls, key } = await openWorld(redis, name === 'restock' ? 'counted' : 'codes', name);
    if (format === '') await redis.hdel(key('campaign'), 'format');
    else await redis.hset(key('campaign'), 'format', format);
    const before = await dump(redis);
    expect(await run(calls[name]!)).toEqual(['unknown_format']);
    expect(await dump(redis)).toEqual(before);
  },
);

test.each([
  { name: 'open-campaign', script: scripts.openCampaign, args: { generation: '1', random: 'abc' } },
  {
    name: 'begin-rebuild',
    script: scripts.beginRebuild,
    args: { from: '', random: 'abc', generation: '1', definition: 'the rules' },
  },
])('the format is written by $name', async ({ script, args }) => {
  await redis.flushall();
  const keys = {
    ...campaignKeys('coupon', 'launch'),
    ...registryKeys('coupon'),
    ...cacheKeys('coupon', 'grade', 'id'),
  };
  const items = [{ name: 'kind', value: 'counted' }];
  await new ScriptRunner(redis).run(script as Script, { keys, args, items }, 10_000);
  expect(await redis.hget(keys.campaign, 'format')).toBe('1');
});
