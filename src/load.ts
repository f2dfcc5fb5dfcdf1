import { randomBytes } from 'node:crypto';
import { InvalidArgumentError } from './errors.js';
import { assertFunction, assertSignal, assertText, ownCopy, textFault } from './limits.js';
import { tell } from './progress.js';
import { type LoadProgress, loadChunk } from './redis/admin.js';
import type { CampaignState } from './redis/campaign-state.js';
import type { Source } from './source.js';

export interface LoadOptions {
  /** Names this load, 1–128 bytes: loading the same source again under it goes on where it stopped. Default: a new random one. */
  readonly loadId?: string | undefined;
  /** Called after each chunk and not awaited. If it throws, the load ends with that error; a promise that it returns may reject. */
  readonly onProgress?: ((progress: LoadResult) => void) | undefined;
  /** Ends the load between two chunks, and at once while the source is silent. */
  readonly signal?: AbortSignal | undefined;
}

export interface LoadResult {
  /** Codes that this load added. */
  readonly loaded: number;
  /** Codes that were skipped because they were loaded before, by this load or an earlier one, issued or not. */
  readonly duplicates: number;
  /** Units of the pool in all, issued ones included. */
  readonly total: number;
}

export type CodeSource = Iterable<string> | AsyncIterable<string>;

const CHUNK = 500;

/** Throws `InvalidArgumentError`. */
export function checkedLoad(options: LoadOptions, source: Source): LoadOptions {
  assertCodes(source);
  const own = ownCopy('options', options, ['loadId', 'onProgress', 'signal']);
  if (own.loadId !== undefined) assertText('loadId', own.loadId);
  assertFunction('onProgress', own.onProgress);
  assertSignal(own.signal);
  source.endWith(own.signal);
  return own;
}

/** A list in memory is checked whole before anything is written; a stream can only be checked chunk by chunk. */
export function assertCodes(source: Source): void {
  if (source.isPieces) {
    throw new InvalidArgumentError(
      'codes is a stream of bytes or text, whose pieces are not codes; nothing was loaded: split it into lines first',
    );
  }
  if (source.wasRead) {
    throw new InvalidArgumentError(
      'codes was read from before this call, and that part is lost; nothing was loaded: make the stream in the call itself',
    );
  }
  for (const [i, code] of source.list?.entries() ?? []) assertCode(code, i);
}

/** The fault names the place and never the code. */
function assertCode(code: unknown, index: number): asserts code is string {
  const fault = textFault(code);
  if (fault) throw new InvalidArgumentError(`code ${index + 1} of the list ${fault}`);
}

/** Loads chunk by chunk, one round trip each. What a chunk loaded stays loaded; the same `loadId` resumes behind it. */
export async function loadInChunks(state: CampaignState, source: Source, options: LoadOptions): Promise<LoadResult> {
  const loadId = options.loadId ?? randomBytes(16).toString('base64url');
  let progress = await loadChunk(state, loadId, 0, []);
  for await (const { offset, chunk } of chunksOf(source)) {
    if (offset + chunk.length > progress.offset) progress = await loadChunk(state, loadId, offset, chunk);
    tell(options.onProgress, toResult(progress));
  }
  return toResult(progress);
}

/** The codes, checked, 500 at a time, and where in the source each chunk begins. */
export async function* chunksOf(source: Source): AsyncGenerator<{ offset: number; chunk: readonly string[] }> {
  let offset = 0;
  let chunk: string[] = [];
  for (;;) {
    const next = source.next();
    // A list in memory is not awaited code by code.
    const { done, value: code } = next instanceof Promise ? await next : next;
    if (done) break;
    assertCode(code, offset + chunk.length);
    chunk.push(code);
    if (chunk.length < CHUNK) continue;
    yield { offset, chunk };
    offset += chunk.length;
    chunk = [];
  }
  if (chunk.length > 0) yield { offset, chunk };
}

function toResult({ loaded, duplicates, total }: LoadProgress): LoadResult {
  return { loaded, duplicates, total };
}
