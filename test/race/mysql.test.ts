import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Issuance, SaveVerdict } from '../../src/index.js';
import { MysqlPersistence } from '../../src/persistence/mysql/index.js';
import { checkRows } from '../support/checks/invariants.js';
import { seeded } from '../support/checks/random.js';
import { until } from '../support/checks/until.js';
import { issuance } from '../support/scenes/issuances.js';
import { Mariadb, rowsOf } from '../support/servers/mariadb.js';
import { SEED } from '../unit/support.js';

const { signal } = new AbortController();
let server: Mariadb;
let rivals: MysqlPersistence[];
beforeAll(async () => {
  server = await Mariadb.start();
  rivals = await Promise.all(
    Array.from({ length: 4 }, async () => new MysqlPersistence(await server.connect(), { table: 'coupon_issuances' })),
  );
  await rivals[0]!.createTable();
});
afterAll(() => server.stop());

function batchOf(size: number, campaignId = issuance().campaignId): Issuance[] {
  return Array.from({ length: size }, (_, i) => issuance({ campaignId, serial: i + 1, code: `CODE-${i + 1}` }));
}

test('two connections that save the same 500 issuances at once, each in an order of its own, both say saved and never deadlock', async () => {
  const [first, second] = rivals as [MysqlPersistence, MysqlPersistence];
  const before = await server.statusOf('Innodb_deadlocks');
  const waitsBefore = await server.statusOf('Innodb_row_lock_waits');
  for (let round = 0; round < 20; round++) {
    const batch = batchOf(500);
    const saves = [first.save(batch, { signal }), second.save(batch.toReversed(), { signal })];
    const saved = batch.map(() => ({ verdict: 'saved' }));
    expect(await Promise.all(saves)).toEqual([saved, saved]);
    expect(await rowsOf(server, batch[0]!.campaignId)).toHaveLength(500);
  }
  expect(await server.statusOf('Innodb_row_lock_waits')).toBeGreaterThan(waitsBefore);
  expect(await server.statusOf('Innodb_deadlocks')).toBe(before);
});

/** What four rivals ask for: the same units, users and codes, mixed anew. */
function mixed(batch: readonly Issuance[], random: () => number): Issuance[] {
  return batch
    .map((one): Issuance => {
      const other = batch[Math.floor(random() * batch.length)]!;
      const kind = random();
      const { campaignId, serial, code, userId } = one;
      if (kind < 0.3) return one;
      if (kind < 0.5) return issuance({ campaignId, serial, code });
      if (kind < 0.7) return issuance({ campaignId, serial: other.serial, code, userId });
      if (kind < 0.9) return { ...one, serial: other.serial, code: other.code };
      return issuance({ campaignId, serial: serial + batch.length, code, userId: other.userId });
    })
    .sort(() => random() - 0.5);
}

/** As the issuer does, a batch that certainly was not stored is saved again. */
async function saveSurely(rival: MysqlPersistence, batch: Issuance[]): Promise<readonly SaveVerdict[]> {
  for (;;) {
    try {
      return await rival.save(batch, { signal });
    } catch (error) {
      expect(error).toMatchObject({ name: 'NotSavedError', wholeBatch: true, cause: { errno: 1213 } });
    }
  }
}

test(`of four connections that want the same units for the same users each is told what is stored (seed ${SEED})`, async () => {
  const random = seeded(SEED);
  const words = new Set<string>();
  for (let round = 0; round < 10; round++) {
    const batch = batchOf(200);
    const batches = rivals.map(() => mixed(batch, random));
    const verdicts = await Promise.all(rivals.map((rival, i) => saveSurely(rival, batches[i]!)));
    const rows = await rowsOf(server, batch[0]!.campaignId);
    checkRows(rows, { total: 400, perUser: 1 });
    expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
    const has = (field: keyof (typeof rows)[number], value: unknown) => rows.some((row) => row[field] === value);
    for (const [i, told] of verdicts.flat().entries()) {
      const { id, serial, code, userId } = batches.flat()[i]!;
      words.add(told.verdict);
      const own = rows.find((row) => row.id === id || row.userId === userId);
      if (told.verdict === 'saved') expect(own).toMatchObject({ id, serial, code });
      if (told.verdict === 'user_conflict') expect(told.existing).toMatchObject(own!);
      if (told.verdict.startsWith('s') && told.verdict !== 'saved') expect(has('serial', serial)).toBe(true);
      if (told.verdict === 'code_conflict') expect(has('code', code)).toBe(true);
      if (told.verdict !== 'saved') expect(own).not.toMatchObject({ id, serial, code });
    }
  }
  expect([...words].sort()).toEqual(['code_conflict', 'saved', 'serial_conflict', 'user_conflict']);
});

test('a batch that a deadlock rolled back is saved again, and told what the other transaction committed', async () => {
  const [mine, wanted] = batchOf(2) as [Issuance, Issuance];
  const other = await server.connect();
  const insert = (serial: number) =>
    other.query(
      'INSERT INTO coupon_issuances (campaign_id, serial, user_id, grant_no, id, issued_at, epoch) VALUES (?, ?, ?, 1, ?, UTC_TIMESTAMP(3), ?)',
      [mine.campaignId, serial, `other-${serial}`, `id-${serial}`, '1-epoch'],
    );
  const before = await server.statusOf('Innodb_deadlocks');
  await other.query('BEGIN');
  // The transaction that wrote less is the one that is rolled back.
  for (const serial of [2, 11, 12, 13, 14, 15]) await insert(serial);
  const saving = rivals[0]!.save([mine, wanted], { signal });
  await until(async () => (await server.statusOf('Innodb_row_lock_current_waits')) === 1);
  await insert(mine.serial);
  expect(await server.statusOf('Innodb_deadlocks')).toBe(before + 1);
  await other.query('COMMIT');
  expect(await saving).toEqual([{ verdict: 'serial_conflict' }, { verdict: 'serial_conflict' }]);
  expect((await rowsOf(server, mine.campaignId)).map(({ serial }) => serial)).toEqual([1, 2, 11, 12, 13, 14, 15]);
});
