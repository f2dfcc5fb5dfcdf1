import type { PersistenceAdapter } from '../persistence/adapter.js';
import { askAdapter } from '../persistence/ask-adapter.js';
import type { RedisClient } from '../redis/client.js';
import { findOver } from '../redis/registry.js';
import type { RedisContext } from '../redis/shard.js';
import { type CampaignsToLookAt, lookAtCampaigns } from './campaigns.js';
import { lookAtDatabase } from './database.js';
import type { Diagnosis } from './diagnosis.js';
import { lookAtClient, lookAtRedis } from './redis.js';

export interface DiagnoseParts {
  readonly context: RedisContext;
  readonly redis: RedisClient;
  readonly adapter: PersistenceAdapter | undefined;
  readonly timeoutMs: number;
  readonly campaigns: Omit<CampaignsToLookAt, 'prefix' | 'withRows'>;
}

/** Looks at one part after the other, so that no part slows down another one that is measured. Never rejects. */
export async function diagnose({ context, redis, adapter, timeoutMs, campaigns }: DiagnoseParts): Promise<Diagnosis[]> {
  return [
    ...(await lookAtRedis(context, redis)),
    ...lookAtClient(redis),
    ...(await lookAtDatabase(adapter, timeoutMs)),
    ...(await lookAtCampaigns({
      ...campaigns,
      prefix: context.prefix,
      withRows: () => withRows(context, adapter, timeoutMs),
    })),
  ];
}

/** The campaigns that have rows and are not over: the rows of those stay, and a rebuild would let them serve again. */
async function withRows(
  context: RedisContext,
  adapter: PersistenceAdapter | undefined,
  timeoutMs: number,
): Promise<readonly string[]> {
  if (!adapter?.campaigns) return [];
  const ask = () => adapter.campaigns!({ signal: AbortSignal.timeout(timeoutMs) });
  const ids = await askAdapter('campaigns', ask, { timeoutMs, otherwise: 'no row was written' });
  const pasts = await Promise.all(ids.map((id) => findOver(context, id)));
  return ids.filter((_, i) => pasts[i]!.word === 'none');
}
