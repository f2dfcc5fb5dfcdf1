import { contentAnswer, type RouteAnswer } from '../web/answer.js';

/** Work that takes a while: it tells its steps, and returns its last line. It ends by `stop`, and never rejects. */
type LongWork = (tell: (progress: object) => void, stop: AbortSignal) => Promise<object>;

/** Lines of JSON: `{ progress }` now and then, and the last line of the work. The work ends with its reader. */
export function linesOf(work: LongWork, signal: AbortSignal): RouteAnswer {
  const leaving = new AbortController();
  const stop = AbortSignal.any([signal, leaving.signal]);
  const encoder = new TextEncoder();
  const stream = new ReadableStream<Uint8Array>({
    start: (controller) => {
      const send = (line: object) => {
        if (!stop.aborted) controller.enqueue(encoder.encode(`${JSON.stringify(line)}\n`));
      };
      // A slow reader misses steps, so that nothing piles up.
      const tell = (progress: object) => (controller.desiredSize ?? 0) > 0 && send({ progress });
      void work(tell, stop).then((last) => {
        send(last);
        // Also for a client that left: only a reader that cancelled has closed it already.
        if (!leaving.signal.aborted) controller.close();
      });
    },
    cancel: () => leaving.abort(),
  });
  return contentAnswer('application/x-ndjson', stream);
}
