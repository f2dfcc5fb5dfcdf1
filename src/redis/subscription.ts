import { messageOf } from '../model/foreign.js';
import type { RedisClient, SubscriberClient } from './client.js';
import { isReady, openSubscriber } from './ioredis.js';
import { isForbidden, MAY_NOT, RIGHTS_PAGE } from './server-errors.js';

/** Told to every listener of a channel once its messages arrive, or arrive again. */
export const RECONNECTED = 'reconnected';

/**
 * One subscription for all channels that are listened to in this process, on a connection of its own, which is opened
 * with the first channel and closed with the last. It only makes things faster: a message that is lost, or a client
 * that cannot be duplicated, costs time and nothing else.
 */
export class Subscription {
  readonly #client: RedisClient;
  readonly #onFault: (error: unknown) => void;
  readonly #listeners = new Map<string, Set<(message: string) => void>>();
  readonly #heard = new Set<string>();
  #subscriber: SubscriberClient | null = null;
  /**
   * The first subscription on this connection: a Cluster client asks its node INFO on the same one, which has to come
   * before the others.
   */
  #first: Promise<unknown> | null = null;
  #isForbidden = false;

  constructor(client: RedisClient, onFault: (error: unknown) => void) {
    this.#client = client;
    this.#onFault = onFault;
  }

  /** Whether messages of this channel arrive now. */
  hears(channel: string): boolean {
    return this.#heard.has(channel) && isReady(this.#subscriber);
  }

  /** Returns a function that ends the listening. */
  listen(channel: string, listener: (message: string) => void): () => void {
    const listeners = this.#listeners.get(channel) ?? new Set();
    listeners.add(listener);
    this.#listeners.set(channel, listeners);
    if (listeners.size === 1) this.#subscribe(channel);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(channel) === listeners) this.#forget(channel);
    };
  }

  #subscribe(channel: string): void {
    try {
      // A process that may not subscribe tells one fault, and looks for changes by itself.
      const subscriber = this.#isForbidden ? null : this.#connected();
      if (!subscriber) return;
      const subscribe = () => (this.#listeners.has(channel) ? subscriber.subscribe(channel) : undefined);
      const subscribed = this.#first ? this.#first.then(subscribe, subscribe) : subscriber.subscribe(channel);
      this.#first ??= subscribed;
      subscribed.then(
        () => {
          if (this.#subscriber !== subscriber || !this.#listeners.has(channel)) return;
          this.#heard.add(channel);
          this.#tell(channel, RECONNECTED);
        },
        (error: unknown) => {
          // Given up before it was there: no fault.
          if (this.#subscriber === subscriber) this.#refused(channel, error);
        },
      );
    } catch (error) {
      this.#onFault(error);
    }
  }

  #refused(channel: string, error: unknown): void {
    if (this.#isForbidden) return;
    this.#isForbidden = isForbidden(error);
    const said = `${MAY_NOT} SUBSCRIBE to ${channel} (${messageOf(error)}); ${RIGHTS_PAGE}`;
    this.#onFault(this.#isForbidden ? Object.assign(new Error(said), { name: 'ReplyError' }) : error);
  }

  #forget(channel: string): void {
    this.#listeners.delete(channel);
    this.#heard.delete(channel);
    if (this.#listeners.size > 0) {
      this.#subscriber?.unsubscribe(channel).catch(() => {});
      return;
    }
    this.#subscriber?.disconnect();
    this.#subscriber = null;
    this.#first = null;
  }

  #tell(channel: string, message: string): void {
    for (const listener of this.#listeners.get(channel) ?? []) listener(message);
  }

  #connected(): SubscriberClient | null {
    if (this.#subscriber) return this.#subscriber;
    const subscriber = openSubscriber(this.#client);
    if (!subscriber) return null;
    // ioredis ends the process over an error that nobody listens to.
    subscriber.on('error', (error: unknown) => this.#onFault(error));
    // Messages sent while the connection was down are lost: every watcher looks once.
    subscriber.on('ready', () => {
      for (const channel of this.#heard) this.#tell(channel, RECONNECTED);
    });
    subscriber.on('message', (channel, message) => {
      this.#tell(String(channel), String(message));
    });
    this.#subscriber = subscriber;
    return subscriber;
  }
}
