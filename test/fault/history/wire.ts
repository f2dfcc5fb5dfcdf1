import type { Redis } from 'ioredis';
import type { RedisClient } from '../../../src/index.js';
import type { Script } from '../../../src/redis/runner.js';
import { scripts } from '../../../src/redis/scripts.js';
import { argumentsOf, replyOf, shaOf, sourceOf } from '../../support/servers/sent.js';
import { type Ending, NEVER, type Traffic } from './traffic.js';

/**
 * What becomes of one call on its way: as it says, or `twice`, because the client lost the first reply and sent it again at once; `again`: it did so when
 * the history says so.
 */
export type Fate = Exclude<Ending, 'refused'> | 'twice' | 'again' | 'held';

export interface FatedCall {
  readonly script: string;
  readonly fate: Fate;
}

/** How the state of an epoch came to be. */
export type Making = 'opened' | 'rebuilt';

export type Send = () => Promise<unknown>;

const SCRIPTS = new Map<string, Script>(
  Object.values(scripts).flatMap((script) => [
    [shaOf(script), script],
    [sourceOf(script), script],
  ]),
);

/** The client of one process, and what it learned through it. */
export class Wire implements RedisClient {
  dead = false;
  /** The epoch of the state that served this process last, and the highest stamp that it was told since. */
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
    const script = SCRIPTS.get(sha1)!;
    const { name } = script;
    const given = argumentsOf(script, args.slice(keys));
    const send = () => this.#watch(name, given, this.#redis.evalsha(sha1, keys, ...args));
    this.#traffic.calls.push({ name, run: send });
    const reply = await this.#carry(name, send);
    if (this.dead) return NEVER;
    this.#learn(name, given[0]!, replyOf(reply));
    return reply;
  }

  async eval(source: string, keys: number, ...args: string[]): Promise<unknown> {
    if (this.dead) return NEVER;
    const script = SCRIPTS.get(source)!;
    const given = argumentsOf(script, args.slice(keys));
    const reply = await this.#watch(script.name, given, this.#redis.eval(source, keys, ...args));
    if (this.dead) return NEVER;
    this.#learn(script.name, given[0]!, replyOf(reply));
    return reply;
  }

  async #watch(name: string, args: readonly string[], work: Promise<unknown>): Promise<unknown> {
    const reply = (await this.#traffic.of(work)) as readonly unknown[];
    if (name === 'open-campaign' && reply[0] === 'opened') this.#onMade(args[0]!, 'opened');
    if (name === 'begin-rebuild' && reply[0] === 'building') this.#onMade(args[1]!, 'rebuilt');
    if (name === 'release') this.#noteReleased(args, reply);
    return reply;
  }

  async #carry(name: string, send: Send): Promise<unknown> {
    if (this.dead) return NEVER;
    const { fates } = this.#traffic;
    const at = fates.findIndex(({ script }) => script === name);
    if (at < 0) return send();
    const [{ fate }] = fates.splice(at, 1) as [FatedCall];
    if (fate === 'twice') {
      this.#traffic.injected('calls sent twice');
      await send();
      return send();
    }
    if (fate === 'again') {
      this.#traffic.injected('calls sent again later');
      await send();
    }
    const ending = fate === 'held' || fate === 'again' ? await this.#traffic.hold(name) : fate;
    if (ending === 'done') return send();
    this.#traffic.injected(ending === 'done and lost' ? 'lost replies' : 'lost calls');
    if (ending === 'done and lost') await send();
    throw new Error('Connection is closed.');
  }

  /** Of each reservation a release is given field, id and stamp, and answers word and record. */
  #noteReleased(args: readonly string[], reply: readonly unknown[]): void {
    for (let i = 0; 1 + 2 * i < reply.length; i++) {
      if (reply[1 + 2 * i] === 'released') this.#traffic.released.add(args[2 + 3 * i]!);
    }
  }

  /** What it was served under. A state that was only being made promised nobody anything, and may be forgotten. */
  #learn(name: string, sent: string, reply: readonly unknown[]): void {
    if (reply[0] !== 'ok') return;
    if (name === 'inspect' && reply[2] === '1') this.#follow(String(reply[reply.indexOf('epoch', 3) + 1]));
    if (name !== 'reserve' && name !== 'claim-due') return;
    this.#follow(sent);
    if (sent === this.epoch) this.stamp = Math.max(Number(reply[1]), this.stamp);
  }

  #follow(epoch: string): void {
    const older = this.epoch !== null && Number.parseInt(epoch, 10) < Number.parseInt(this.epoch, 10);
    if (older || epoch === this.epoch) return;
    this.epoch = epoch;
    this.stamp = 0;
  }
}
