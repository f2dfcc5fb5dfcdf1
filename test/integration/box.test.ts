import { inspect } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  ClosedError,
  type Coupon,
  CouponIssuer,
  type CouponTally,
  InvalidArgumentError,
  type Issuance,
  MemoryPersistence,
  MisconfiguredError,
  type PersistenceAdapter,
  PersistenceError,
} from '../../src/index.js';
import { mintId } from '../../src/model/issuance.js';
import { firstRedeem } from '../../src/model/life.js';
import { MysqlPersistence } from '../../src/persistence/mysql/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { Database } from '../support/servers/database.js';
import { Mariadb } from '../support/servers/mariadb.js';

const HOUR_MS = 3_600_000;
/** None of these calls may ask it. */
const NO_REDIS = {
  evalsha: async () => Promise.reject(new Error('Redis was asked')),
  eval: async () => Promise.reject(new Error('Redis was asked')),
};
const signal = new AbortController().signal;
let postgres: Database;
let mariadb: Mariadb;
let cases = 0;
/** Campaigns and users of one test. */
let own: string;
beforeAll(async () => {
  [postgres, mariadb] = await Promise.all([Database.create(), Mariadb.start()]);
});
afterAll(() => Promise.all([postgres.stop(), mariadb.stop()]));
beforeEach(() => {
  own = `box-${++cases}`;
});

function aRow(serial: number, fields: Partial<Issuance> = {}): Issuance {
  return {
    id: mintId(),
    campaignId: own,
    userId: `kim-${own}`,
    grant: ((serial - 1) % 100) + 1,
    serial,
    code: `${own}-CODE-${serial}`,
    issuedAt: new Date(Date.UTC(2026, 10, 1) + serial * HOUR_MS),
    epoch: '1-box',
    state: 'issued',
    ...fields,
  };
}

function issuerOf(persistence: PersistenceAdapter | undefined, options: { timeoutMs?: number } = {}): CouponIssuer {
  const issuer = new CouponIssuer({ redis: NO_REDIS, persistence, ...options });
  onTestFinished(() => issuer.close());
  return issuer;
}

/** An adapter that does what another one does, but for the methods given. */
function like(adapter: PersistenceAdapter, methods: Partial<PersistenceAdapter>): PersistenceAdapter {
  const bound = ['save', 'list', 'find', 'look', 'change', 'listByUser', 'campaigns', 'count'] as const;
  return {
    ...Object.fromEntries(bound.map((name) => [name, adapter[name]!.bind(adapter)])),
    ...methods,
  } as PersistenceAdapter;
}

async function allOf<T>(iterable: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of iterable) all.push(one);
  return all;
}

const serialsOf = (coupons: readonly Coupon[]) => coupons.map(({ serial }) => serial);
const errorOf = (call: Promise<unknown>) =>
  call.then(
    () => null,
    (error: unknown) => error as Error,
  );

