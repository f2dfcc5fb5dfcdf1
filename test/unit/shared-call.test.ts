import { expect, test } from 'vitest';
import { SharedCall } from '../../src/issue/shared-call.js';
import type { IssueCall } from '../../src/issue/steps.js';
import { OverloadedError, RedisError } from '../../src/model/errors.js';
import type { IssueResult } from '../../src/model/result.js';
import { ScriptRunner } from '../../src/redis/runner.js';
import { anIssuance, aReserved, manual, settled } from './support.js';

const nothing = async () => null;
const READY = { status: 'ready', evalsha: nothing, eval: nothing };
const AWAY = { ...READY, status: 'reconnecting' };

const SOLD_OUT: IssueResult = { status: 'sold_out' };

function aSharedCall(client = READY) {
  const call: IssueCall & { abandoned: boolean } = {
    id: 'id',
    isMinted: true,
    userId: 'kim',
    code: '',
    data: '',
    deadlineAt: Number.POSITIVE_INFINITY,
    abandoned: false,
    sent: false,
    reserved: null,
    promised: false,
    replayed: false,
  };
  const result = manual<IssueResult>();
  return { call, result, shared: new SharedCall(call, result.promise, new ScriptRunner(client)) };
}

test('everybody who waits gets the one result', async () => {
  const { shared, result } = aSharedCall();
  const waiting = [
    shared.wait({}),
    shared.wait({ timeoutMs: 60_000 }),
    shared.wait({ signal: new AbortController().signal }),
  ];
  result.resolve(SOLD_OUT);
  expect(await Promise.all(waiting)).toEqual([SOLD_OUT, SOLD_OUT, SOLD_OUT]);
});

test('everybody who waits gets the one fault', async () => {
  const { shared, result } = aSharedCall();
  const waiting = [shared.wait({}), shared.wait({ timeoutMs: 60_000 })];
  result.reject(new OverloadedError('full', 1));
  for (const each of waiting) await expect(each).rejects.toThrow(OverloadedError);
});

test('one whose signal is aborted gets its reason, and the others wait on', async () => {
  const { call, shared, result } = aSharedCall();
  const controller = new AbortController();
  const leaver = shared.wait({ signal: controller.signal });
  const stayer = shared.wait({});
  controller.abort(new Error('the browser left'));
  await expect(leaver).rejects.toThrow('the browser left');
  expect(call.abandoned).toBe(false);
  result.resolve(SOLD_OUT);
  expect(await stayer).toEqual(SOLD_OUT);
});

test('once everybody left, the call is abandoned, and its failure disturbs nobody', async () => {
  const { call, shared, result } = aSharedCall();
  const controllers = [new AbortController(), new AbortController()];
  const leavers = controllers.map(({ signal }) => shared.wait({ signal }));
  for (const controller of controllers) controller.abort(new Error('left'));
  for (const leaver of leavers) await expect(leaver).rejects.toThrow('left');
  expect(call.abandoned).toBe(true);
  result.reject(new Error('nobody hears this'));
  await settled();
});

test('one who comes after everybody had left is waited for again', async () => {
  const { call, shared, result } = aSharedCall();
  const controller = new AbortController();
  const leaver = shared.wait({ signal: controller.signal });
  controller.abort(new Error('left'));
  await expect(leaver).rejects.toThrow('left');
  const late = shared.wait({});
  expect(call.abandoned).toBe(false);
  result.resolve(SOLD_OUT);
  expect(await late).toEqual(SOLD_OUT);
});

test('when time runs out in the queue, nothing was reserved', async () => {
  const { shared } = aSharedCall();
  await expect(shared.wait({ timeoutMs: 5 })).rejects.toThrow(OverloadedError);
});

test('when time runs out after it was sent, the outcome is unknown', async () => {
  const { call, shared } = aSharedCall();
  call.sent = true;
  const fault = await shared.wait({ timeoutMs: 5 }).catch((error: unknown) => error);
  expect(fault).toBeInstanceOf(RedisError);
  expect((fault as RedisError).outcome).toBe('unknown');
});

test('a call whose Redis is away says so, whether it was sent or not', async () => {
  const { call, shared } = aSharedCall(AWAY);
  const waiting = async () => (await shared.wait({ timeoutMs: 5 }).catch((error: unknown) => error)) as RedisError;
  const unsent = await waiting();
  expect(unsent).toBeInstanceOf(RedisError);
  expect(unsent.outcome).toBe('not_applied');
  expect(unsent.message).toBe(
    'issue: the time of this call ran out before it was sent (the client is reconnecting); nothing was reserved',
  );
  call.sent = true;
  const sent = await waiting();
  expect(sent.outcome).toBe('unknown');
  expect(sent.message).toBe('issue: no answer from Redis within 5 ms (the client is reconnecting)');
});

test('when time runs out after it was reserved, that is accepted', async () => {
  const { call, shared } = aSharedCall();
  call.sent = true;
  const issuance = anIssuance(1);
  call.reserved = aReserved(issuance);
  expect(await shared.wait({ timeoutMs: 5 })).toEqual({ status: 'accepted', issuance: anIssuance(1, { code: null }) });
});

test('when time runs out while a hook moves the date of what is reserved, the right date is told', async () => {
  const { call, shared } = aSharedCall();
  call.sent = true;
  const issuance = anIssuance(1);
  call.reserved = aReserved(issuance);
  issuance.issuedAt.setTime(0);
  expect(await shared.wait({ timeoutMs: 5 })).toEqual({ status: 'accepted', issuance: anIssuance(1, { code: null }) });
});
