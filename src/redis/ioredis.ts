import { channel } from 'node:diagnostics_channel';
import { isThenable } from '../model/foreign.js';
import type { RedisClient, SubscriberClient } from './client.js';

/**
 * All that ioredis has and the port has not. Other libraries, and pipelines, have some of the same names with other
 * arguments and answers.
 */
interface Shape {
  readonly status?: unknown;
  readonly mode?: unknown;
  readonly subscriberMode?: unknown;
  readonly isPipeline?: unknown;
  readonly isCluster?: unknown;
  readonly stream?: unknown;
  readonly options?:
    | {
        readonly enableAutoPipelining?: unknown;
        readonly keyPrefix?: unknown;
        readonly redisOptions?: { readonly keyPrefix?: unknown } | undefined;
      }
    | undefined;
  readonly hset?: unknown;
  readonly HSET?: unknown;
  readonly hSet?: unknown;
  readonly defineCommand?: unknown;
  readonly duplicate?: unknown;
  readonly on?: unknown;
}

/** Why scripts cannot be sent through this client, or `null`. Looks at its shape and sends nothing. */
export function whyUnfit(redis: RedisClient): string | null {
  if (typeof redis === 'function')
    return 'redis must be an ioredis client, and this is a class: pass an instance of it';
  if (typeof redis?.evalsha !== 'function' || typeof redis.eval !== 'function')
    return 'redis must be an ioredis client';
  const shape = redis as Shape;
  const isFull = [shape.hset, shape.hSet, shape.HSET].some((method) => typeof method === 'function');
  const ofIoredis = [shape.defineCommand, shape.duplicate, shape.on].every((method) => typeof method === 'function');
  if (shape.isPipeline === true)
    return 'redis must be an ioredis client, and this is a pipeline or a transaction: pass the client that made it';
  // A wrapper of two methods is fit; a client with all commands is one of ioredis or speaks another language.
  if (isFull && !ofIoredis) return 'redis must be an ioredis client, and this is a client of another library';
  if (shape.mode === 'subscriber' || shape.mode === 'monitor' || shape.subscriberMode === true)
    return 'redis must be an ioredis client that takes commands, and this one listens: pass another connection';
  if (shape.status === 'end') return 'redis must be an ioredis client that is open, and this one was closed';
  if (shape.isCluster === true && shape.options?.enableAutoPipelining && groupsByScript(redis))
    return 'this Cluster of ioredis has enableAutoPipelining, and sends scripts to the node of their SHA1 instead of their key: leave the option out, or use ioredis 5.11 or newer';
  if (shape.options?.keyPrefix || shape.options?.redisOptions?.keyPrefix)
    return 'a client with keyPrefix would give scripts other keys than it names; use the option prefix';
  return null;
}

/** The options of a client of ioredis that limit the damage of a lost connection. */
interface Guards {
  readonly enableOfflineQueue?: unknown;
  readonly commandTimeout?: unknown;
  readonly socketTimeout?: unknown;
  readonly maxRetriesPerRequest?: unknown;
}

/** Those options; `null` for a client that does not show them. On a Cluster those of its nodes. */
export function guardsOf(client: RedisClient): Guards | null {
  const { options } = client as { options?: (Guards & { redisOptions?: Guards }) | undefined };
  if (!options) return null;
  if (!isCluster(client)) return options;
  const { enableOfflineQueue } = options;
  return { ...options.redisOptions, enableOfflineQueue };
}

/** Who reads the arguments of each command in this process: user ids and codes are among them. */
export function readersOfArguments(client: RedisClient): string[] {
  const channels = ['ioredis:command', 'ioredis:batch'].filter((name) =>
    ['start', 'asyncEnd', 'error'].some((event) => channel(`tracing:${name}:${event}`).hasSubscribers),
  );
  const { sendCommand } = client as { sendCommand?: { readonly __wrapped?: unknown } };
  return [
    ...channels.map((name) => `a subscriber of tracing:${name}`),
    ...(sendCommand?.__wrapped === true ? ['an instrumentation around sendCommand'] : []),
  ];
}

/** Whether calls go to several servers, over connections that come and go unseen. */
export function isCluster(client: RedisClient): boolean {
  return (client as Shape).isCluster === true;
}

