import { randomBytes } from 'node:crypto';
import { InvalidArgumentError } from './errors.js';
import { assertFunction, assertSignal, assertText, ownCopy, textFault } from './limits.js';
import { type LoadProgress, loadChunk } from './redis/admin.js';
import type { CampaignState } from './redis/campaign-state.js';

export interface LoadOptions {
  /** Names this load, 1–128 bytes: loading the same source again under it goes on where it stopped. Default: a new random one. */
  readonly loadId?: string;
  /** Called after each chunk. */
  readonly onProgress?: (progress: LoadResult) => void;
  readonly signal?: AbortSignal;
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
export function checkedLoad(options: LoadOptions): LoadOptions {
  const own = ownCopy('options', options, ['loadId', 'onProgress', 'signal']);
  if (own.loadId !== undefined) assertText('loadId', own.loadId);
  assertFunction('onProgress', own.onProgress);
  assertSignal(own.signal);
  return own;
}

/** A list in memory is checked whole before anything is written; a stream can only be checked chunk by chunk. */
export function assertCodes(codes: CodeSource): void {
  const source = codes as Partial<Iterable<string> & AsyncIterable<string>> | null | undefined;
  const iterable = typeof source === 'object' && (source?.[Symbol.iterator] ?? source?.[Symbol.asyncIterator]);
  if (!iterable) throw new InvalidArgumentError('codes must be an iterable of strings');
  // A hole in an array is no code, and forEach would not see it.
  if (Array.isArray(codes)) for (const [i, code] of codes.entries()) assertCode(code, i);
}

/** The fault names the place and never the code. */
function assertCode(code: unknown, index: number): void {
  const fault = textFault(code);
  if (fault) throw new InvalidArgumentError(`code ${index + 1} of the list ${fault}`);
}

/** Loads chunk by chunk, one round trip each. What a chunk loaded stays loaded; the same `loadId` resumes behind it. */
export async function loadInChunks(state: CampaignState, codes: CodeSource, options: LoadOptions): Promise<LoadResult> {
  const loadId = options.loadId ?? randomBytes(16).toString('base64url');
  let progress = await loadChunk(state, loadId, 0, []);
  for await (const { offset, chunk } of chunksOf(codes)) {
    options.signal?.throwIfAborted();
    if (offset + chunk.length > progress.offset) progress = await loadChunk(state, loadId, offset, chunk);
    options.onProgress?.(toResult(progress));
  }
  return toResult(progress);
}

/** The codes, checked, 500 at a time, and where in the source each chunk begins. */
export async function* chunksOf(codes: CodeSource): AsyncGenerator<{ offset: number; chunk: readonly string[] }> {
  let offset = 0;
  let chunk: string[] = [];
  for await (const code of codes) {
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
