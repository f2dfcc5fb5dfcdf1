import { createHash, type Hash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { tell } from '../flow/progress.js';
import type { Source } from '../flow/source.js';
import { assertBoolean, assertFunction, assertSignal, assertText, ownCopy } from '../model/check.js';
import { InvalidArgumentError } from '../model/errors.js';
import { mintId } from '../model/issuance.js';
import { assertNewCode } from '../model/new-code.js';
import type { KnownCampaign } from '../redis/known-campaign.js';
import { anotherList, type Loading, type LoadProgress, loadChunk, readLoad } from '../redis/pool.js';

export interface LoadOptions {
  /**
   * Names this list, 1–128 bytes. If the same list is loaded again under this name, the load goes on where it stopped.
   * The list may have grown at its end; another list is refused. Default: a new random name.
   */
  readonly loadId?: string | undefined;
  /**
   * Takes codes as they are, which are otherwise refused. Such a code has control characters, byte order marks, U+FFFD,
   * characters without width, white space or quotes around it, a comma or a semicolon. Or it is a stand-in, such as
   * `1.23E+12` or `null`. The error names its place.
   */
  readonly asTheyAre?: boolean | undefined;
  /**
   * Called after each chunk, and not awaited. If it throws, the load ends with that error. A promise that it returns
   * may reject.
   */
  readonly onProgress?: ((progress: LoadResult) => void) | undefined;
  /** Ends the load between two chunks, and at once while the source is silent. */
  readonly signal?: AbortSignal | undefined;
}

export interface LoadResult {
  /** Codes of the source that this call read, including those before `resumedAt`. */
  readonly read: number;
  /** Codes that this call added to the pool. 0 if the whole list was loaded before under this `loadId`. */
  readonly loaded: number;
  /** Codes that this call skipped: the list has them twice, or the campaign has or had them, issued or not. */
  readonly duplicates: number;
  /** The places of the first 20 duplicates in the source, from 1. */
  readonly firstDuplicates: readonly number[];
  /** All units of the pool, issued ones included. */
  readonly total: number;
  /** Codes at the beginning of the source that were loaded before under this `loadId`. This call only compared them. */
  readonly resumedAt: number;
}

export type CodeSource = Iterable<string> | AsyncIterable<string>;

const CHUNK = 500;
/** From so many codes on a chunk is twice as large: a long list takes half the time where Redis is far away. */
const LONG = 10_000;
const MOST_PLACES = 20;

/** Throws `InvalidArgumentError`. */
export function checkedLoad(options: LoadOptions, source: Source): LoadOptions {
  const own = ownCopy('the second argument of loadCodes()', options, ['loadId', 'asTheyAre', 'onProgress', 'signal']);
  if (own.loadId !== undefined) assertText('loadId', own.loadId);
  assertBoolean('asTheyAre', own.asTheyAre);
  assertFunction('onProgress', own.onProgress);
  assertSignal(own.signal);
  assertCodes(source, own.asTheyAre === true);
  source.endWith(own.signal);
  return own;
}

/** A list in memory is checked whole before anything is written; a stream can only be checked chunk by chunk. */
export function assertCodes(source: Source, asTheyAre: boolean): void {
  if (source.isPieces) {
    throw new InvalidArgumentError(
      'codes is a stream of bytes or text, whose pieces are not codes; nothing was loaded: give it to readCodes first',
    );
  }
  if (source.wasRead) {
    throw new InvalidArgumentError(
      'a part of codes was read before this call and is lost; nothing was loaded; make the stream in the call itself',
    );
  }
  for (const [i, code] of source.list?.entries() ?? []) assertCode(code, i, asTheyAre);
}

function assertCode(code: unknown, index: number, asTheyAre: boolean): asserts code is string {
  const name = `code ${index + 1} of the list`;
  if (code instanceof Uint8Array) {
    throw new InvalidArgumentError(`${name} is bytes: a stream of bytes has no codes, give it to readCodes first`);
  }
  assertNewCode(name, code, asTheyAre);
}

/** Loads chunk by chunk, one round trip each. A loaded chunk stays loaded; the same `loadId` resumes after it. */
export async function loadInChunks(campaign: KnownCampaign, source: Source, options: LoadOptions): Promise<LoadResult> {
  const load = await Load.begin(campaign, { loadId: options.loadId ?? mintId(), caller: mintId() });
  for await (const { offset, chunk } of chunksOf(source, options.asTheyAre === true)) {
    const sent = await load.take(offset, chunk);
    tell(options.onProgress, load.result);
    // Codes loaded before are only compared; a long list must not block the process.
    if (!sent) await setImmediate();
  }
  load.end();
  return load.result;
}

/** One call's way through its list. */
class Load {
  readonly #campaign: KnownCampaign;
  readonly #loading: Loading;
  #progress: LoadProgress;
  #list = new ListDigest();
  #result: LoadResult;

  private constructor(campaign: KnownCampaign, loading: Loading, progress: LoadProgress) {
    this.#campaign = campaign;
    this.#loading = loading;
    this.#progress = progress;
    const { offset: resumedAt, total } = progress;
    this.#result = { read: 0, loaded: 0, duplicates: 0, firstDuplicates: [], total, resumedAt };
  }

  static async begin(campaign: KnownCampaign, loading: Loading): Promise<Load> {
    return new Load(campaign, loading, await readLoad(campaign, loading));
  }

  get result(): LoadResult {
    return this.#result;
  }

  /** Loads the new codes of a chunk, and compares the codes loaded before. Returns whether anything was sent. */
  async take(offset: number, chunk: readonly string[]): Promise<boolean> {
    let [at, rest, sent] = [offset, chunk, false];
    while (rest.length > 0) {
      const known = rest.slice(0, Math.max(0, this.#progress.offset - at));
      this.#list = this.#list.plus(known);
      at += known.length;
      rest = rest.slice(known.length);
      if (known.length > 0 && at === this.#progress.offset) this.#assertSameList();
      if (rest.length === 0) break;
      sent = true;
      const whole = this.#list.plus(rest);
      const digests = { before: this.#list.value, after: whole.value };
      this.#progress = await loadChunk(this.#campaign, this.#loading, { offset: at, codes: rest, ...digests });
      // Another call under this name was faster: its part is compared in the next round.
      if (!this.#progress.loaded) continue;
      this.#count(at, rest.length, this.#progress.loaded);
      this.#list = whole;
      break;
    }
    this.#result = { ...this.#result, read: offset + chunk.length, total: this.#progress.total };
    return sent;
  }

  /** Throws `CampaignConflictError` if the list is shorter than its earlier load. */
  end(): void {
    const { read } = this.#result;
    const { offset } = this.#progress;
    if (offset > read) {
      throw anotherList(
        this.#campaign,
        this.#loading,
        `this list ends after ${read} codes, and that one has ${offset}, so they`,
      );
    }
  }

  #assertSameList(): void {
    const { offset, digest } = this.#progress;
    if (this.#list.value !== digest) throw anotherList(this.#campaign, this.#loading, `the first ${offset} codes`);
  }

  #count(at: number, count: number, { added, duplicates: places }: NonNullable<LoadProgress['loaded']>): void {
    const { loaded, duplicates, firstDuplicates, ...rest } = this.#result;
    this.#result = {
      ...rest,
      loaded: loaded + added,
      duplicates: duplicates + count - added,
      firstDuplicates: [...firstDuplicates, ...places.map((place) => at + place + 1)].slice(0, MOST_PLACES),
    };
  }
}

/** A digest of a list as far as it was read. No code holds U+0000, so it stands between them. */
class ListDigest {
  readonly #hash: Hash;

  constructor(hash: Hash = createHash('sha256')) {
    this.#hash = hash;
  }

  plus(codes: readonly string[]): ListDigest {
    const hash = this.#hash.copy();
    for (const code of codes) hash.update(`${code}\0`);
    return new ListDigest(hash);
  }

  get value(): string {
    return this.#hash.copy().digest('base64url');
  }
}

/** The codes, checked, 500 at a time and later 1,000, and where in the source each chunk begins. */
export async function* chunksOf(
  source: Source,
  asTheyAre: boolean,
): AsyncGenerator<{ offset: number; chunk: readonly string[] }> {
  let offset = 0;
  let chunk: string[] = [];
  for (;;) {
    const next = source.next();
    // A list in memory is not awaited code by code.
    const { done, value: code } = next instanceof Promise ? await next : next;
    if (done) break;
    assertCode(code, offset + chunk.length, asTheyAre);
    chunk.push(code);
    if (chunk.length < (offset < LONG ? CHUNK : 2 * CHUNK)) continue;
    yield { offset, chunk };
    offset += chunk.length;
    chunk = [];
  }
  if (chunk.length > 0) yield { offset, chunk };
}
