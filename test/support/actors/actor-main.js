// An issuer in a process of its own, on the built package, that can stop at any named point of the protocol until the test says what becomes of it.
// The points are in what this process passes to the issuer, so the issuer knows nothing of them. Speaks one JSON object a line.
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import { CouponIssuer, NotDeliveredError, NotSavedError } from 'coupon-issuer';
import { PostgresPersistence } from 'coupon-issuer/postgres';
import { Redis } from 'ioredis';
import pg from 'pg';
import { storm } from './actor-storm.js';

const { redisPort, postgresUrl, scripts, delivers, identifies, holdAt, saves, deliveries, options } = JSON.parse(
  process.argv[2],
);
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

let toGo = holdAt?.nth ?? 1;
let held = null;
let goOn = () => {};

/** Once it stands at its point, nothing of this process takes another step. */
async function reach(point) {
  if (held === null && point === holdAt?.point && --toGo === 0) {
    held = new Promise((resolve) => {
      goOn = resolve;
    });
    say({ at: point });
  }
  await held;
}

async function around(step, act) {
  await reach(`before ${step}`);
  const result = await act();
  await reach(`after ${step}`);
  return result;
}

const names = new Map(scripts);
function nameOf(sha1) {
  const name = names.get(sha1);
  if (!name) throw new Error('the built package has another script than the sources: build it');
  return name;
}

const redis = new Redis(redisPort, '127.0.0.1');
/** The issuer compares the connection before and after a call, so the rest of the client shows through. */
const client = Object.assign(Object.create(redis), {
  // A script that Redis does not know throws here, and is then sent whole: it is reached once before and once after.
  evalsha: (sha1, ...rest) => around(nameOf(sha1), () => redis.evalsha(sha1, ...rest)),
  eval: async (source, ...rest) => {
    const reply = await redis.eval(source, ...rest);
    await reach(`after ${nameOf(createHash('sha1').update(source).digest('hex'))}`);
    return reply;
  },
});

const postgres = new PostgresPersistence(new pg.Pool({ connectionString: postgresUrl, max: 2 }));
let codeWasTaken = false;
async function save(issuances, given) {
  if (saves === 'refused') throw new NotSavedError('the test says so');
  if (saves === 'refused for good') throw new NotSavedError('the test says so', { permanent: true });
  if (saves === 'code taken' && !codeWasTaken) {
    codeWasTaken = true;
    return issuances.map(() => ({ verdict: 'code_conflict' }));
  }
  return postgres.save(issuances, given);
}
const persistence = {
  save: (issuances, given) => around('save', () => save(issuances, given)),
  list: (campaignId, given) => around('list', () => postgres.list(campaignId, given)),
  find: (issuances) => around('find', () => postgres.find(issuances)),
  look: (refs) => around('look', () => postgres.look(refs)),
  change: (changes) => around('change', () => postgres.change(changes)),
  listByUser: (userIds, given) => postgres.listByUser(userIds, given),
  ...(identifies && { identity: () => postgres.identity() }),
};
const deliver = (issuance) =>
  around('deliver', async () => {
    if (deliveries === 'refused') throw new NotDeliveredError('the test says so');
    say({ delivered: issuance });
  });
const recall = (issuance) => around('recall', async () => say({ recalled: issuance }));

const hooks = delivers ? { deliver, recall } : {};
const issuer = new CouponIssuer({ redis: client, persistence, ...hooks, ...options });

const told = (error) => ({ error: { message: String(error.message), code: error.code, outcome: error.outcome } });

/** Calls methods of campaigns, all in the same tick. */
async function call(calls) {
  const results = await Promise.all(
    calls.map(async ([path, id, ...args]) => {
      const [method, room] = path.split('.').reverse();
      const campaign = issuer.campaign(id);
      try {
        return { result: await (room ? campaign[room] : campaign)[method](...args) };
      } catch (error) {
        return told(error);
      }
    }),
  );
  await issuer.idle();
  say({ at: 'done', results });
}

/** Calls a method of a cache, whose load fails where the test says so. */
async function useCache({ method, args, fails }) {
  const load = async () => {
    if (fails) throw new Error('the test says so');
    return 'loaded by the actor';
  };
  const cache = issuer.cache({ name: 'grade', ttlMs: 60_000, load });
  const results = [await cache[method](...args).then((result) => ({ result }), told)];
  await issuer.idle();
  say({ at: 'done', results });
}

say({ at: 'ready' });
for await (const line of createInterface({ input: process.stdin })) {
  const word = JSON.parse(line);
  if (word.goOn) goOn();
  else if (word.calls) call(word.calls);
  else if (word.cache) useCache(word.cache);
  else if (word.work) issuer.startWorker(word.work);
  else if (word.storm) storm(issuer, word.storm, say, told).then(() => say({ at: 'done' }));
  else if (word.stop) issuer.close().then(() => say({ at: 'done' }));
}
// The test is gone.
process.exit(0);
