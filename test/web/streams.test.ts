import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { CouponIssuer, WaitingChange } from '../../src/index.js';
import { eventStream } from '../../src/web/event-stream.js';
import type { RoutedIssuer } from '../../src/web/index.js';
import { mockIssuer } from '../mock/support.js';
import { own } from '../support/checks/own.js';
import { until } from '../support/checks/until.js';
import { eventsOf, expectGuarded, expectProblem, FORMS, get, nodeShop, post, type Shop } from './support.js';

let issuer: CouponIssuer;
beforeEach(async () => {
  issuer = mockIssuer();
  await issuer
    .campaign('line')
    .open({ stock: { kind: 'counted', total: 9, generateCodes: true }, admission: 'queued' });
  await issuer.campaign('launch').open({ stock: { kind: 'counted', total: 9 } });
});
afterEach(async () => {
  vi.useRealTimers();
  await issuer.close();
});

/** A line whose changes a test gives one by one. */
function scripted() {
  const state = { asked: 0, ended: 0 };
  let give: (next: IteratorResult<WaitingChange, undefined>) => void = () => {};
  const changes: AsyncIterableIterator<WaitingChange> = {
    next: () => {
      state.asked++;
      return new Promise((resolve) => {
        give = resolve;
      });
    },
    return: async () => {
      state.ended++;
      give({ done: true, value: undefined });
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]: () => changes,
  };
  const line = { watch: () => changes } as unknown as ReturnType<RoutedIssuer['campaign']>;
  return {
    state,
    changes,
    issuer: { campaign: () => line },
    give: (change: WaitingChange) => give({ done: false, value: change }),
  };
}

const PLACE: WaitingChange = { status: 'waiting', ticket: 2, position: 1, etaMs: null };

describe.each(FORMS)('the event stream of %s', (_, open) => {
  const opened = async (options: Parameters<typeof open>[1] = {}): Promise<Shop> => own(open(issuer, options));

  test('tells every change up to the coupon, without an id of the library', async () => {
    const { ask } = await opened();
    await post(ask, '/line/join');
    const response = await get(ask, '/line/events');
    expect(response.status).toBe(200);
    const { headers } = response;
    expect(headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(headers.get('x-accel-buffering')).toBe('no');
    expectGuarded(response);
    await issuer.campaign('line').admit({ count: 1 });
    const events = await eventsOf(response);
    expect(events[0]).toEqual({ data: { status: 'waiting', ticket: 1, position: 1, etaMs: null } });
    expect(events.at(-1)).toEqual({
      id: 'final',
      data: {
        status: 'issued',
        coupon: {
          ...{ serial: 1, grant: 1, code: expect.any(String), state: 'issued' },
          issuedAt: expect.stringMatching(/Z$/),
        },
      },
    });
  });

  test('stops a browser that connects again after the final change', async () => {
    const { ask } = await opened();
    expect(await eventsOf(await get(ask, '/line/events'))).toEqual([{ id: 'final', data: { status: 'none' } }]);
    const again = await get(ask, '/line/events', { headers: { 'last-event-id': 'final' } });
    expect([again.status, await again.text()]).toEqual([204, '']);
  });

  test('is a problem where the campaign has no line or nobody opened it', async () => {
    const { ask } = await opened({ campaigns: ['launch', 'nobody'], maxStreams: 1 });
    for (let i = 0; i < 2; i++) {
      await expectProblem(await get(ask, '/launch/events'), 409, '/problems/campaign_conflict');
      await expectProblem(await get(ask, '/nobody/events'), 404, '/problems/unknown_campaign');
    }
  });

  test('is refused to a user with too many of them, and given once one is closed', async () => {
    const { ask } = await opened({ maxStreamsPerUser: 2, maxStreams: 3 });
    for (const user of ['kim', 'lee', 'max']) await post(ask, '/line/join', { user });
    const leaving = new AbortController();
    await get(ask, '/line/events', { signal: leaving.signal });
    await get(ask, '/line/events');
    const third = await get(ask, '/line/events');
    expect(third.headers.get('retry-after')).toBe('5');
    await expectProblem(third, 429);
    await get(ask, '/line/events', { user: 'lee' });
    const full = await get(ask, '/line/events', { user: 'max' });
    expect(full.headers.get('retry-after')).toBe('5');
    await expectProblem(full, 503);
    leaving.abort();
    const again = async () => {
      const { status, body } = await get(ask, '/line/events', { user: 'max' });
      if (status !== 200) await body?.cancel();
      return status;
    };
    await expect.poll(again, { timeout: 5_000 }).toBe(200);
  });

  test('ends with the signal of its request also if nobody holds that request any more', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const { ask } = await opened({ maxStreams: 1 });
    await post(ask, '/line/join');
    const leaving = new AbortController();
    await get(ask, '/line/events', { signal: leaving.signal });
    for (let i = 0; i < 5; i++) {
      await new Promise(setImmediate);
      collect();
    }
    leaving.abort();
    const again = async () => {
      const { status, body } = await get(ask, '/line/events');
      if (status !== 200) await body?.cancel();
      return status;
    };
    await expect.poll(again, { timeout: 5_000 }).toBe(200);
  });

  test('ends when its reader stops, and gives its place back', async () => {
    const { ask } = await opened({ maxStreams: 1 });
    await post(ask, '/line/join');
    for (let i = 0; i < 3; i++) {
      let response: Response | undefined;
      await until(async () => {
        response = await get(ask, '/line/events');
        if (response.status !== 200) await response.body!.cancel();
        return response.status === 200;
      });
      const reader = response!.body!.getReader();
      await reader.read();
      await reader.cancel();
    }
  });

  test('ends when the issuer closes, and the next one is told that the server is shutting down', async () => {
    const { ask } = await opened();
    const users = Array.from({ length: 20 }, (_, i) => `u${i}`);
    for (const user of users) await post(ask, '/line/join', { user });
    const responses = await Promise.all(users.map((user) => get(ask, '/line/events', { user })));
    const texts = Promise.all(responses.map((response) => response.text()));
    await issuer.close();
    for (const text of await texts) expect(text).toMatch(/^: watching\n\n/);
    await expectProblem(await get(ask, '/line/events'), 503, '/problems/shutting_down');
  });

  test('is cut off when the watching fails, and onError hears of it', async () => {
    const heard: unknown[] = [];
    const broken = new Error('the user of Redis may not do this');
    const line = scripted();
    const shop = await own(open(line.issuer, { onError: (error) => heard.push(error) }));
    const waiting = get(shop.ask, '/line/events');
    await until(() => line.state.asked === 1);
    line.give(PLACE);
    const cutOff = expect((await waiting).text()).rejects.toThrow();
    await until(() => line.state.asked === 2);
    line.changes.next = () => Promise.reject(broken);
    line.give({ ...PLACE, position: null });
    await cutOff;
    expect(heard).toEqual([broken]);
  });
});

