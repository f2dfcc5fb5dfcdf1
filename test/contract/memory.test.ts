import { describe, test } from 'vitest';
import { MemoryPersistence } from '../../src/index.js';
import { persistenceContract } from '../../src/testing/index.js';

describe('MemoryPersistence keeps the contract', () => {
  // Its calls are its units of work: a fault strikes before one, or after it.
  const contract = persistenceContract({
    keepsData: true,
    createAdapter: async ({ send }) => {
      const memory = new MemoryPersistence();
      return {
        save: (issuances) => send(() => memory.save(issuances)),
        list: (campaignId, page) => send(() => memory.list(campaignId, page)),
        find: (issuances) => send(() => memory.find(issuances)),
        look: (refs) => send(() => memory.look(refs)),
        change: (changes) => send(() => memory.change(changes)),
      };
    },
  });
  for (const { name, run } of contract) test.concurrent(name, run);
});
