import { isError, read } from './foreign.js';
import { Redaction } from './redact.js';

/** As a URL, or as `key=value` of libpq, JDBC and ODBC, JSON included. */
const URL_LIKE = /\b[a-z][a-z0-9+.-]*:\/\/\S+/gi;
const PASSWORD =
  /((?:password|passwd|pwd)(?:\s*=\s*|[\\"']{1,2}\s*:\s*))('(?:[^'\\]|\\.|'')*'?|"(?:[^"\\]|\\.|"")*"?|[^\s;,&]+)/gi;
const MAX_MESSAGE = 300;

/**
 * A copy of a foreign error that is safe to log: its name, its code and its message. Connection strings and the given
 * secrets are blotted out, in their usual disguises too. Everything else is left behind, because clients attach
 * arguments and databases attach rows.
 */
export function redacted(error: unknown, secrets: Iterable<string | null> = []): Error {
  const source = isError(error) ? error : new Error('something that is not an Error was thrown');
  const redaction = new Redaction(secrets);
  const said = read(() => String(source.message)) ?? 'a message that cannot be read';
  const message = withoutUrls(redaction.of(said)).replace(PASSWORD, '$1[redacted]').slice(0, MAX_MESSAGE);
  const safe = (text: unknown, shape: RegExp): text is string =>
    typeof text === 'string' && shape.test(text) && redaction.of(text) === text;
  const name = read(() => source.name);
  const code = read(() => (source as { code?: unknown }).code);
  const isCode = safe(code, /^[A-Z0-9_]{1,32}$/);
  return bareError(safe(name, /^\w{1,64}$/) ? name : 'Error', message, isCode ? code : undefined);
}

export function withoutUrls(text: string): string {
  return text.replace(URL_LIKE, '[redacted]');
}

/** Why Node does not trust a server. The whole names: a prefix would let a coupon code through. */
const CERTIFICATE =
  /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|CERT_HAS_EXPIRED|UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT(?:_LOCALLY)?)$/;

/**
 * The same for a function that works with many codes, each of which the error may quote. Only the kind of its error is
 * kept.
 */
export function kindOf(error: unknown): Error {
  const source = isError(error) ? error : new Error();
  const code = read(() => (source as { code?: unknown }).code);
  const name = read(() => source.name);
  const isName = typeof name === 'string' && /^[A-Z][a-z]+(?:[A-Z][a-z]+){0,4}$/.test(name);
  // Names of faults in systems, databases and certificates; longer words with digits could be anything.
  const isCode =
    typeof code === 'string' && (/^(?:E[A-Z_]{2,30}|[0-9][0-9A-Z]{4})$/.test(code) || CERTIFICATE.test(code));
  return bareError(isName ? name : 'Error', 'its message may quote codes and is not told', isCode ? code : undefined);
}

/**
 * Which rule of the database refused a row: the constraint that the error or its cause names, otherwise its code;
 * `null` if it tells neither.
 */
export function constraintOf(error: unknown, secrets: readonly (string | null)[]): string | null {
  const cause = read(() => (error as { cause?: unknown }).cause);
  const names = ['constraint', 'constraint_name', 'code'].flatMap((name) =>
    [error, cause].map((source) => read(() => (source as Record<string, unknown>)[name])),
  );
  const isSafe = (name: unknown) =>
    typeof name === 'string' && /^[\w$. -]{1,128}$/.test(name) && redacted(new Error(name), secrets).message === name;
  return (names.find(isSafe) as string | undefined) ?? null;
}

/**
 * An error with a message only: no stack, no cause. Its JSON has the message. Its properties are defined, because a
 * frozen `Error.prototype` refuses an assignment.
 */
export function bareError(name: string, message: string, code?: string): Error {
  const copy = new Error(message);
  const define = (key: string, value: unknown, enumerable = false) =>
    Object.defineProperty(copy, key, { value, enumerable, writable: true, configurable: true });
  define('name', name);
  define('stack', `${name}: ${message}`);
  if (code !== undefined) define('code', code, true);
  define('toJSON', () => (code === undefined ? { name, message } : { name, code, message }));
  return copy;
}
