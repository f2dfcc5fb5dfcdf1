import type { PersistenceAdapter } from '../persistence/adapter.js';
import { askAdapter } from '../persistence/ask-adapter.js';
import type { RedisClient } from '../redis/client.js';
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
  readonly campaigns: Omit<CampaignsToLookAt, 'withRows'>;
}

/** Looks at one part after the other, so that no part slows down another one that is measured. Never rejects. */
export async function diagnose({ context, redis, adapter, timeoutMs, campaigns }: DiagnoseParts): Promise<Diagnosis[]> {
  return [
    ...(await lookAtRedis(context, redis)),
    ...lookAtClient(redis),
    ...(await lookAtDatabase(adapter, timeoutMs)),
    ...(await lookAtCampaigns({ ...campaigns, withRows: () => withRows(adapter, timeoutMs) })),
  ];
}

async function withRows(adapter: PersistenceAdapter | undefined, timeoutMs: number): Promise<readonly string[]> {
  if (!adapter?.campaigns) return [];
  const ask = () => adapter.campaigns!({ signal: AbortSignal.timeout(timeoutMs) });
  return askAdapter('campaigns', ask, { timeoutMs, otherwise: 'no row was written' });
}
