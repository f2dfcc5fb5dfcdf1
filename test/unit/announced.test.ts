import { expect, test, vi } from 'vitest';
import { MemoryPersistence } from '../../src/index.js';
import { endAnnounced } from '../../src/redeem/announced.js';
import { Changes } from '../../src/redeem/changes.js';
import type { Revocations } from '../../src/redeem/revocations.js';
import type { Announcement } from '../../src/redis/revoke.js';
import * as redis from '../../src/redis/revoke.js';
import type { Shard } from '../../src/redis/shard.js';
import { anIssuance } from './support.js';

vi.mock('../../src/redis/revoke.js', () => ({ findAnnounced: vi.fn(), dropAnnounced: vi.fn() }));

const row = anIssuance(1);
const { id, userId, serial, campaignId } = row;
const ref = { campaignId, id, serial };

/** One round over one announcement. Answers which announcements were dropped, and the version of the row then. */
async function round(version: number, memory: MemoryPersistence) {
  const dropped: Announcement[] = [];
  vi.mocked(redis.findAnnounced).mockResolvedValue([{ id, userId, serial, version }]);
  vi.mocked(redis.dropAnnounced).mockImplementation(async (_, some) => void dropped.push(...some));
  const changes = new Changes(memory, { maxBatch: 9, maxInFlight: 1, maxQueued: 9, announce: async () => [] });
  const takeBack = vi.fn(async () => 'done' as const);
  const revocations = { takeBack, tell: () => {} } as unknown as Revocations;
  await endAnnounced({ campaignId } as Shard, { changes, revocations, timeoutMs: 60_000 });
  const [now] = await memory.look([ref]);
  return { dropped: dropped.length, version: now?.life?.version ?? 0, takenBack: takeBack.mock.calls.length };
}

async function stored(version: number): Promise<MemoryPersistence> {
  const memory = new MemoryPersistence();
  await memory.save([row]);
  for (let i = 0; i < version; i++) await memory.change([{ ref, version: i, unexpired: false }]);
  return memory;
}

test('an announcement of a row that was not changed goes once its change is impossible', async () => {
  expect(await round(0, await stored(0))).toEqual({ dropped: 1, version: 1, takenBack: 0 });
});

test('an announcement of a row that was changed since goes, and the row stays', async () => {
  expect(await round(0, await stored(2))).toEqual({ dropped: 1, version: 2, takenBack: 0 });
});

test('an announcement without a row goes', async () => {
  expect(await round(0, new MemoryPersistence())).toMatchObject({ dropped: 1 });
});

test('a row that is behind its announcement, as after a restored backup, keeps it until it has passed it', async () => {
  const memory = await stored(0);
  expect(await round(1, memory)).toEqual({ dropped: 0, version: 1, takenBack: 0 });
  expect(await round(1, memory)).toEqual({ dropped: 1, version: 2, takenBack: 0 });
});

test('a row that is revoked has its unit taken back, and that drops the announcement', async () => {
  const memory = await stored(0);
  await memory.change([{ ref, version: 0, unexpired: false, to: { state: 'revoked', by: 'R' } }]);
  expect(await round(0, memory)).toEqual({ dropped: 0, version: 1, takenBack: 1 });
});
