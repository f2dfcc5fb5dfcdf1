import { InvalidArgumentError, invalid } from './errors.js';
import { isAbortSignal } from './foreign.js';

const MAX_TEXT_BYTES = 128;
const NAME = /^[A-Za-z0-9._-]{1,64}$/;

/** The largest total: beyond it a serial is no longer an exact number. */
export const MAX_TOTAL = Number.MAX_SAFE_INTEGER;

/** The most coupons that one user may have of a campaign. */
export const MAX_PER_USER = 100;

/**
 * Why this is not a user id, request id or code, or `null`. They are opaque: 1–128 bytes of well-formed UTF-8 without
 * U+0000. An array would be flattened into further arguments by the client, ill-formed UTF-16 would collapse two users
 * into one.
 */
export function textFault(value: unknown): string | null {
  if (typeof value !== 'string') return `must be a string, not ${describeType(value)}`;
  if (value.length === 0) return 'must not be empty';
  if (value.length > MAX_TEXT_BYTES || Buffer.byteLength(value) > MAX_TEXT_BYTES) {
    return `must be at most ${MAX_TEXT_BYTES} bytes of UTF-8`;
  }
  if (value.includes('\0')) return 'must not contain U+0000';
  if (!value.isWellFormed()) return 'must be well-formed Unicode, without lone surrogates';
  return null;
}

/** The word of an adapter for a row that is refused for good. Clients see it. */
export function isReason(value: unknown): value is string {
  return textFault(value) === null && !/\p{Cc}/u.test(value as string);
}

export function assertText(name: string, value: unknown): asserts value is string {
  const fault = textFault(value);
  if (fault) throw invalid(name, fault);
}

export function isName(value: string): boolean {
  return NAME.test(value);
}

/** Campaign ids and prefixes become part of key names, inside the hash tag. */
export function assertName(name: string, value: unknown): asserts value is string {
  if (typeof value !== 'string') throw invalid(name, `must be a string, not ${describeType(value)}`);
  if (!NAME.test(value)) throw invalid(name, 'must match [A-Za-z0-9._-]{1,64}');
}

export function assertInteger(name: string, value: unknown, min: number, max: number): asserts value is number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw invalid(name, `must be a whole number from ${min} to ${max}`);
  }
}

export function assertObject(name: string, value: unknown): asserts value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(name, `must be an object, not ${describeType(value)}`);
  }
}

/** A misspelt option must not be ignored: it would silently change the rules of a campaign. */
export function assertOnlyKeys(name: string, value: object, allowed: readonly string[]): void {
  for (const key of Object.keys(value)) {
    if (!allowed.includes(key)) throw new InvalidArgumentError(`${name} has no property '${key.slice(0, 64)}'`);
  }
}

/** A copy to check and then to use: a getter could say something else at the second look. */
export function ownCopy<T extends object>(name: string, value: T, allowed: readonly string[]): T {
  assertObject(name, value as unknown);
  assertOnlyKeys(name, value, allowed);
  return { ...value };
}

export function assertSignal(value: unknown): void {
  if (value !== undefined && !isAbortSignal(value)) {
    throw invalid('signal', 'must be an AbortSignal');
  }
}

export function assertBoolean(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'boolean') throw invalid(name, 'must be true or false');
}

export function assertFunction(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'function') throw invalid(name, 'must be a function');
}

function describeType(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}
