import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CouponIssuer, type Issuance, MemoryPersistence, type RebuildProgress } from '../../src/index.js';
import { scripts } from '../../src/redis/scripts.js';
import { checkCounters, expireLeases } from '../support/checks/invariants.js';
import { LIMIT, length, SEED } from '../support/checks/lengths.js';
import { seeded } from '../support/checks/random.js';
import { loadScripts, withEach } from '../support/scenes/campaigns.js';
import { type NamedDefinition, openNamed, rebuildNamed } from '../support/scenes/named.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { shaOf } from '../support/servers/sent.js';

const ID = 'walk';
const POOL: NamedDefinition = { id: ID, stock: { kind: 'codes' } };
const CODES = Array.from({ length: 8 }, (_, i) => `C${i + 1}`);
const STEPS = [
  ...[scripts.beginRebuild, scripts.keepPromised, scripts.rebuildRows],
  ...[scripts.rebuildCodes, scripts.keepKnown, scripts.finishRebuild, scripts.inspect],
].map(shaOf);
const key = (name: string) => `{coupon:${ID}}:${name}`;

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
  await loadScripts(redis);
});
afterAll(() => server.stop());

/**
 * One pool that delivers: promises whose saves fail, revoked coupons, rows of another history of Redis, and rebuilds
 * that stop at any step, are repeated, and change their list, their rules or their stock.
 */
class Walk {
  readonly #random: () => number;
  readonly #rows = new MemoryPersistence();
  readonly #promises: Issuance[] = [];
  readonly #planted = new Set<Issuance>();
  readonly #lost = new Set<string>();
  /** What users heard, in its order. */
  readonly #heard: { readonly what: 'deliver' | 'recall'; readonly id: string; readonly code: string | null }[] = [];
  readonly #perUser: number;
  #wasMistaken = false;

  constructor(seed: number) {
    this.#random = seeded(seed);
    this.#perUser = 1 + this.#below(2);
  }

