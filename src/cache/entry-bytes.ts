/** The bytes of an entry in Redis beside its value: its key, its fields and their tables. A test measures it. */
const OVERHEAD = 640;

/** An upper bound of the memory of an entry: an allocator rounds a text up by a quarter at most. */
export function bytesOf(text: string): number {
  return OVERHEAD + Math.ceil(Buffer.byteLength(text) * 1.25);
}
