import { InvalidArgumentError, invalid } from './errors.js';

/** A value of JSON. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: JsonValue;
}

const MAX_BYTES = 1024;
/** Databases read no JSON of any depth; MariaDB ends at 32. */
const MAX_DEPTH = 16;
/** Shorter values occur in any text. */
const TELLING = 3;
const NAME = /^[A-Za-z_$][\w$]{0,31}$/;

/**
 * The data of a caller as JSON text, read once: a getter could say something else at the second look. Empty where there
 * is none. Throws `InvalidArgumentError`, which names the property at fault and quotes no value.
 */
export function dataText(data: unknown): string {
  if (data === undefined) return '';
  try {
    if (!isPlainObject(data)) throw invalid('data', `must be a plain object, not ${kindOf(data)}`);
    const text = new JsonText().of(data);
    if (Buffer.byteLength(text) > MAX_BYTES) throw tooLong();
    return text;
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw error;
    // A getter or a proxy of the caller threw, and its words may quote the data.
    throw invalid('data', 'must be readable: a property of it threw');
  }
}

/** The data that its text stands for. Hooks get this very object, so nobody can change it. */
export function dataOf(text: string): JsonObject {
  return frozen(JSON.parse(text) as JsonObject);
}

/** The texts in an issuance that no log may have: its code, and its data with every text and number in it. */
export function secretsOf({ code, data }: { code: string | null; data?: JsonObject | undefined }): (string | null)[] {
  return data === undefined ? [code] : [code, JSON.stringify(data), ...textsIn(data)];
}

/** Writes JSON without the help of the objects in it, whose `toJSON` may say anything. */
class JsonText {
  /** The objects around the value that is written. */
  readonly #around: object[] = [];
  #length = 0;

  of(value: unknown, path = 'data'): string {
    switch (typeof value) {
      case 'string':
        return this.#text(value, path);
      case 'number':
        if (!Number.isFinite(value)) throw invalid(path, 'must be a finite number');
        return this.#spend(String(Object.is(value, -0) ? 0 : value));
      case 'boolean':
        return this.#spend(String(value));
      case 'object':
        return value === null ? this.#spend('null') : this.#inside(value, path);
      default:
        throw invalid(path, `must be JSON, not ${typeof value}`);
    }
  }

  #inside(value: object, path: string): string {
    if (this.#around.includes(value)) throw invalid(path, 'must not contain itself');
    if (this.#around.length === MAX_DEPTH) throw invalid('data', `must be at most ${MAX_DEPTH} levels deep`);
    this.#around.push(value);
    const text = Array.isArray(value) ? this.#array(value, path) : this.#object(value, path);
    this.#around.pop();
    return text;
  }

  #array(value: readonly unknown[], path: string): string {
    const items: string[] = [];
    const { length } = value;
    this.#spend('[]');
    for (let i = 0; i < length; i++) {
      this.#spend(',');
      items.push(this.of(value[i], `${path}[${i}]`));
    }
    return `[${items.join(',')}]`;
  }

  #object(value: object, path: string): string {
    if (!isPlainObject(value)) throw invalid(path, `must be JSON, not ${kindOf(value)}`);
    if (typeof value.toJSON === 'function') throw invalid(path, 'must be plain: its toJSON() is never called');
    if (Object.getOwnPropertySymbols(value).length > 0) throw invalid(path, 'must have no symbols as names');
    const items: string[] = [];
    this.#spend('{}');
    for (const name of Object.keys(value)) {
      this.#spend(':,');
      const inner = NAME.test(name) ? `${path}.${name}` : `${path}[…]`;
      items.push(`${this.#text(name, inner)}:${this.of(value[name], inner)}`);
    }
    return `{${items.join(',')}}`;
  }

  #text(value: string, path: string): string {
    if (value.length > MAX_BYTES) throw tooLong();
    if (value.includes('\0')) throw invalid(path, 'must not contain U+0000');
    if (!value.isWellFormed()) throw invalid(path, 'must be well-formed Unicode, without lone surrogates');
    return this.#spend(JSON.stringify(value));
  }

  /** Ends before a long list is read to its end. Two separators too many are counted at most for each level. */
  #spend(text: string): string {
    this.#length += text.length;
    if (this.#length > 2 * MAX_BYTES) throw tooLong();
    return text;
  }
}

function tooLong(): InvalidArgumentError {
  return invalid('data', `must be at most ${MAX_BYTES} bytes of JSON`);
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const proto: unknown = Object.getPrototypeOf(value);
  // Of another realm, `Object.prototype` is another object: the one without a prototype.
  return proto === null || Object.getPrototypeOf(proto) === null;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value === 'object' ? 'an instance of a class' : typeof value;
}

export function frozen<T extends JsonValue>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  for (const inner of Object.values(value)) frozen(inner as JsonValue);
  return Object.freeze(value);
}

function textsIn(value: JsonValue): string[] {
  if (typeof value === 'object' && value !== null) {
    const names = Array.isArray(value) ? [] : Object.keys(value).filter((name) => !NAME.test(name));
    return [...names.filter(isTelling), ...Object.values(value).flatMap((inner: JsonValue) => textsIn(inner))];
  }
  const text = typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  return isTelling(text) ? [text] : [];
}

function isTelling(text: string): boolean {
  return text.length >= TELLING;
}
