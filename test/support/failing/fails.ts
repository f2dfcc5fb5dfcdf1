import { expect, test } from 'vitest';

test('this one fails', () => {
  expect(1).toBe(2);
});
