import type { Redis } from 'ioredis';
import { expect, onTestFinished } from 'vitest';
import {
  CouponIssuer,
  type CouponIssuerOptions,
  type Issuance,
  NotSavedError,
  type PersistenceAdapter,
  type SaveMode,
} from '../../../src/index.js';
import type { Holding } from '../../../src/model/place.js';
import { Actor, type ActorConfig, type News, type Outcome, outcomeOf } from '../actors/actor.js';
import { type Book, postgresBook } from '../checks/books.js';
import { checkInvariants, checkRows, checkState, expireLeases } from '../checks/invariants.js';
import { type Ask, Ledger, type Word } from '../checks/ledger.js';
import { Database } from '../servers/database.js';
import { RedisServer } from '../servers/redis-server.js';
import { issueNamed, type NamedDefinition, openNamed, rebuildNamed } from './named.js';

/** The servers that the scenes of one test file share. */
export class Ground {
  readonly server: RedisServer;
  readonly database: Database;
  readonly redis: Redis;
  readonly book: Book;

  private constructor(server: RedisServer, database: Database, book: Book) {
    this.server = server;
    this.database = database;
    this.redis = server.client();
    this.book = book;
  }

  static async prepare(): Promise<Ground> {
    const [server, database] = await Promise.all([RedisServer.start(), Database.create()]);
    return new Ground(server, database, await postgresBook(database));
  }

  async stop(): Promise<void> {
    await Promise.all([this.server.stop(), this.database.stop()]);
  }
}

export interface Variant {
  readonly stock: 'counted' | 'codes';
  readonly saveMode: SaveMode;
  readonly delivers: boolean;
}

export interface SceneOptions extends Variant {
  /** Of a scene that was there before. */
  readonly campaignId?: string;
  readonly total?: number;
  readonly issuer?: Partial<CouponIssuerOptions>;
}

let scenes = 0;

/** A campaign, the process of this test that survives, and what everybody was told and given by whichever process. */
export class Scene {
  readonly campaignId: string;
  readonly ground: Ground;
  readonly variant: Variant;
  readonly definition: NamedDefinition;
  readonly total: number;
  readonly codes: readonly string[];
  readonly ledger = new Ledger();
  readonly deliveries: Issuance[] = [];
  readonly recalls: Issuance[] = [];
  readonly survivor: CouponIssuer;
  /** What becomes of saves of the survivor, while the test says so: nobody knows, or they are refused for good. */
  saves: 'in doubt' | 'refused' | null = null;
  readonly #options: Partial<CouponIssuerOptions>;
  /** Ids of the rows that the test itself wrote. */
  readonly #written = new Set<string>();

  constructor(ground: Ground, options: SceneOptions) {
    const { stock, saveMode, delivers, total = 6 } = options;
    this.ground = ground;
    this.campaignId = options.campaignId ?? `scene-${++scenes}`;
    this.variant = { stock, saveMode, delivers };
    this.total = total;
    this.codes = stock === 'codes' ? Array.from({ length: total }, (_, i) => `code-${i + 1}`) : [];
    this.definition = {
      id: this.campaignId,
      saveMode,
      stock: stock === 'codes' ? { kind: 'codes' } : { kind: 'counted', total, generateCodes: true },
    };
    this.#options = options.issuer ?? {};
    this.survivor = this.process();
  }

  /** Opened, its pool loaded. */
  static async open(ground: Ground, options: SceneOptions): Promise<Scene> {
    const scene = new Scene(ground, options);
    await openNamed(scene.survivor, scene.definition);
    if (scene.codes.length > 0) await scene.survivor.campaign(scene.campaignId).loadCodes(scene.codes);
    return scene;
  }

