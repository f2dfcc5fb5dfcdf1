import { types } from 'node:util';

/**
 * Tests of values that other code made. `instanceof` fails across realms: a vm context, Jest, jsdom, a second copy of a
 * package. Property reads go through `read`, because a proxy or a getter may throw.
 */

/** The value of a property that may be a getter which throws; then `undefined`. */
export function read<T>(get: () => T): T | undefined {
  try {
    return get();
  } catch {
    return undefined;
  }
}

/** Whether this is an error, of any realm. A proxy of one counts: it has a name, a message and a stack. */
export function isError(value: unknown): value is Error {
  if (types.isNativeError(value)) return true;
  if (typeof value !== 'object' || value === null) return false;
  const { name, message, stack } = read(() => partsOf(value)) ?? {};
  return typeof name === 'string' && typeof message === 'string' && typeof stack === 'string';
}

function partsOf(value: object): { name?: unknown; message?: unknown; stack?: unknown } {
  const { name, message, stack } = value as Partial<Error>;
  return { name, message, stack };
}

/** Whether this is an error of that name, and all that is read of it later can be read. */
export function isErrorNamed(value: unknown, name: string, properties: readonly string[] = []): boolean {
  if (!isError(value)) return false;
  const error = value as unknown as Readonly<Record<string, unknown>>;
  return read(() => properties.map((property) => error[property]) && error.name === name) ?? false;
}

/** The message of an error of any realm; of anything else, or where it cannot be read, the empty string. */
export function messageOf(error: unknown): string {
  const message = isError(error) ? read(() => error.message) : '';
  return typeof message === 'string' ? message : '';
}

/** The ms of a date. A date of the caller may convert to any other number. */
export function timeOf(date: Date): number {
  return Date.prototype.getTime.call(date);
}

/** Whether this is a valid date, of any realm. */
export function isValidDate(value: unknown): value is Date {
  return types.isDate(value) && !Number.isNaN(timeOf(value));
}

/** Whether this has the used parts of a signal. Polyfills and other realms bring classes of their own. */
export function isAbortSignal(value: unknown): value is AbortSignal {
  if (typeof value !== 'object' || value === null) return false;
  const { aborted, addEventListener, removeEventListener, throwIfAborted } = value as Partial<AbortSignal>;
  const methods = [addEventListener, removeEventListener, throwIfAborted];
  return typeof aborted === 'boolean' && methods.every((method) => typeof method === 'function');
}

/** Whether this can be awaited. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as Partial<PromiseLike<unknown>> | null | undefined)?.then === 'function';
}
