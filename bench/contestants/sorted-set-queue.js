import { Redis } from 'ioredis';
import { connectedPool, countRows, emptyTable, insertOne, statements, wentIn } from '../database.js';

const EVERY_MS = 1_000;

/**
 * Whoever asks stands in a sorted set by the time of asking; once a second a scheduler takes everyone who waits and gives out what is left. The answer
 * counts when the row is committed, so it comes a second later however few ask. One scheduler: with two the order would be anyone's.
 */
export const sortedSetQueue = {
  name: 'sorted-set queue, scheduler of 1 s',
  database: true,
  redis: true,
  slow: true,
  poolSizes: [8, 16, 32],
  sweepMs: 1_100,
  async open({ redisPort, postgresUrl, poolSize, total, prepared }) {
    const table = 'bench_sorted_set';
    const pool = await connectedPool(postgresUrl, poolSize);
    const redis = new Redis(redisPort, '127.0.0.1');
    const insert = insertOne(table, statements(prepared));
    const waiting = new Map();
    let issued = new Map();
    let campaigns = [];
    let ticking = Promise.resolve();

    const tick = async () => {
      for (const campaignId of campaigns) {
        const popped = await redis.zpopmin(`{${campaignId}}:queue`, 1_000_000);
        const users = popped.filter((_, i) => i % 2 === 0);
        await Promise.all(users.map((userId) => serve({ campaignId, userId })));
      }
    };
    const timer = setInterval(() => {
      ticking = ticking.then(tick);
    }, EVERY_MS);

    async function serve({ campaignId, userId }) {
      const answers = waiting.get(`${campaignId}:${userId}`);
      waiting.delete(`${campaignId}:${userId}`);
      // Asked while an earlier request of the same user was being served, and was answered with it.
      if (!answers) return;
      const serial = (issued.get(campaignId) ?? 0) + 1;
      let given = false;
      if (serial <= total) {
        issued.set(campaignId, serial);
        // If this user had one, the unit is not given to anybody else: the numbers after it are on their way.
        given = await wentIn(pool, insert({ campaignId, userId, serial }));
      }
      for (const [i, answer] of answers.entries()) answer(given && i === 0);
    }

    return {
      async prepare(campaignIds) {
        await emptyTable(pool, table);
        await redis.flushall();
        issued = new Map();
        campaigns = campaignIds;
      },
      async issue({ campaignId, userId }) {
        const key = `${campaignId}:${userId}`;
        const answered = new Promise((resolve) => waiting.set(key, [...(waiting.get(key) ?? []), resolve]));
        await redis.zadd(`{${campaignId}}:queue`, 'NX', Date.now(), userId);
        return answered;
      },
      statements: () => pool.sent,
      count: () => countRows(pool, table),
      async close() {
        clearInterval(timer);
        await ticking;
        redis.disconnect();
        await pool.end();
      },
    };
  },
};
