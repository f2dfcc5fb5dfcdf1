import { describe, expect, test } from 'vitest';
import { Source } from '../../src/flow/source.js';
import { OverloadedError } from '../../src/index.js';
import { revokeAll } from '../../src/operate/revoke-all.js';
import type { CheckedCouponCall } from '../../src/redeem/requests.js';
import type { CouponResult } from '../../src/redeem/results.js';

const CALL = { verb: 'revoke', id: 'R', unit: 'kept', again: false } as const;
const LONG_MS = 1_000_000;

/** Revokes ten coupons. Of each code `answer` is told how often it was asked for before. */
function scene(maxQueued: number, answer: (code: string, before: number) => Promise<CouponResult>) {
  const asked: string[] = [];
  let [atOnce, most] = [0, 0];
  const ask = async ({ ref }: CheckedCouponCall) => {
    const { code } = ref as { code: string };
    const before = asked.filter((one) => one === code).length;
    asked.push(code);
    most = Math.max(most, ++atOnce);
    try {
      return await answer(code, before);
    } finally {
      atOnce--;
    }
  };
  const coupons = { ask: ask as <R extends CouponResult>(call: CheckedCouponCall) => Promise<R> };
  const source = Array.from({ length: 10 }, (_, i) => ({ code: `C${i}` }));
  const run = (signal?: AbortSignal) =>
    revokeAll(
      new Source('coupons', source),
      { call: CALL, of: 'coupons', onProgress: undefined, signal },
      {
        ...{ campaignId: 'c', adapter: undefined, timeoutMs: 1000, maxQueued, coupons },
        rules: async () => ({ perUser: 1 }),
        reserved: async () => null,
      },
    );
  return { run, asked, most: () => most };
}

const full = (retryAfterMs: number) => new OverloadedError('the queue is full', retryAfterMs);

describe('many coupons', () => {
  test('are asked for in parts that the queue has room for', async () => {
    const { run, asked, most } = scene(4, async () => ({ status: 'not_found' }));
    expect(await run()).toMatchObject({ done: 10, notFound: 10 });
    expect([asked.length, most()]).toEqual([10, 4]);
  });

  test('that find the queue full of other calls are asked for again, and no other one is', async () => {
    const { run, asked } = scene(100, async (code, before) => {
      if (code === 'C3' && before < 2) throw full(1);
      return { status: 'not_found' };
    });
    await expect(run()).resolves.toMatchObject({ done: 10, notFound: 10 });
    expect(asked.slice(10)).toEqual(['C3', 'C3']);
  });

  test('wait for room in the queue no longer than their signal', async () => {
    const abort = new AbortController();
    const { run, asked } = scene(100, async () => {
      throw full(LONG_MS);
    });
    const ended = run(abort.signal).catch(({ message }: Error) => message);
    await new Promise((resolve) => setImmediate(resolve));
    abort.abort(new Error('enough'));
    const later = new Promise((resolve) => setImmediate(resolve, 'it waits on'));
    expect(await Promise.race([ended, later])).toBe('enough');
    expect(asked).toHaveLength(10);
  });

  test('end with a fault at once, also where another one waits for room', async () => {
    const { run } = scene(100, async (code) => {
      throw code === 'C3' ? new Error('away') : full(LONG_MS);
    });
    await expect(run()).rejects.toThrow('away');
  });
});
