import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Book, postgresBook, unreliable } from '../support/checks/books.js';
import { LIMIT, length, SEED } from '../support/checks/lengths.js';
import { own } from '../support/checks/own.js';
import { pause } from '../support/checks/until.js';
import { campaignsOf } from '../support/scenes/fault-campaigns.js';
import { FaultRun } from '../support/scenes/fault-run.js';
import { Database } from '../support/servers/database.js';
import { clientsOf } from '../support/servers/fault-clients.js';
import { copyData, KEEPS, putBack } from '../support/servers/redis-data.js';
import { RedisServer } from '../support/servers/redis-server.js';

const AGE_MS = 30_000;
let database: Database;
let book: Book;

beforeAll(async () => {
  database = await Database.create();
  book = await postgresBook(database);
});
afterAll(() => database.stop());

test.each([
  ['append-only file', KEEPS.written],
  ['dump', KEEPS.dumped],
] as const)(
  'an older %s put back under load: whoever saw newer state refuses, for whoever did not the database has the last word, and a rebuild mends it',
  async (copy, args) => {
    const server = await own(RedisServer.with({ args }));
    const flaky = unreliable(book, SEED);
    const run = await FaultRun.open({
      fault: `An older ${copy} put back`,
      processes: clientsOf(server.port),
      book: flaky,
      campaigns: campaignsOf(`older-${copy.split(' ')[0]}`, 3_000),
    });
    const load = run.load();
    await load.gets(400, ['issued']);
    if (copy === 'dump') await server.client().save();
    const older = copyData(server.dir);
    await load.rest();
    await pause(length(0, AGE_MS));
    load.goOn();
    await load.gets(400, ['issued']);
    expect(await server.kill()).toBe('SIGKILL');
    putBack(server.dir, older);
    await server.restart();
    await load.gets(100, ['not_ready:rolled_back']);
    await run.refuses(load, 'rolled_back', length(300, 3_000));

    // One process of before stays: it serves again as soon as the stamps have passed what it saw.
    await run.restart(1, 2);
    await load.gets(600, ['issued']);
    await run.rebuild();
    await load.gets(300, ['issued']);
    const injected = { rollbacks: 1, 'failed saves': flaky.failed };
    await run.end({ injected, redis: server.client(), kept: false });
  },
  LIMIT,
);
