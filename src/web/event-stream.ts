import { onAbort } from '../flow/abort-group.js';
import { eventOf, STILL_HERE, WATCHING } from '../model/event-format.js';
import { isFinal, type WaitingChange } from '../model/place.js';
import { shownChange } from '../model/user-answer.js';

/**
 * The id of a final change. A browser that connects again sends it as `Last-Event-ID`, and is told to stop: the change
 * after it would be the same one.
 */
export const FINAL_ID = 'final';

type NextChange = IteratorResult<WaitingChange, unknown>;

export interface EventStreamParts {
  readonly changes: AsyncIterableIterator<WaitingChange>;
  /** The change that was asked for before the stream was made. */
  readonly first: Promise<NextChange>;
  readonly keepAliveMs: number;
  /** Aborted once the client is gone. Not every server cancels the body then, and nobody may be reading it. */
  readonly signal: AbortSignal;
  /** Called once, however the stream ends. */
  readonly ended: () => void;
  readonly failed: (error: unknown) => void;
}

/**
 * The changes as Server-Sent Events. It asks for a change only when the reader has room, so a slow reader keeps one
 * change and one comment, and gets the newest change next.
 */
export function eventStream(parts: EventStreamParts): ReadableStream<Uint8Array> {
  const { changes, keepAliveMs, signal, failed } = parts;
  const encoder = new TextEncoder();
  let first: Promise<NextChange> | null = parts.first;
  let keepingAlive: ReturnType<typeof setInterval> | undefined;
  let unlisten = () => {};
  let isOver = false;
  const over = () => {
    if (isOver) return false;
    isOver = true;
    clearInterval(keepingAlive);
    unlisten();
    parts.ended();
    return true;
  };
  return new ReadableStream<Uint8Array>({
    start(controller) {
      const send = (text: string) => controller.enqueue(encoder.encode(text));
      send(WATCHING);
      keepingAlive = setInterval(() => (controller.desiredSize ?? 0) > 0 && send(STILL_HERE), keepAliveMs);
      keepingAlive.unref?.();
      unlisten = onAbort(signal, () => {
        if (!over()) return;
        controller.close();
        void changes.return?.();
      });
    },
    async pull(controller) {
      try {
        const next = first ?? changes.next();
        first = null;
        const { done, value } = await next;
        if (isOver) return;
        if (!done) {
          controller.enqueue(encoder.encode(eventOf(shownChange(value), isFinal(value) ? FINAL_ID : undefined)));
        } else if (over()) controller.close();
      } catch (error) {
        if (!over()) return;
        failed(error);
        controller.error(error);
      }
    },
    async cancel() {
      over();
      await changes.return?.();
    },
  });
}
