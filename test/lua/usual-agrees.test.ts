import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CampaignDefinition, CouponIssuer, MemoryPersistence } from '../../src/index.js';
import { type CampaignKeys, campaignKeys } from '../../src/redis/keys.js';
import { type Reply, type Script, ScriptRunner } from '../../src/redis/runner.js';
import { scripts } from '../../src/redis/scripts.js';
import { seeded } from '../support/checks/random.js';
import { RedisServer } from '../support/servers/redis-server.js';

const SEED = 20_261_129;
const CAMPAIGNS = 60;
const STEPS = 24;
const USERS = ['ann', 'bob', '한국', 'a:b', 'line\nline', 'kim', 'lee'];
/** Beyond the clock, so that each stamp follows from the one before. */
const FAR = 9_000_000_000_000_000;

const IN_AN_HOUR = () => new Date(Date.now() + 3_600_000);
const DEFINITIONS: readonly (() => { definition: CampaignDefinition; saves?: boolean })[] = [
  () => ({ definition: { stock: { kind: 'counted', total: 6 } } }),
  () => ({ definition: { stock: { kind: 'counted', total: 3 } }, saves: false }),
  () => ({ definition: { stock: { kind: 'counted', total: 9, generateCodes: true } } }),
  () => ({ definition: { stock: { kind: 'unlimited' } } }),
  () => ({ definition: { stock: { kind: 'unlimited' }, perUser: 2 } }),
  () => ({ definition: { stock: { kind: 'unlimited' }, saveMode: 'write-behind' } }),
  () => ({ definition: { stock: { kind: 'unlimited' }, opensAt: IN_AN_HOUR() } }),
  () => ({ definition: { stock: { kind: 'counted', total: 9 }, closesAt: IN_AN_HOUR() } }),
  () => ({ definition: { stock: { kind: 'codes' } } }),
];

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

/** A number, or anything of a list, by chance. */
const chance = seeded(SEED);
const below = (limit: number) => Math.floor(chance() * limit);
const oneOf = <T>(list: readonly T[]): T => list[below(list.length)]!;
const seldom = () => below(8) === 0;

/** Instants of this test as seconds from now: the two runs are not at the same one. */
const timeless = (text: string, now: number) =>
  text.replace(/\b1[789]\d{11}\b/g, (ms) => `now+${Math.round((Number(ms) - now) / 10_000)}`);

async function contentOf(key: string): Promise<unknown> {
  switch (await redis.type(key)) {
    case 'hash':
      return Object.entries(await redis.hgetall(key)).sort();
    case 'zset':
      return redis.zrange(key, 0, -1, 'WITHSCORES');
    case 'list':
      return redis.lrange(key, 0, -1);
    default:
      return redis.type(key);
  }
}

async function contentsOf(keys: CampaignKeys, now: number): Promise<string> {
  const all = [keys.campaign, keys.grants, keys.senders, keys.leases, keys.returned, keys.pool, keys.data];
  const contents = await Promise.all(
    all.map(async (key) => [await contentOf(key), await redis.call('PEXPIRETIME', key)]),
  );
  return timeless(JSON.stringify(contents, null, 1), now);
}

interface Asked {
  readonly script: Script<keyof CampaignKeys>;
  readonly args: Record<string, string>;
  readonly items?: Record<string, string>[];
}

let calls = 0;

async function reserveOn(keys: CampaignKeys, { perUser = 1, stock }: CampaignDefinition): Promise<Asked> {
  const [epoch, stamp] = await redis.hmget(keys.campaign, 'epoch', 'stamp');
  const users = Array.from({ length: 1 + below(3) }, () => oneOf(USERS));
  const held = Object.values(await redis.hgetall(keys.grants)).map((record) => record.split(':')[4]!);
  const ids = users.map(() =>
    seldom() && held.length > 0 ? oneOf(held) : seldom() ? `short${++calls}` : `${++calls}`.padEnd(22, 'i'),
  );
  const generates = stock.kind === 'counted' && stock.generateCodes && !seldom();
  const args = {
    epoch: seldom() ? '1-other' : epoch!,
    fence: seldom() ? String(Number(stamp) + 5) : oneOf(['0', stamp!]),
    sender: oneOf(['one', 'two']),
    call: String(seldom() ? 1 : ++calls),
    fromLine: '',
    perUser: seldom() ? '3' : String(perUser),
    users: users.join('\0'),
    ids: ids.join('\0'),
    codes: generates
      ? users
          .slice(seldom() ? 1 : 0)
          .map(() => `C-${++calls}`)
          .join('\0')
      : '',
    data: seldom() ? users.map(() => '{"a":1}').join('\n') : '',
  };
  return { script: scripts.reserve as Script<keyof CampaignKeys>, args };
}

async function confirmOn(keys: CampaignKeys): Promise<Asked | null> {
  const all = Object.entries(await redis.hgetall(keys.grants)).map(([field, record]) => ({
    field,
    parts: record.split(':'),
  }));
  const some = all.filter(({ parts }) => (parts[0] === 'i' ? seldom() : below(3) > 0));
  if (some.length === 0) return null;
  if (seldom()) some.push(some[0]!);
  const epoch = (await redis.hget(keys.campaign, 'epoch'))!;
  const ids = some.map(({ parts }) => (seldom() ? 'x'.repeat(22) : parts[4]!)).join('\0');
  const items = some.map(({ field, parts }) => ({ stamp: seldom() ? '7' : parts[1]!, fields: field }));
  return {
    script: scripts.confirm as Script<keyof CampaignKeys>,
    args: { epoch: seldom() ? '1-other' : epoch, ids },
    items,
  };
}

