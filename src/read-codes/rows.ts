/*!
 * csv-parse is bundled here.
 *
 * The MIT License (MIT)
 *
 * Copyright (c) 2010 Adaltas
 *
 * Permission is hereby granted, free of charge, to any person obtaining a copy
 * of this software and associated documentation files (the "Software"), to deal
 * in the Software without restriction, including without limitation the rights
 * to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
 * copies of the Software, and to permit persons to whom the Software is
 * furnished to do so, subject to the following conditions:
 *
 * The above copyright notice and this permission notice shall be included in all
 * copies or substantial portions of the Software.
 *
 * THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
 * IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
 * FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
 * AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
 * LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
 * OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
 * SOFTWARE.
 */
import { type CsvError, type Parser, parse } from 'csv-parse';
import { InvalidArgumentError } from '../model/errors.js';

export type Delimiter = ',' | ';' | '\t';
export const DELIMITERS: readonly Delimiter[] = [',', ';', '\t'];

/** One line of a file, or several that a quoted cell spans. */
export interface TextRow {
  readonly cells: readonly string[];
  /** The last line of it, from 1. */
  readonly line: number;
}

export interface RowLimits {
  readonly delimiter: Delimiter | undefined;
  /** Whether there may be other columns beside the codes. */
  readonly isWide: boolean;
  /** Whether white space around cells is removed. */
  readonly trims: boolean;
}

/** A code has up to 128 bytes; quotes in it are doubled, and blanks may stand around it. */
const LINE = 1_024;
const WIDE_LINE = 65_536;

/**
 * The rows of a CSV, without blank ones. Throws `InvalidArgumentError`, which names the line and quotes nothing of it.
 */
export async function* rowsOf(text: AsyncIterable<string>, limits: RowLimits): AsyncGenerator<TextRow> {
  const longest = limits.isWide ? WIDE_LINE : LINE;
  let parsing: Parsing | null = null;
  let start = '';
  let isBlank = true;
  for await (const piece of text) {
    start += piece;
    // Which character stands between columns is seen in the first line, so that one has to be whole.
    const from: number = isBlank ? piece.search(/\S/) : 0;
    isBlank &&= from < 0;
    if (!parsing && !(from >= 0 && /[\r\n]/.test(piece.slice(from)))) {
      if (start.length > longest) throw tooLong(1, longest);
      continue;
    }
    if (!parsing) [parsing, start] = begin(limits, start, longest);
    yield* parsing.rowsOf(start);
    start = '';
  }
  if (!parsing) [parsing, start] = begin(limits, start, longest);
  yield* parsing.rowsOf(start);
  yield* await parsing.end();
}

/** A first line like `sep=;` tells a spreadsheet the separator. It is no row, and only its line end is left. */
const FOR_SPREADSHEET = /^(\s*)"?sep=(.?)"?[^\S\r\n]*(?=[\r\n]|$)/i;

function begin({ delimiter, trims }: RowLimits, start: string, longest: number): [Parsing, string] {
  const line = FOR_SPREADSHEET.exec(start);
  if (!line) return [new Parsing(delimiter ?? delimitersOf(start), trims, longest), start];
  const named = DELIMITERS.find((one) => one === line[2]);
  if (!named || (delimiter ?? named) !== named) {
    const what = named ? 'another separator than delimiter' : 'a separator that is none of comma, semicolon and tab';
    throw new InvalidArgumentError(`the first line of the file, for a spreadsheet, names ${what}: remove that line`);
  }
  return [new Parsing(named, trims, longest), line[1] + start.slice(line[0].length)];
}

class Parsing {
  readonly #parser: Parser;
  readonly #longest: number;
  #rows: TextRow[] = [];
  /** The parser counts CRLF within quotes as two lines. */
  #tooMany = 0;
  /** The last line of the last row. */
  #last = 0;

  constructor(delimiter: Delimiter | Delimiter[], trims: boolean, longest: number) {
    this.#longest = longest;
    this.#parser = parse({
      delimiter,
      record_delimiter: ['\r\n', '\n', '\r'],
      relax_column_count: true,
      skip_empty_lines: true,
      skip_records_with_empty_values: true,
      trim: trims,
      max_record_size: longest,
      on_record: (cells: string[], { lines }: { lines: number }) => {
        for (const cell of cells) this.#tooMany += cell.match(/\r\n/g)?.length ?? 0;
        this.#last = lines - this.#tooMany;
        this.#rows.push({ cells, line: this.#last });
        return null;
      },
    });
    // Its faults are asked for after each piece.
    this.#parser.on('error', () => {});
  }

  *rowsOf(piece: string): Generator<TextRow> {
    this.#parser.write(piece);
    yield* this.#take();
  }

  async end(): Promise<Iterable<TextRow>> {
    await new Promise((resolve) => this.#parser.end(resolve));
    return this.#take();
  }

  *#take(): Generator<TextRow> {
    const rows = this.#rows;
    this.#rows = [];
    yield* rows;
    const fault = this.#parser.errored as (CsvError & { lines?: number }) | null;
    if (!fault) return;
    const begun = this.#last + 1;
    const isOpen = fault.code === 'CSV_QUOTE_NOT_CLOSED';
    const line = isOpen ? begun : (fault.lines ?? 1) - this.#tooMany;
    if (fault.code === 'CSV_MAX_RECORD_SIZE') throw tooLong(begun, this.#longest, line > begun);
    const what = isOpen ? 'a quote is open' : 'a quote stands within a cell';
    throw new InvalidArgumentError(
      `line ${line} of the file is no CSV: ${what}. Quote the whole cell, and double each quote in it`,
    );
  }
}

/** Throws `InvalidArgumentError` where there is a choice. */
function delimitersOf(start: string): Delimiter | Delimiter[] {
  const [line = ''] = /\S[^\r\n]*/.exec(start) ?? [];
  const plain = line.replace(/"(?:[^"]|"")*"/g, '').trim();
  const [only, another] = DELIMITERS.filter((delimiter) => plain.includes(delimiter));
  if (another)
    throw new InvalidArgumentError(
      'the first line of the file has two kinds of separators: say which one stands between columns, by delimiter',
    );
  return only ?? [...DELIMITERS];
}

/** `spans`: it goes over several lines, as after a quote that nothing closes. */
function tooLong(line: number, longest: number, spans = false): InvalidArgumentError {
  const what = spans ? 'a quote is open from there on' : 'it is no line of codes';
  return new InvalidArgumentError(`line ${line} of the file is longer than ${longest} characters, so ${what}`);
}
