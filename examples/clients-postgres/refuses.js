import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PostgresPersistence } from 'coupon-issuer/postgres';

const persistence = new PostgresPersistence({ autocommit: true, query: async () => ({ rows: [] }) });

/** A client that a bridge does not take, which it says before it sends anything. Without a bridge, the error names it. */
export function refuses(what, { bridge, inTransaction }) {
  test(`${bridge.name} refuses ${what}`, () =>
    inTransaction(async (client) => {
      assert.throws(() => bridge(client), { code: 'INVALID_ARGUMENT', message: new RegExp(`^${bridge.name} needs `) });
      const bare = bridge.name.endsWith('Transaction')
        ? persistence.within(client)
        : (async () => new PostgresPersistence(client))();
      await assert.rejects(bare, { code: 'INVALID_ARGUMENT', message: new RegExp(`: give ${bridge.name}\\(`) });
    }));
}