describe.each(['memory', 'PostgreSQL', 'MariaDB'])('in %s', (database) => {
  let persistence: PersistenceAdapter;
  beforeAll(async () => {
    if (database === 'memory') persistence = new MemoryPersistence();
    else {
      const made = database === 'MariaDB' ? new MysqlPersistence(mariadb.pool) : new PostgresPersistence(postgres.pool);
      await made.createTable();
      persistence = made;
    }
  });

  /** Six coupons of kim: valid, valid for ever, expired, redeemed, revoked, revoked with its grant freed and its unit returned. */
  async function given(): Promise<void> {
    const end = (ms: number) => ({ expiresAt: new Date(Date.now() + ms) });
    const rows = [1, 2, 3, 4, 5, 6].map((serial) =>
      aRow(serial, serial === 2 ? {} : end(serial === 3 ? -HOUR_MS : serial * HOUR_MS)),
    );
    await persistence.save(rows, { signal });
    const revoke = { version: 0, unexpired: false, to: { state: 'revoked', by: 'R' } } as const;
    const changes = [firstRedeem('order-4'), revoke, { ...revoke, freesGrant: true, unitReturned: true } as const];
    const refs = rows.slice(3).map(({ campaignId, code }) => ({ campaignId, code: code! }));
    const made = await persistence.change!(
      changes.map((change, i) => ({ ref: refs[i]!, ...change })),
      { signal },
    );
    expect(made.every(({ changed }) => changed)).toBe(true);
  }

  test('the box has every coupon of the user, the newest first, whatever became of it', async () => {
    await given();
    await persistence.save(
      [aRow(1, { campaignId: `${own}-other`, issuedAt: new Date() }), aRow(7, { userId: 'lee' })],
      {
        signal,
      },
    );
    const box = await issuerOf(persistence).coupons({ userId: `kim-${own}` });
    expect(box.map(({ campaignId, serial, state }) => [campaignId, serial, state])).toEqual([
      [`${own}-other`, 1, 'issued'],
      [own, 6, 'revoked'],
      [own, 5, 'revoked'],
      [own, 4, 'redeemed'],
      [own, 3, 'expired'],
      [own, 2, 'issued'],
      [own, 1, 'issued'],
    ]);
    expect(box[3]).toEqual({
      ...{ id: expect.any(String), campaignId: own, userId: `kim-${own}`, serial: 4, code: `${own}-CODE-4` },
      ...{ issuedAt: new Date(Date.UTC(2026, 10, 1) + 4 * HOUR_MS), expiresAt: expect.any(Date), state: 'redeemed' },
      ...{ redeemedAt: expect.any(Date), redemptionId: 'order-4' },
    });
  });

  test('the box keeps to the campaigns that are named, and is empty for a user without a coupon', async () => {
    await given();
    await persistence.save([aRow(1, { campaignId: `${own}-other` })], { signal });
    const issuer = issuerOf(persistence);
    const userId = `kim-${own}`;
    expect(serialsOf(await issuer.coupons({ userId, campaignIds: [own, own] }))).toEqual([6, 5, 4, 3, 2, 1]);
    expect(await issuer.coupons({ userId, campaignIds: [`${own}-none`] })).toEqual([]);
    expect(await issuer.coupons({ userId, campaignIds: [] })).toEqual([]);
    expect(await issuer.coupons({ userId: `${userId}x` })).toEqual([]);
  });

  test('the box of a user with more coupons has the newest 500 of them', async () => {
    const rows = [0, 1, 2, 3, 4, 5].flatMap((nth) =>
      Array.from({ length: 90 }, (_, i) => aRow(i + 1, { campaignId: `${own}-${nth}`, code: null })),
    );
    await persistence.save(rows, { signal });
    const box = await issuerOf(persistence).coupons({ userId: `kim-${own}` });
    expect(box).toHaveLength(500);
    expect(box.at(-1)!.issuedAt.getTime()).toBe(Date.UTC(2026, 10, 1) + 7 * HOUR_MS);
  });

  test('a code is found in whatever campaign, and in each one that has it', async () => {
    await given();
    const issuer = issuerOf(persistence);
    const code = `${own}-CODE-6`;
    expect(await issuer.findByCode({ code })).toMatchObject([{ campaignId: own, serial: 6, state: 'revoked' }]);
    const others = [`${own}-a`, `${own}-b`];
    await persistence.save(
      others.map((campaignId) => aRow(1, { campaignId, code })),
      { signal },
    );
    const found = await issuerOf(persistence).findByCode({ code });
    expect(found.map(({ campaignId }) => campaignId)).toEqual([own, ...others]);
    expect(await issuer.findByCode({ code, campaignIds: [others[1]!] })).toHaveLength(1);
    expect(await issuer.findByCode({ code: code.toLowerCase() })).toEqual([]);
  });

  test('the coupons of a campaign come in the order of serials, by state and by end, from any place on', async () => {
    await given();
    const launch = issuerOf(persistence).campaign(own);
    expect(serialsOf(await allOf(launch.coupons()))).toEqual([1, 2, 3, 4, 5, 6]);
    expect(serialsOf(await allOf(launch.coupons({ afterSerial: 4 })))).toEqual([5, 6]);
    const states = { issued: [1, 2], expired: [3], redeemed: [4], revoked: [5, 6] } as const;
    for (const [state, serials] of Object.entries(states)) {
      expect(serialsOf(await allOf(launch.coupons({ state: state as Coupon['state'] })))).toEqual(serials);
    }
    const soon = new Date(Date.now() + 4.5 * HOUR_MS);
    expect(serialsOf(await allOf(launch.coupons({ expiringBefore: soon })))).toEqual([1, 3, 4]);
    expect(serialsOf(await allOf(launch.coupons({ state: 'issued', expiringBefore: soon.toISOString() })))).toEqual([
      1,
    ]);
  });

  test('a coupon that ends at the instant given is no longer valid then', async () => {
    const expiresAt = new Date(Date.now() + HOUR_MS);
    await persistence.save([aRow(1, { expiresAt })], { signal });
    const launch = issuerOf(persistence).campaign(own);
    expect(await allOf(launch.coupons({ expiringBefore: expiresAt }))).toHaveLength(1);
    expect(await allOf(launch.coupons({ expiringBefore: new Date(expiresAt.getTime() - 1) }))).toEqual([]);
  });

  test('a tally is the same by count and page by page', async () => {
    await given();
    const tally: CouponTally = { issued: 2, redeemed: 1, expired: 1, revoked: 2, returned: 1 };
    const paging = issuerOf(like(persistence, { count: undefined as never }));
    expect(await issuerOf(persistence).campaign(own).tally()).toEqual(tally);
    expect(await paging.campaign(own).tally()).toEqual(tally);
    expect(await paging.campaign(`${own}-none`).tally()).toEqual({
      ...{ issued: 0, redeemed: 0, expired: 0, revoked: 0, returned: 0 },
    });
  });
});

