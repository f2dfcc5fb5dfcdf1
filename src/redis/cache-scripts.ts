import countBytes from '../../lua/cache/count-bytes.lua';
import dropCached from '../../lua/cache/drop-cached.lua';
import findCached from '../../lua/cache/find-cached.lua';
import giveUpLoad from '../../lua/cache/give-up-load.lua';
import storeCached from '../../lua/cache/store-cached.lua';
import { defineScript } from './runner.js';

/** The scripts of caches. They touch no key of a campaign. */
export const cacheScripts = {
  findCached: defineScript('find-cached', findCached, { keys: ['entry'], args: ['caller', 'leaseMs', 'early'] }),
  storeCached: defineScript('store-cached', storeCached, {
    keys: ['entry'],
    args: ['listeners', 'token', 'value', 'ttlMs', 'staleMs', 'took', 'counted'],
  }),
  giveUpLoad: defineScript('give-up-load', giveUpLoad, {
    keys: ['entry'],
    args: ['listeners', 'token', 'failure', 'failedMs'],
  }),
  dropCached: defineScript('drop-cached', dropCached, {
    keys: ['entry'],
    args: ['listeners', 'caller', 'leaseMs'],
  }),
  countBytes: defineScript('count-bytes', countBytes, { keys: ['stored'], args: ['bytes', 'limit', 'lifeMs'] }),
};
