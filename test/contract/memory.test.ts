import { describe, test } from 'vitest';
import { MemoryPersistence } from '../../src/index.js';
import { persistenceContract } from '../../src/testing/index.js';

describe('MemoryPersistence keeps the contract', () => {
  for (const { name, run } of persistenceContract({ createAdapter: async () => new MemoryPersistence() })) {
    test.concurrent(name, run);
  }
});