describe('the coupons of a campaign', () => {
  const counted = (memory: MemoryPersistence) => {
    const pages: number[] = [];
    const list: PersistenceAdapter['list'] = (id, options) => {
      pages.push(options.afterSerial);
      return memory.list(id, options);
    };
    return { pages, persistence: like(memory, { list }) };
  };

  test('are read page by page, and a loop that is left reads no more', async () => {
    const memory = new MemoryPersistence();
    await memory.save(Array.from({ length: 1_200 }, (_, i) => aRow(i + 1, { userId: `u${i}`, code: null })));
    const { pages, persistence } = counted(memory);
    const launch = issuerOf(persistence).campaign(own);
    expect(await allOf(launch.coupons())).toHaveLength(1_200);
    expect(pages).toEqual([0, 500, 1_000, 1_200]);
    pages.length = 0;
    for await (const { serial } of launch.coupons({ afterSerial: 700 })) if (serial === 705) break;
    expect(pages).toEqual([700]);
  });

  test('are resumed after an error by the serial of the last one', async () => {
    const memory = new MemoryPersistence();
    await memory.save(Array.from({ length: 1_200 }, (_, i) => aRow(i + 1, { userId: `u${i}`, code: null })));
    let failures = 0;
    const list: PersistenceAdapter['list'] = async (id, options) => {
      if (options.afterSerial === 500 && failures++ === 0) throw new Error(`cut at ${own}-CODE-1`);
      return memory.list(id, options);
    };
    const launch = issuerOf(like(memory, { list })).campaign(own);
    const seen: number[] = [];
    const read = async () => {
      for await (const { serial } of launch.coupons({ afterSerial: seen.at(-1) ?? 0 })) seen.push(serial);
    };
    const error = await errorOf(read());
    expect(error).toBeInstanceOf(PersistenceError);
    expect(inspect(error)).not.toContain('CODE');
    await read();
    expect(seen).toEqual(Array.from({ length: 1_200 }, (_, i) => i + 1));
  });

  test('end with ClosedError at the next page, once the issuer is closed', async () => {
    const memory = new MemoryPersistence();
    await memory.save(Array.from({ length: 600 }, (_, i) => aRow(i + 1, { userId: `u${i}`, code: null })));
    const issuer = issuerOf(memory);
    let read = 0;
    const reading = (async () => {
      for await (const _ of issuer.campaign(own).coupons()) if (++read === 10) await issuer.close();
    })();
    await expect(reading).rejects.toBeInstanceOf(ClosedError);
    expect(read).toBe(500);
    expect(() => issuer.campaign(own).coupons()).toThrow(ClosedError);
    await expect(issuer.coupons({ userId: 'kim' })).rejects.toBeInstanceOf(ClosedError);
    await expect(issuer.campaign(own).tally()).rejects.toBeInstanceOf(ClosedError);
  });
});

