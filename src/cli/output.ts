import { ClosedPipe, printable } from './faults.js';
import type { CliWorld, Sink } from './world.js';

const STYLES = { red: 31, green: 32, yellow: 33 } as const;

/** Data goes to stdout, everything else to stderr. */
export class Output {
  readonly json: boolean;
  readonly #world: CliWorld;

  constructor(world: CliWorld, json: boolean) {
    this.#world = world;
    this.json = json;
  }

  /** Whether stderr is a terminal, so that a line may be drawn again. */
  get draws(): boolean {
    return isTerminal(this.#world.stderr, this.#world);
  }

  /** Whether a person reads stdout. */
  get isRead(): boolean {
    return isTerminal(this.#world.stdout, this.#world);
  }

  /** Resolves once the reader has room for more. Throws `ClosedPipe`, and an error if a file took no more. */
  async text(text: string): Promise<void> {
    const { stdout } = this.#world;
    await new Promise<void>((resolve, reject) => {
      stdout.write(text, (error) => (error ? reject(asUnwritten(error)) : resolve()));
    });
  }

  /** The same for text of others in a form of its own, such as CSV: on a terminal, no control character but line ends. */
  async raw(text: string): Promise<void> {
    if (!this.isRead) return this.text(text);
    const parts = text.split(/(\r?\n)/);
    await this.text(parts.map((part, i) => (i % 2 === 0 ? printable(part) : part)).join(''));
  }

  /** One object: a line of JSON, or lines for a person. */
  async item(value: object, lines: () => readonly string[]): Promise<void> {
    await this.text(
      this.json
        ? `${jsonOf(value)}\n`
        : lines()
            .map((line) => `${line}\n`)
            .join(''),
    );
  }

  /** A word beside the data. A stderr that is gone is no fault. */
  note(line: string): void {
    this.#world.stderr.write(`${line}\n`, () => {});
  }

  /** Draws a line of stderr again. */
  draw(line: string): void {
    this.#world.stderr.write(`\r\u001B[2K${line}`, () => {});
  }

  style(style: keyof typeof STYLES, text: string): string {
    const { env } = this.#world;
    return !this.isRead || env.NO_COLOR ? text : `\u001B[${STYLES[style]}m${text}\u001B[0m`;
  }

  get columns(): number {
    return this.#world.stderr.columns ?? 80;
  }
}

/** Only a reader that is gone is no fault: a full disk would end with a part of the data, and with 0. */
function asUnwritten(error: NodeJS.ErrnoException): Error {
  if (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED') return new ClosedPipe();
  return new Error(`stdout took no more (${error.code}), so the output is not complete; what was asked may be done`);
}

/** JSON that a terminal may show: it leaves control characters above U+007E and turned text as they are. */
export function jsonOf(value: unknown): string {
  return JSON.stringify(value).replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (sign) =>
    Array.from({ length: sign.length }, (_, i) => `\\u${sign.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''),
  );
}

function isTerminal(sink: Sink, { env }: CliWorld): boolean {
  return sink.isTTY === true && env.TERM !== 'dumb';
}

/** Names and values in two columns; a value that is absent is left out. */
export function fieldsOf(fields: Readonly<Record<string, unknown>>): string[] {
  const shown = Object.entries(fields).filter(([, value]) => value !== undefined);
  const width = Math.max(...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${name.padEnd(width)}  ${wordOf(value)}`);
}

/** Rows under their heads; numbers stand to the right. */
export function tableOf(heads: readonly string[], rows: readonly (readonly unknown[])[]): string[] {
  const cells = [heads, ...rows.map((row) => row.map(wordOf))];
  const widths = heads.map((_, i) => Math.max(...cells.map((row) => row[i]!.length)));
  const isNumber = heads.map((_, i) => rows.every((row) => typeof row[i] === 'number' || row[i] === null));
  return cells.map((row) =>
    row
      .map((cell, i) => (isNumber[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
}

function wordOf(value: unknown): string {
  if (value === null || value === undefined) return '-';
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'number') return value.toLocaleString('en-US');
  return printable(String(value));
}
