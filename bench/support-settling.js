// Write-behind: everybody is answered after Redis alone, and what was accepted is settled without a pause.
import { Redis } from 'ioredis';
import { connectedPool, countRows, emptyTable } from './database.js';
import { measureCpu } from './support-cpu.js';
import { inParts } from './support-queues.js';

/** One round of a build: `count` are accepted, and then saved. What is measured is the saving. */
export async function settleRound({ redisPort, postgresUrl }, { build, campaignId, count, parts }) {
  const table = `bench_settling${build.suffix}`;
  const pool = await connectedPool(postgresUrl, 10);
  const redis = new Redis(redisPort, '127.0.0.1');
  const issuer = new build.CouponIssuer({ redis, persistence: new build.PostgresPersistence(pool, { table }) });
  try {
    await emptyTable(pool, table, build.createTableSql);
    await redis.flushall();
    const campaign = issuer.campaign(campaignId);
    await campaign.open({ stock: { kind: 'counted', total: count }, saveMode: 'write-behind' });
    const statuses = new Set();
    await inParts(count, async (userId) => statuses.add((await campaign.issue({ userId })).status));
    const cpu = await measureCpu(parts);
    const startedAt = performance.now();
    const { settled } = await campaign.settle();
    await issuer.idle();
    const perSecond = (1_000 * count) / (performance.now() - startedAt);
    const figures = await cpu(count);
    const { rows } = await countRows(pool, table);
    const isRight = settled === count && rows === count && String([...statuses]) === 'accepted';
    const fault = isRight ? null : `${settled} settled and ${rows} rows for ${count} told ${[...statuses]}`;
    return { perSecond, ...figures, fault };
  } finally {
    await issuer.close();
    redis.disconnect();
    await pool.end();
  }
}
