import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RedisError } from '../../src/index.js';
import { cacheKeys, campaignKeys, registryKeys } from '../../src/redis/keys.js';
import { ScriptRunner } from '../../src/redis/runner.js';
import { scripts } from '../../src/redis/scripts.js';
import { dump } from '../support/scenes/campaigns.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { aclOf, commandsOf, grantedCommands, keyPatterns, OPTIONAL } from '../support/servers/rights.js';
import { scriptFiles } from './read-script.js';
import { openWorld } from './world.js';

const files = scriptFiles();
const keys = {
  ...campaignKeys('coupon', 'launch'),
  ...registryKeys('coupon'),
  ...cacheKeys('coupon', 'grade', 'of-a-key'.padEnd(22, '0')),
};
const USER = { username: 'limited', password: 'secret' };
/** The stock that a script can be called with; where both will do, the pool, which has more keys. */
const kindFor = (name: string) => (name === 'restock' ? 'counted' : 'codes');

let server: RedisServer;
let redis: Redis;
let limited: Redis;
beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
  await grant();
  limited = server.client({ ...USER, enableReadyCheck: false });
});
afterAll(() => server.stop());

/** All rights but these. */
const grant = (...without: string[]) =>
  redis.call('ACL', 'SETUSER', USER.username, 'reset', 'on', '>secret', '~*', '&*', '+@all', ...without);

test('what the scripts are tried for is what they call, but for what they can do without', () => {
  const called = new Set(files.flatMap(({ name, source }) => (name === 'check-rights' ? [] : commandsOf(source))));
  const tried = new Set(readTries());
  expect([...tried].sort()).toEqual([...called].filter((name) => !OPTIONAL.includes(name)).sort());
});

function readTries(): string[] {
  const text = readFileSync(new URL('../../lua/campaign/check-rights.lua', import.meta.url), 'utf8');
  const [, table] = /local TRIES = \{([\s\S]*?)\n\}/.exec(text)!;
  const listed = [...table!.matchAll(/'([A-Z]+)[^']*'/g)].map(([, name]) => name!);
  return [...listed, ...[...text.matchAll(/^try\('([A-Z]+)'/gm)].map(([, name]) => name!)];
}

test('every key of a script is covered by the patterns that the guide names', () => {
  const covers = (key: string) => keyPatterns('coupon').some((pattern) => key.startsWith(pattern.slice(1, -1)));
  for (const script of Object.values(scripts))
    for (const name of script.keys) expect(covers(keys[name]), name).toBe(true);
});

test('the guide lists the rights that a user needs', () => {
  const guide = readFileSync(new URL('../../docs/operating.md', import.meta.url), 'utf8');
  expect(guide).toContain(aclOf('coupon'));
});

test.each(grantedCommands().filter((name) => !['EVALSHA', 'EVAL', ...OPTIONAL].includes(name)))(
  'a user who may not run %s is found out, and nothing is left of the trying',
  async (command) => {
    await redis.flushall();
    await grant(`-${command}`);
    const run = new ScriptRunner(limited).run(scripts.checkRights, { keys, args: {} }, 5_000);
    expect(await run).toEqual(['forbidden', command]);
    expect(await dump(redis)).toEqual({});
  },
);

test('a user who may run all of it is found out too, and nothing is left of the trying', async () => {
  await redis.flushall();
  await grant('-@all', ...grantedCommands().map((name) => `+${name}`));
  const run = new ScriptRunner(limited).run(scripts.checkRights, { keys, args: {} }, 5_000);
  expect(await run).toEqual(['ok']);
  expect(await dump(redis)).toEqual({});
});

const cases = files
  .filter(({ name }) => name !== 'check-rights')
  .flatMap(({ name, source }) => commandsOf(source).map((command) => ({ name, command })));

describe.each(cases)('$name without the right to $command', ({ name, command }) => {
  test('is refused with the name of the command, and not_applied only if nothing was written', async () => {
    const { calls } = await openWorld(redis, kindFor(name), name);
    const { script, args, items } = calls[name]!;
    const before = await dump(redis);
    await grant(`-${command}`);
    const call = items ? { keys, args, items } : { keys, args };
    const fault = await new ScriptRunner(limited).run(script, call, 5_000).catch((error: unknown) => error);
    // It did not come to that command in this world.
    if (!(fault instanceof RedisError)) return;
    expect(fault.message).toContain(command);
    if (fault.outcome === 'not_applied') expect(await dump(redis)).toEqual(before);
    else expect(fault.outcome).toBe('unknown');
  });
});

test('a script that the server stops in the middle has written, and its outcome is unknown', async () => {
  const { calls } = await openWorld(redis, 'counted', 'reserve');
  const { script, args } = calls.reserve!;
  const before = await dump(redis);
  await grant('-zadd');
  const run = new ScriptRunner(limited).run(script, { keys, args }, 5_000);
  await expect(run).rejects.toMatchObject({ outcome: 'unknown', message: expect.stringContaining('ZADD') });
  expect(await dump(redis)).not.toEqual(before);
});
