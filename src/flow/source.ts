import { Readable } from 'node:stream';
import { type InvalidArgumentError, invalid } from '../model/errors.js';
import { onAbort } from './abort-group.js';

type IteratorStep = IteratorResult<unknown, unknown>;
type Given = Partial<Iterable<unknown> & AsyncIterable<unknown>>;

/** Properties of the streams of Node and of the web, and of a readline over one. */
interface StreamLike {
  readonly readableDidRead?: unknown;
  readonly input?: { readonly readableDidRead?: unknown } | null;
  readonly locked?: unknown;
  readonly getReader?: unknown;
}

/** Streams and iterators that calls have taken. Each gives its elements only once. */
const TAKEN = new WeakSet<object>();

/**
 * An iterable that the caller gave. The constructor takes the iterator, and asks an asynchronous one for its first
 * element. Without a listener, an early line of a stream is lost, and an early error ends the process.
 */
export class Source {
  /** A list in memory, as it was when the call was made. */
  readonly list: readonly unknown[] | null;
  /** Whether a stream, the one below a readline, or a reader of a file was read from before: that part is lost. */
  readonly wasRead: boolean;
  readonly #given: object;
  readonly #iterator: Iterator<unknown> | AsyncIterator<unknown>;
  readonly #isAsync: boolean;
  #first: Promise<IteratorStep> | null = null;
  #asking = false;
  #over = false;
  #signal: AbortSignal | undefined;
  #interrupt = () => {};
  #forgetSignal = () => {};

  /**
   * Throws `InvalidArgumentError` for a value that is no iterable and for a stream or an iterator that has another
   * reader, and the error of an iterable that gives no iterator.
   */
  constructor(name: string, given: unknown) {
    if (typeof given !== 'object' || given === null) throw noIterable(name);
    const { [Symbol.asyncIterator]: asynchronous, [Symbol.iterator]: synchronous } = given as Given;
    this.#given = given;
    const { readableDidRead, input, locked, getReader } = given as StreamLike;
    const below = typeof input === 'object' ? input : null;
    // Before anything is asked: a second reader takes pieces from the first one.
    if (locked === true || TAKEN.has(given) || (below && TAKEN.has(below))) throw takenBefore(name);
    // A stream of the web has no such property, and one of Node that was destroyed counts as disturbed.
    const wasRead = readableDidRead ?? Readable.isDisturbed(given as NodeJS.ReadableStream);
    this.wasRead = wasRead === true || below?.readableDidRead === true;
    this.list = Array.isArray(given) || given instanceof Set ? [...given] : null;
    this.#isAsync = !this.list && typeof asynchronous === 'function';
    const take = (asynchronous ?? synchronous) as (() => Iterator<unknown> | AsyncIterator<unknown>) | undefined;
    const iterator = this.list ? this.list.values() : take?.call(given);
    if (typeof iterator?.next !== 'function') throw noIterable(name);
    this.#iterator = iterator;
    const isStream = readableDidRead !== undefined || typeof getReader === 'function';
    if (isStream || below || iterator === given) TAKEN.add(given);
    if (below) TAKEN.add(below);
    if (!this.#isAsync) return;
    this.#first = this.#ask();
    this.#first.catch(() => {});
  }

  /** Whether this is a Node stream of bytes or text, whose pieces end anywhere. */
  get isPieces(): boolean {
    return (this.#given as { readableObjectMode?: unknown }).readableObjectMode === false;
  }

  /** From now on an aborted signal ends `next()`, also while the source is silent. */
  endWith(signal: AbortSignal | undefined): void {
    this.#signal = signal;
    if (signal) this.#forgetSignal = onAbort(signal, () => this.#interrupt());
  }

  /** The next element. Throws or rejects with the error of the source, or with the reason of the signal. */
  next(): IteratorStep | Promise<IteratorStep> {
    this.#signal?.throwIfAborted();
    if (this.#isAsync) return this.#nextInTime();
    // An iterator that throws has ended.
    this.#over = true;
    const step = this.#iterator.next() as IteratorStep;
    this.#over = step.done === true;
    return step;
  }

  /** Tells the source that nobody reads on, unless it has ended. */
  async close(): Promise<void> {
    if (this.#over) return this.#forgetSignal();
    this.#over = true;
    const closing = (async () => this.#iterator.return?.())().catch(() => {});
    if (!this.#asking) {
      // Its own way to clean up may hang. An aborted call does not wait for that.
      await new Promise<unknown>((resolve) => {
        this.#interrupt = () => resolve(null);
        if (this.#signal?.aborted) resolve(null);
        closing.then(resolve);
      });
      return this.#forgetSignal();
    }
    this.#forgetSignal();
    // A generator closes only after the element it was asked for. A silent source would hold the call up, so it is not
    // waited for.
    const { destroy } = this.#given as { destroy?: unknown };
    if (typeof destroy === 'function') destroy.call(this.#given);
  }

  #nextInTime(): Promise<IteratorStep> {
    const asked = this.#first ?? this.#ask();
    this.#first = null;
    return new Promise((resolve, reject) => {
      this.#interrupt = () => reject(this.#signal!.reason);
      asked.then(resolve, reject);
    });
  }

  async #ask(): Promise<IteratorStep> {
    let ended = true;
    this.#asking = true;
    try {
      const step = await this.#iterator.next();
      ended = step.done === true;
      return step;
    } finally {
      this.#asking = false;
      this.#over ||= ended;
    }
  }
}

/** Takes the source before anything is awaited, and closes it on every way out. */
export async function reading<T>(name: string, given: unknown, read: (source: Source) => Promise<T>): Promise<T> {
  const source = new Source(name, given);
  try {
    return await read(source);
  } finally {
    await source.close();
  }
}

function takenBefore(name: string): InvalidArgumentError {
  return invalid(name, 'has a reader already, from before this call; nothing was read; make a stream for each call');
}

function noIterable(name: string): InvalidArgumentError {
  return invalid(name, 'must be an iterable, such as an array, a generator or a stream of lines');
}
