import { Source } from '../flow/source.js';
import { assertBoolean, ownCopy } from '../model/check.js';
import { InvalidArgumentError } from '../model/errors.js';
import { assertNewCode } from '../model/new-code.js';
import { DELIMITERS, type Delimiter, rowsOf, type TextRow } from './rows.js';
import { textOf } from './text.js';

export type { Delimiter } from './rows.js';

/**
 * A file of codes: a stream of its bytes or text, all its bytes, or all its text. A path is refused: give
 * `createReadStream(path)`.
 */
export type CodeFile = string | Uint8Array | AsyncIterable<string | Uint8Array>;

export interface ReadCodesOptions {
  /**
   * The column of the codes: its name in the first line, or its number from 1. Needed if the file has several columns.
   */
  readonly column?: string | number | undefined;
  /**
   * Whether the first line names the columns. Default: `true` if `column` is a name, otherwise `false`. By default, a
   * first line that may be a name is refused rather than guessed at. It may be one if it is a word like `code`. It also
   * may if it has no digit, and the code below has digits and another length or script.
   */
  readonly header?: boolean | undefined;
  /**
   * The character between columns. Default: the one of `,` `;` and tab in the first line; if the line has two of them,
   * the call is refused.
   */
  readonly delimiter?: Delimiter | undefined;
  /**
   * Keeps white space around codes, and takes codes that `loadCodes` would refuse without the same option. Default:
   * white space around a code is removed.
   */
  readonly asTheyAre?: boolean | undefined;
}

/** Names of a code, a serial or a PIN, in English, Korean, Japanese and Chinese. `isHeading` looks at other words. */
const NAMES = new RegExp(
  [
    '^(?:coupon|voucher|promo|promotion|discount|gift|serial)?[ _-]?(?:card|code|barcode|e?-?pin)?s?[ _-]?(?:number|no|id)?$',
    '^(?:쿠폰|상품권|교환권|기프티콘|할인|인증|일련|난수|핀|pin|시리얼|발급|바)?[ _-]?(?:코드|번호|넘버|난수|핀|명)?$',
    '^(?:クーポン|シリアル)?(?:コード|番号)$',
    '^(?:优惠)?券?[码碼]$',
  ].join('|'),
  'iu',
);

/** Whether a first line names the column: its words say so, or it has no digit and is of another kind than the code below. */
function isHeading(first: string, below: string | null): boolean {
  if (NAMES.test(first)) return true;
  if (below === null || /\p{Nd}/u.test(first) || !/\p{Nd}/u.test(below)) return false;
  return first.length !== below.length || (/[^ -~]/.test(first) && !/[^ -~]/.test(below));
}

/**
 * Reads the codes of a file: one per line, or one column of a CSV. Pass the result to `loadCodes` or `rebuild`. It
 * listens to the file from the call on. Leaving the loop early closes the file.
 *
 * The text is UTF-8 with or without a byte order mark. Lines end in any way; cells may be quoted. Blank lines are
 * skipped, and white space around a code is removed. A first line `sep=;` is no row; it names the delimiter. The call
 * throws `InvalidArgumentError` for wrong options, for a file of another kind, and for a stream that has a reader. Wrong
 * options close the file.
 *
 * Reading rejects with `InvalidArgumentError`, which names the line and never the code. Causes: another encoding, a
 * line longer than a code, several columns without `column`, lines of unequal length, quotes that do not close, an
 * empty cell, and codes that `loadCodes` refuses. An error of the stream reaches the reader.
 *
 * @example
 * ```ts
 * import { createReadStream } from 'node:fs';
 * import { readCodes } from 'coupon-issuer/codes';
 *
 * const codes = readCodes(createReadStream('partner.csv'), { column: 'code' });
 * const { loaded, duplicates } = await launch.loadCodes(codes, { loadId: 'partner.csv of April' });
 * ```
 */
export function readCodes(file: CodeFile, options: ReadCodesOptions = {}): AsyncIterableIterator<string> {
  const source = sourceOf(file);
  try {
    return new CodeReader(source, checked(options));
  } catch (error) {
    void source.close();
    throw error;
  }
}

class CodeReader implements AsyncIterableIterator<string> {
  readonly #source: Source;
  readonly #codes: AsyncGenerator<string>;
  #didRead = false;

  constructor(source: Source, options: ReadCodesOptions) {
    this.#source = source;
    this.#codes = codesOf(source, options);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<string> {
    return this;
  }

  /** As streams of Node say it: `loadCodes` refuses a reader that lacks its first codes. */
  get readableDidRead(): boolean {
    return this.#didRead;
  }

  async next(): Promise<IteratorResult<string>> {
    this.#didRead = true;
    try {
      return await this.#codes.next();
    } catch (error) {
      await this.#source.close();
      throw error;
    }
  }

  async return(): Promise<IteratorResult<string>> {
    // First the source: the generator below may be waiting for it.
    await this.#source.close();
    return this.#codes.return(undefined);
  }
}

