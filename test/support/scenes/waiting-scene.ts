import type { Cluster, Redis } from 'ioredis';
import { expect, onTestFinished } from 'vitest';
import {
  CouponIssuer,
  type CouponIssuerOptions,
  type Issuance,
  type JoinResult,
  type PersistenceAdapter,
  type WaitingChange,
} from '../../../src/index.js';
import { Actor, type ActorConfig } from '../actors/actor.js';
import { type Book, postgresBook } from '../checks/books.js';
import { checkInvariants, checkRows, expireLeases, type Row } from '../checks/invariants.js';
import { Database } from '../servers/database.js';
import { RedisServer } from '../servers/redis-server.js';
import { type NamedDefinition, openNamed } from './named.js';

/** A real Redis, or a Cluster, and a real PostgreSQL. */
export interface WaitingGround {
  /** Where a process of its own finds Redis. */
  readonly server: { readonly port: number };
  readonly redis: Redis | Cluster;
  readonly database: Database;
  readonly book: Book;
}

/** Servers of one test file, or of one test that does harm to its Redis. */
export async function prepareGround(args?: readonly string[]) {
  const starting = args ? RedisServer.with({ args }) : RedisServer.start();
  const [server, database] = await Promise.all([starting, Database.create()]);
  const redis = server.client();
  const stop = async () => {
    await Promise.all([server.stop(), database.stop()]);
  };
  return { server, redis, database, book: await postgresBook(database), stop };
}

/** Short, so that what a process left behind is soon taken up. */
export const SHORT = { leaseMs: 2_000, timeoutMs: 1_900 } as const;

export interface WaitingOptions {
  readonly total?: number;
  readonly campaign?: Partial<NamedDefinition>;
  readonly issuer?: Partial<CouponIssuerOptions>;
  readonly delivers?: boolean;
}

let scenes = 0;

/** A campaign with a waiting room, and what everybody was told of their place. */
export class WaitingScene {
  readonly campaignId = `waiting-${++scenes}`;
  readonly ground: WaitingGround;
  readonly definition: NamedDefinition;
  /** How many units there are; a test that restocks says so. */
  total: number;
  readonly issuer: CouponIssuer;
  /** The ticket that each user was told last. */
  readonly tickets = new Map<string, number>();
  readonly deliveries: Issuance[] = [];
  readonly #options: WaitingOptions;

  private constructor(ground: WaitingGround, options: WaitingOptions) {
    this.ground = ground;
    this.total = options.total ?? 10;
    this.#options = options;
    this.definition = {
      id: this.campaignId,
      stock: { kind: 'counted', total: this.total },
      admission: 'queued',
      ...options.campaign,
    };
    this.issuer = this.process();
  }

  static async open(ground: WaitingGround, options: WaitingOptions = {}): Promise<WaitingScene> {
    const scene = new WaitingScene(ground, options);
    await openNamed(scene.issuer, scene.definition);
    return scene;
  }

