import assert from 'node:assert/strict';
import { test } from 'node:test';

/** A client that a bridge does not take, which it says before it sends anything. */
export function refuses(what, { bridge, inTransaction }) {
  test(`${bridge.name} refuses ${what}`, () =>
    inTransaction(async (client) => {
      assert.throws(() => bridge(client), { code: 'INVALID_ARGUMENT', message: new RegExp(`^${bridge.name} needs `) });
    }));
}