describe('the campaigns of the table', () => {
  /** Counts how often they are read. */
  function counted(memory: MemoryPersistence) {
    const seen = { reads: 0 };
    const campaigns = async () => {
      seen.reads++;
      return memory.campaigns();
    };
    return { seen, persistence: like(memory, { campaigns }) };
  }

  test('are read once for all calls of a moment, and of the minute after it', async () => {
    const memory = new MemoryPersistence();
    await memory.save([aRow(1)]);
    const { seen, persistence } = counted(memory);
    const issuer = issuerOf(persistence);
    const userId = `kim-${own}`;
    await Promise.all(Array.from({ length: 20 }, () => issuer.coupons({ userId })));
    expect(await issuer.coupons({ userId })).toHaveLength(1);
    expect(seen.reads).toBe(1);
    await issuer.coupons({ userId, campaignIds: [own] });
    expect(await issuer.findByCode({ code: `${own}-CODE-1` })).toHaveLength(1);
    expect(seen.reads).toBe(1);
  });

  /** So much later, by the clock that never jumps. */
  function later(ms: number): void {
    const now = performance.now.bind(performance);
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + ms);
    onTestFinished(() => clock.mockRestore());
  }

  test('are read again after a minute', async () => {
    const memory = new MemoryPersistence();
    await memory.save([aRow(1)]);
    const issuer = issuerOf(memory);
    const userId = `kim-${own}`;
    expect(await issuer.coupons({ userId })).toHaveLength(1);
    await memory.save([aRow(1, { campaignId: `${own}-new` })]);
    later(59_000);
    expect(await issuer.coupons({ userId })).toHaveLength(1);
    vi.restoreAllMocks();
    later(60_000);
    expect(await issuer.coupons({ userId })).toHaveLength(2);
  });

  test('of a second ago are read again for a code that was found nowhere', async () => {
    const memory = new MemoryPersistence();
    await memory.save([aRow(1)]);
    const { seen, persistence } = counted(memory);
    const issuer = issuerOf(persistence);
    const code = 'OF-A-NEW-CAMPAIGN';
    expect(await issuer.findByCode({ code })).toEqual([]);
    await memory.save([aRow(1, { campaignId: `${own}-new`, code })]);
    expect(await issuer.findByCode({ code })).toEqual([]);
    expect(seen.reads).toBe(1);
    later(1_000);
    expect(await issuer.findByCode({ code })).toHaveLength(1);
    expect(await issuer.findByCode({ code: `${own}-CODE-1` })).toHaveLength(1);
    expect(seen.reads).toBe(2);
  });

  test('of a minute ago are enough for a code that was found, and the call may name a newer campaign', async () => {
    const memory = new MemoryPersistence();
    await memory.save([aRow(1)]);
    const issuer = issuerOf(memory);
    const code = `${own}-CODE-1`;
    const found = async (campaignIds?: readonly string[]) => (await issuer.findByCode({ code, campaignIds })).length;
    expect(await found()).toBe(1);
    await memory.save([aRow(1, { campaignId: `${own}-new`, code })]);
    later(59_000);
    expect([await found(), await found([own, `${own}-new`])]).toEqual([1, 2]);
    vi.restoreAllMocks();
    later(60_000);
    expect(await found()).toBe(2);
  });

  test('that could not be read are read again by the next call', async () => {
    const memory = new MemoryPersistence();
    await memory.save([aRow(1)]);
    let reads = 0;
    const campaigns = async () => {
      if (reads++ === 0) throw new Error('cut');
      return memory.campaigns();
    };
    const issuer = issuerOf(like(memory, { campaigns }));
    const userId = `kim-${own}`;
    await expect(issuer.coupons({ userId })).rejects.toBeInstanceOf(PersistenceError);
    await expect(issuer.coupons({ userId })).resolves.toHaveLength(1);
  });

  test('may have ids that no campaign of this library has: they are left out', async () => {
    const memory = new MemoryPersistence();
    await memory.save([aRow(1)]);
    const asked: (readonly string[])[] = [];
    const listByUser: PersistenceAdapter['listByUser'] = (users, options) => {
      asked.push(options.campaignIds);
      return memory.listByUser(users, options);
    };
    const campaigns = async () => ['of another table', ...(await memory.campaigns())];
    expect(await issuerOf(like(memory, { listByUser, campaigns })).coupons({ userId: `kim-${own}` })).toHaveLength(1);
    expect(asked).toEqual([[own]]);
  });

  test('are asked 500 at a time', async () => {
    const memory = new MemoryPersistence();
    const ids = Array.from({ length: 1_001 }, (_, i) => `${own}-${i}`);
    const code = 'SAME';
    await memory.save(ids.map((campaignId) => aRow(1, { campaignId, code })));
    const sizes: number[] = [];
    const listByUser: PersistenceAdapter['listByUser'] = (users, options) => {
      sizes.push(options.campaignIds.length);
      return memory.listByUser(users, options);
    };
    const look: PersistenceAdapter['look'] = (refs) => {
      sizes.push(refs.length);
      return memory.look(refs);
    };
    const issuer = issuerOf(like(memory, { listByUser, look }));
    expect(await issuer.coupons({ userId: `kim-${own}` })).toHaveLength(500);
    expect(await issuer.findByCode({ code })).toHaveLength(1_001);
    expect(sizes).toEqual([500, 500, 1, 500, 500, 1]);
  });
});