test('a stream is answered although its first change is not there yet, because Redis is away', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
  const line = scripted();
  const [, open] = FORMS[0]!;
  const { ask } = await open(line.issuer);
  const told = vi.fn();
  const answer = get(ask, '/line/events').then(told);
  await vi.waitFor(() => expect(line.state.asked).toBe(1));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(told).toHaveBeenCalledWith(expect.objectContaining({ status: 200 }));
  await answer;
  await told.mock.calls[0]![0].body.cancel();
  expect(line.state.ended).toBe(1);
});

describe('a stream of changes', () => {
  const decoder = new TextDecoder();
  function streamed() {
    const line = scripted();
    const leaving = new AbortController();
    const told = { ended: 0, failed: [] as unknown[] };
    const stream = eventStream({
      changes: line.changes,
      first: line.changes.next() as Promise<IteratorResult<WaitingChange, unknown>>,
      keepAliveMs: 15_000,
      signal: leaving.signal,
      ended: () => told.ended++,
      failed: (error) => told.failed.push(error),
    });
    const reader = stream.getReader();
    return { ...line, told, leaving, reader, read: async () => decoder.decode((await reader.read()).value) };
  }

  test('sends a comment while nothing changes, and none to a reader that does not read', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const { reader, read } = streamed();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(await read()).toBe(': watching\n\n');
    const comment = read();
    await vi.advanceTimersByTimeAsync(15_000);
    expect(await comment).toBe(': still here\n\n');
    await vi.advanceTimersByTimeAsync(600_000);
    expect(await read()).toBe(': still here\n\n');
    const told = vi.fn();
    const later = read().then(told);
    await vi.advanceTimersByTimeAsync(1);
    expect(told).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(15_000);
    await later;
    expect(told).toHaveBeenCalledWith(': still here\n\n');
    await reader.cancel();
    expect(vi.getTimerCount()).toBe(0);
  });

  test('asks for no change that its reader has no room for', async () => {
    const { state, give, read, reader } = streamed();
    expect(state.asked).toBe(1);
    give(PLACE);
    await vi.waitFor(() => expect(state.asked).toBe(1));
    expect(await read()).toBe(': watching\n\n');
    expect(await read()).toBe(`data: ${JSON.stringify(PLACE)}\n\n`);
    await vi.waitFor(() => expect(state.asked).toBe(2));
    await reader.cancel();
  });

  test('ends when the client is gone, though nobody reads it', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const { state, told, leaving } = streamed();
    leaving.abort();
    expect(told).toEqual({ ended: 1, failed: [] });
    expect([state.ended, vi.getTimerCount()]).toEqual([1, 0]);
  });

  test('ends its watching once when it is cancelled while it waits for a change', async () => {
    const { state, told, reader, read } = streamed();
    await read();
    const waiting = reader.read();
    await reader.cancel();
    expect((await waiting).done).toBe(true);
    await vi.waitFor(() => expect(state.ended).toBe(1));
    expect(told).toEqual({ ended: 1, failed: [] });
  });
});

test('a reader that takes nothing keeps a few changes at most, and the stream ends with its connection', async () => {
  const state = { asked: 0, ended: false };
  const reason = 'x'.repeat(20_000) as 'missing';
  const changes: AsyncIterableIterator<WaitingChange> = {
    next: async () => {
      // Far beyond the limit of the test: without an end, a stream that never waits would keep the process to itself.
      if (++state.asked > 3_000) await new Promise(() => {});
      return { done: false, value: { status: 'not_ready', reason } };
    },
    return: async () => {
      state.ended = true;
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]: () => changes,
  };
  const line = { watch: () => changes } as unknown as ReturnType<RoutedIssuer['campaign']>;
  const { port } = await own(nodeShop({ campaign: () => line }));
  const socket = connect(port, '127.0.0.1');
  socket.pause();
  socket.write('GET /line/events HTTP/1.1\r\nhost: a\r\nx-user: kim\r\n\r\n');
  let before = -1;
  await until(async () => {
    const same = state.asked > 0 && state.asked === before;
    before = state.asked;
    await new Promise((resolve) => setImmediate(resolve));
    return state.asked > 2_000 || (same && (await stands(() => state.asked)));
  });
  // Without a limit there would be no end to them: what was asked for is in the buffers of the two sockets.
  expect(state.asked).toBeLessThan(2_000);
  socket.destroy();
  await until(() => state.ended);
});

/** Whether a count stays as it is for a hundred turns of the event loop. */
async function stands(count: () => number): Promise<boolean> {
  const before = count();
  for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve));
  return count() === before;
}
