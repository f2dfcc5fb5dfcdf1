import type { Redis } from 'ioredis';
import { cacheKeys, campaignKeys, registryKeys } from '../../src/redis/keys.js';
import { type Reply, type Script, ScriptRunner } from '../../src/redis/runner.js';
import { scripts } from '../../src/redis/scripts.js';

export const EPOCH = '1-abc';
/** The score of what is in quarantine. */
const NEVER = '9007199254740991';
const ID = 'launch';
const keys = {
  ...campaignKeys('coupon', ID),
  ...registryKeys('coupon'),
  ...cacheKeys('coupon', 'grade', 'of-a-key'.padEnd(22, '0')),
};

type Values = Readonly<Record<string, string>>;
export interface Call {
  readonly script: Script;
  readonly args: Values;
  readonly items?: readonly Values[];
}

/** What a script is called with in the tests, in a campaign where u1, u2 (in quarantine) and u3 (due) hold units and one unit came back, and w1 to w3 wait. */
export interface World {
  readonly redis: Redis;
  readonly run: (call: Call) => Promise<Reply>;
  readonly calls: Readonly<Record<string, Call>>;
  readonly key: (name: string) => string;
}

/** Nothing became of a row. */
export const ISSUED = { became: '', returned: '' };
export const ISSUED_ROW = { rowBecame: '', rowReturned: '' };

/** Every user but `u3` and `w3` gives data. */
export const dataOf = (user: string) => (user.endsWith('3') ? '' : `{"of":"${user}"}`);
/** The arguments of reserve with a text for each user. */
export const columnsOf = (
  users: readonly { readonly id: string; readonly userId: string; readonly code: string }[],
) => ({
  users: users.map(({ userId }) => userId).join('\0'),
  ids: users.map(({ id }) => id).join('\0'),
  codes: users.flatMap(({ code }) => code || []).join('\0'),
});
export const idOf = (user: string) => `id-${user}`.padEnd(22, '0');

