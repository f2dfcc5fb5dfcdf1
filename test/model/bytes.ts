/** A buffer of small numbers, and its hash. */
export class Bytes {
  readonly #bytes = new Uint8Array(8192);
  length = 0;

  put(value: number): void {
    this.#bytes[this.length++] = value;
  }

  /** Up to 16 bits. */
  wide(value: number): void {
    this.put(value & 255);
    this.put(value >> 8);
  }

  flags(...flags: readonly boolean[]): void {
    let bits = 0;
    for (let i = 0; i < flags.length; i++) if (flags[i]) bits |= 1 << i;
    this.put(bits);
  }

  /** Two hashes of 32 bits each, of what was put from `from` on. */
  hash(from = 0): [number, number] {
    let a = 0xdeadbeef | 0;
    let b = 0x41c6ce57 | 0;
    for (let i = from; i < this.length; i++) {
      const byte = this.#bytes[i]!;
      a = Math.imul(a ^ byte, 2654435761);
      b = Math.imul(b ^ byte, 1597334677);
    }
    a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
    b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
    return [a >>> 0, b >>> 0];
  }
}

/** Numbers words from 0 on. */
export function numbered<T extends string>(...words: readonly T[]): Readonly<Record<T, number>> {
  return Object.fromEntries(words.map((word, i) => [word, i])) as Record<T, number>;
}
