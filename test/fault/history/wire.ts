import type { Redis } from 'ioredis';
import type { RedisClient } from '../../../src/index.js';
import { scripts } from '../../../src/redis/scripts.js';
import { type Ending, NEVER, type Traffic } from './traffic.js';

/** What becomes of one call on its way: as it says, or `twice`, because the client lost the first reply and sent it again. */
export type Fate = Exclude<Ending, 'refused'> | 'twice' | 'held';

export interface FatedCall {
  readonly script: string;
  readonly fate: Fate;
}

/** How the state of an epoch came to be. */
export type Making = 'opened' | 'rebuilt';

type Send = () => Promise<unknown>;

const NAMES = new Map(
  Object.values(scripts).flatMap(({ sha1, source, name }) => [
    [sha1, name],
    [source, name],
  ]),
);

/** The client of one process, and what it learned through it. */
export class Wire implements RedisClient {
  /** The next call of such a script goes this way. */
  readonly fates: FatedCall[] = [];
  /** Every call, so that a copy of it can run at any later time. */
  readonly calls: { readonly name: string; readonly run: Send }[] = [];
  dead = false;
  /** Whether any call went another way than straight there and back. */
  disturbed = false;
  /** The epoch that this process read last, and the highest stamp that it was told since. */
  epoch: string | null = null;
  stamp = 0;
  readonly #redis: Redis;
  readonly #traffic: Traffic;
  readonly #onMade: (random: string, how: Making) => void;

  /** `onMade` is told of each state that a call of this process wrote, whoever hears of it: by the random half of its epoch. */
  constructor(redis: Redis, traffic: Traffic, onMade: (random: string, how: Making) => void) {
    this.#redis = redis;
    this.#traffic = traffic;
    this.#onMade = onMade;
  }

  async evalsha(sha1: string, keys: number, ...args: string[]): Promise<unknown> {
    const name = NAMES.get(sha1) ?? sha1;
    const send = () => this.#watch(name, args.slice(keys), this.#redis.evalsha(sha1, keys, ...args));
    this.calls.push({ name, run: send });
    const reply = await this.#carry(name, send);
    if (this.dead) return NEVER;
    this.#learn(name, args[keys]!, reply as unknown[]);
    return reply;
  }

  async eval(source: string, keys: number, ...args: string[]): Promise<unknown> {
    if (this.dead) return NEVER;
    const name = NAMES.get(source) ?? '';
    const reply = await this.#watch(name, args.slice(keys), this.#redis.eval(source, keys, ...args));
    if (this.dead) return NEVER;
    this.#learn(name, args[keys]!, reply as unknown[]);
    return reply;
  }

  async #watch(name: string, args: readonly string[], work: Promise<unknown>): Promise<unknown> {
    const reply = (await this.#traffic.of(work)) as readonly unknown[];
    if (name === 'open-campaign' && reply[0] === 'opened') this.#onMade(args[0]!, 'opened');
    if (name === 'begin-rebuild' && reply[0] === 'building') this.#onMade(args[1]!, 'rebuilt');
    return reply;
  }

  async #carry(name: string, send: Send): Promise<unknown> {
    if (this.dead) return NEVER;
    const at = this.fates.findIndex(({ script }) => script === name);
    if (at < 0) return send();
    const [{ fate }] = this.fates.splice(at, 1) as [FatedCall];
    this.disturbed = true;
    if (fate === 'twice') {
      await send();
      return send();
    }
    const ending = fate === 'held' ? await this.#traffic.hold(name) : fate;
    if (ending === 'done') return send();
    if (ending === 'done and lost') await send();
    throw new Error('Connection is closed.');
  }

  #learn(name: string, epoch: string, reply: readonly unknown[]): void {
    if (reply[0] !== 'ok') return;
    if (name === 'inspect') {
      const read = String(reply[reply.indexOf('epoch', 3) + 1]);
      const older = this.epoch !== null && Number.parseInt(read, 10) < Number.parseInt(this.epoch, 10);
      if (older || read === this.epoch) return;
      this.epoch = read;
      this.stamp = 0;
    }
    if (name === 'reserve' || name === 'claim-due') {
      if (epoch === this.epoch) this.stamp = Math.max(Number(reply[1]), this.stamp);
    }
  }
}
