import type { JsonObject } from '../model/caller-data.js';
import { HttpProblem } from '../web/answer.js';
import { objectOf } from '../web/body.js';

/** About four million codes. The command imports larger files. */
const MOST_BYTES = 64 * 1024 * 1024;

const NEWLINE = 10;

/** A body of two parts: one line with a JSON object, and a file. It is never in memory as a whole. */
export class Upload {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #kept: Uint8Array | null = null;
  #bytes = 0;

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#chunks = body[Symbol.asyncIterator]();
  }

  /** How much of the file was taken. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The object of the first line; before `file`. Throws `HttpProblem`. */
  head(): Promise<JsonObject> {
    return objectOf(this.#line());
  }

  /** Whoever leaves it early leaves the rest where it is. Its iterator throws `HttpProblem`. */
  file(): AsyncIterable<Uint8Array> {
    return { [Symbol.asyncIterator]: () => ({ next: () => this.#next() }) };
  }

  /** Takes what is left: a browser hears no answer before it has sent its whole body. */
  async drain(): Promise<void> {
    try {
      while (!(await this.#next()).done);
    } catch {
      // Too long, or cut off: nobody waits for it.
    }
  }

  async *#line(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const { done, value } = await this.#chunks.next();
      if (done) return;
      const end = value.indexOf(NEWLINE);
      if (end === -1) {
        yield value;
        continue;
      }
      this.#kept = value.subarray(end + 1);
      yield value.subarray(0, end);
      return;
    }
  }

  async #next(): Promise<IteratorResult<Uint8Array>> {
    const kept = this.#kept;
    this.#kept = null;
    const step = kept?.byteLength ? { done: false, value: kept } : await this.#chunks.next();
    if (step.done) return step;
    this.#bytes += step.value.byteLength;
    if (this.#bytes > MOST_BYTES) throw new HttpProblem(413, `the file must have at most ${MOST_BYTES} bytes`);
    return step;
  }
}
