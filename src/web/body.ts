import type { JsonObject } from '../model/caller-data.js';
import { HttpProblem } from './answer.js';

/** Four times the most that `data` may have. */
const MAX_BYTES = 4_096;

/** The body of a request: its bytes, or the value that a parser before the handler made of them. */
export type GivenBody = AsyncIterable<Uint8Array> | { readonly parsed: unknown } | null;

/** A parser in front has read the body, and left nothing of it. A server is put together wrongly, and its log says so. */
export function bodyTaken(cure: string): TypeError {
  return new TypeError(`the body of the request was read before the handler; nothing was issued; ${cure}`);
}

/** The JSON object of a request, `{}` without a body. The bytes are counted: a length that is announced is not trusted. */
export async function objectOf(body: GivenBody): Promise<JsonObject> {
  const value = await jsonIn(body);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new HttpProblem(400, 'the body must be a JSON object');
  }
  if (body && 'parsed' in body && bytesOf(value) > MAX_BYTES) throw tooLong();
  return value as JsonObject;
}

async function jsonIn(body: GivenBody): Promise<unknown> {
  if (body === null) return {};
  // A parser of plain text leaves the JSON as it came.
  if ('parsed' in body && typeof body.parsed !== 'string') return body.parsed;
  const text = 'parsed' in body ? String(body.parsed) : await textOf(body);
  if (text === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    // The message of the parser quotes the body.
    throw new HttpProblem(400, 'the body is not valid JSON');
  }
}

const tooLong = () => new HttpProblem(413, `the body must have at most ${MAX_BYTES} bytes`);

/** The bytes of a value that a parser made. Some parsers make a `bigint` of a long number. */
function bytesOf(parsed: object): number {
  try {
    const text = JSON.stringify(parsed, (_, value) => (typeof value === 'bigint' ? `${value}` : value));
    return new TextEncoder().encode(text).byteLength;
  } catch {
    // Nested deeper than a body of the longest length can be.
    return Number.POSITIVE_INFINITY;
  }
}

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let [text, length] = ['', 0];
  try {
    for await (const chunk of chunks) {
      length += chunk.byteLength;
      if (length > MAX_BYTES) throw tooLong();
      text += decoder.decode(chunk, { stream: true });
    }
    return text + decoder.decode();
  } catch (error) {
    // Cut off, or no UTF-8.
    throw error instanceof HttpProblem ? error : new HttpProblem(400, 'the body cannot be read');
  }
}
