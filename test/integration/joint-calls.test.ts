import { describe, expect, test } from 'vitest';
import { CouponIssuer, type IssueResult, MemoryPersistence } from '../../src/index.js';
import { JointCalls, type Leaving } from '../../src/redis/joint-calls.js';
import { campaignKeys } from '../../src/redis/keys.js';
import { type Reply, ScriptRunner } from '../../src/redis/runner.js';
import { scripts } from '../../src/redis/scripts.js';
import { KINDS, threeClients } from '../support/servers/three-clients.js';

const clients = threeClients();

let shops = 0;

/** An issuer with so many campaigns of ten units, which notes how many scripts it sends. */
async function shopOn(name: string, count: number) {
  const redis = clients.get(name)!;
  const sent = { scripts: 0 };
  const counting = new Proxy(redis, {
    get(target, property) {
      const value = Reflect.get(target, property, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (property === 'evalsha') sent.scripts++;
        return Reflect.apply(value, target, args);
      };
    },
  });
  const persistence = new MemoryPersistence();
  const issuer = new CouponIssuer({ redis: counting, persistence, timeoutMs: 5_000 });
  const ids = Array.from({ length: count }, (_, i) => `shop-${++shops}-${i}`);
  for (const id of ids) await issuer.campaign(id).open({ stock: { kind: 'counted', total: 10 } });
  const keysOf = (id: string) => campaignKeys('coupon', id);
  const ask = () =>
    Promise.all(
      ids.map((id) =>
        issuer
          .campaign(id)
          .issue({ userId: 'ann' })
          .catch((error: Error) => error),
      ),
    );
  return { redis, issuer, persistence, ids, sent, keysOf, ask };
}

const statusOf = (told: IssueResult | Error) => (told instanceof Error ? told.message : told.status);

describe.each(KINDS)('on %s', (name) => {
  test('callers of many campaigns share calls, and each gets the coupon of its own', async () => {
    const { issuer, ids, sent, ask, persistence } = await shopOn(name, 5);
    // The first script that writes is preceded by a look at the rights.
    await issuer.campaign(ids[0]!).issue({ userId: 'first' });
    await issuer.idle();
    sent.scripts = 0;
    const told = await ask();
    await issuer.idle();
    // One reserve and one confirm, where the keys of several campaigns may meet.
    expect(sent.scripts).toBe(name === 'a Cluster' ? 10 : 2);
    expect(told).toMatchObject(
      ids.map((campaignId, i) => ({ status: 'issued', issuance: { campaignId, serial: i === 0 ? 2 : 1 } })),
    );
    for (const id of ids) {
      expect(await issuer.campaign(id).inspect()).toMatchObject({ reserved: 0, issued: id === ids[0] ? 2 : 1 });
      expect(await persistence.list(id, { afterSerial: 0, limit: 5 })).toHaveLength(id === ids[0] ? 2 : 1);
    }
  });

  test('an error of one campaign leaves the others as they are', async () => {
    const { redis, issuer, ids, keysOf, ask } = await shopOn(name, 3);
    await redis.set(keysOf(ids[1]!).leases, 'of another type');
    const told = await ask();
    await issuer.idle();
    expect(told.map(statusOf)).toEqual(['issued', expect.stringContaining('Redis failed'), 'issued']);
    expect(await redis.hmget(keysOf(ids[1]!).campaign, 'lastSerial', 'senders', 'stamp')).toEqual([
      '0',
      '0',
      expect.any(String),
    ]);
    expect(await redis.exists(keysOf(ids[1]!).grants)).toBe(0);
    for (const i of [0, 2]) expect(await issuer.campaign(ids[i]!).inspect()).toMatchObject({ issued: 1, reserved: 0 });
  });

  test('what is unusual at one campaign is answered beside the others', async () => {
    const { issuer, ids, ask } = await shopOn(name, 4);
    await issuer.campaign(ids[0]!).issue({ userId: 'ann' });
    await issuer.campaign(ids[1]!).pause();
    await issuer.campaign(ids[2]!).closeForGood();
    expect((await ask()).map(statusOf)).toEqual(['already_issued', 'paused', 'closed', 'issued']);
  });
});

