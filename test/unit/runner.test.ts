import { expect, test } from 'vitest';
import { ScriptRunner } from '../../src/redis/runner.js';
import { scripts } from '../../src/redis/scripts.js';
import { isForbidden } from '../../src/redis/server-errors.js';

const CALL = { keys: { registry: 'coupon:registry' }, args: { campaignId: 'launch' } };

/** A client whose EVALSHA fails, and which counts what it was asked. */
function failing(error: Error, client: Record<string, unknown> = {}) {
  const asked: string[] = [];
  return Object.assign(client, {
    asked,
    evalsha: async () => {
      asked.push('evalsha');
      throw error;
    },
    eval: async () => {
      asked.push('eval');
      return ['done'];
    },
  });
}

const replyError = (message: string) => Object.assign(new Error(message), { name: 'ReplyError' });
const run = (client: ReturnType<typeof failing>) => new ScriptRunner(client).run(scripts.registerCampaign, CALL, 1000);

test('NOSCRIPT alone is answered with the source of the script', async () => {
  const client = failing(replyError('NOSCRIPT No matching script. Please use EVAL.'));
  expect(await run(client)).toEqual(['done']);
  expect(client.asked).toEqual(['evalsha', 'eval']);
});

test.each([
  'OOM command not allowed',
  'READONLY You cannot write',
  'LOADING Redis is loading',
  'BUSY Redis is busy',
  'Connection is closed.',
])('after "%s" nothing is sent again', async (message) => {
  const client = failing(replyError(message));
  await expect(run(client)).rejects.toMatchObject({ code: 'REDIS' });
  expect(client.asked).toEqual(['evalsha']);
});

test('a reply of the server proves that nothing changed, but only on the connection that carried the call', async () => {
  const stream = {};
  const error = replyError('OOM command not allowed');
  await expect(run(failing(error, { stream }))).rejects.toMatchObject({ outcome: 'not_applied' });
  await expect(run(failing(error, { stream, isCluster: true }))).rejects.toMatchObject({ outcome: 'unknown' });
  await expect(run(failing(error))).rejects.toMatchObject({ outcome: 'unknown' });
  const moved: ReturnType<typeof failing> & { stream?: object } = failing(error, { stream });
  moved.evalsha = async () => {
    moved.stream = {};
    throw error;
  };
  await expect(run(moved)).rejects.toMatchObject({ outcome: 'unknown' });
});

test.each([
  ['a client inside of MULTI', 'QUEUED'],
  ['a client that answers with buffers', [Buffer.from('done')]],
  ['a client that answers nothing', undefined],
  ['a client whose answers are parsed', { done: true }],
])('%s gives no reply of a script, and the script may have run', async (_, answer) => {
  const client = { ...failing(replyError('NOSCRIPT')), evalsha: async () => answer };
  const message = expect.stringContaining('something else than their replies');
  await expect(run(client as never)).rejects.toMatchObject({ code: 'REDIS', outcome: 'unknown', message });
});

test('a connection that broke leaves the outcome unknown', async () => {
  const client = failing(new Error('Connection is closed.'), { stream: {} });
  await expect(run(client)).rejects.toMatchObject({ outcome: 'unknown' });
});

const SHA = ' script: 94fccffe8e1ea135377cd16cc44a56c27ffebc5e, on @user_script:7.';
const WITHIN = [
  `ERR The user executing the script can't run this command or subcommand${SHA}`,
  `ERR The user executing the script can't access at least one of the keys mentioned in the command arguments${SHA}`,
  `ERR The user executing the script can't publish to the channel mentioned in the command${SHA}`,
  `NOPERM ACL failure in script: User limited has no permissions to run the 'zadd' command${SHA}`,
  `NOPERM ACL failure in script: No permissions to access a key${SHA}`,
  `NOPERM ACL failure in script: No permissions to access a channel${SHA}`,
  "ERR Error running script (call to f_94fc): @user_script:7: -NOPERM The user executing the script can't run this command or subcommand",
  'ERR Error running script (call to f_94fc): @user_script: 7: NOPERM this user has no permissions to access one of the keys',
];

test.each([
  ...WITHIN,
  `ERR user_script:7: attempt to index a nil value${SHA}`,
  'ERR something new',
  'UNBLOCKED force unblock',
])('after "%s" a script may have written, so the outcome is unknown', async (message) => {
  await expect(run(failing(replyError(message), { stream: {} }))).rejects.toMatchObject({ outcome: 'unknown' });
});

test.each(WITHIN)('"%s" is told as a missing right', async (message) => {
  const error = await run(failing(replyError(message), { stream: {} })).catch((thrown: unknown) => thrown);
  expect(isForbidden(error)).toBe(true);
  expect((error as Error).message).toMatch(/this Redis user may not run .*; docs\/operating\.md lists/);
});

test.each([
  "NOPERM this user has no permissions to run the 'evalsha' command",
  "NOPERM User limited has no permissions to run the 'evalsha' command",
  'NOPERM this user has no permissions to access one of the keys used as arguments',
  'NOPERM No permissions to access a key',
  'NOAUTH Authentication required.',
  'LOADING Redis is loading the dataset in memory',
  'BUSY Redis is busy running a script.',
  'MASTERDOWN Link with MASTER is down',
  'MOVED 3999 127.0.0.1:6381',
  'ASK 3999 127.0.0.1:6381',
  'TRYAGAIN Multiple keys request during rehashing of slot',
  'CROSSSLOT Keys in request do not hash to the same slot',
  'CLUSTERDOWN The cluster is down',
  `READONLY You can't write against a read only replica.${SHA}`,
  `OOM command not allowed when used memory > 'maxmemory'.${SHA}`,
  'MISCONF Redis is configured to save RDB snapshots',
  `NOREPLICAS Not enough good replicas to write.${SHA}`,
  'ERR max number of clients reached',
  "ERR unknown command 'evalsha', with args beginning with: 'abc'",
  `ERR Error running script: Script killed by user with SCRIPT KILL.${SHA}`,
])('"%s" comes before the first write, so nothing was applied', async (message) => {
  await expect(run(failing(replyError(message), { stream: {} }))).rejects.toMatchObject({ outcome: 'not_applied' });
});

test('what a user is called does not change what an error proves', async () => {
  const denied = `NOPERM ACL failure in script: User limited has no permissions to run the 'zadd' command${SHA}`;
  const call = { ...CALL, args: { campaignId: 'script' } };
  const client = failing(replyError(denied), { stream: {} });
  const ran = new ScriptRunner(client).run(scripts.registerCampaign, call, 1_000);
  await expect(ran).rejects.toMatchObject({ outcome: 'unknown', message: expect.stringContaining('ZADD') });
});

test('an error of Redis is told without any text of an argument that has one for each user', async () => {
  const users = ['ann@example.org', 'first\nsecond line', 'kim@example.org'];
  const said = (text: string) => new ScriptRunner(failing(replyError(`ERR Error running script: "${text}"`)));
  for (const text of [...users, 'second line', '{"seat":"A 17"}', 'SECRET-CODE']) {
    const args = { users: users.join('\0'), codes: 'OTHER-CODE\0SECRET-CODE', data: '\n{"seat":"A 17"}\n' };
    const call = { keys: {}, args };
    const script = { ...scripts.reserve, keys: [] as never[], args: ['users', 'codes', 'data'] as const };
    await expect(said(text).run(script, call, 1000)).rejects.toMatchObject({
      message: expect.stringContaining('ERR Error running script: "[redacted]"'),
    });
  }
});
