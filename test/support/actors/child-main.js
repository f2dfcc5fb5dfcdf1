// An issuer in a process of its own, on the built package: killed and stopped by the tests. Speaks one JSON object a line.
import { createInterface } from 'node:readline';
import { CouponIssuer, NotSavedError } from 'coupon-issuer';
import { PostgresPersistence } from 'coupon-issuer/postgres';
import { Redis } from 'ioredis';
import pg from 'pg';

const { redisPort, postgresUrl, holdAt, delivers } = JSON.parse(process.argv[2]);
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const words = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const hear = async () => JSON.parse((await words.next()).value);

const postgres = new PostgresPersistence(new pg.Pool({ connectionString: postgresUrl, max: 2 }));
/** Stops at the named point until the test says what to do, if it ever does. */
const persistence = {
  async save(issuances, options) {
    if (holdAt === 'before save') {
      say({ at: holdAt });
      if ((await hear()).fail) throw new NotSavedError('the test says so');
    }
    const verdicts = await postgres.save(issuances, options);
    if (holdAt === 'after save') {
      say({ at: holdAt });
      await hear();
    }
    return verdicts;
  },
  list: (...args) => postgres.list(...args),
  check: () => postgres.check(),
  identity: () => postgres.identity(),
};
const deliveries = [];
const deliver = ({ id, code }) => void deliveries.push({ id, code });
const redis = new Redis(redisPort, '127.0.0.1');
const issuer = new CouponIssuer({ redis, persistence, ...(delivers ? { deliver } : {}) });
say({ at: 'ready' });
const { issue, times = 1 } = await hear();
const { campaignId, ...request } = issue;
const results = await Promise.all(
  Array.from({ length: times }, () =>
    issuer
      .campaign(campaignId)
      .issue(request)
      .catch((error) => ({ status: 'error', code: error.code, outcome: error.outcome })),
  ),
);
await issuer.idle();
say({ at: 'done', results, deliveries });
process.exit(0);