/** Something else that happens to a campaign. */
async function happen(keys: CampaignKeys, issuer: CouponIssuer, id: string): Promise<void> {
  const campaign = issuer.campaign(id);
  const [first] = Object.entries(await redis.hgetall(keys.grants)).filter(([, record]) => record.startsWith('r'));
  const epoch = (await redis.hget(keys.campaign, 'epoch'))!;
  const what = below(9);
  if (what === 0) await campaign.pause();
  if (what === 1) await campaign.resume();
  if (what === 2 && first) {
    const parts = first[1].split(':');
    const items = [{ field: first[0], id: parts[4]!, stamp: parts[1]! }];
    await new ScriptRunner(redis).run(scripts.release, { keys, args: { epoch }, items }, 5_000);
  }
  if (what === 3)
    await redis.hset(keys.campaign, { freed: '1', [`freed:${'f'.repeat(22)}`]: `i1:0:9:1:${'f'.repeat(22)}:` });
  if (what === 6 && seldom()) await campaign.closeForGood({ retainMs: 3_600_000 });
  if (what === 7 && seldom()) await redis.hset(keys.campaign, 'closesAt', '1');
  if (what === 8 && seldom()) await redis.hset(keys.campaign, 'verified', '0');
  if (what === 4 && seldom()) await redis.del(oneOf([keys.grants, keys.leases, keys.senders]));
  if (what === 5 && seldom())
    await redis.set(oneOf([keys.grants, keys.leases, keys.senders, keys.returned, keys.pool]), 'of another type');
}

const outcome = (run: Promise<Reply>) =>
  run.then(
    (reply) => reply.map(String),
    (error: Error) => [error.message.split(':')[0]!],
  );

/** The reply as the script gives it alone: a word, a grant and a record for each. */
function inFull(reply: string[], { args, items }: Asked): string[] {
  const count = items ? items.length : args.users!.split('\0').length;
  const at = items ? 2 : 4;
  const word = reply[at];
  if (reply[0] !== 'ok' || word === undefined || word.includes(' ')) return reply;
  if (word !== 'in_order') return reply.with(at, new Array(count).fill(word).join(' '));
  const [state, stamp, serial, issuedAt] = reply[5]!.split(':');
  const [ids, codes] = [args.ids!.split('\0'), args.codes!.split('\0')];
  const each = ids.flatMap((id, i) => [
    '1',
    [state, stamp, Number(serial) + i, issuedAt, id, codes[i] ?? ''].join(':'),
  ]);
  return [...reply.slice(0, 4), new Array(count).fill('new').join(' '), ...each];
}

test(`the usual case does what the script does (seed ${SEED})`, { timeout: 60_000 }, async () => {
  const runner = new ScriptRunner(redis);
  const seen: Record<string, number> = {};
  for (let nth = 0; nth < CAMPAIGNS; nth++) {
    const { definition, saves = true } = DEFINITIONS[nth % DEFINITIONS.length]!();
    const issuer = new CouponIssuer({ redis, ...(saves && { persistence: new MemoryPersistence() }) });
    const [id, twin] = [`one-${nth}`, `twin-${nth}`];
    await issuer.campaign(id).open(definition);
    if (definition.stock.kind === 'codes') await issuer.campaign(id).loadCodes(['AAA', 'BBB', 'CCC', 'DDD']);
    const [keys, others] = [campaignKeys('coupon', id), campaignKeys('coupon', twin)];
    await redis.hset(keys.campaign, 'stamp', FAR);
    for (let step = 0; step < STEPS; step++) {
      const types = await Promise.all([keys.grants, keys.leases, keys.senders].map((key) => redis.type(key)));
      if (types.includes('string')) break;
      const asked = (below(3) === 0 && (await confirmOn(keys))) || (await reserveOn(keys, definition));
      const { script, args, items } = asked;
      if (below(5) === 0) await happen(keys, issuer, id).catch(() => {});
      for (const name of Object.keys(keys) as (keyof CampaignKeys)[]) {
        await redis.del(others[name]);
        await redis.copy(keys[name], others[name]);
      }
      const call = { args, ...(items && { items }) } as { args: never; items: never };
      const now = Date.now();
      const alone = await outcome(runner.run({ ...script, joint: null }, { ...call, keys }, 5_000));
      const usual = await outcome(runner.run(script, { ...call, keys: others }, 5_000));
      const what = `step ${step} of campaign ${nth}: ${script.name} ${JSON.stringify({ args, items })}`;
      const word = `${script.name} ${usual[0] === 'ok' ? usual[items ? 2 : 4] : usual[0]}`;
      seen[word] = (seen[word] ?? 0) + 1;
      expect(timeless(JSON.stringify(inFull(usual, asked)), now), what).toBe(
        timeless(JSON.stringify(inFull(alone, asked)), now),
      );
      expect(await contentsOf(others, now), what).toBe(await contentsOf(keys, now));
    }
    await issuer.close();
  }
  for (const word of [
    'reserve in_order',
    'reserve sold_out',
    'confirm confirmed',
    'reserve stale_epoch',
    'reserve rolled_back',
  ])
    expect(seen[word], word).toBeGreaterThan(5);
});
