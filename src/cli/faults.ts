import type { CouponIssuerErrorCode } from '../model/errors.js';
import { isError, read } from '../model/foreign.js';
import { Redaction } from '../model/redact.js';
import { redacted, withoutUrls } from '../model/safe-error.js';
import { type CliWorld, EXIT } from './world.js';

/** The command was called wrongly. Nothing was asked and nothing was written. Its message quotes no value. */
export class UsageError extends Error {}

/** The reader of stdout is gone, as `head` is after its lines. */
export class ClosedPipe extends Error {}

/** A signal ended work that was not complete. */
export class Interrupted extends Error {}

/** The texts that no line may show: passwords of the URLs of the surroundings, and codes from stdin. */
export class Secrets {
  readonly #texts = new Set<string>();

  constructor(env: CliWorld['env']) {
    for (const text of [env.REDIS_URL, env.DATABASE_URL]) {
      if (!text) continue;
      const url = URL.canParse(text) ? new URL(text) : null;
      // Of a text that is no URL, nobody knows which part is the password.
      const asked = [...(url?.searchParams ?? [])].filter(([name]) => /pass|pwd|secret|token/i.test(name));
      const found = url ? [url.password, ...asked.map(([, value]) => value)] : [text];
      for (const one of found) for (const form of [one, decoded(one)]) this.add(form);
    }
  }

  add(text: string): void {
    if (text !== '') this.#texts.add(text);
  }

  /** One line about an error. A foreign one is redacted; control characters of any are shown as escapes. */
  lineOf(error: unknown): string {
    const own = error instanceof UsageError || error instanceof Interrupted || codeOf(error) !== null;
    const message = own ? (error as Error).message : redacted(error, this.#texts).message;
    return printable(withoutUrls(new Redaction(this.#texts).of(message)));
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const CODES: readonly unknown[] = [
  'INVALID_ARGUMENT',
  'UNKNOWN_CAMPAIGN',
  'CAMPAIGN_CONFLICT',
  'MISCONFIGURED',
  'OVERLOADED',
  'REDIS',
  'NOT_READY',
  'HOOK',
  'PERSISTENCE',
  'CLOSED',
] satisfies CouponIssuerErrorCode[];

/** The code of an error of the library, or `null`. Not by its class: an issuer of a config may come from another copy. */
export function codeOf(error: unknown): CouponIssuerErrorCode | null {
  const code = isError(error) ? read(() => (error as { code?: unknown }).code) : null;
  return CODES.includes(code) ? (code as CouponIssuerErrorCode) : null;
}

export function exitOf(error: unknown, { signal }: CliWorld): number {
  if (error instanceof ClosedPipe) return EXIT.done;
  if (error instanceof Interrupted) return signal.reason === 'SIGTERM' ? EXIT.SIGTERM : EXIT.SIGINT;
  return error instanceof UsageError || codeOf(error) === 'INVALID_ARGUMENT' ? EXIT.usage : EXIT.fault;
}

/** Text from outside for a terminal: no control character reaches it, so no line can hide another one. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (sign) =>
    sign === '\u200D' ? sign : `\\u${sign.codePointAt(0)!.toString(16).padStart(4, '0')}`,
  );
}

/** The same error with the options of the command in the place of arguments of the library: `--total` for `stock.total`. */
export function asOptions(error: unknown, options: readonly string[]): unknown {
  if (codeOf(error) !== 'INVALID_ARGUMENT') return error;
  const { message } = error as Error;
  const [argument] = message.split(' ', 1);
  const name = argument!.replace(/^.*\./, '').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const bare = name.replace(/-(ms|id)$/, '');
  const option = [name, bare, `valid-${bare}`].find((one) => options.includes(one));
  return new UsageError(option ? message.replace(argument!, `--${option}`) : message);
}

/** `--as-they-are` for `asTheyAre: true`, and `by --column` for `by column`, in the line of any error. */
export function inOptions(message: string, options: readonly string[]): string {
  const named = (word: string) => word.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return message
    .replace(/\b([a-zA-Z]+): (true|false)\b/g, (text, word: string, value) => {
      const option = (value === 'true' ? '' : 'no-') + named(word);
      return options.includes(option) ? `--${option}` : text;
    })
    .replace(/\bby ([a-z]+)$/, (text, word: string) => (options.includes(word) ? `by --${word}` : text));
}
