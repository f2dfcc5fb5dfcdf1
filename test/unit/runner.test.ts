import { expect, test } from 'vitest';
import { ScriptRunner } from '../../src/redis/runner.js';
import { scripts } from '../../src/redis/scripts.js';

const CALL = { keys: { campaigns: 'coupon:campaigns' }, args: { campaignId: 'launch' } };

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

test('a connection that broke leaves the outcome unknown', async () => {
  const client = failing(new Error('Connection is closed.'), { stream: {} });
  await expect(run(client)).rejects.toMatchObject({ outcome: 'unknown' });
});