export async function openWorld(redis: Redis, kind: 'counted' | 'codes', name = ''): Promise<World> {
  await redis.flushall();
  const runner = new ScriptRunner(redis);
  const run = ({ script, args, items }: Call) =>
    runner.run(script, items ? { keys, args, items } : { keys, args }, 10_000);
  const call = (script: unknown, args: Values, items?: readonly Values[]): Call =>
    items ? { script: script as Script, args, items } : { script: script as Script, args };
  const epoch = EPOCH;
  const campaignId = ID;

  const draws = name === 'draw-line';
  const rules: Record<string, string> = {
    kind,
    perUser: '1',
    leaseMs: '30000',
    needs: 'persistence',
    room: '100:0:60000:0',
    savesPerSecond: '100',
    admitPerSecond: '100',
    waves: '1:0:1',
  };
  if (kind === 'counted') rules.total = '10';
  const open = call(
    scripts.openCampaign,
    { generation: '7', random: 'abc' },
    Object.entries(rules).map(([name, value]) => ({ name, value })),
  );
  await run(call(scripts.registerCampaign, { campaignId }));
  const mark = (await redis.hget(keys.registry, campaignId))!;
  const past = { campaignId: 'past', closedAt: '1', goneAt: '2', sentAt: String(Date.now()) };
  await run(call(scripts.noteOver, past));
  await redis.hset(keys.workers, { another: '9000000000000:1000:settle:1.2.3:::', silent: '1:1000:settle:1.2.3:::' });
  await run(open);
  await redis.hset(keys.campaign, 'epoch', EPOCH);
  await run(call(scripts.activateCampaign, { epoch, store: '', generation: '1', random: 'abc', rebind: '0' }));
  const codes = ['AAA', 'BBB', 'CCC', 'DDD', 'EEE', 'FFF', 'GGG', 'HHH', 'JJJ', 'KKK'].map((code) => ({ code }));
  const loading = (loadId: string) => ({
    epoch,
    fence: '0',
    loadId,
    caller: 'tests',
    offset: '0',
    before: 'nothing',
    after: 'all',
  });
  if (kind === 'codes') await run(call(scripts.loadCodes, loading('first'), codes));
  const reserve = (n: string, users: string[]) =>
    call(scripts.reserve, {
      epoch,
      fence: '0',
      sender: 'tests',
      call: n,
      fromLine: '1',
      perUser: '1',
      ...columnsOf(users.map((userId) => ({ id: idOf(userId), userId, code: '' }))),
      data: users.map(dataOf).join('\n'),
    });
  await run(reserve('1', ['gone', 'u1', 'u2', 'u3']));

  const held = async (userId: string) => {
    const record = await redis.hget(keys.grants, `1:${userId}`);
    return { field: `1:${userId}`, id: idOf(userId), stamp: record!.split(':')[1]! };
  };
  await run(call(scripts.release, { epoch }, [await held('gone')]));
  await redis.zadd(keys.leases, 0, '1:u3', NEVER, '1:u2');
  const join = (n: string, users: string[]) =>
    call(
      scripts.joinLine,
      { epoch, fence: '0', sender: 'guests', call: n, perUser: '1', data: users.map(dataOf).join('\n') },
      users.map((userId) => ({ id: idOf(userId), userId })),
    );
  const later = String(Date.now() + 3_600_000);
  if (draws) await redis.hset(keys.campaign, { room: '100:0:60000:1', opensAt: later });
  await run(join('1', ['w1', 'w2', 'w3']));
  if (draws) await redis.hset(keys.campaign, 'opensAt', '1');
  await redis.zadd(keys.presence, 1, 'w1');
  const u1 = await held('u1');
  const serial = (await redis.hget(keys.grants, '1:u1'))!.split(':')[2]!;
  const row = {
    rowField: '1:u1',
    rowId: 'the-row'.padEnd(22, '0'),
    rowSerial: '9',
    rowIssuedAt: '1',
    rowCode: '',
    ...ISSUED_ROW,
  };

  const begin = call(
    scripts.beginRebuild,
    { from: epoch, random: 'rebuilt', generation: '1', definition: 'the rules' },
    Object.entries(rules).map(([name, value]) => ({ name, value })),
  );
  const keep = call(scripts.keepPromised, { epoch, fence: '0', limit: '500' });
  const rebuildRows = call(scripts.rebuildRows, { epoch, fence: '0', after: '0', upTo: '5', told: '' }, [
    { field: '1:u1', id: idOf('u1'), serial: '2', issuedAt: '1', code: kind === 'codes' ? 'BBB' : '', ...ISSUED },
    { field: '1:u9', id: idOf('u9'), serial: '3', issuedAt: '1', code: kind === 'codes' ? 'CCC' : '', ...ISSUED },
  ]);
  const before = {
    'keep-promised': [],
    'rebuild-rows': [keep],
    'rebuild-codes': [keep, rebuildRows],
    'know-codes': [keep, rebuildRows],
    'keep-known': [keep, rebuildRows],
    'finish-rebuild': [keep, rebuildRows],
  }[name];
  if (before) {
    await run(begin);
    await redis.hset(keys.campaign, 'epoch', epoch);
    for (const step of before) await run(step);
  }
  const ending = call(scripts.confirm, { epoch, ids: u1.id }, [{ stamp: u1.stamp, fields: u1.field }]);
  const serialOf = async (userId: string) => (await redis.hget(keys.grants, `1:${userId}`))?.split(':')[2] ?? '1';
  const announced = async (userId: string, version: string) => ({
    id: idOf(userId),
    version,
    serial: await serialOf(userId),
    userId,
  });
  if (['take-back', 'find-announced', 'drop-announced'].includes(name)) {
    const both = [await announced('u1', '3'), await announced('u2', '0')];
    await run(call(scripts.announceRevoke, { epoch }, both));
    await redis.hset(keys.campaign, `revoking:${idOf('u1')}`, `3:1:${await serialOf('u1')}:u1`);
  }
  if (name === 'reopen-grant') await run(ending);
  const find = call(scripts.findCached, { caller: 'tests.1', leaseMs: '10000', early: '0' });
  const [, token] = name === 'find-cached' ? ['', ''] : ((await run(find)).map(String) as [string, string]);
  const listeners = keys.stored;
  if (name === 'purge-campaign') await redis.hset(keys.campaign, { closedAt: '1', reserved: '0' });

  return {
    redis,
    run,
    key: (name) => keys[name as keyof typeof keys],
    calls: {
      'open-campaign': open,
      'activate-campaign': call(scripts.activateCampaign, {
        epoch,
        store: 'a-database',
        generation: '7',
        random: 'abe',
        rebind: '1',
      }),
      'register-campaign': call(scripts.registerCampaign, { campaignId: 'another' }),
      'know-campaign': call(scripts.knowCampaign, { campaignId }),
      'list-campaigns': call(scripts.listCampaigns, { cursor: '0' }),
      'note-worker': call(scripts.noteWorker, {
        worker: 'one',
        cursor: '0',
        intervalMs: '1000',
        role: 'settle',
        version: '1.2.3',
        succeededMsAgo: '5',
        faultMsAgo: '',
        fault: '',
        campaigns: 'night',
      }),
      'forget-worker': call(scripts.forgetWorker, { worker: 'another' }),
      'list-workers': call(scripts.listWorkers, { cursor: '0' }),
      inspect: call(scripts.inspect, {}),
      'find-user': call(scripts.findUser, { epoch, fence: '0', userId: 'u1' }),
      'set-pace': call(scripts.setPace, { epoch, follows: '0' }, [
        { name: 'savesPerSecond', value: '5' },
        { name: 'admitPerSecond', value: '' },
        { name: 'waves', value: '3:0:2' },
      ]),
      'set-paused': call(scripts.setPaused, { epoch, sender: 'tests', call: '2', paused: '1' }),
      'close-campaign': call(scripts.closeCampaign, { epoch, retainMs: '60000' }),
      'load-codes': call(scripts.loadCodes, loading('second'), [{ code: 'new' }, { code: 'AAA' }]),
      'list-loads': call(scripts.listLoads, { epoch, fence: '0', cursor: '0', limit: '500' }),
      'find-in-pool': call(scripts.findInPool, { epoch, fence: '0', code: 'FFF', fromTail: '1', limit: '500' }),
      'replace-code': call(scripts.replaceCode, { epoch, fence: '0', fromTail: '1', unit: '10:KKK', code: 'LLL' }),
      reserve: reserve('2', ['u4', 'u1', 'u5']),
      confirm: ending,
      release: call(scripts.release, { epoch }, [u1]),
      withdraw: call(scripts.withdraw, { epoch }, [u1]),
      reassign: call(scripts.reassign, { epoch }, [{ ...u1, serial, keep: '0', code: '' }]),
      'adopt-row': call(scripts.adoptRow, { epoch }, [{ ...u1, delivered: '0', ...row }]),
      'claim-due': call(scripts.claimDue, { epoch, fence: '0', perUser: '1', limit: '10', paced: '1' }),
      postpone: call(scripts.postpone, { epoch }, [{ ...u1, tries: '3', delayMs: '' }]),
      'list-quarantined': call(scripts.listQuarantined, { epoch, fence: '0', after: '', limit: '10' }),
      'retry-quarantined': call(scripts.retryQuarantined, { epoch }, [{ field: '1:u2', id: idOf('u2') }]),
      'next-generation': call(scripts.nextGeneration, { atLeast: '1' }),
      'note-over': call(scripts.noteOver, {
        campaignId: 'old',
        closedAt: '1',
        goneAt: '2',
        sentAt: String(Date.now()),
      }),
      'find-over': call(scripts.findOver, { campaignId: 'past' }),
      'drop-over': call(scripts.dropOver, { campaignId: 'past', closedAt: '1' }),
      'forget-campaign': call(scripts.forgetCampaign, { campaignId, mark }),
      'inspect-server': call(scripts.inspectServer, {}),
      'check-rights': call(scripts.checkRights, {}),
      'update-campaign': call(scripts.updateCampaign, { epoch, fence: '0', known: '0', requestId: 'later' }, [
        { name: 'closesAt', value: '4102444800000' },
        { name: 'perUser', value: '2' },
      ]),
      restock: call(scripts.restock, { epoch, fence: '0', requestId: 'more', add: '5' }),
      'purge-campaign': call(scripts.purgeCampaign, { epoch }),
      'begin-rebuild': begin,
      'keep-promised': keep,
      'rebuild-rows': rebuildRows,
      'rebuild-codes': call(scripts.rebuildCodes, { epoch, fence: '0' }, [{ code: 'new' }, { code: 'BBB' }]),
      'know-codes': call(scripts.knowCodes, { epoch, fence: '0' }, [{ code: 'AAA' }, { code: 'new' }]),
      'keep-known': call(scripts.keepKnown, { epoch, fence: '0', limit: '500' }),
      'finish-rebuild': call(scripts.finishRebuild, { epoch, fence: '0', limit: '500' }, []),
      'scan-grants': call(scripts.scanGrants, { epoch, fence: '0', cursor: '0', limit: '500' }),
      'read-grants': call(scripts.readGrants, { epoch, fence: '0' }, [{ field: '1:u1' }, { field: '1:nobody' }]),
      'scan-free': call(scripts.scanFree, { epoch, fence: '0', offset: '0', limit: '500' }),
      'mend-row': call(scripts.mendRow, {
        epoch,
        fence: '0',
        field: '1:u8',
        id: idOf('u8'),
        serial: '1',
        issuedAt: '1',
        code: kind === 'codes' ? 'AAA' : '',
        ...ISSUED,
        place: 'free',
      }),
      'reopen-grant': call(scripts.reopenGrant, { epoch, fence: '0', field: '1:u1', id: idOf('u1') }),
      'join-line': join('2', ['w4', 'u1', 'w2']),
      'leave-line': call(scripts.leaveLine, { epoch, fence: '0', sender: 'guests', call: '2', userId: 'w2' }),
      'find-places': call(
        scripts.findPlaces,
        { epoch, fence: '0', perUser: '1', watcher: 'host', since: '1', keepMs: '60000' },
        [{ userId: 'w1' }, { userId: 'u1' }, { userId: 'x' }],
      ),
      'admit-line': call(scripts.admitLine, {
        epoch,
        fence: '0',
        sender: 'guests',
        call: '2',
        perUser: '1',
        limit: '2',
        paced: '1',
        codes: '',
      }),
      'tend-line': call(scripts.tendLine, { epoch, fence: '0', limit: '2' }),
      'draw-line': call(scripts.drawLine, { epoch, fence: '0', seed: 'seed', limit: '2' }, [
        { userId: 'w1', key: '0.5' },
      ]),
      'find-cached': find,
      'store-cached': call(scripts.storeCached, {
        listeners,
        token,
        value: '"gold"',
        ttlMs: '1000',
        staleMs: '0',
        took: '5',
        counted: `${Date.now() + 60_000}:700`,
      }),
      'give-up-load': call(scripts.giveUpLoad, { listeners, token, failure: 'Error: no', failedMs: '1000' }),
      'drop-cached': call(scripts.dropCached, { listeners, caller: 'tests.2', leaseMs: '10000' }),
      'count-bytes': call(scripts.countBytes, { bytes: '100', limit: '1000', lifeMs: '60000' }),
      announce: call(scripts.announce, { news: 'moved' }),
      'announce-revoke': call(scripts.announceRevoke, { epoch }, [
        await announced('u1', '4'),
        await announced('u3', '0'),
      ]),
      'take-back': call(scripts.takeBack, { epoch }, [
        { id: idOf('u1'), userId: 'u1', serial: await serialOf('u1'), frees: '', returns: '1' },
        { id: idOf('u3'), userId: 'u3', serial: await serialOf('u3'), frees: '1', returns: '1' },
      ]),
      'find-announced': call(scripts.findAnnounced, { epoch, cursor: '0', limit: '500' }),
      'drop-announced': call(scripts.dropAnnounced, { epoch }, [{ id: idOf('u1'), version: '3' }]),
    },
  };
}