  /** A process that has seen nothing yet, within this one; closed when the test is over. */
  process(more: Partial<CouponIssuerOptions> = {}): CouponIssuer {
    const { redis, book } = this.ground;
    const persistence: PersistenceAdapter = {
      save: (issuances, options) => book.save(issuances, options),
      list: (campaignId, options) => book.list!(campaignId, options),
      find: (issuances) => book.find!(issuances),
    };
    const deliver = (issuance: Issuance) => void this.deliveries.push(issuance);
    const issuer = new CouponIssuer({
      redis,
      persistence,
      ...(this.#options.delivers ? { deliver } : {}),
      ...this.#options.issuer,
      ...more,
    });
    onTestFinished(() => issuer.close());
    return issuer;
  }

  /** A process of its own, which the test may kill, and which does not outlive it. */
  async actor(config: Partial<ActorConfig> = {}): Promise<Actor> {
    const { server, database } = this.ground;
    const { leaseMs, timeoutMs } = this.#options.issuer ?? {};
    const options = { ...(leaseMs ? { leaseMs } : {}), ...(timeoutMs ? { timeoutMs } : {}), ...config.options };
    const servers = { redisPort: server.port, postgresUrl: database.url };
    const delivers = this.#options.delivers ?? false;
    const actor = await Actor.start({ ...config, ...servers, delivers, options }, (news) => {
      if ('delivered' in news) this.deliveries.push(news.delivered);
    });
    onTestFinished(async () => void (await actor.kill()));
    return actor;
  }

  async join(userId: string, issuer = this.issuer): Promise<JoinResult> {
    const { campaignId } = this;
    const told = await issuer.campaign(campaignId).join({ userId, requestId: `wish of ${userId}` });
    if (told.status === 'waiting') this.tickets.set(userId, told.ticket);
    return told;
  }

  /** All in the same tick, so their tickets are in this order. */
  joinAll(users: readonly string[], issuer = this.issuer): Promise<JoinResult[]> {
    return Promise.all(users.map((userId) => this.join(userId, issuer)));
  }

  admit(count: number, issuer = this.issuer) {
    return issuer.campaign(this.campaignId).admit({ count });
  }

  statusOf(userId: string) {
    return this.issuer.campaign(this.campaignId).userStatus({ userId });
  }

  leave(userId: string, issuer = this.issuer) {
    return issuer.campaign(this.campaignId).leave({ userId });
  }

  /** All that a watcher is told, to the end. */
  async watch(userId: string, issuer = this.issuer): Promise<WaitingChange[]> {
    const changes: WaitingChange[] = [];
    for await (const change of issuer.campaign(this.campaignId).watch({ userId })) changes.push(change);
    return changes;
  }

  inspect() {
    return this.issuer.campaign(this.campaignId).inspect();
  }

  key(name: string): string {
    return `{coupon:${this.campaignId}}:${name}`;
  }

  rows(): Promise<readonly Row[]> {
    return this.ground.book.rows(this.campaignId);
  }

  /** `<serial> <user>` of each row, by serial. */
  async served(): Promise<string[]> {
    return (await this.rows()).map(({ serial, userId }) => `${serial} ${userId}`);
  }

  /** Lets every lease run out and settles, until nothing is reserved. */
  async settle(): Promise<void> {
    for (let pass = 0; pass < 5; pass++) {
      await this.issuer.idle();
      await expireLeases(this.ground.redis, this.campaignId);
      await this.issuer.campaign(this.campaignId).settle();
      if ((await this.inspect()).reserved === 0) return;
    }
  }

  /** Serials follow the tickets that were told. */
  async checkOrder(): Promise<void> {
    const rows = await this.rows();
    const tickets = rows.flatMap(({ userId }) => this.tickets.get(userId) ?? []);
    expect(tickets, 'everybody who was served was told a ticket').toHaveLength(rows.length);
    const behind = rows.find((_, i) => i > 0 && tickets[i]! <= tickets[i - 1]!);
    expect(behind, 'serials follow tickets').toBeUndefined();
  }

  /** The keys of the line agree with each other, and nobody waits who has all they may have. */
  async checkLine(): Promise<readonly string[]> {
    const { redis } = this.ground;
    const [line, ids, waiting, presence, rules, grants] = await Promise.all([
      redis.zrange(this.key('queue'), 0, -1),
      redis.hgetall(this.key('tickets')),
      redis.hget(this.key('campaign'), 'waiting'),
      redis.zrange(this.key('presence'), 0, -1),
      redis.hget(this.key('campaign'), 'room'),
      redis.hkeys(this.key('grants')),
    ]);
    expect(Number(waiting ?? 0), 'who waits is counted').toBe(line.length);
    expect(Object.keys(ids).sort(), 'each place has the id of its issuance').toEqual(line.toSorted());
    expect(new Set(Object.values(ids)).size, 'no id stands twice').toBe(line.length);
    const present = rules?.split(':')[2] === '0' ? [] : line.toSorted();
    expect(presence.toSorted(), 'presence is kept of those who wait').toEqual(present);
    const held = new Map<string, number>();
    for (const field of grants) {
      const userId = field.slice(field.indexOf(':') + 1);
      held.set(userId, (held.get(userId) ?? 0) + 1);
    }
    const perUser = this.definition.perUser ?? 1;
    expect(
      line.filter((userId) => held.get(userId) === perUser),
      'nobody waits who has all they may have',
    ).toEqual([]);
    return line;
  }

  /** Redis, the line in it, and the database: nothing is left reserved, and all of it agrees. */
  async end({ ordered = true } = {}): Promise<void> {
    await this.settle();
    const rows = await this.rows();
    const { redis } = this.ground;
    await checkInvariants({ redis, campaignId: this.campaignId, rows, settled: true });
    checkRows(rows, { total: this.total, perUser: this.definition.perUser ?? 1 });
    await this.checkLine();
    if (ordered) await this.checkOrder();
  }
}

export function names(count: number, name = 'user'): string[] {
  return Array.from({ length: count }, (_, i) => `${name}-${i + 1}`);
}

/** Redis' own clock, in seconds. */
export async function redisSeconds(redis: Redis): Promise<number> {
  const [whole, micros] = await redis.time();
  return Number(whole) + Number(micros) / 1e6;
}
