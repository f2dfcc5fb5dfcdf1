import type { PersistenceAdapter } from '../persistence/adapter.js';
import { readFrom } from '../persistence/read-from.js';
import { registration } from '../redis/registry.js';
import type { RedisContext } from '../redis/shard.js';

/** Any id: the answer does not matter, only that there is one. */
const ANY_CAMPAIGN = 'check';

export interface ReadyParts {
  readonly context: RedisContext;
  readonly adapter: PersistenceAdapter | undefined;
  readonly timeoutMs: number;
}

/** Asks Redis and the adapter at the same time. Each probe is one more look, so nothing is remembered. */
export async function assertReady({ context, adapter, timeoutMs }: ReadyParts): Promise<void> {
  const asked = adapter?.check ? readFrom('check', timeoutMs, async () => adapter.check!()) : null;
  await Promise.all([registration(context, ANY_CAMPAIGN), asked]);
}
