import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CouponIssuer, NotSavedError } from '../../src/index.js';
import { scripts } from '../../src/redis/scripts.js';
import { fails, ScriptedPersistence, withEach } from '../support/scenes/campaigns.js';
import { quarantinedOf } from '../support/scenes/named.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { shaOf } from '../support/servers/sent.js';

const ID = 'launch';
const CODES = ['AAA', 'BBB', 'CCC'];
const ROLLED_BACK = { status: 'not_ready', reason: 'rolled_back' };

let server: RedisServer;
let redis: Redis;
let persistence: ScriptedPersistence;
let issuer: CouponIssuer;
/** The script before whose first run all keys are copied. */
let copyBefore: keyof typeof scripts | null;
let copies: { name: string; value: Buffer }[];

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redis.flushall();
  copyBefore = null;
  copies = [];
  persistence = new ScriptedPersistence();
  issuer = another();
});

async function copy(): Promise<void> {
  const names = await redis.keys('*');
  copies = await Promise.all(names.map(async (name) => ({ name, value: await redis.dumpBuffer(name) })));
}

async function goBack(): Promise<void> {
  expect(copies.length).toBeGreaterThan(0);
  await redis.flushall();
  for (const { name, value } of copies) await redis.restore(name, 0, value);
}

const another = () => {
  const client = withEach(redis, async (sha1, send) => {
    if (copyBefore && sha1 === shaOf(scripts[copyBefore])) {
      copyBefore = null;
      await copy();
    }
    return send();
  });
  return new CouponIssuer({ redis: client, persistence, maxTries: 1, leaseMs: 60_000 });
};

const counted = (saveMode?: 'write-behind') =>
  issuer.campaign(ID).open({ stock: { kind: 'counted', total: 10 }, ...(saveMode ? { saveMode } : {}) });
const pool = async () => {
  await issuer.campaign(ID).open({ stock: { kind: 'codes' } });
  await issuer.campaign(ID).loadCodes(CODES, { loadId: 'first' });
};
const issueTo = (userId: string, by = issuer) => by.campaign(ID).issue({ userId });

/** Ann was promised a coupon, and the database refuses her row for good. */
const quarantined = async () => {
  await counted('write-behind');
  await issueTo('ann');
  persistence.next(fails(new NotSavedError('no such customer', { permanent: true })));
  await issuer.campaign(ID).settle();
  expect(await quarantinedOf(issuer.campaign(ID))).toHaveLength(1);
};

/** The database has a row of Ann, of which Redis and the process know nothing. */
const forgotten = async () => {
  await counted();
  await copy();
  await issueTo('ann');
  await issuer.idle();
  await goBack();
  copies = [];
  issuer = another();
};

interface Change {
  readonly prepare: () => Promise<unknown>;
  readonly script: keyof typeof scripts;
  readonly make: () => Promise<unknown>;
}

const CHANGES: Record<string, Change> = {
  'a load of codes': { prepare: pool, script: 'loadCodes', make: () => issuer.campaign(ID).loadCodes(['DDD']) },
  'a load that found all its codes known': {
    prepare: pool,
    script: 'loadCodes',
    make: () => issuer.campaign(ID).loadCodes(CODES, { loadId: 'again' }),
  },
  'a code that was replaced': {
    prepare: pool,
    script: 'replaceCode',
    make: async () =>
      expect(await issuer.campaign(ID).replaceCode({ code: 'CCC', replacement: 'DDD' })).toEqual({
        status: 'replaced',
      }),
  },
  'a restock': {
    prepare: counted,
    script: 'restock',
    make: () => issuer.campaign(ID).restock({ add: 5, requestId: 'more' }),
  },
  'an update': {
    prepare: counted,
    script: 'updateCampaign',
    make: () => issuer.campaign(ID).update({ perUser: 2, requestId: 'more each' }),
  },
  'a pace': {
    prepare: counted,
    script: 'setPace',
    make: () => issuer.campaign(ID).setPace({ savesPerSecond: 5 }),
  },
  'a pause': { prepare: counted, script: 'setPaused', make: () => issuer.campaign(ID).pause() },
  'a resumption': {
    prepare: async () => {
      await counted();
      await issuer.campaign(ID).pause();
    },
    script: 'setPaused',
    make: () => issuer.campaign(ID).resume(),
  },
  'a close': { prepare: counted, script: 'closeCampaign', make: () => issuer.campaign(ID).closeForGood() },
  'an earlier end of its keys': {
    prepare: async () => {
      await counted();
      await issuer.campaign(ID).closeForGood();
    },
    script: 'closeCampaign',
    make: () => issuer.campaign(ID).closeForGood({ retainMs: 3_600_000 }),
  },
  'a unit that was given back': {
    prepare: counted,
    script: 'release',
    make: async () => {
      persistence.next(fails(new NotSavedError('down')));
      await expect(issueTo('ann')).rejects.toMatchObject({ name: 'NotIssuedError' });
    },
  },
  'a unit that was withdrawn': {
    prepare: quarantined,
    script: 'withdraw',
    make: async () => expect(await issuer.campaign(ID).quarantine.withdraw({ all: true })).toEqual({ withdrawn: 1 }),
  },
  'a retry out of quarantine': {
    prepare: quarantined,
    script: 'retryQuarantined',
    make: async () => expect(await issuer.campaign(ID).quarantine.retry({ all: true })).toEqual({ retried: 1 }),
  },
  'a row that was adopted': {
    prepare: forgotten,
    script: 'adoptRow',
    make: async () => {
      expect(await issueTo('ann')).toMatchObject({ status: 'already_issued' });
      await issuer.idle();
    },
  },
  'the unit that the last one refused was exchanged for': {
    prepare: async () => {
      await forgotten();
      await issuer.campaign(ID).restock({ add: -9, requestId: 'one' });
    },
    script: 'reassign',
    // The only unit is the row's.
    make: async () => expect(await issueTo('bob')).toEqual({ status: 'sold_out' }),
  },
  'a row that was mended': {
    prepare: forgotten,
    script: 'mendRow',
    make: async () => {
      const { findings } = await issuer.campaign(ID).reconcile({ repair: 'safe' });
      expect(findings).toMatchObject([{ kind: 'row_without_grant', repaired: true }]);
    },
  },
  'a grant that was reopened': {
    prepare: async () => {
      await counted('write-behind');
      await issueTo('ann');
      await issuer.campaign(ID).settle();
      persistence = new ScriptedPersistence();
      issuer = another();
    },
    script: 'reopenGrant',
    make: async () => {
      const { findings } = await issuer.campaign(ID).reconcile({ repair: 'safe' });
      expect(findings).toMatchObject([{ kind: 'grant_without_row', repaired: true }]);
    },
  },
};