describe('on Redis', () => {
  test('that a server takes no writes is the error of the call, whatever others are told, so that the client sees it', async () => {
    const { redis, issuer, ids, keysOf } = await shopOn('Redis', 3);
    await issuer.campaign(ids[2]!).closeForGood();
    const runner = new ScriptRunner(redis);
    const calls = await Promise.all(
      ids.map(async (id, i) => {
        const epoch = (await redis.hget(keysOf(id).campaign, 'epoch'))!;
        const sent = { epoch, fence: '0', sender: 's', call: '1', fromLine: '', perUser: '1' };
        return { keys: keysOf(id), args: { ...sent, users: 'ann', ids: `${i}`.padEnd(22, 'i'), codes: '', data: '' } };
      }),
    );
    const failing = (run: Promise<unknown>) =>
      run.then(
        () => null,
        (thrown: Error) => thrown,
      );
    await redis.replicaof('127.0.0.1', '1');
    const error = await failing(runner.runJointly(scripts.reserve, calls, 5_000)).finally(() =>
      redis.replicaof('NO', 'ONE'),
    );
    expect(error).toMatchObject({
      code: 'REDIS',
      outcome: 'not_applied',
      cause: { message: expect.stringMatching(/^READONLY/) },
    });
    await redis.config('SET', 'maxmemory', '1');
    const replies = await runner
      .runJointly(scripts.reserve, calls, 5_000)
      .finally(() => redis.config('SET', 'maxmemory', '0'));
    expect(replies).toMatchObject([{ outcome: 'not_applied' }, { outcome: 'not_applied' }, { 0: 'ok', 4: 'closed' }]);
    for (const id of ids) expect(await redis.hget(keysOf(id).campaign, 'reserved')).toBe('0');
  });

  test('a process of other hooks is refused, and the others of its tick are served', async () => {
    const { redis, issuer, ids, ask } = await shopOn('Redis', 2);
    await ask();
    await issuer.idle();
    const other = new CouponIssuer({ redis });
    const own = `own-${++shops}`;
    await other.campaign(own).open({ stock: { kind: 'unlimited' } });
    const told = await Promise.all(
      [own, ids[0]!].map((id) =>
        other
          .campaign(id)
          .issue({ userId: 'bob' })
          .catch((error: Error) => error),
      ),
    );
    expect(told.map(statusOf)).toEqual(['issued', expect.stringContaining('was opened with persistence')]);
  });
});

