import { monotonicMs, withDeadline } from '../flow/deadline.js';
import { frozen, type JsonValue } from '../model/caller-data.js';
import { HookError, MisconfiguredError } from '../model/errors.js';
import { bareError, redacted } from '../model/safe-error.js';
import type { CheckedCache } from './options.js';

/** A value as JSON text, and how long its load took, in whole ms. */
export interface Loaded {
  readonly text: string;
  readonly took: number;
}

const NOT_JSON = 'load must return JSON, and null for a key that is not there';

/** Asks the caller's own function. Throws `HookError`; its cause is redacted, and quotes no key. */
export async function loaded(
  { name, load, loadTimeoutMs }: Pick<CheckedCache<unknown>, 'name' | 'load' | 'loadTimeoutMs'>,
  key: string,
): Promise<Loaded> {
  const startedAt = monotonicMs();
  const abort = new AbortController();
  const late = () => {
    const error = new Error(`no answer within ${loadTimeoutMs} ms`);
    abort.abort(error);
    return error;
  };
  const loading = (async () => load(key, { signal: abort.signal }))();
  const value = await withDeadline(loading, loadTimeoutMs, late).catch((error: unknown) => {
    // Words of our own hold no key: a short one would be blotted out of them, and be told by that.
    throw loadFailed(name, error === abort.signal.reason ? redacted(error) : redacted(error, [key]));
  });
  const text = textOf(value);
  if (text === null) throw loadFailed(name, bareError('Error', NOT_JSON));
  return { text, took: Math.max(1, Math.round(monotonicMs() - startedAt)) };
}

/**
 * The error of a load, in the process that made it and, from the mark that it left, in others. Its message says why, because
 * copies for events leave the cause behind.
 */
export function loadFailed(name: string, cause: Error): HookError {
  const message = `cache ${name}: load failed; nothing was stored; a later call loads again; the error: ${cause.message}`;
  return new HookError(message, { cause });
}

/** The text of a value; `null`: it has none, or would come back as another value. */
export function textOf(value: unknown): string | null {
  try {
    const text: unknown = JSON.stringify(value, (_, inner: unknown) => {
      // JSON has `null` for such a number, and `null` is "not found".
      if (typeof inner === 'number' && !Number.isFinite(inner)) throw new Error();
      return inner;
    });
    return typeof text === 'string' ? text : null;
  } catch {
    // The words of a getter, or of the engine about a circle, may quote the value.
    return null;
  }
}

/** The value of a text, frozen, because callers share it. Throws `MisconfiguredError`, which does not quote the text. */
export function valueIn<V>(name: string, text: string): V {
  try {
    return frozen(JSON.parse(text) as JsonValue) as V;
  } catch {
    throw new MisconfiguredError(
      `cache ${name}: the text of a value is no JSON, so something else wrote it; it was left as it is; invalidate its key`,
    );
  }
}
