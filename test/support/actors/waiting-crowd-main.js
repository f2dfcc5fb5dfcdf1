// Many users who join one line, or a worker, in a process of its own, on the built package. Its clock may be wrong by any time. Speaks one JSON object a
// line.
import { createInterface } from 'node:readline';

const { redisPort, postgresUrl, clockAheadMs = 0, holdAtSave = 0, options } = JSON.parse(process.argv[2]);
if (clockAheadMs !== 0) {
  const RealDate = Date;
  const [now, monotonic] = [Date.now, performance.now.bind(performance)];
  globalThis.Date = class extends RealDate {
    constructor(...args) {
      super(...(args.length === 0 ? [now() + clockAheadMs] : args));
    }
    static now() {
      return now() + clockAheadMs;
    }
  };
  performance.now = () => monotonic() + clockAheadMs;
}

// The issuer meets the wrong clock from its first moment.
const { CouponIssuer } = await import('coupon-issuer');
const { PostgresPersistence } = await import('coupon-issuer/postgres');
const { Redis } = await import('ioredis');
const { default: pg } = await import('pg');

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const postgres = new PostgresPersistence(new pg.Pool({ connectionString: postgresUrl, max: 2 }));
let saves = 0;
const persistence = {
  save: async (issuances, given) => {
    // From this save on nothing goes on here: the test kills it.
    if (++saves === holdAtSave) say({ at: 'before save' });
    if (holdAtSave > 0 && saves >= holdAtSave) await new Promise(() => {});
    return postgres.save(issuances, given);
  },
  list: (campaignId, given) => postgres.list(campaignId, given),
  find: (issuances) => postgres.find(issuances),
};
const issuer = new CouponIssuer({ redis: new Redis(redisPort, '127.0.0.1'), persistence, ...options });

/** mulberry32, as in test/support/checks/random.ts. */
function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Tells what was heard in bunches: a line for each would cost more than the join. */
function bunches(name) {
  let bunch = [];
  const flush = () => {
    if (bunch.length > 0) say({ [name]: bunch });
    bunch = [];
  };
  return {
    flush,
    push: (told) => {
      bunch.push(told);
      if (bunch.length === 500) flush();
    },
  };
}

/** What is unknown is asked again under the same request id, which finds the same place. */
async function joinOf(campaignId, userId) {
  for (let tries = 0; ; tries++) {
    try {
      return await issuer.campaign(campaignId).join({ userId, requestId: `wish of ${userId}` });
    } catch (error) {
      if (error.code !== 'REDIS' || tries === 10) throw error;
    }
  }
}

const told = (userId, result) => [userId, result.status, result.ticket ?? result.issuance?.serial ?? null];

/** `askers` at a time, each joins, and of those who wait a share leaves a few joins later. */
async function crowd({ campaignId, name, from, to, askers, leaving = 0, seed = 1 }) {
  const random = seeded(seed);
  const [joins, leaves] = [bunches('joined'), bunches('left')];
  const tired = [];
  let next = from;
  const one = async () => {
    while (next < to) {
      const userId = `${name}-${next++}`;
      const result = await joinOf(campaignId, userId);
      joins.push(told(userId, result));
      if (result.status === 'waiting' && random() < leaving) tired.push(userId);
      if (tired.length < 50) continue;
      const [leaver] = tired.splice(Math.floor(random() * tired.length), 1);
      leaves.push([leaver, (await issuer.campaign(campaignId).leave({ userId: leaver })).status]);
    }
  };
  await Promise.all(Array.from({ length: askers }, one));
  joins.flush();
  leaves.flush();
  say({ at: 'done' });
}

say({ at: 'ready' });
for await (const line of createInterface({ input: process.stdin })) {
  const word = JSON.parse(line);
  if (word.crowd) crowd(word.crowd).catch((error) => say({ at: `${error.name}: ${error.message}` }));
  else if (word.work) issuer.startWorker(word.work);
}
// The test is gone.
process.exit(0);
