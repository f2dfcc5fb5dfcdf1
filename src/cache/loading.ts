import { monotonicMs, withDeadline } from '../flow/deadline.js';
import { HookError } from '../model/errors.js';
import { redacted } from '../model/safe-error.js';
import type { CheckedCache } from './options.js';

/** A value as JSON text, and how long its load took, in whole ms. */
export interface Loaded {
  readonly text: string;
  readonly took: number;
}

/** Asks the caller's own function. Throws `HookError`; its cause is redacted, and quotes no key. */
export async function loaded(
  { name, load, loadTimeoutMs }: Pick<CheckedCache<unknown>, 'name' | 'load' | 'loadTimeoutMs'>,
  key: string,
): Promise<Loaded> {
  const startedAt = monotonicMs();
  try {
    const late = () => new Error(`no answer within ${loadTimeoutMs} ms`);
    const value: unknown = await withDeadline((async () => load(key))(), loadTimeoutMs, late);
    const text: unknown = JSON.stringify(value);
    if (typeof text !== 'string') throw new Error('load must return JSON, and null for a key that is not there');
    return { text, took: Math.max(1, Math.round(monotonicMs() - startedAt)) };
  } catch (error) {
    throw loadFailed(name, redacted(error, [key]));
  }
}

/** The error of a load, in the process that made it and, from the mark that it left, in others. */
export function loadFailed(name: string, cause: Error): HookError {
  return new HookError(`cache ${name}: load failed; nothing was stored; the next call after a second loads again`, {
    cause,
  });
}
