import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CouponIssuer, NotSavedError } from 'coupon-issuer';
import { persistenceContract } from 'coupon-issuer/testing';
import RedisMock from 'ioredis-mock';
import { MongoClient } from 'mongodb';
import { createIndexes, mongoPersistence } from './adapter.js';
import { StandIn } from './stand-in.js';

const standIn = new StandIn();
let standInUrl;
before(async () => {
  standInUrl = await standIn.start();
});
after(() => standIn.stop());

const { MONGODB_URL } = process.env;
const where = MONGODB_URL ? 'on the server at MONGODB_URL' : 'on a stand-in, not on MongoDB';
if (!MONGODB_URL) console.log('note: on a stand-in for the server. Set MONGODB_URL to run on MongoDB itself');

/** A database of its own. */
async function connect(url) {
  // With a version of the API the first message is an OP_MSG already, which is all that the stand-in speaks.
  const client = await new MongoClient(url, { serverApi: '1' }).connect();
  const db = client.db(`coupon_issuer_example_${Date.now()}`);
  await createIndexes(db);
  return { client, db };
}

describe(where, () => {
  let client;
  let db;
  before(async () => {
    ({ client, db } = await connect(MONGODB_URL ?? standInUrl));
  });
  after(async () => {
    await db.dropDatabase();
    await client.close();
  });

  /** By a query of its own, so that the adapter is not its own witness. */
  async function rowsOf(campaignId) {
    const documents = await db.collection('coupons').find({ campaignId }).toArray();
    return documents.map(({ _id, ...fields }) => ({ id: _id, ...fields }));
  }

  /** The database with a collection whose every call goes over the wire that the kit cuts. */
  function databaseOver({ send }) {
    const collection = (...named) => {
      const coupons = db.collection(...named);
      return {
        insertMany: (...args) => send(() => coupons.insertMany(...args)),
        find: (...args) => ({ toArray: () => send(() => coupons.find(...args).toArray()) }),
      };
    };
    return { collection };
  }

  describe("the adapter on MongoDB's driver keeps the contract", () => {
    const contract = persistenceContract({
      createAdapter: async (wire) => mongoPersistence(databaseOver(wire)),
      oracle: rowsOf,
    });
    for (const { name, run } of contract) test(name, run);
  });

  test('80 users want one of 50 coupons: 50 are issued, and each has its row', async () => {
    const issuer = new CouponIssuer({ redis: new RedisMock(), persistence: mongoPersistence(db) });
    await issuer.campaign('launch').open({ stock: { kind: 'counted', total: 50, generateCodes: true } });
    const users = Array.from({ length: 80 }, (_, i) => `user-${i + 1}`);
    const results = await Promise.all(users.map((userId) => issuer.campaign('launch').issue({ userId })));
    await issuer.close();

    const issued = results.filter(({ status }) => status === 'issued').map(({ issuance }) => issuance.code);
    const stored = (await rowsOf('launch')).map(({ code }) => code);
    assert.equal(issued.length, 50);
    assert.deepEqual(issued.toSorted(), stored.toSorted());
  });
});

describe('on the stand-in alone', () => {
  let client;
  let db;
  let serial = 0;
  before(async () => {
    ({ client, db } = await connect(standInUrl));
  });
  after(() => client.close());

  function issuance() {
    serial++;
    const who = { campaignId: 'faulty', userId: `user-${serial}`, grant: 1, epoch: '1-a' };
    return { ...who, id: `id-${serial}`, serial, code: null, issuedAt: new Date(), state: 'reserved' };
  }
  const certainlyNot = (error) => error instanceof NotSavedError;
  const duplicate = { index: 0, code: 11000, errmsg: 'E11000' };
  const invalid = { index: 0, code: 121, errmsg: 'Document failed validation' };
  const writeConcernError = { code: 64, errmsg: 'waiting for replication timed out' };

  test('a save waits for a majority, and reads what a majority has', async () => {
    const stored = issuance();
    for (let time = 1; time <= 2; time++) {
      assert.deepEqual(await mongoPersistence(db).save([stored]), [{ verdict: 'saved' }]);
    }
    assert.deepEqual(standIn.lastOf('insert').writeConcern, { w: 'majority' });
    assert.deepEqual(standIn.lastOf('find').readConcern, { level: 'majority' });
  });

  test('a look-up does not ask for documents without a code: there may be very many', async () => {
    await mongoPersistence(db).find([issuance()]);
    assert.deepEqual(standIn.lastOf('find').filter.$or.at(-1).code, { $in: [] });
  });

  test('a document that is refused by itself is certainly not saved', async () => {
    standIn.faultNext('insert', { runs: false, reply: { ok: 1, n: 0, writeErrors: [invalid] } });
    await assert.rejects(mongoPersistence(db).save([issuance()]), certainlyNot);
  });

  test('of a batch in which one document is refused the others may be saved', async () => {
    standIn.faultNext('insert', { runs: false, reply: { ok: 1, n: 1, writeErrors: [invalid] } });
    await assert.rejects(mongoPersistence(db).save([issuance(), issuance()]), (error) => !certainlyNot(error));
  });

  const unconfirmed = {
    'a batch that no majority confirmed': { ok: 1, n: 2, writeConcernError },
    'a batch with a duplicate that no majority confirmed': { ok: 1, n: 1, writeErrors: [duplicate], writeConcernError },
    'a batch whose connection was cut': 'cut',
  };
  for (const [what, reply] of Object.entries(unconfirmed)) {
    test(`${what} may be saved, and its repeat says so`, async () => {
      const batch = [issuance(), issuance()];
      standIn.faultNext('insert', { runs: true, reply });
      await assert.rejects(mongoPersistence(db).save(batch), (error) => !certainlyNot(error));
      assert.deepEqual(await mongoPersistence(db).save(batch), [{ verdict: 'saved' }, { verdict: 'saved' }]);
    });
  }
});
