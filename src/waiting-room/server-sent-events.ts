import { Readable } from 'node:stream';
import { assertFunction, assertInteger, ownCopy } from '../model/check.js';
import { invalid } from '../model/errors.js';
import { DEFAULT_KEEP_ALIVE_MS, eventOf, STILL_HERE, WATCHING } from '../model/event-format.js';
import type { WaitingChange } from '../model/place.js';

export interface ServerSentEventsOptions {
  /** How often a comment is sent: 1,000–600,000 ms, default 15,000. */
  readonly keepAliveMs?: number | undefined;
  /** Returns the JSON value to send for a change. Default: the whole change. An error, or `undefined`, ends the stream. */
  readonly data?: ((change: WaitingChange) => unknown) | undefined;
}

/** Throws `InvalidArgumentError`, and then nobody watches any more either. */
function checked(changes: AsyncIterableIterator<WaitingChange>, options: ServerSentEventsOptions) {
  try {
    const own = ownCopy('the second argument of serverSentEvents()', options, ['keepAliveMs', 'data']);
    if (own.keepAliveMs !== undefined) assertInteger('keepAliveMs', own.keepAliveMs, 1_000, 600_000);
    assertFunction('data', own.data);
    return own;
  } catch (error) {
    void changes.return?.();
    throw error;
  }
}

/**
 * Returns the changes of `watch()` as Server-Sent Events: a readable stream of bytes (UTF-8). Pipe it into a response
 * of Node's `http` or of Express, or use it as the `ctx.body` of Koa or the body of a web `Response`. Each change is a
 * `message` with the change as JSON. The stream ends after the final change. If the stream is destroyed, watching
 * ends. `pipeline()` and Koa destroy it when the client goes away, a `Response` when its body is cancelled.
 *
 * A change holds the whole issuance, its `userId` too: if your user ids are secrets, such as session ids, leave them
 * out with `data`.
 *
 * A comment is sent at once and then every `keepAliveMs`, so that nothing on the way takes the connection for dead.
 * Throws `InvalidArgumentError`. A fault of the watching destroys the stream with it.
 *
 * @example
 * ```ts
 * import { createServer } from 'node:http';
 * import { pipeline } from 'node:stream';
 * import { SERVER_SENT_EVENTS_HEADERS, serverSentEvents } from 'coupon-issuer';
 *
 * createServer((request, response) => {
 *   response.writeHead(200, SERVER_SENT_EVENTS_HEADERS);
 *   pipeline(serverSentEvents(launch.watch({ userId })), response, () => {});
 * });
 * ```
 */
export function serverSentEvents(
  changes: AsyncIterableIterator<WaitingChange>,
  options: ServerSentEventsOptions = {},
): Readable {
  const { keepAliveMs = DEFAULT_KEEP_ALIVE_MS, data = (change: WaitingChange): unknown => change } = checked(
    changes,
    options,
  );
  let reading = false;
  let ended = false;
  const stream = new Readable({
    read() {
      // Asked again while it waits for a change, which comes in its own time.
      if (reading) return;
      reading = true;
      changes
        .next()
        .then(({ done, value }) => {
          reading = false;
          ended = done === true;
          this.push(done ? null : eventOf(sent(data(value))));
        })
        .catch((error: Error) => this.destroy(error));
    },
    destroy(error, callback) {
      clearInterval(keepingAlive);
      Promise.resolve(changes.return?.()).then(() => callback(error), callback);
    },
  });
  stream.push(WATCHING);
  const keepingAlive = setInterval(() => {
    if (stream.readableLength === 0 && !ended && !stream.destroyed) stream.push(STILL_HERE);
  }, keepAliveMs);
  keepingAlive.unref?.();
  return endedByItsReader(stream);
}

function sent(value: unknown): unknown {
  if (value === undefined) throw invalid('data', 'must return a value of JSON for each change, and returned undefined');
  return value;
}

/**
 * Node leaves a stream open whose iterator ends before its first value. A `Response` that is cancelled unread ends in
 * this way.
 */
function endedByItsReader(stream: Readable): Readable {
  const iterate = stream[Symbol.asyncIterator].bind(stream);
  stream[Symbol.asyncIterator] = () => {
    const iterator = iterate();
    const end = iterator.return!.bind(iterator);
    iterator.return = (value) => {
      // Once it reads, it listens, and destroys the stream itself.
      if (stream.listenerCount('readable') === 0) stream.destroy();
      return end(value);
    };
    return iterator;
  };
  return stream;
}
