/** Headers of a response that streams events: nothing on the way may keep or gather them. */
export const SERVER_SENT_EVENTS_HEADERS: Readonly<Record<string, string>> = Object.freeze({
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store, no-transform',
  'X-Accel-Buffering': 'no',
});

/**
 * Sent first, so that headers go out at once, and the browser knows that it is connected, though the first change may
 * take its time.
 */
export const WATCHING = ': watching\n\n';

/** Sent while nothing changes, so that nothing on the way takes the connection for dead. */
export const STILL_HERE = ': still here\n\n';

export const DEFAULT_KEEP_ALIVE_MS = 15_000;

/** One event. JSON has no line ends of its own, so no value can end the event or begin another one. */
export function eventOf(value: unknown, id?: string): string {
  return `${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(value)}\n\n`;
}
