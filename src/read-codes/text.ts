import type { Source } from '../flow/source.js';
import { InvalidArgumentError } from '../model/errors.js';

/** The first bytes of other files. */
const OTHERS: readonly (readonly [name: string, ...bytes: number[]])[] = [
  ['UTF-16', 0xff, 0xfe],
  ['UTF-16', 0xfe, 0xff],
  ['a ZIP file, perhaps an Excel workbook (.xlsx)', 0x50, 0x4b, 0x03, 0x04],
  ['an old Excel workbook (.xls)', 0xd0, 0xcf, 0x11, 0xe0],
  ['compressed by gzip', 0x1f, 0x8b],
  ['a PDF', 0x25, 0x50, 0x44, 0x46],
];

/**
 * The text of a source of bytes in UTF-8, or of text, piece by piece, without a byte order mark. Throws
 * `InvalidArgumentError`, which names the line.
 */
export async function* textOf(source: Source): AsyncGenerator<string> {
  const decode = new Decoding();
  let lines = 1;
  for (;;) {
    const { done, value } = await source.next();
    const text = done ? decode.end(lines) : decode.piece(value, lines);
    if (text.includes('\0')) throw decode.fault(lines + lineEnds(text.slice(0, text.indexOf('\0'))), true);
    lines += lineEnds(text);
    if (text !== '') yield text;
    if (done) break;
  }
  if (lines === 1 && decode.pieces > 1 && decode.isText) {
    throw new InvalidArgumentError(
      'the file is pieces of text without any line end: give codes that are split already to loadCodes itself',
    );
  }
}

function lineEnds(text: string): number {
  return text.match(/\r\n|\r|\n/g)?.length ?? 0;
}

class Decoding {
  pieces = 0;
  isText = false;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  #start: number[] = [];
  /** The last bytes that may be the beginning of a character. */
  #tail: Uint8Array = new Uint8Array();
  /** Half of a character that the next piece of text has the other half of. */
  #half = '';
  #begun = false;

  piece(piece: unknown, line: number): string {
    this.pieces++;
    if (typeof piece === 'string') {
      this.isText = true;
      const text = this.#half + piece;
      this.#half = /[\uD800-\uDBFF]$/.exec(text)?.[0] ?? '';
      return this.#withoutMark(text.slice(0, text.length - this.#half.length));
    }
    if (!(piece instanceof Uint8Array))
      throw new InvalidArgumentError('the file must be bytes or text, and has another value in it');
    if (this.#start.length < 4) this.#start.push(...piece.subarray(0, 4 - this.#start.length));
    return this.#withoutMark(this.#decode(piece, line));
  }

  end(line: number): string {
    return this.#half + this.#decode(undefined, line);
  }

  /** Why this is no text in UTF-8. */
  fault(line: number, hasZero = false): InvalidArgumentError {
    const begun = this.#start;
    const other = OTHERS.find(
      ([, ...bytes]) => begun.length > 0 && begun.every((byte, i) => i >= bytes.length || byte === bytes[i]),
    );
    const what = other
      ? `the file is ${other[0]}`
      : hasZero && `line ${line} of the file has U+0000 in it: it is UTF-16 or binary`;
    return new InvalidArgumentError(
      what
        ? `${what}, and not text in UTF-8: save it as CSV in UTF-8`
        : `line ${line} of the file is not UTF-8, perhaps Windows-1252, EUC-KR or Shift JIS. Convert it by iconv -t UTF-8 -f CP1252, CP949 or CP932; a wrong one gives wrong letters, and no error`,
    );
  }

  #decode(piece: Uint8Array | undefined, line: number): string {
    const bytes = Buffer.concat([this.#tail, piece ?? []].map((part) => Uint8Array.from(part)));
    try {
      return this.#decoder.decode(piece, { stream: piece !== undefined });
    } catch {
      const [valid = ''] = new TextDecoder().decode(bytes).split('\uFFFD');
      throw this.fault(line + lineEnds(valid));
    } finally {
      const lastPlain = bytes.findLastIndex((byte) => byte < 0x80);
      this.#tail = bytes.subarray(Math.max(lastPlain + 1, bytes.length - 3));
    }
  }

  #withoutMark(text: string): string {
    if (this.#begun || text === '') return text;
    this.#begun = true;
    return text.startsWith('\uFEFF') ? text.slice(1) : text;
  }
}
