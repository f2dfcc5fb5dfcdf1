import { ABSENCE } from './absence.js';
import { CACHE } from './cache.js';
import { CALL_LEASE } from './call-lease.js';
import { DATA } from './data.js';
import { GENERATIONS } from './generations.js';
import { LOSERS } from './losers.js';
import { NEW_IDS } from './new-ids.js';
import { OVER } from './over.js';
import { PACE } from './pace.js';
import type { Part } from './part.js';
import { REGISTRY } from './registry.js';
import { tryParts } from './try-parts.js';
import { UPDATES } from './updates.js';

tryParts({
  generations: GENERATIONS as Part<string, string>,
  'campaigns that are over': OVER as Part<string, string>,
  registry: REGISTRY as Part<string, string>,
  sweep: ABSENCE as Part<string, string>,
  pace: PACE as Part<string, string>,
  'rules that change while a campaign runs': UPDATES as Part<string, string>,
  'users of a rebuild who lose their unit': LOSERS as Part<string, string>,
  'data of calls': DATA as Part<string, string>,
  'ids that are new': NEW_IDS as Part<string, string>,
  'lease of a call': CALL_LEASE as Part<string, string>,
  'entries of a cache': CACHE as Part<string, string>,
});