describe('an adapter that answers untruly', () => {
  const kim = () => `kim-${own}`;
  test.each<[string, (row: Issuance) => unknown]>([
    ['a coupon of another user', (row) => [row, { ...row, id: 'x', serial: 2, userId: 'mallory' }]],
    ['a coupon of another campaign', (row) => [{ ...row, campaignId: 'another' }]],
    ['a coupon twice', (row) => [row, row]],
    ['more than it was asked for', (row) => Array.from({ length: 501 }, (_, i) => ({ ...row, serial: i + 1 }))],
    ['a row that no campaign can have', (row) => [{ ...row, serial: 0 }]],
    ['a row without a grant that is not revoked', (row) => [{ ...row, grant: 0 }]],
    ['nothing', () => undefined],
  ])('by %s shows no box, and quotes no row', async (_, answer) => {
    const row = aRow(1);
    const listByUser = async () => answer(row) as Issuance[];
    const memory = new MemoryPersistence();
    await memory.save([row]);
    const error = await errorOf(issuerOf(like(memory, { listByUser })).coupons({ userId: kim() }));
    expect(error).toBeInstanceOf(PersistenceError);
    expect(error).toMatchObject({ outcome: 'not_applied', message: expect.stringContaining('listByUser') });
    expect(inspect({ ...error, message: error!.message, cause: error!.cause })).not.toMatch(/CODE|mallory|kim/);
  });

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['a number in text', { issued: '1', redeemed: 0, expired: 0, revoked: 0, returned: 0 }],
    ['a number below 0', { issued: -1, redeemed: 0, expired: 0, revoked: 0, returned: 0 }],
    ['four numbers', { issued: 1, redeemed: 0, expired: 0, revoked: 0 }],
  ])('with %s for a count makes no tally', async (_, answer) => {
    const count = async () => answer as CouponTally;
    const error = await errorOf(issuerOf(like(new MemoryPersistence(), { count })).campaign(own).tally());
    expect(error).toBeInstanceOf(PersistenceError);
  });

  test('about campaigns, codes and pages is not believed', async () => {
    const row = aRow(1);
    const memory = new MemoryPersistence();
    await memory.save([row]);
    const persistence = like(memory, {
      campaigns: async () => [7 as never],
      look: async () => [{ ...row, code: 'ANOTHER' }],
      list: async () => [{ ...row, campaignId: 'another' }],
    });
    const issuer = issuerOf(persistence);
    for (const call of [
      issuer.coupons({ userId: kim() }),
      issuer.findByCode({ code: 'A', campaignIds: [own] }),
      allOf(issuer.campaign(own).coupons()),
    ]) {
      expect(await errorOf(call)).toBeInstanceOf(PersistenceError);
    }
  });

  test('whose rows change afterwards does not change what was told', async () => {
    const row = { ...aRow(1), issuedAt: new Date(0) };
    const listByUser = async () => [row];
    const [coupon] = await issuerOf(like(new MemoryPersistence(), { listByUser })).coupons({
      ...{ userId: kim(), campaignIds: [own] },
    });
    row.issuedAt.setTime(1);
    expect(coupon!.issuedAt.getTime()).toBe(0);
  });
});

