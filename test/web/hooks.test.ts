import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CouponIssuer, InvalidArgumentError } from '../../src/index.js';
import { mockIssuer } from '../mock/support.js';
import { own } from '../support/checks/own.js';
import { until } from '../support/checks/until.js';
import { ScriptedPersistence } from '../support/scenes/campaigns.js';
import { expectProblem, FORMS, get, post } from './support.js';

let issuer: CouponIssuer;
let persistence: ScriptedPersistence;
const unhandled: unknown[] = [];
const onUnhandled = (error: unknown) => void unhandled.push(error);
beforeEach(async () => {
  process.on('unhandledRejection', onUnhandled);
  persistence = new ScriptedPersistence();
  issuer = mockIssuer({ persistence });
  const stock = { kind: 'counted', total: 50, generateCodes: true } as const;
  await issuer.campaign('launch').open({ stock });
  await issuer.campaign('line').open({ stock, admission: 'queued' });
});
afterEach(async () => {
  // A rejection that nobody handles is told after the microtasks of its turn.
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', onUnhandled);
  expect(unhandled.splice(0)).toEqual([]);
  await issuer.close();
});

describe.each(FORMS)('the functions of a shop, called by %s', (_, open) => {
  test('an onError that rejects changes no answer, and does not end the process', async () => {
    const away = new Error('the sessions are away');
    const onError = async () => {
      throw new Error('the log is full');
    };
    const { ask } = await own(open(issuer, { userOf: () => Promise.reject(away), onError }));
    await expectProblem(await post(ask, '/launch/issue'), 500);
  });

  test('data may be a promise, and its rejection is answered as an error of it', async () => {
    const heard: unknown[] = [];
    const broken = new Error('a secret of the shop');
    const { ask } = await own(
      open(issuer, {
        onError: (error) => heard.push(error),
        data: async ({ source }) => {
          await new Promise((resolve) => setImmediate(resolve));
          if (source === 'bad') throw new InvalidArgumentError('source is unknown', { argument: 'source' });
          if (source === 'broken') throw broken;
          return { source: String(source) };
        },
      }),
    );
    const bad = await post(ask, '/launch/issue', { body: '{"source":"bad"}' });
    await expectProblem(bad, 400, '/problems/invalid_argument');
    await expectProblem(await post(ask, '/launch/issue', { body: '{"source":"broken"}' }), 500);
    expect(heard).toEqual([broken]);
    expect((await post(ask, '/launch/issue', { body: '{"source":"mail"}' })).status).toBe(201);
    const rows = await persistence.rows('launch');
    expect(rows.map((row) => (row as { data?: unknown }).data)).toEqual([{ source: 'mail' }]);
  });

  test('campaigns says yes with true alone, and not with a value that is like it', async () => {
    const likeTrue = [1, 'true', {}, [], Object(true), Promise.resolve(1), Promise.resolve('true')];
    for (const value of likeTrue) {
      const { ask } = await own(open(issuer, { campaigns: () => value as unknown as boolean }));
      await expectProblem(await post(ask, '/launch/issue'), 404, '/problems/unknown_campaign');
    }
    expect(persistence.saves).toEqual([]);
  });

  test('a user that is no string is no user, and gets no coupon', async () => {
    const odd = [7, true, false, {}, [], ['kim'], Symbol('kim'), Number.NaN, 7n, Object('kim'), Buffer.from('kim')];
    for (const value of [...odd, ...odd.map((one) => Promise.resolve(one))]) {
      const { ask } = await own(open(issuer, { userOf: () => value as unknown as string }));
      await expectProblem(await post(ask, '/launch/issue'), 500);
    }
    expect(persistence.saves).toEqual([]);
  });

  test('a client that left while its user was looked up gets no coupon, and keeps no stream', async () => {
    const lookUps: (() => void)[] = [];
    let isSlow = true;
    const userOf = (name: string | null) =>
      isSlow ? new Promise<string | null>((resolve) => lookUps.push(() => resolve(name))) : name;
    const { ask } = await own(open(issuer, { userOf, maxStreams: 1 }));
    const leaving = new AbortController();
    const { signal } = leaving;
    const asked = [post(ask, '/launch/issue', { signal }), get(ask, '/line/events', { signal })];
    const settled = Promise.allSettled(asked);
    await until(() => lookUps.length === 2);
    leaving.abort();
    await settledSoon(settled);
    for (const lookUp of lookUps) lookUp();
    isSlow = false;
    await settled;
    await expect
      .poll(async () => {
        const { status, body } = await get(ask, '/line/events');
        await body?.cancel();
        return status;
      })
      .toBe(200);
    expect(persistence.saves).toEqual([]);
  });
});

/** A server hears of an end of a connection a few turns later than its client. */
async function settledSoon(work: Promise<unknown>): Promise<void> {
  let isSettled = false;
  void work.then(() => {
    isSettled = true;
  });
  for (let i = 0; i < 100 && !isSettled; i++) await new Promise((resolve) => setImmediate(resolve));
  for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve));
}