  /** A process that has seen nothing yet, within this one. */
  process(): CouponIssuer {
    const { book, redis } = this.ground;
    const persistence: PersistenceAdapter = {
      save: async (issuances, options) => {
        if (this.saves === 'in doubt') throw new Error('the connection is gone');
        if (this.saves === 'refused') throw new NotSavedError('the test says so', { permanent: true });
        return book.save(issuances, options);
      },
      list: (campaignId, options) => book.list!(campaignId, options),
      find: (issuances) => book.find!(issuances),
      look: (refs, options) => book.look!(refs, options),
      change: (changes, options) => book.change!(changes, options),
    };
    const hooks = {
      deliver: (issuance: Issuance) => void this.deliveries.push(issuance),
      recall: (issuance: Issuance) => void this.recalls.push(issuance),
    };
    return new CouponIssuer({ redis, persistence, ...(this.variant.delivers ? hooks : {}), ...this.#options });
  }

  /** A process of its own, which the test may kill, and which does not outlive it. */
  async actor(config: Omit<ActorConfig, 'redisPort' | 'postgresUrl' | 'delivers'> = {}): Promise<Actor> {
    const { server, database } = this.ground;
    const servers = { redisPort: server.port, postgresUrl: database.url };
    const whole = { ...config, ...servers, delivers: this.variant.delivers };
    const actor = await Actor.start(whole, (news) => this.#hear(news));
    onTestFinished(async () => void (await actor.kill()));
    return actor;
  }

  ask(userId: string): Ask {
    return { campaignId: this.campaignId, ...this.request(userId) };
  }

  request(userId: string) {
    return { userId, requestId: `request of ${userId}` };
  }

  /** Asks the survivor. The same user always asks under the same request id. */
  async issueTo(userId: string, issuer = this.survivor): Promise<Word> {
    const ask = this.ask(userId);
    return this.ledger.told(ask, await issueNamed(issuer, ask).catch((error: Error) => error), 0);
  }

  /** What another process was told. */
  told(userId: string, outcome: Outcome): Word {
    return this.ledger.told(this.ask(userId), outcomeOf(outcome), 0);
  }

  /** What is there of a user's request: a grant in Redis, a row in the database. */
  async leftOf(userId: string): Promise<'nothing' | 'saved' | 'row alone' | Holding> {
    const { campaignId } = this;
    const hasRow = (await this.rows()).some((row) => row.userId === userId);
    const { status } = await this.survivor.campaign(campaignId).userStatus({ userId });
    if (status === 'none' || status === 'waiting') return hasRow ? 'row alone' : 'nothing';
    return status === 'reserved' && hasRow ? 'saved' : status;
  }

  rows() {
    return this.ground.book.rows(this.campaignId);
  }

  async rowCount(): Promise<number> {
    const text = 'SELECT count(*)::int AS rows FROM coupon_issuances WHERE campaign_id = $1';
    const { rows } = await this.ground.database.pool.query<{ rows: number }>(text, [this.campaignId]);
    return rows[0]!.rows;
  }

  /** Lets every lease run out and settles, until nothing is reserved. */
  async settle(): Promise<void> {
    for (let pass = 0; pass < 5; pass++) {
      await this.survivor.idle();
      await expireLeases(this.ground.redis, this.campaignId);
      await this.survivor.campaign(this.campaignId).settle();
      if ((await this.survivor.campaign(this.campaignId).inspect()).reserved === 0) return;
    }
  }

  /** Gives out all that is left, to people who never asked before. */
  async drain(): Promise<void> {
    const left = (await this.survivor.campaign(this.campaignId).inspect()).available ?? 0;
    const words = await Promise.all(Array.from({ length: left + 1 }, (_, i) => this.issueTo(`late-${i}`)));
    expect(words.filter((word) => word === 'refused')).toHaveLength(1);
  }

  /** Who has what, and what is left, in the database and in Redis. */
  async holdings(): Promise<{ rows: unknown; grants: Record<string, string>; free: string[][] }> {
    const key = (name: string) => `{coupon:${this.campaignId}}:${name}`;
    const { redis } = this.ground;
    const free = await Promise.all(['pool', 'returned'].map((name) => redis.lrange(key(name), 0, -1)));
    return { rows: await this.rows(), grants: await redis.hgetall(key('grants')), free };
  }

  /** Holds in every moment while Redis keeps its data. */
  async checkNow(): Promise<void> {
    await checkState({ redis: this.ground.redis, campaignId: this.campaignId });
  }

  /** Nothing is left reserved, nothing is lost, and all that was told is true; of what Redis itself had lost, what was told `issued`. */
  async end({ kept = true, total = this.total, withdrawn = 0 } = {}): Promise<void> {
    await this.settle();
    await this.drain();
    await this.#audit({ total, kept });
    expect(await this.survivor.campaign(this.campaignId).inspect()).toMatchObject({ withdrawn });
  }

  /** The same for a campaign that Redis was behind in: what the database refused is withdrawn, and a rebuild puts all in order. */
  async endBehind(): Promise<void> {
    const { total } = this;
    await this.settle();
    const rows = await this.rows();
    checkRows(rows, { total, perUser: 1 });
    // An operator leaves out the codes that somebody may know who has no row of it.
    const issued = new Set(rows.map(({ code }) => code));
    const known = new Set(this.deliveries.flatMap(({ code }) => (issued.has(code) ? [] : [code])));
    const codes = this.codes.filter((code) => !known.has(code));
    await rebuildNamed(this.survivor, this.definition, this.codes.length > 0 ? { codes } : {});
    await this.settle();
    await this.drain();
    await this.#audit({ total: total - (this.codes.length - codes.length), kept: false });
  }

  async #audit({ total, kept }: { total: number; kept: boolean }): Promise<void> {
    const { campaignId } = this;
    await this.settle();
    const rows = await this.rows();
    await checkInvariants({ redis: this.ground.redis, campaignId, rows, settled: true });
    expect(await this.survivor.campaign(campaignId).inspect()).toMatchObject({
      available: 0,
      reserved: 0,
      issued: rows.length,
    });
    expect(rows, 'every unit was given out').toHaveLength(total);
    expect(this.ledger.violations(campaignId, rows, kept)).toEqual([]);
    this.#checkDeliveries(rows);
  }

  #checkDeliveries(rows: Awaited<ReturnType<Scene['rows']>>): void {
    const users = new Map<string | null, Set<string>>();
    for (const { code, userId } of this.deliveries) users.set(code, (users.get(code) ?? new Set()).add(userId));
    const shared = [...users].filter(([, names]) => names.size > 1);
    expect(shared, 'no code was delivered to two').toEqual([]);
    const recalled = this.recalls.map(({ code }) => code);
    expect(new Set(recalled).size, 'each code is recalled once at most').toBe(recalled.length);
    if (!this.variant.delivers) return;
    const undelivered = rows.filter(({ id, code, userId }) => !this.#written.has(id) && !users.get(code)?.has(userId));
    expect(undelivered, 'whoever has a row was given its code').toEqual([]);
  }

  /** A row that Redis does not know of, on the n-th unit. */
  async writeRow(row: { userId: string; serial: number; id?: string }): Promise<void> {
    const issuance: Issuance = {
      id: `rowOfTest${row.serial}`.padEnd(22, '0'),
      campaignId: this.campaignId,
      grant: 1,
      code: this.codes[row.serial - 1] ?? null,
      issuedAt: new Date(),
      epoch: '1-of-before',
      state: 'issued',
      ...row,
    };
    const { signal } = new AbortController();
    expect(await this.ground.book.save([issuance], { signal })).toEqual([{ verdict: 'saved' }]);
    this.#written.add(issuance.id);
  }

  #hear(news: News): void {
    if ('delivered' in news) this.deliveries.push(news.delivered);
    else if ('recalled' in news) this.recalls.push(news.recalled);
    else this.ledger.told(news.told, outcomeOf(news), 0);
  }
}