/** Calls whose replies are given by hand. */
function byHand() {
  const sent: {
    readonly args: readonly string[];
    readonly answer: (reply: unknown) => void;
    readonly fail: (error: Error) => void;
  }[] = [];
  const client = {
    evalsha: (_sha: string, _count: number, ...args: string[]) =>
      new Promise<unknown>((answer, fail) => sent.push({ args, answer, fail })),
    eval: () => Promise.reject(new Error('not asked for')),
  };
  const calls = new JointCalls(new ScriptRunner(client), scripts.confirm);
  const hand = (ids: string, grants = 1, leaving: Partial<Leaving<'epoch' | 'ids', 'stamp' | 'fields'>> = {}) =>
    new Promise<Reply>((resolve, reject) => {
      const call = () => ({ keys: campaignKeys('coupon', ids), args: { epoch: '1-x', ids }, items: [] });
      calls.hand({ call, grants, deadlineAt: performance.now() + 60_000, ...leaving }, { resolve, reject });
    });
  return { sent, hand };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('calls that gather', () => {
  const sentIds = ({ args }: { args: readonly string[] }) => args.filter((arg) => /^[a-z]$/.test(arg)).join(' ');

  test('those of one tick leave as one, in their order, and no call looks at more than 512 grants', async () => {
    const { sent, hand } = byHand();
    for (const [id, grants] of [
      ['a', 1],
      ['b', 511],
      ['c', 2],
      ['l', 9_000],
      ['d', 1],
      ['e', 1],
    ] as const)
      void hand(id, grants);
    await settled();
    expect(sent.map(sentIds)).toEqual(['a b', 'c', 'l', 'd e']);
  });

  test('no more than 128 campaigns share a call', async () => {
    const { sent, hand } = byHand();
    for (let i = 0; i < 130; i++) void hand(`c${i}`);
    await settled();
    expect(sent.map(({ args }) => args.filter((arg) => /^c\d+$/.test(arg)).length)).toEqual([128, 2]);
  });

  test('two batches of one campaign leave in calls of their own, and each is answered by its own call alone', async () => {
    const { sent, hand } = byHand();
    const told = [hand('a'), hand('b'), hand('a'), hand('c', 600)];
    await settled();
    expect(sent.map(sentIds)).toEqual(['a b', 'a', 'c']);
    sent[2]!.answer([['ok', 'of c']]);
    expect(await told[3]).toEqual(['ok', 'of c']);
    sent[1]!.answer([['ok', 'of the second']]);
    expect(await told[2]).toEqual(['ok', 'of the second']);
    sent[0]!.fail(Object.assign(new Error('ERR no'), { name: 'ReplyError' }));
    for (const one of told.slice(0, 2)) await expect(one).rejects.toMatchObject({ code: 'REDIS' });
  });

  test('a call with more users waits behind an earlier one of its campaign', async () => {
    const { sent, hand } = byHand();
    for (const id of ['a', 'b', 'c', 'd']) {
      void hand(id);
      await settled();
    }
    void hand('e', 1);
    void hand('l', 600);
    await settled();
    expect(sent).toHaveLength(4);
    sent[0]!.answer([['ok']]);
    await settled();
    expect(sent.slice(4).map(sentIds)).toEqual(['e', 'l']);
  });

  test('where the keys of two campaigns may not meet, each is sent by itself from then on', async () => {
    const { sent, hand } = byHand();
    const told = [hand('a'), hand('b')];
    await settled();
    sent[0]!.fail(
      Object.assign(new Error("CROSSSLOT Keys in request don't hash to the same slot"), { name: 'ReplyError' }),
    );
    await settled();
    expect(sent.slice(1).map(sentIds)).toEqual(['a', 'b']);
    sent[1]!.answer([['ok', 'of a']]);
    sent[2]!.answer([['ok', 'of b']]);
    expect(await Promise.all(told)).toEqual([
      ['ok', 'of a'],
      ['ok', 'of b'],
    ]);
    void hand('c');
    void hand('d');
    await settled();
    expect(sent.slice(3).map(sentIds)).toEqual(['c', 'd']);
  });

  test('a campaign that is missing where another one is looked for is asked for by itself', async () => {
    const { sent, hand } = byHand();
    const told = [hand('a'), hand('b'), hand('c')];
    await settled();
    sent[0]!.answer([['ok', 'of a'], ['missing'], ['missing']]);
    await settled();
    expect(sent.slice(1).map(sentIds)).toEqual(['b', 'c']);
    sent[1]!.answer([['ok', 'of b']]);
    sent[2]!.answer([['missing']]);
    expect(await Promise.all(told)).toEqual([['ok', 'of a'], ['ok', 'of b'], ['missing']]);
    void hand('d');
    void hand('e');
    await settled();
    expect(sent.slice(3).map(sentIds)).toEqual(['d', 'e']);
  });

  test('while four are under way the others gather, and each gets its own reply', async () => {
    const { sent, hand } = byHand();
    const told: Promise<Reply>[] = [];
    for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) {
      told.push(hand(id));
      await settled();
    }
    expect(sent).toHaveLength(4);
    sent[0]!.answer([['ok', '0', 'of a']]);
    await settled();
    expect(sent).toHaveLength(5);
    sent[4]!.answer([['ok', '0', 'of e'], 'WRONGTYPE of f']);
    expect(await told[0]).toEqual(['ok', '0', 'of a']);
    expect(await told[4]).toEqual(['ok', '0', 'of e']);
    await expect(told[5]).rejects.toMatchObject({ code: 'REDIS', outcome: 'unknown' });
  });

  test('a call is asked for its arguments when it leaves, and is not sent if nobody waits or its time is over', async () => {
    const { sent, hand } = byHand();
    for (const id of ['a', 'b', 'c', 'd']) {
      void hand(id);
      await settled();
    }
    let asked = 0;
    const unwanted = hand('e', 1, {
      call() {
        asked++;
        return null;
      },
    });
    const late = hand('f', 1, { deadlineAt: performance.now() });
    const broken = hand('g', 1, {
      call() {
        throw new Error('of this campaign alone');
      },
    });
    late.catch(() => {});
    broken.catch(() => {});
    await settled();
    expect(asked).toBe(0);
    sent[0]!.answer([['ok']]);
    await settled();
    // One that is never told must fail here, and not hang.
    const outcomeOf = (one: Promise<Reply>) =>
      Promise.race([one.catch((error: Error) => error.message), settled().then(() => 'was not told')]);
    expect(await Promise.all([unwanted, late, broken].map(outcomeOf))).toEqual([
      [],
      expect.stringContaining('ran out before it was sent'),
      'of this campaign alone',
    ]);
    expect([asked, sent.length]).toEqual([1, 4]);
  });

  test('an error of the call is that of each, without any of its texts', async () => {
    const { sent, hand } = byHand();
    const told = [hand('code-of-a'), hand('code-of-b')];
    await settled();
    sent[0]!.fail(Object.assign(new Error('ERR what is code-of-b'), { name: 'ReplyError' }));
    for (const one of told) {
      const error = await one.then(
        () => null,
        (thrown: Error) => thrown,
      );
      expect(error).toMatchObject({ code: 'REDIS', outcome: 'unknown' });
      expect(error!.message).not.toContain('code-of-b');
    }
  });
});