describe('a database that fails', () => {
  test('is a PersistenceError of each call, which says that nothing was changed and quotes no row', async () => {
    const fail = async () => Promise.reject(new Error(`SELECT … '${own}-CODE-1'`));
    const failing = { list: fail, look: fail, listByUser: fail, campaigns: fail, count: fail };
    const issuer = issuerOf(like(new MemoryPersistence(), failing));
    for (const call of [
      issuer.coupons({ userId: 'kim' }),
      issuer.coupons({ userId: 'kim', campaignIds: [own] }),
      issuer.findByCode({ code: 'A' }),
      issuer.findByCode({ code: 'A', campaignIds: [own] }),
      issuer.campaign(own).tally(),
      allOf(issuer.campaign(own).coupons()),
    ]) {
      const error = await errorOf(call);
      expect(error).toBeInstanceOf(PersistenceError);
      expect(error).toMatchObject({ code: 'PERSISTENCE', outcome: 'not_applied' });
      expect(error!.message).toContain('nothing was changed');
      expect(inspect(error)).not.toContain('CODE');
    }
  });

  test('and never answers is given up after timeoutMs, and its signal is aborted', async () => {
    const aborted: boolean[] = [];
    const hang = (asked: { signal: AbortSignal }) =>
      new Promise<never>(() => asked.signal.addEventListener('abort', () => aborted.push(true)));
    const persistence = like(new MemoryPersistence(), {
      listByUser: (_, options) => hang(options),
      campaigns: hang,
      look: (_, options) => hang(options),
      list: () => new Promise<never>(() => {}),
    });
    const issuer = issuerOf(persistence, { timeoutMs: 5 });
    for (const call of [
      issuer.coupons({ userId: 'kim', campaignIds: [own] }),
      issuer.coupons({ userId: 'kim' }),
      issuer.findByCode({ code: 'A', campaignIds: [own] }),
      allOf(issuer.campaign(own).coupons()),
    ]) {
      expect((await errorOf(call))!.message).toMatch(/gave no answer in time/);
    }
    expect(aborted).toHaveLength(3);
  });

  test('whose table is not fit stays a MisconfiguredError', async () => {
    const listByUser = () => Promise.reject(new MisconfiguredError('row security may hide rows'));
    const issuer = issuerOf(like(new MemoryPersistence(), { listByUser }));
    const error = await errorOf(issuer.coupons({ userId: 'kim', campaignIds: [own] }));
    expect(error).toBeInstanceOf(MisconfiguredError);
    expect(error!.message).toContain('row security may hide rows');
  });
});