  async play(): Promise<void> {
    await redis.flushall();
    await this.#promise();
    await this.#plant();
    for (let left = 1 + this.#below(5); left >= 0; left--) await this.#rebuild(left === 0);
    for (let pass = 0; pass < 3; pass++) {
      await expireLeases(redis, ID);
      await this.#issuer().campaign(ID).settle();
    }
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)]!;
  }

  #issuer(options: { redis?: Redis; saves?: boolean } = {}): CouponIssuer {
    const { redis: client = redis, saves = true } = options;
    const save = async () => {
      throw new Error('died');
    };
    const hears = (what: 'deliver' | 'recall') => (one: Issuance) => void this.#heard.push({ what, ...one });
    return new CouponIssuer({
      redis: client,
      persistence: saves ? this.#rows : { save, list: this.#rows.list.bind(this.#rows) },
      deliver: hears('deliver'),
      recall: hears('recall'),
      onEvent: (event) => event.type === 'lost' && this.#lost.add(event.id),
    });
  }

  async #promise(): Promise<void> {
    await openNamed(this.#issuer(), { ...POOL, perUser: this.#perUser });
    await this.#issuer().campaign(ID).loadCodes(CODES);
    for (let i = 3 + this.#below(5); i > 0; i--) {
      const issuer = this.#issuer({ saves: this.#random() < 0.25 });
      const answer = await issuer.campaign(ID).issue({ userId: `user-${this.#below(4)}`, requestId: `${i}` });
      if (answer.status === 'accepted') this.#promises.push(answer.issuance);
      if (answer.status === 'issued' && this.#random() < 0.3) await this.#revoke(answer.issuance);
    }
  }

  async #revoke({ id, userId }: Issuance): Promise<void> {
    await this.#issuer()
      .campaign(ID)
      .revoke({ userId, id, revocationId: id, again: this.#random() < 0.5 });
  }

  async #plant(): Promise<void> {
    for (let i = this.#below(6); i > 0; i--) {
      const userId = this.#random() < 0.6 ? `user-${this.#below(4)}` : `stranger-${i}`;
      const own = this.#promises.filter((one) => one.userId === userId);
      const id = own.length > 0 && this.#random() < 0.3 ? this.#pick(own).id : `${i}`.padEnd(22, 'p');
      const code = this.#random() < 0.6 ? this.#pick(CODES) : `X${i}`;
      const row: Issuance = {
        ...{ id, campaignId: ID, userId, grant: 1 + this.#below(this.#perUser), serial: 1 + this.#below(10), code },
        ...{ issuedAt: new Date(1), epoch: '1-x', state: 'issued' },
      };
      const [verdict] = await this.#rows.save([row]);
      if (verdict?.verdict === 'saved') this.#planted.add(row);
    }
  }

  /** The last one ends. */
  async #rebuild(isLast: boolean): Promise<void> {
    const closesAt = this.#random() < 0.3 ? new Date('2090-01-01T00:00:00Z') : undefined;
    // An operator may take the pool for another stock by mistake.
    const isMistaken = !isLast && this.#random() < 0.15;
    this.#wasMistaken ||= isMistaken;
    const counted = { kind: 'counted', total: 99, generateCodes: this.#random() < 0.5 } as const;
    const rules = { ...POOL, ...(isMistaken && { stock: counted }), perUser: this.#perUser, closesAt };
    const codes = isLast || this.#random() < 0.5 ? CODES : CODES.filter(() => this.#random() < 0.6).reverse();
    const [step, nth, isSent] = [this.#pick(STEPS), 1 + this.#below(2), this.#random() < 0.5];
    const stop = this.#pick(['', '', 'rows', 'codes']);
    let calls = 0;
    const dying = withEach(redis, async (sha1, send) => {
      const dies = sha1 === step && ++calls === nth;
      const reply = dies && !isSent ? null : await send();
      if (dies) throw new Error('Connection is closed.');
      return reply;
    });
    const onProgress = ({ phase }: RebuildProgress) => {
      if (!isLast && phase === stop) throw new Error('stopped');
    };
    const issuer = this.#issuer({ redis: isLast ? redis : (dying as Redis) });
    const done = rebuildNamed(issuer, rules, { ...(!isMistaken && { codes }), onProgress });
    await (isLast ? done : done.catch(() => {}));
  }

  async audit(): Promise<void> {
    await checkCounters({ redis, campaignId: ID });
    expect(await redis.exists(key('old'), key('kept'), key('known')), 'keys that a rebuild put aside').toBe(0);
    const rows = await this.#rows.list(ID, { afterSerial: 0, limit: 99 });
    const pool = (await redis.lrange(key('pool'), 0, -1)).map((unit) => unit.split(':')[1]!);
    for (const code of CODES) {
      const told = this.#heard.filter((one) => one.code === code);
      const ids = new Set(told.filter(({ what }) => what === 'deliver').map(({ id }) => id));
      expect(ids.size, `coupons that ${code} was delivered for`).toBeLessThanOrEqual(1);
      const mayBeKnown = ids.size > 0 || rows.some((row) => row.code === code);
      expect(mayBeKnown && pool.includes(code), `${code} may be known, and is free`).toBe(false);
      const after = told.slice(told.findIndex(({ what }) => what === 'recall'));
      const isDelivered = after.slice(1).some(({ what }) => what === 'deliver');
      // Without a pool a user keeps the code, and its serial alone changes.
      expect(isDelivered && !this.#wasMistaken, `${code} is delivered after its recall`).toBe(false);
    }
    for (const { id, userId } of this.#promises) {
      const hasRow = rows.some((row) => row.id === id);
      const isFull = rows.filter((row) => row.userId === userId).length >= this.#perUser;
      const isTold = this.#lost.has(id) || this.#heard.some((one) => one.what === 'recall' && one.id === id);
      expect(hasRow || isFull || isTold, `the promise ${id} of ${userId} is kept, or its end is told`).toBe(true);
    }
    const hands = [...rows.map(({ code }) => code), ...pool].filter((code) => code !== null || !this.#wasMistaken);
    expect(new Set(hands).size, 'codes in one hand each').toBe(hands.length);
  }
}

test(`no rebuild gives a code that was delivered to another user, wherever it stops and however often it is repeated (seed ${SEED})`, {
  timeout: LIMIT,
}, async () => {
  for (let i = 0; i < length(300, 3_000); i++) {
    const walk = new Walk(SEED + i);
    await walk.play();
    await walk.audit().catch((error: Error) => {
      throw new Error(`SEED=${SEED + i}: ${error.message}`, { cause: error });
    });
  }
});