describe.each(Object.entries(CHANGES))('when Redis goes back and loses only %s,', (_, { prepare, script, make }) => {
  test('the process that knows of it refuses as rolled_back', async () => {
    await prepare();
    copyBefore = script;
    await make();
    expect(copyBefore, 'the script was run').toBeNull();
    await goBack();
    expect(await issueTo('zoe')).toEqual(ROLLED_BACK);
    await expect(issuer.campaign(ID).userStatus({ userId: 'ann' })).rejects.toMatchObject({ reason: 'rolled_back' });
  });

  test('a process that was started later goes on', async () => {
    await prepare();
    copyBefore = script;
    await make();
    await goBack();
    const [result] = await Promise.allSettled([issueTo('zoe', another())]);
    expect(result).not.toMatchObject({ value: ROLLED_BACK });
  });
});

describe('a load that is made again under its name', () => {
  test('raises no stamp, and its process knows the one that is there', async () => {
    await pool();
    const stamp = () => redis.hget(`{coupon:${ID}}:campaign`, 'stamp');
    const before = await stamp();
    const later = another();
    expect(await later.campaign(ID).loadCodes(CODES, { loadId: 'first' })).toMatchObject({ loaded: 0, resumedAt: 3 });
    expect(await stamp()).toBe(before);
    await redis.hset(`{coupon:${ID}}:campaign`, 'stamp', Number(before) - 1);
    expect(await issueTo('ann', later)).toEqual(ROLLED_BACK);
  });
});

const READS: Record<string, (by: CouponIssuer) => Promise<unknown>> = {
  'told a user issued': async (by) =>
    expect(await by.campaign(ID).userStatus({ userId: 'ann' })).toMatchObject({ status: 'issued' }),
  'inspected the campaign': async (by) => expect(await by.campaign(ID).inspect()).toMatchObject({ issued: 1 }),
  'compared it with the database': async (by) => expect((await by.campaign(ID).reconcile()).findings).toEqual([]),
};

test.each(Object.entries(READS))('a process that only %s notices a state that lost it', async (_, read) => {
  await counted();
  await copy();
  const reader = another();
  await reader.campaign(ID).inspect();
  await issueTo('ann');
  await issuer.idle();
  await read(reader);
  await goBack();
  await expect(reader.campaign(ID).userStatus({ userId: 'ann' })).rejects.toMatchObject({ reason: 'rolled_back' });
});

test.each(['pause', 'close'] as const)(
  'a %s after Redis went back does not hide that from the processes that saw more',
  async (change) => {
    await counted();
    await copy();
    await issueTo('ann');
    await issuer.idle();
    await goBack();
    const operator = another();
    await operator.campaign(ID).pause();
    if (change === 'close') await operator.campaign(ID).closeForGood();
    else await operator.campaign(ID).resume();
    expect(await issueTo('zoe')).toEqual(ROLLED_BACK);
  },
);

test('what settle ends in a state that went back does not hide that either', async () => {
  await counted('write-behind');
  await issueTo('ann');
  persistence.next(fails(new NotSavedError('no such customer', { permanent: true })));
  await issuer.campaign(ID).settle();
  await copy();
  await issueTo('bob');
  await goBack();
  const operator = another();
  await operator.campaign(ID).quarantine.retry({ all: true });
  expect(await issueTo('zoe')).toEqual(ROLLED_BACK);
});