async function* codesOf(
  source: Source,
  { column, header, delimiter, asTheyAre = false }: ReadCodesOptions,
): AsyncGenerator<string> {
  let first: TextRow | null = null;
  let index = 0;
  /** The code of the first line, until the one below shows whether it is one. */
  let held: string | null = null;
  const limits = { delimiter, isWide: column !== undefined, trims: !asTheyAre };
  for await (const row of rowsOf(textOf(source), limits)) {
    const isFirst = first === null;
    first ??= row;
    if (isFirst) {
      index = indexOf(row, column);
      if (header ?? typeof column === 'string') continue;
    }
    const code = codeOf(row, { first, index, asTheyAre });
    if (isFirst && header === undefined) {
      held = code;
      continue;
    }
    if (held !== null) yield asCode(first.line, held, code);
    held = null;
    yield code;
  }
  if (held !== null) yield asCode(first!.line, held, null);
}

/** Throws `InvalidArgumentError` if this first line is a name rather than a code, or may be. */
function asCode(line: number, first: string, below: string | null): string {
  if (!isHeading(first.trim(), below?.trim() ?? null)) return first;
  throw new InvalidArgumentError(
    `line ${line} of the file looks like a name of the column: set header: true, or header: false if it is a code`,
  );
}

/** Throws `InvalidArgumentError`, which names the line. */
function codeOf({ cells, line }: TextRow, at: { first: TextRow; index: number; asTheyAre: boolean }): string {
  const { first, index, asTheyAre } = at;
  if (cells.length !== first.cells.length) {
    throw new InvalidArgumentError(
      `line ${line} of the file has ${counted(cells)}, and line ${first.line} has ${first.cells.length}`,
    );
  }
  const code = asTheyAre ? cells[index]! : cells[index]!.trim();
  if (code === '') throw new InvalidArgumentError(`line ${line} of the file has no code`);
  assertNewCode(`the code in line ${line} of the file`, code, asTheyAre);
  return code;
}

/** Names are compared as they are. The error quotes no cell: without a header the first line holds codes. */
function indexOf({ cells, line }: TextRow, column: string | number | undefined): number {
  if (typeof column === 'string') {
    const found = cells.flatMap((cell, i) => (cell.trim() === column ? [i] : []));
    if (found.length === 1) return found[0]!;
    const what = found.length === 0 ? 'names no such column' : 'names that column more than once';
    throw new InvalidArgumentError(
      `line ${line} of the file ${what}, among ${counted(cells)}: names are compared exactly, and not shown because they may be codes`,
    );
  }
  if (column === undefined && cells.length > 1) {
    throw new InvalidArgumentError(
      `line ${line} of the file has ${counted(cells)}: say which one has the codes, by column`,
    );
  }
  if (column !== undefined && column > cells.length) {
    throw new InvalidArgumentError(`line ${line} of the file has ${counted(cells)}, and no column ${column}`);
  }
  return (column ?? 1) - 1;
}

const counted = ({ length }: readonly string[]) => `${length} ${length === 1 ? 'column' : 'columns'}`;

function checked(options: ReadCodesOptions): ReadCodesOptions {
  const own = ownCopy('the second argument of readCodes()', options, ['column', 'header', 'delimiter', 'asTheyAre']);
  const { column, header, delimiter } = own;
  const isNumber = typeof column === 'number' && Number.isInteger(column) && column >= 1 && column <= 1_000;
  if (column !== undefined && !isNumber && (typeof column !== 'string' || column.trim() === '')) {
    throw new InvalidArgumentError('column must be a name, or a whole number from 1 to 1000');
  }
  assertBoolean('header', header);
  assertBoolean('asTheyAre', own.asTheyAre);
  if (typeof column === 'string' && header === false)
    throw new InvalidArgumentError('a column has a name only where there is a header');
  if (delimiter !== undefined && !DELIMITERS.includes(delimiter)) {
    throw new InvalidArgumentError("delimiter must be ',' or ';' or a tab");
  }
  return typeof column === 'string' ? { ...own, column: column.trim() } : own;
}

function sourceOf(file: unknown): Source {
  if (typeof file === 'string' && !/[\r\n]/.test(file)) {
    throw new InvalidArgumentError(
      'the file is a string without a line end: for a path give createReadStream(path), and end a text of one code by a line end',
    );
  }
  if (typeof file === 'string' || file instanceof Uint8Array) return new Source('the file', [file]);
  const { [Symbol.asyncIterator]: asynchronous, crlfDelay } = (file ?? {}) as Record<PropertyKey, unknown>;
  if (crlfDelay !== undefined || typeof asynchronous !== 'function') {
    throw new InvalidArgumentError(
      'the file must be a stream of bytes or text, or bytes, or text; lists and lines are given to loadCodes itself',
    );
  }
  const source = new Source('the file', file);
  if (!source.wasRead) return source;
  void source.close();
  throw new InvalidArgumentError(
    'a part of the file was read before this call and is lost; make its stream in the call itself',
  );
}
