import { InvalidArgumentError } from '../../model/errors.js';

/**
 * A statement with its values in it, for a client that takes no lists of rows. Each `?` of a list becomes its items.
 * Those of a list of lists are in brackets. Texts are written as their bytes, so no quote, character set or SQL mode of
 * a session changes one.
 */
export function inlined(sql: string, values: readonly unknown[]): string {
  const parts = sql.split('?');
  if (parts.length !== values.length + 1) {
    throw new InvalidArgumentError(`a statement of ${parts.length - 1} values got ${values.length}; nothing was sent`);
  }
  return parts.map((part, i) => (i === 0 ? part : literalOf(values[i - 1]) + part)).join('');
}

function literalOf(value: unknown): string {
  if (Array.isArray(value)) {
    return value.map((item) => (Array.isArray(item) ? `(${literalOf(item)})` : literalOf(item))).join(', ');
  }
  if (value === null) return 'NULL';
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (typeof value === 'string') return `_utf8mb4 ${bytes(Buffer.from(value))}`;
  return bytes(value as Buffer);
}

function bytes(value: Buffer): string {
  return `X'${value.toString('hex')}'`;
}