describe('an adapter that lacks a method', () => {
  const save: PersistenceAdapter['save'] = async () => [];
  test.each<[string, PersistenceAdapter | undefined, (issuer: CouponIssuer) => unknown, RegExp]>([
    ['coupons() of a user', { save }, (issuer) => issuer.coupons({ userId: 'kim' }), /adapter has listByUser/],
    ['coupons() of a user', undefined, (issuer) => issuer.coupons({ userId: 'kim' }), /adapter has listByUser/],
    [
      'coupons() of a user in all campaigns',
      { save, listByUser: async () => [] },
      (issuer) => issuer.coupons({ userId: 'kim' }),
      /adapter has campaigns \(or name campaignIds/,
    ],
    ['findByCode()', { save }, (issuer) => issuer.findByCode({ code: 'A' }), /adapter has look/],
    [
      'findByCode() in all campaigns',
      { save, look: async () => [] },
      (issuer) => issuer.findByCode({ code: 'A' }),
      /adapter has campaigns/,
    ],
    ['coupons() of a campaign', { save }, (issuer) => issuer.campaign('c').coupons(), /adapter has list;/],
    ['tally()', { save }, (issuer) => issuer.campaign('c').tally(), /adapter has count or list/],
  ])('makes %s MISCONFIGURED, which says what to add', async (_, persistence, call, message) => {
    const issuer = issuerOf(persistence);
    const error = await errorOf((async () => call(issuer))());
    expect(error).toBeInstanceOf(MisconfiguredError);
    expect(error!.message).toMatch(message);
  });

  test('answers a user for the campaigns that are named', async () => {
    const memory = new MemoryPersistence();
    await memory.save([aRow(1)]);
    const issuer = issuerOf(like(memory, { campaigns: undefined as never }));
    expect(await issuer.coupons({ userId: `kim-${own}`, campaignIds: [own] })).toHaveLength(1);
    expect(await issuer.findByCode({ code: `${own}-CODE-1`, campaignIds: [own] })).toHaveLength(1);
  });
});

describe('an argument is refused before any I/O', () => {
  const untouched = new Proxy({} as PersistenceAdapter, {
    get: (_, name) => (name === 'then' ? undefined : () => Promise.reject(new Error(`${String(name)} was asked`))),
  });
  const issuer = new CouponIssuer({ redis: NO_REDIS, persistence: untouched });
  const launch = issuer.campaign('launch');
  test.each<[string, () => unknown, string]>([
    ['no user', () => issuer.coupons({} as never), 'userId must be a string'],
    ['an empty user', () => issuer.coupons({ userId: '' }), 'userId must not be empty'],
    ['a misspelt option', () => issuer.coupons({ userId: 'kim', campaigns: [] } as never), "no property 'campaigns'"],
    ['one campaign as text', () => issuer.coupons({ userId: 'kim', campaignIds: 'a' as never }), 'must be an array'],
    ['a campaign that is none', () => issuer.coupons({ userId: 'kim', campaignIds: ['a b'] }), 'each of campaignIds'],
    ['a campaign of null', () => issuer.findByCode({ code: 'A', campaignIds: [null as never] }), 'each of campaignIds'],
    [
      'too many campaigns',
      () => issuer.coupons({ userId: 'kim', campaignIds: Array.from({ length: 1_001 }, (_, i) => `c${i}`) }),
      'at most 1000',
    ],
    ['no code', () => issuer.findByCode({} as never), 'code must be a string'],
    ['a long code', () => issuer.findByCode({ code: 'x'.repeat(129) }), 'code must be at most 128 bytes'],
    ['a state that is none', () => launch.coupons({ state: 'used' as never }), "state must be 'issued'"],
    ['a place below 0', () => launch.coupons({ afterSerial: -1 }), 'afterSerial must be a whole number'],
    ['an instant without a zone', () => launch.coupons({ expiringBefore: '2026-12-01T00:00:00' }), 'has no offset'],
    ['a filter of another name', () => launch.coupons({ status: 'issued' } as never), "has no property 'status'"],
  ])('%s', async (_, call, message) => {
    const error = await errorOf((async () => call())());
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect(error!.message).toContain(message);
  });
});
