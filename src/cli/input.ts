import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { assertName } from '../model/check.js';
import type { CliCommand, CliOption } from './command.js';
import { UsageError } from './faults.js';

/** Options of every command. */
const COMMON: Readonly<Record<string, CliOption>> = {
  json: { help: 'print one JSON object a line' },
  config: { value: 'FILE', help: 'a module that exports the issuer; default: coupon-issuer.config.js, .mjs or .ts' },
  help: { help: 'show this help' },
  version: { help: 'show the version' },
};

const CHANGING: Readonly<Record<string, CliOption>> = {
  'dry-run': { help: 'say what it would do, and do nothing' },
};
const FINAL: Readonly<Record<string, CliOption>> = { ...CHANGING, yes: { help: 'do not ask' } };
const OF_EFFECT = { reads: {}, changes: CHANGING, final: FINAL } as const;

const SHORT: Readonly<Record<string, string>> = { help: 'h', version: 'V', yes: 'y', 'dry-run': 'n' };
const NAME = /^[a-z][a-z0-9-]{0,30}$/;
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

export function optionsOf(command: CliCommand): Readonly<Record<string, CliOption>> {
  return { ...command.options, ...OF_EFFECT[command.effect], ...COMMON };
}

/** The words of a command line that are no options. `options`: those whose values are skipped. */
export function wordsOf(args: readonly string[], options: Readonly<Record<string, CliOption>> = COMMON): string[] {
  return tokensOf(args, options).flatMap((token) => (token.kind === 'positional' ? [token.value] : []));
}

/** Whether a flag that needs no command is given. */
export function hasFlag(args: readonly string[], name: string): boolean {
  return tokensOf(args, COMMON).some((token) => token.kind === 'option' && token.name === name);
}

function tokensOf(args: readonly string[], known: Readonly<Record<string, CliOption>>) {
  const options = Object.fromEntries(
    Object.entries(known).map(([name, { value }]) => {
      const short = SHORT[name];
      return [name, { type: value ? ('string' as const) : ('boolean' as const), ...(short ? { short } : {}) }];
    }),
  );
  return parseArgs({ args: [...args], options, strict: false, tokens: true, allowPositionals: true }).tokens;
}

/** The words and options of a command, by name. Each getter throws `UsageError`, which quotes no value. */
export class CliInput {
  readonly args: readonly string[];
  readonly #cwd: string;
  readonly #values = new Map<string, string[]>();

  private constructor(args: readonly string[], cwd: string) {
    this.args = args;
    this.#cwd = cwd;
  }

  static of(command: CliCommand, line: readonly string[], cwd: string): CliInput {
    const options = optionsOf(command);
    const words = wordsOf(line, options).slice(command.name.split(' ').length);
    const input = new CliInput(words, cwd);
    for (const token of tokensOf(line, options)) if (token.kind === 'option') input.#take(token, options);
    const needed = command.args.filter((name) => !name.startsWith('['));
    if (words.length < needed.length) throw new UsageError(`<${needed[words.length]}> is missing`);
    if (words.length > command.args.length) {
      throw new UsageError(`${command.name} takes ${command.args.length || 'no'} argument(s), not ${words.length}`);
    }
    return input;
  }

  #take({ name, value }: { name: string; value?: string | undefined }, options: Readonly<Record<string, CliOption>>) {
    const option = Object.hasOwn(options, name) ? options[name] : undefined;
    if (!option) throw new UsageError(`unknown option${NAME.test(name) ? ` --${name}` : ''}`);
    if (!option.value && value !== undefined) throw new UsageError(`--${name} takes no value`);
    // An option in the place of a value: the value was forgotten.
    if (option.value && (!value || value.startsWith('--'))) throw new UsageError(`--${name} needs a value`);
    const before = this.#values.get(name) ?? [];
    if (before.length > 0 && !option.many && option.value) throw new UsageError(`--${name} is given twice`);
    this.#values.set(name, [...before, value ?? '']);
  }

  /** The first word: the id of a campaign. */
  get campaign(): string {
    const [id] = this.args;
    assertName('<campaign>', id);
    return id;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  text(name: string): string | undefined {
    return this.#values.get(name)?.[0];
  }

  texts(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** A text that has to be given. */
  needed(name: string): string {
    const text = this.text(name);
    if (text === undefined) throw new UsageError(`--${name} is missing`);
    return text;
  }

  integer(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (!/^[-+]?\d{1,16}$/.test(text)) throw new UsageError(`--${name} must be a whole number`);
    return Number(text);
  }

  /** `null`: the word `none`. */
  rate(name: string): number | null | undefined {
    const text = this.text(name);
    if (text === undefined || text === 'none') return text && null;
    if (!/^\d{1,9}(\.\d{1,9})?$/.test(text)) throw new UsageError(`--${name} must be a number or none`);
    return Number(text);
  }

  /** In ms, of a text such as `30s`. */
  duration(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const [, count, unit] = /^(\d{1,12})(ms|s|m|h|d)$/.exec(text) ?? [];
    if (!unit) throw new UsageError(`--${name} must be a number with ms, s, m, h or d, such as 30s`);
    return Number(count) * UNITS[unit]!;
  }

  /** The path of a file as the command line names it. */
  pathOf(file: string): string {
    return resolve(this.#cwd, file);
  }

  /** The JSON of a file. The error of a parser quotes the text, so it is not shown. */
  json(name: string): unknown {
    let text: string;
    try {
      text = readFileSync(this.pathOf(this.needed(name)), 'utf8');
    } catch (error) {
      throw new UsageError(`the file of --${name} cannot be read (${(error as NodeJS.ErrnoException).code})`);
    }
    try {
      return JSON.parse(text);
    } catch {
      throw new UsageError(`the file of --${name} is no JSON`);
    }
  }

  /** Exactly one of these options. */
  oneOf(...names: readonly string[]): string {
    const given = names.filter((name) => this.has(name));
    if (given.length === 1) return given[0]!;
    throw new UsageError(`give one of ${names.map((name) => `--${name}`).join(', ')}`);
  }

  /** `--code -`: a code comes over stdin alone, because arguments stand in the list of processes. */
  assertFromStdin(name: string): void {
    if (this.needed(name) === '-') return;
    throw new UsageError(`--${name} takes only -, and then reads stdin: a code in an argument is seen by other users`);
  }
}
