import type { Issuance, IssueResult } from '../../../src/index.js';
import type { Ask } from '../checks/ledger.js';
import { issueNamed, openNamed } from './named.js';
import { type Ground, Scene } from './scene.js';

/** Whether Redis still has what it had, or nothing. */
export type Loss = 'kept' | 'lost';

const CONFIRMED = 600;
const PROMISED = 600;
const STRANGERS = 510;
const TOTAL = 1_800;

/**
 * A campaign as a rebuild may find it: the rows of its users, as many more that wait to be saved, and most of the units of those given to strangers in
 * the database. Every part of it is more than one stretch of the rebuild. It is laid out once, and each test finds it as it was.
 */
export class RebuildScene {
  readonly #ground: Ground;
  readonly #stock: 'counted' | 'codes';
  readonly #campaignId: string;
  readonly #told: { ask: Ask; result: IssueResult }[] = [];
  #keys: { key: string; dump: Buffer }[] = [];
  #rowIds: readonly string[] = [];

  private constructor(ground: Ground, stock: 'counted' | 'codes') {
    this.#ground = ground;
    this.#stock = stock;
    this.#campaignId = `rebuilt-${stock}`;
  }

  static async lay(ground: Ground, stock: 'counted' | 'codes'): Promise<RebuildScene> {
    const laid = new RebuildScene(ground, stock);
    await laid.#lay();
    return laid;
  }

  /** The campaign as it was laid out, with nobody knowing anything of it but what they were told. */
  async again(loss: Loss): Promise<Scene> {
    const { redis, database } = this.#ground;
    const there = await redis.keys('*');
    if (there.length > 0) await redis.unlink(...there);
    if (loss === 'kept') for (const { key, dump } of this.#keys) await redis.restore(key, 0, dump);
    const added = 'DELETE FROM coupon_issuances WHERE campaign_id = $1 AND NOT (id = ANY ($2::text[]))';
    await database.pool.query(added, [this.#campaignId, this.#rowIds]);
    const scene = this.#scene();
    for (const { ask, result } of this.#told) scene.ledger.told(ask, result, 0);
    return scene;
  }

  /** The state in Redis, without the names of its making: the epoch, and the stamp of its last claim. */
  async state(): Promise<unknown> {
    const { redis } = this.#ground;
    const key = (name: string) => `{coupon:${this.#campaignId}}:${name}`;
    const { epoch: _, stamp: __, ...campaign } = await redis.hgetall(key('campaign'));
    const [grants, codes] = await Promise.all([redis.hgetall(key('grants')), redis.smembers(key('codes'))]);
    const lists = await Promise.all(['returned', 'pool'].map((name) => redis.lrange(key(name), 0, -1)));
    const leases = await redis.zrange(key('leases'), 0, -1, 'WITHSCORES');
    const passing = await redis.exists(key('old'), key('kept'));
    return { campaign, grants, codes: codes.sort(), lists, leases, passing };
  }

  get rebuildOptions(): { codes?: readonly string[] } {
    const { codes } = this.#scene();
    return codes.length > 0 ? { codes } : {};
  }

  /** How far the rebuild under way came. */
  async progress(): Promise<{ phase: string | null; scan: string | null; cursor: number; known: number }> {
    const names = ['phase', 'scan', 'cursor', 'codes'];
    const key = `{coupon:${this.#campaignId}}:campaign`;
    const [phase = null, scan = null, cursor, known] = await this.#ground.redis.hmget(key, ...names);
    return { phase, scan, cursor: Number(cursor), known: Number(known) };
  }

  static readonly lastRow = CONFIRMED + STRANGERS;
  static readonly lastPromised = CONFIRMED + PROMISED;
  static readonly total = TOTAL;

  #scene(): Scene {
    const variant = { stock: this.#stock, saveMode: 'write-behind', delivers: false } as const;
    return new Scene(this.#ground, { ...variant, total: TOTAL, campaignId: this.#campaignId });
  }

  async #lay(): Promise<void> {
    const { redis, book } = this.#ground;
    const scene = this.#scene();
    await openNamed(scene.survivor, scene.definition);
    if (scene.codes.length > 0) await scene.survivor.campaign(scene.campaignId).loadCodes(scene.codes);
    await this.#issueTo(scene, 'user', CONFIRMED);
    await scene.settle();
    await this.#issueTo(scene, 'promised', PROMISED);
    const strangers = Array.from({ length: STRANGERS }, (_, i) => stranger(scene, CONFIRMED + i + 1));
    await book.save(strangers, { signal: new AbortController().signal });
    const keys = await redis.keys('*');
    this.#keys = await Promise.all(keys.map(async (key) => ({ key, dump: await redis.dumpBuffer(key) })));
    this.#rowIds = (await scene.rows()).map(({ id }) => id);
  }

  async #issueTo(scene: Scene, name: string, count: number): Promise<void> {
    const asks = Array.from({ length: count }, (_, i) => scene.ask(`${name}-${i + 1}`));
    const told = asks.map(async (ask) => ({ ask, result: await issueNamed(scene.survivor, ask) }));
    this.#told.push(...(await Promise.all(told)));
  }
}

function stranger({ campaignId, codes }: Scene, serial: number): Issuance {
  const code = codes[serial - 1] ?? null;
  const named = { id: `stranger-${serial}`.padEnd(22, '0'), userId: `stranger-${serial}`, serial, code };
  return { ...named, campaignId, grant: 1, issuedAt: new Date(0), epoch: '1-of-before', state: 'issued' };
}
