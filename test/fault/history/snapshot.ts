import type { Redis } from 'ioredis';
import type { Issuance } from '../../../src/index.js';
import { campaignKeys } from '../../../src/redis/keys.js';
import { decodeIssuance, splitField } from '../../../src/redis/record.js';
import type { StateReader } from '../../support/checks/invariants.js';
import type { Rules } from './belief.js';

/** From here on a lease never ends by itself. */
export const IN_QUARANTINE = 2 ** 53 - 1;

/** What Redis holds of one campaign at one instant, read by the test itself. */
export class Snapshot {
  readonly campaign: Readonly<Record<string, string>>;
  readonly grants: readonly Issuance[];
  /** When the lease of each field ends. */
  readonly leases: ReadonlyMap<string, number>;
  readonly returned: readonly string[];
  readonly pool: readonly string[];
  /** What callers gave with their reservations. */
  readonly data: Readonly<Record<string, string>>;
  /** How many of its keys expire. */
  readonly expiring: number;
  readonly #records: Record<string, string>;

  private constructor(id: string, replies: unknown[]) {
    const [campaign, grants, leases, returned, pool, data, ...expiries] = replies;
    this.campaign = campaign as Record<string, string>;
    this.#records = grants as Record<string, string>;
    this.grants = Object.entries(this.#records).map(([field, record]) => {
      const { grant, userId } = splitField(field);
      return decodeIssuance(grant, record, { campaignId: id, userId, epoch: this.epoch, validity: null });
    });
    const scores = leases as string[];
    this.leases = new Map(scores.flatMap((field, i) => (i % 2 === 0 ? [[field, Number(scores[i + 1])]] : [])));
    this.returned = returned as string[];
    this.pool = pool as string[];
    this.data = data as Record<string, string>;
    this.expiring = expiries.filter((ms) => Number(ms) >= 0).length;
  }

  static async read(redis: Redis, id: string): Promise<Snapshot> {
    const keys = campaignKeys('coupon', id);
    const reading = redis
      .multi()
      .hgetall(keys.campaign)
      .hgetall(keys.grants)
      .zrange(keys.leases, 0, -1, 'WITHSCORES')
      .lrange(keys.returned, 0, -1)
      .lrange(keys.pool, 0, -1)
      .hgetall(keys.data);
    for (const key of Object.values(keys)) reading.pttl(key);
    const replies = await reading.exec();
    return new Snapshot(
      id,
      replies!.map(([, reply]) => reply),
    );
  }

  get epoch(): string {
    return this.campaign.epoch ?? '';
  }

  get stamp(): number {
    return Number(this.campaign.stamp ?? 0);
  }

  get state(): 'none' | 'opening' | 'building' | 'serving' {
    if (this.epoch === '') return 'none';
    if (this.campaign.building !== undefined) return 'building';
    return this.campaign.verified === '1' ? 'serving' : 'opening';
  }

  get rules(): Rules {
    const number = (name: string) => (this.campaign[name] === undefined ? null : Number(this.campaign[name]));
    return { closesAt: number('closesAt'), perUser: this.count('perUser'), savesPerSecond: number('savesPerSecond') };
  }

  /** What was asked under each request id of a kind of change. */
  changes(kind: 'restock' | 'update'): ReadonlyMap<string, string> {
    const made = Object.entries(this.campaign).filter(([name]) => name.startsWith(`${kind}:`));
    return new Map(made.map(([name, change]) => [name.slice(kind.length + 1), change]));
  }

  count(name: string): number {
    return Number(this.campaign[name] ?? 0);
  }

  /** Units that nobody has. */
  get available(): number {
    if (this.campaign.kind === 'unlimited') return Number.POSITIVE_INFINITY;
    if (this.campaign.kind === 'codes') return this.pool.length;
    return this.count('total') - this.count('lastSerial') + this.returned.length;
  }

  /** The units that were free before, or never taken: by their serials. */
  get free(): readonly number[] {
    if (this.campaign.kind === 'codes') return this.pool.map((unit) => Number.parseInt(unit, 10));
    const last = this.count('lastSerial');
    const fresh = this.campaign.kind === 'counted' ? this.count('total') - last : 0;
    return [...this.returned.map(Number), ...Array.from({ length: fresh }, (_, i) => last + 1 + i)];
  }

  get reserved(): readonly Issuance[] {
    return this.grants.filter(({ state }) => state === 'reserved');
  }

  /** Whether a key holds as much as the campaign counts. */
  hasAllOf(name: string): boolean {
    const reserved = this.count('reserved');
    const sizes: Record<string, readonly [number, number]> = {
      grants: [this.grants.length, reserved + this.count('issued')],
      leases: [this.leases.size, reserved],
      returned: [this.returned.length, this.count('returned')],
      pool: [this.pool.length, this.count('pool')],
    };
    const [size, counted] = sizes[name] ?? [0, 1];
    return size === counted;
  }

  /** What is written of an id, its stamp included. */
  recordOf(id: string): string | null {
    return Object.values(this.#records).find((record) => record.includes(`:${id}:`)) ?? null;
  }

  get quarantined(): number {
    return [...this.leases.values()].filter((due) => due >= IN_QUARANTINE).length;
  }

  /** For the checks that read Redis: all of them see this one instant. */
  get reader(): StateReader {
    const { campaign, leases, returned, pool, data } = this;
    const records = this.#records;
    return {
      hgetall: async (key: string) => (key.endsWith(':campaign') ? campaign : key.endsWith(':data') ? data : records),
      lrange: async (key: string) => (key.endsWith(':pool') ? pool : returned),
      zrange: async () => [...leases.keys()],
    } as unknown as StateReader;
  }
}