/** The slots of a Cluster. */
export const SLOTS = 16_384;

/** The master of each slot, as a client of a Cluster knows them; `null`: the client has one server. */
export function mastersBySlot(client: RedisClient): ReadonlyMap<number, string> | null {
  if (!isCluster(client)) return null;
  const { slots } = client as { slots?: unknown };
  const nodes: readonly unknown[] = Array.isArray(slots) ? slots : [];
  return new Map(
    nodes.flatMap((of, slot) => (Array.isArray(of) && typeof of[0] === 'string' ? [[slot, of[0]] as const] : [])),
  );
}

/** The connection of this moment, to compare with a later one. A client that does not show it has `undefined`. */
export function connectionOf(client: RedisClient): unknown {
  return (client as Shape).stream ?? undefined;
}

/**
 * Whether a call is sent at once. If not, it may wait in the client for another connection. A client that does not say
 * is taken as ready.
 */
export function isReady(client: Pick<SubscriberClient, 'status'> | RedisClient | null): boolean {
  const status = (client as Shape | null)?.status;
  return status === undefined || status === 'ready';
}

/** Whether a call is sent at once, on this connection. */
export function isReadyOn(client: RedisClient, connection: unknown): boolean {
  return connectionOf(client) === connection && isReady(client);
}

/** The state of the client's connection, for an error message. */
export function stateOf(client: RedisClient): string {
  const { status } = client as Shape;
  return typeof status === 'string' && /^[a-z]{1,20}$/.test(status) ? ` (the client is ${status})` : '';
}

/** Whether the client refused the call before it sent anything, because it is not connected and may not wait for it. */
export function neverSent(error: Error): boolean {
  return error.message.startsWith("Stream isn't writeable");
}

/** Whether WAIT reaches the server of the keys. It has no key, so a Cluster client would ask any node. */
export function canWait(client: RedisClient): boolean {
  return typeof client.wait === 'function' && !isCluster(client);
}

/**
 * A silent subscription is no reason to give the connection up, and nothing waits for it: a process that watches looks
 * by itself meanwhile.
 */
const AT_ONCE = { lazyConnect: false, enableOfflineQueue: true };
const LISTENING = {
  ...AT_ONCE,
  retryStrategy: (attempt: number) => Math.min(100 * attempt, 5_000),
  maxRetriesPerRequest: null,
  commandTimeout: undefined,
  socketTimeout: undefined,
  autoResubscribe: true,
  // Its INFO would be refused on a connection that already listens.
  enableReadyCheck: false,
};

/** Opens a second connection that listens. `null`: the client cannot be duplicated. */
export function openSubscriber(client: RedisClient): SubscriberClient | null {
  const { duplicate } = client;
  if (!duplicate) return null;
  return isCluster(client) ? duplicate.call(client, [], AT_ONCE) : duplicate.call(client, LISTENING);
}

/**
 * Whether auto-pipelining groups a script by its hash, as ioredis did before 5.11, and not by its key. No version can
 * be read off a client. So its method is called on a stand-in, whose slots note which one is looked up for the same
 * script with two keys, and end the call.
 */
function groupsByScript(redis: RedisClient): boolean {
  return (['evalsha', 'eval'] as const).some((method) => {
    const [one, other] = ['a', 'b'].map((key) => slotLookedUp(redis, method, key));
    return one !== null && one === other;
  });
}

function slotLookedUp(redis: RedisClient, method: 'evalsha' | 'eval', key: string): string | null {
  let slot: string | null = null;
  const slots = new Proxy([], {
    get: (_, name) => {
      if (name === 'length') return SLOTS;
      slot ??= String(name);
      throw new Error('seen');
    },
  });
  const { options } = redis as Shape;
  const standIn = { isCluster: true, isPipeline: false, options, slots, sendCommand: () => undefined };
  try {
    const answer: unknown = redis[method].call(standIn, 'script', 1, key);
    // A client that goes another way answers this by a rejection.
    if (isThenable(answer)) answer.then(undefined, () => {});
  } catch {
    // Ended by the slots.
  }
  return slot;
}
