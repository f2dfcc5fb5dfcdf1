import { PGlite } from '@electric-sql/pglite';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Issuance, NotSavedError } from '../../src/index.js';
import { mintId } from '../../src/model/issuance.js';
import { createTableSql, type PostgresLike, PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { Database, rowsOf } from '../support/servers/database.js';
import { ownPort } from '../support/servers/port.js';

let database: Database;
let persistence: PostgresPersistence;
beforeAll(async () => {
  database = await Database.create();
  persistence = new PostgresPersistence(database.pool);
  await persistence.createTable();
});
afterAll(() => database.stop());

function issuance(given: Partial<Issuance> = {}): Issuance {
  return {
    id: mintId(),
    campaignId: `campaign-${mintId()}`,
    userId: `user-${mintId()}`,
    grant: 1,
    serial: 1,
    code: null,
    issuedAt: new Date(),
    epoch: '1-epoch',
    state: 'reserved',
    ...given,
  };
}

async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.unreachable('it should have been refused'),
    (error: unknown) => error,
  );
}

/** A connection of its own, closed when `use` is over. */
async function withClient<T>(use: (client: pg.Client) => Promise<T>, config: pg.ClientConfig = {}): Promise<T> {
  const client = new pg.Client({ connectionString: database.url, ...config });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

/** Resolves once so many sessions of the database wait for a lock. */
async function untilWaiting(count: number): Promise<void> {
  const waiting = `SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  for (;;) {
    const { rows } = await database.pool.query(waiting);
    if (rows[0].n >= count) return;
  }
}

const INSERT = `INSERT INTO coupon_issuances (campaign_id, serial, user_id, grant_no, id, code, issued_at, epoch)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`;
const valuesOf = (one: Issuance) => [
  one.campaignId,
  one.serial,
  one.userId,
  one.grant,
  one.id,
  one.code,
  one.issuedAt,
  one.epoch,
];

/** A pool whose statements fail with that code: all of them or, where a client is given for the first, the later ones. */
function failing(code: string | undefined, first?: PostgresLike) {
  let statements = 0;
  return {
    // The mark of a pool: the adapter begins with the insert.
    totalCount: 1,
    query: (text: string, values?: unknown[]) =>
      first && statements++ === 0
        ? first.query(text, values)
        : Promise.reject(Object.assign(new Error('the server said no'), { code })),
  };
}

test('a U+0000 in a user id is a NotSavedError about a row, and its neighbours are not stored either', async () => {
  const good = issuance();
  const poison = issuance({ campaignId: good.campaignId, userId: 'a\u0000b', serial: 2 });
  const error = await errorOf(persistence.save([good, poison]));
  expect(error).toBeInstanceOf(NotSavedError);
  expect(error).toMatchObject({ wholeBatch: false, cause: { code: '22021' } });
  expect(await rowsOf(database, good.campaignId)).toEqual([]);
});

test('a statement time-out behind a lock is a NotSavedError about the whole batch, and nothing is stored later', async () => {
  const one = issuance();
  await withClient(async (holder) => {
    await holder.query('BEGIN');
    await holder.query(INSERT, valuesOf({ ...one, id: mintId(), userId: 'holder' }));
    const error = await withClient((client) => errorOf(new PostgresPersistence(client).save([one])), {
      statement_timeout: 100,
    });
    expect(error).toBeInstanceOf(NotSavedError);
    expect(error).toMatchObject({ wholeBatch: true, cause: { code: '57014' } });
    await holder.query('ROLLBACK');
  });
  expect(await rowsOf(database, one.campaignId)).toEqual([]);
});

test('an id that is stored under another grant of the user is found in a batch as well as alone', async () => {
  const persistence = new PostgresPersistence(database.pool);
  const stored = issuance();
  await persistence.save([stored]);
  const { campaignId } = stored;
  const again = { ...stored, serial: 2, grant: 2 };
  const other = issuance({ campaignId, serial: 3, userId: 'other' });
  const met = { verdict: 'user_conflict', existing: { ...stored, state: 'issued' } };
  expect(await persistence.save([again])).toEqual([met]);
  expect(await persistence.save([again, other])).toEqual([met, { verdict: 'saved' }]);
});

/** An adapter on the pool, and what the statements of its saves end with. */
function listenedTo() {
  const endings: string[] = [];
  const query = (text: string, values?: unknown[]) => {
    endings.push(text.startsWith('INSERT') ? (text.endsWith('ON CONFLICT DO NOTHING') ? 'skipping' : 'plain') : 'look');
    return database.pool.query(text, values);
  };
  return { endings, persistence: new PostgresPersistence({ query, totalCount: 1 } as PostgresLike) };
}

test('new rows are one INSERT that does not look first; where one is taken the others are stored by a second', async () => {
  const { endings, persistence } = listenedTo();
  const [taken, ...others] = Array.from({ length: 3 }, () => issuance());
  expect(await persistence.save([taken!])).toEqual([{ verdict: 'saved' }]);
  expect(endings.splice(0)).toEqual(['plain']);
  const rival = { ...taken!, id: mintId(), userId: 'rival' };
  const verdicts = await persistence.save([others[0]!, rival, others[1]!]).catch((error: unknown) => error);
  expect(verdicts).toEqual([{ verdict: 'saved' }, { verdict: 'serial_conflict' }, { verdict: 'saved' }]);
  expect(endings.splice(0)).toEqual(['plain', 'skipping', 'look']);
  for (const { campaignId } of others) expect(await rowsOf(database, campaignId)).toHaveLength(1);
});

test('after a conflict a hundred batches are sent so that they could skip, and then no longer', async () => {
  const { endings, persistence } = listenedTo();
  const taken = issuance();
  await persistence.save([taken]);
  const rival = { ...taken, id: mintId(), userId: 'rival' };
  expect(await persistence.save([rival])).toEqual([{ verdict: 'serial_conflict' }]);
  // The same again is no conflict: its id is found first.
  expect(await persistence.save([taken])).toEqual([{ verdict: 'saved' }]);
  expect(endings.splice(0)).toEqual(['plain', 'plain', 'skipping', 'look', 'skipping', 'look']);
  for (let i = 0; i < 100; i++) expect(await persistence.save([issuance()])).toEqual([{ verdict: 'saved' }]);
  expect(endings).toEqual([...Array(99).fill('skipping'), 'plain']);
});

test('a client whose errors carry no code gets past a conflict at the second attempt', async () => {
  const query = (text: string, values?: unknown[]) =>
    database.pool.query(text, values).catch((error: unknown) => {
      throw new Error('the query failed', { cause: error });
    });
  const persistence = new PostgresPersistence({ query, totalCount: 1 } as PostgresLike);
  const taken = issuance();
  await persistence.save([taken]);
  const batch = [issuance(), { ...taken, id: mintId(), userId: 'rival' }];
  expect(await errorOf(persistence.save(batch))).not.toBeInstanceOf(NotSavedError);
  expect(await persistence.save(batch)).toEqual([{ verdict: 'saved' }, { verdict: 'serial_conflict' }]);
});

test('what rows share and what they do not, up to the last: each is stored as it is', async () => {
  const at = 1_900_000_000_123;
  for (let bits = 0; bits < 32; bits++) {
    const campaignId = `campaign-${mintId()}`;
    const batch = [1, 2, 3].map((serial) => {
      const differs = (bit: number) => serial === 3 && ((bits >> bit) & 1) === 1;
      return issuance({
        campaignId: differs(0) ? `${campaignId}-2` : campaignId,
        ...{ serial, grant: differs(1) ? 2 : 1, epoch: differs(2) ? '2-epoch' : '1-epoch' },
        ...{ code: differs(3) ? 'CODE "3" \\ {,} NULL' : null, issuedAt: new Date(differs(4) ? at + 1 : at) },
      });
    });
    expect(await persistence.save(batch)).toEqual(batch.map(() => ({ verdict: 'saved' })));
    expect(await persistence.find(batch)).toEqual(batch.map((one) => ({ ...one, state: 'issued' })));
  }
  expect(await persistence.save([])).toEqual([]);
});

test.each([1, 50])(
  'ids are looked up among the rows of their user, in a campaign that the statistics do not know as well: %i at a time',
  async (size) => {
    const table = `looked_up_${size}`;
    const plans: string[] = [];
    const query = async (text: string, values?: unknown[]) => {
      if (text.startsWith('INSERT')) {
        const { rows } = await database.pool.query(`EXPLAIN ${text}`, values);
        plans.push(rows.map((row) => row['QUERY PLAN']).join('\n'));
      }
      return database.pool.query(text, values);
    };
    const persistence = new PostgresPersistence({ query, totalCount: 1 } as PostgresLike, { table });
    await persistence.createTable();
    const fill = (campaignId: string, count: number) =>
      database.pool.query(
        `INSERT INTO ${table} SELECT $1, n, 'user-' || n, 1, lpad(n::text, 22, '.'), NULL, now(), '1-a' FROM generate_series(1, $2::int) n`,
        [campaignId, count],
      );
    await fill('known', 1_000);
    await database.pool.query(`ANALYZE ${table}`);
    await fill('new', 40_000);
    const batch = Array.from({ length: size }, (_, i) => issuance({ campaignId: 'new', serial: 50_000 + i }));
    expect(await persistence.save(batch)).toEqual(batch.map(() => ({ verdict: 'saved' })));
    expect(plans.at(-1)).toContain(`Index Scan using ${table}_campaign_id_user_id_grant_no_key`);
    expect(plans.at(-1)).not.toContain(`${table}_pkey`);
  },
);

test('with prepare a connection parses the statement of a save once', async () => {
  await withClient(async (client) => {
    // Taken for a pool, it is not asked whether it is in a transaction.
    const persistence = new PostgresPersistence(Object.assign(client, { totalCount: 1 }), { prepare: true });
    for (const one of [issuance(), issuance()]) expect(await persistence.save([one])).toEqual([{ verdict: 'saved' }]);
    const { rows } = await client.query(
      'SELECT name, generic_plans + custom_plans AS runs FROM pg_prepared_statements',
    );
    expect(rows).toEqual([{ name: expect.stringMatching(/^coupon_issuer_[0-9a-f]{16}$/), runs: '2' }]);
  });
});

test('a client that does not tell how many rows it wrote is asked what it has', async () => {
  const silent = {
    query: async (text: string, values?: unknown[]) => ({ rows: (await database.pool.query(text, values)).rows }),
  };
  const [one, two] = [issuance(), issuance()];
  expect(await new PostgresPersistence({ ...silent, totalCount: 1 } as PostgresLike).save([one, two])).toEqual([
    { verdict: 'saved' },
    { verdict: 'saved' },
  ]);
  expect(await rowsOf(database, one.campaignId)).toHaveLength(1);
});

test('a missing table is a NotSavedError about the whole batch', async () => {
  const error = await errorOf(new PostgresPersistence(database.pool, { table: 'nowhere' }).save([issuance()]));
  expect(error).toBeInstanceOf(NotSavedError);
  expect(error).toMatchObject({ wholeBatch: true, cause: { code: '42P01' } });
});

test('a refused connection is a NotSavedError about the whole batch', async () => {
  const pool = new pg.Pool({ host: '127.0.0.1', port: await ownPort() });
  const error = await errorOf(new PostgresPersistence(pool).save([issuance()]));
  await pool.end();
  expect(error).toBeInstanceOf(NotSavedError);
  expect(error).toMatchObject({ wholeBatch: true, cause: { code: 'ECONNREFUSED' } });
});

test.each(['40001', '40P01', '23514', '53300', '25006'])('SQLSTATE %s proves that nothing is stored', async (code) => {
  expect(await errorOf(new PostgresPersistence(failing(code)).save([issuance()]))).toBeInstanceOf(NotSavedError);
});

test.each([
  ['40P01', 2, 'saved'],
  ['40001', 2, 'saved'],
  ['40P01', 3, 'refused'],
  ['53300', 1, 'refused'],
])('after SQLSTATE %s, %i times, the batch is %s: what is momentary is tried again', async (code, times, end) => {
  let failures = 0;
  const client = {
    totalCount: 1,
    query: (text: string, values?: unknown[]) =>
      failures++ < times ? Promise.reject(Object.assign(new Error('no'), { code })) : database.pool.query(text, values),
  };
  const saving = new PostgresPersistence(client).save([issuance()]);
  if (end === 'saved') expect(await saving).toEqual([{ verdict: 'saved' }]);
  else await expect(saving).rejects.toMatchObject({ name: 'NotSavedError', wholeBatch: true });
});

test.each(['40003', '08006', '08003', '57P01', '57P02', '58030', 'XX000', 'ECONNRESET', 'EPIPE', undefined])(
  'an error of code %s leaves the outcome unknown',
  async (code) => {
    const error = await errorOf(new PostgresPersistence(failing(code)).save([issuance()]));
    expect(error).not.toBeInstanceOf(NotSavedError);
    expect(error).toMatchObject({ message: 'the server said no' });
  },
);

test.each(['57014', '42P01', '22021', 'ECONNREFUSED'])(
  'code %s from the look-up of skipped rows leaves the outcome unknown, for the others are stored',
  async (code) => {
    const stored = issuance();
    await persistence.save([stored]);
    const fresh = issuance({ campaignId: stored.campaignId, serial: 2 });
    const error = await errorOf(new PostgresPersistence(failing(code, database.pool)).save([fresh, stored]));
    expect(error).not.toBeInstanceOf(NotSavedError);
    expect(await rowsOf(database, stored.campaignId)).toMatchObject([{ id: stored.id }, { id: fresh.id }]);
  },
);

test('a client inside an open transaction is refused and nothing is stored; in autocommit the same client saves', async () => {
  const one = issuance();
  await withClient(async (client) => {
    const onClient = new PostgresPersistence(client);
    await client.query('BEGIN');
    const error = await errorOf(onClient.save([one]));
    expect(error).toBeInstanceOf(NotSavedError);
    expect(error).toMatchObject({ wholeBatch: true });
    await client.query('COMMIT');
    expect(await rowsOf(database, one.campaignId)).toEqual([]);
    expect(await onClient.save([one])).toEqual([{ verdict: 'saved' }]);
  });
  expect(await rowsOf(database, one.campaignId)).toMatchObject([{ id: one.id }]);
});

test('a client inside a transaction that has failed is refused', async () => {
  await withClient(async (client) => {
    await client.query('BEGIN');
    await errorOf(client.query('SELECT 1 / 0'));
    expect(await errorOf(new PostgresPersistence(client).save([issuance()]))).toBeInstanceOf(NotSavedError);
  });
});

test('a transaction of PGlite is refused and nothing is stored', async () => {
  const pglite = await PGlite.create();
  try {
    await new PostgresPersistence(pglite).createTable();
    const error = await pglite.transaction((tx) => errorOf(new PostgresPersistence(tx).save([issuance()])));
    expect(error).toBeInstanceOf(NotSavedError);
    expect((await pglite.query('SELECT FROM coupon_issuances')).rows).toEqual([]);
  } finally {
    await pglite.close();
  }
});

test('an insert that waits for a concurrent transaction tells what that one committed', async () => {
  const { campaignId } = issuance();
  const [again, grant, serial, code, fresh] = [1, 2, 3, 4, 5].map((n) =>
    issuance({ campaignId, serial: n, code: `CODE-${n}` }),
  ) as [Issuance, Issuance, Issuance, Issuance, Issuance];
  const otherId = { ...grant, id: mintId(), serial: 12, code: null };
  const otherUser = { ...serial, id: mintId(), userId: 'other', code: null };
  const otherSerial = { ...code, id: mintId(), userId: 'another', serial: 14 };
  await withClient(async (rival) => {
    await rival.query('BEGIN');
    for (const row of [again, otherId, otherUser, otherSerial]) await rival.query(INSERT, valuesOf(row));
    const saving = persistence.save([again, grant, serial, code, fresh]);
    await untilWaiting(1);
    await rival.query('COMMIT');
    expect(await saving).toEqual([
      { verdict: 'saved' },
      { verdict: 'user_conflict', existing: { ...otherId, state: 'issued' } },
      { verdict: 'serial_conflict' },
      { verdict: 'code_conflict' },
      { verdict: 'saved' },
    ]);
  });
  expect((await rowsOf(database, campaignId)).map((row) => row.serial)).toEqual([1, 3, 5, 12, 14]);
});

test('an insert that waits for a concurrent transaction is stored when that one is rolled back', async () => {
  const one = issuance();
  await withClient(async (rival) => {
    await rival.query('BEGIN');
    await rival.query(INSERT, valuesOf({ ...one, id: mintId(), userId: 'rival' }));
    const saving = persistence.save([one]);
    await untilWaiting(1);
    await rival.query('ROLLBACK');
    expect(await saving).toEqual([{ verdict: 'saved' }]);
  });
  expect(await rowsOf(database, one.campaignId)).toMatchObject([{ id: one.id, userId: one.userId }]);
});

test('creating the table twice keeps what it holds', async () => {
  await database.pool.query('CREATE SCHEMA shop');
  const table = 'shop.issuances';
  const inSchema = new PostgresPersistence(database.pool, { table });
  await inSchema.createTable();
  const one = issuance();
  await inSchema.save([one]);
  await inSchema.createTable();
  expect(await rowsOf(database, one.campaignId, table)).toMatchObject([{ id: one.id }]);
});

test.each(['Coupons', 'a b', 'x; DROP TABLE y', '"quoted"', 'a.b.c', '', '1st', 'x'.repeat(56), null as never])(
  'the table name %j is refused',
  (table) => {
    const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT', argument: 'table' });
    expect(() => createTableSql({ table })).toThrow(refused);
    expect(() => new PostgresPersistence(database.pool, { table })).toThrow(refused);
  },
);
