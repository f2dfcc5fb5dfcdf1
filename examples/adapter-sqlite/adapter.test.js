import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CouponIssuer } from 'coupon-issuer';
import { persistenceContract } from 'coupon-issuer/testing';
import RedisMock from 'ioredis-mock';
import Libsql from 'libsql';
import { setUp, sqlitePersistence } from './adapter.js';

// Part of Node from 22.13 on, with the same methods.
const { DatabaseSync } = await import('node:sqlite').catch(() => ({}));
if (!DatabaseSync) console.log('note: on libsql alone, because this Node has no node:sqlite');

describe('on libsql', () => testsOn(Libsql));
describe('on node:sqlite', { skip: !DatabaseSync && 'this Node has none' }, () => testsOn(DatabaseSync));

function testsOn(Database) {
  let dir;
  let database;
  let witness;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'coupon-sqlite-'));
    database = new Database(join(dir, 'coupons.db'));
    setUp(database);
    witness = new Database(join(dir, 'coupons.db'));
  });
  after(() => {
    for (const connection of [database, witness]) connection.close();
    rmSync(dir, { recursive: true });
  });

  /** On another connection, which sees only what is committed. */
  async function rowsOf(campaignId) {
    return witness
      .prepare('SELECT serial, userId, "grant", id, code FROM coupons WHERE campaignId = ?')
      .all(campaignId);
  }

  /** The connection with statements that go over the wire that the kit cuts. */
  function databaseOver({ send }) {
    const prepare = (sql) => {
      const statement = database.prepare(sql);
      return {
        run: (...values) => send(() => statement.run(...values)),
        all: (...values) => send(() => statement.all(...values)),
      };
    };
    return { prepare };
  }

  describe('the adapter keeps the contract', () => {
    const contract = persistenceContract({
      createAdapter: async (wire) => sqlitePersistence(databaseOver(wire)),
      oracle: rowsOf,
    });
    for (const { name, run } of contract) test(name, run);
  });

  test('80 users want one of 50 coupons: 50 are issued, and each has its row', async () => {
    const issuer = new CouponIssuer({ redis: new RedisMock(), persistence: sqlitePersistence(database) });
    const campaignId = `launch-${Database.name}`;
    await issuer.campaign(campaignId).open({ stock: { kind: 'counted', total: 50, generateCodes: true } });
    const users = Array.from({ length: 80 }, (_, i) => `user-${i + 1}`);
    const results = await Promise.all(users.map((userId) => issuer.campaign(campaignId).issue({ userId })));
    await issuer.close();

    const issued = results.filter(({ status }) => status === 'issued').map(({ issuance }) => issuance.code);
    const stored = (await rowsOf(campaignId)).map(({ code }) => code);
    assert.equal(issued.length, 50);
    assert.deepEqual(issued.toSorted(), stored.toSorted());
  });

  test('while another connection writes, the batch is certainly not saved', async () => {
    database.exec('PRAGMA busy_timeout = 0');
    witness.exec('BEGIN IMMEDIATE');
    try {
      const issuance = { campaignId: 'busy', id: 'a', serial: 1, userId: 'kim', grant: 1, code: null };
      const save = sqlitePersistence(database).save([{ ...issuance, issuedAt: new Date(), epoch: '1-a' }]);
      await assert.rejects(save, { name: 'NotSavedError', wholeBatch: true });
    } finally {
      witness.exec('ROLLBACK');
    }
  });
}
