import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Book, postgresBook, unreliable } from '../support/checks/books.js';
import { LIMIT, length, SEED } from '../support/checks/lengths.js';
import { own } from '../support/checks/own.js';
import { pause } from '../support/checks/until.js';
import { campaignsOf } from '../support/scenes/fault-campaigns.js';
import { FaultRun } from '../support/scenes/fault-run.js';
import { Database } from '../support/servers/database.js';
import { clientsOf } from '../support/servers/fault-clients.js';
import { KEEPS } from '../support/servers/redis-data.js';
import { RedisServer } from '../support/servers/redis-server.js';

let database: Database;
let book: Book;
beforeAll(async () => {
  database = await Database.create();
  book = await postgresBook(database);
});
afterAll(() => database.stop());

test.each([
  ['synced', KEEPS.synced],
  ['written', KEEPS.written],
])(
  'a redis-server killed again and again under load, its file %s before each reply, loses nothing',
  async (file, args) => {
    const server = await own(RedisServer.with({ args }));
    const flaky = unreliable(book, SEED);
    const run = await FaultRun.open({
      fault: `Redis killed, its file ${file} before each reply`,
      processes: clientsOf(server.port),
      book: flaky,
      campaigns: campaignsOf(`killed-${file}`, length(1_500, 3_000)),
    });
    const load = run.load();
    let kills = 0;
    for (let kill = 0; kill < length(3, 30); kill++) {
      await load.gets(length(300, 100), ['issued']);
      if ((await server.kill()) === 'SIGKILL') kills++;
      await pause(length(100, 1_000));
      await server.restart();
    }
    await load.gets(300, ['issued']);
    await load.stop();
    expect(run.ledger.counts).not.toHaveProperty(['not_ready:missing']);
    expect(run.ledger.counts).not.toHaveProperty(['not_ready:rolled_back']);
    await run.end({ injected: { kills, 'failed saves': flaky.failed }, redis: server.client(), kept: true });
  },
  LIMIT,
);
