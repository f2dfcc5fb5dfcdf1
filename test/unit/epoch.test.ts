import { expect, test } from 'vitest';
import { OverloadedError, RedisError } from '../../src/model/errors.js';
import { sendUntilNoneIsOpen } from '../../src/redis/epoch.js';

test('a call that was not sent again, because too much waits, may have taken effect before', async () => {
  const full = new OverloadedError('the time of this call ran out before it was sent; nothing was sent', 1_000);
  await expect(sendUntilNoneIsOpen(['ann'], 'no answer', () => Promise.reject(full))).rejects.toBe(full);
  let sends = 0;
  const second = sendUntilNoneIsOpen(['ann', 'bob'], 'no answer', async () => {
    if (++sends > 1) throw full;
    return ['bob'];
  });
  const error = await second.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(RedisError);
  expect(error).toMatchObject({ outcome: 'unknown', message: expect.not.stringContaining('nothing was') });
});
