import { isThenable } from '../model/foreign.js';
import type { RedisClient } from './client.js';

/** What is looked at of a client. Other libraries, and pipelines, have methods of the same names with other arguments and answers. */
interface Shape {
  readonly status?: unknown;
  readonly mode?: unknown;
  readonly subscriberMode?: unknown;
  readonly isPipeline?: unknown;
  readonly isCluster?: unknown;
  readonly options?: { readonly enableAutoPipelining?: unknown } | undefined;
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
  return null;
}

/**
 * Whether auto-pipelining groups a script by what identifies it, as ioredis did before 5.11, and not by its key. No version can be read off a client. So
 * its method is called on a stand-in, whose slots note which one is looked up for the same script with two keys, and end the call.
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
      if (name === 'length') return 16_384;
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
