import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { inspect } from 'node:util';
import { onTestFinished } from 'vitest';

const STEPS = ['issue', 'batch', 'save', 'deliver', 'settle', 'admit', 'change', 'redeem', 'cache'];
const CHANNELS = [
  'coupon-issuer:event',
  ...STEPS.flatMap((step) => ['start', 'asyncEnd', 'error'].map((part) => `tracing:coupon-issuer:${step}:${part}`)),
];

/** Even so much of a secret in a row is too much. */
const WINDOW = 8;

/** Reads everything that a user may log, in every way of logging it, and looks for secrets in it. */
export class SecretScan {
  readonly #secrets = new Set<string>();
  readonly #seen: { what: string; text: string }[] = [];

  constructor() {
    const warned = (warning: unknown) => this.see('warning', warning);
    const unhandled = (reason: unknown) => this.see('unhandled rejection', reason);
    process.on('warning', warned).on('unhandledRejection', unhandled);
    onTestFinished(() => void process.off('warning', warned).off('unhandledRejection', unhandled));
    for (const name of CHANNELS) this.#listen(name);
  }

  /** Metrics and spans are made of these messages alone. */
  #listen(name: string): void {
    // Some are seen twice: a message grows until its step has ended.
    const hear = (message: unknown) => this.see(`channel ${name}`, structuredClone(message));
    subscribe(name, hear);
    onTestFinished(() => void unsubscribe(name, hear));
  }

  /** Keeps a secret, and gives it back. */
  secret(text: string): string {
    this.#secrets.add(text);
    return text;
  }

  /** Keeps what was thrown, told or emitted. Only a coupon that was issued may carry its code. */
  see(what: string, value: unknown): void {
    const { status } = (value ?? {}) as { status?: unknown };
    if (status === 'issued' || status === 'already_issued') return;
    this.#seen.push({ what, text: textsOf(value, new Set()).join('\n') });
  }

  /** Keeps what a call that must fail fails with. */
  async fails(what: string, call: Promise<unknown> | (() => unknown)): Promise<void> {
    try {
      const result = await (typeof call === 'function' ? call() : call);
      throw new Error(`${what} did not fail: ${inspect(result)}`, { cause: NOT_FAILED });
    } catch (error) {
      if ((error as Error).cause === NOT_FAILED) throw error;
      this.see(what, error);
    }
  }

  /** Whether this was seen, so that a test can tell that its fault took place. */
  saw(text: RegExp): boolean {
    return this.#seen.some((each) => text.test(each.text));
  }

  /** Which secrets, whole, in part or encoded, were seen where. */
  leaks(): string[] {
    const found: string[] = [];
    for (const secret of this.#secrets) {
      const traces = tracesOf(secret);
      for (const { what, text } of this.#seen) {
        const trace = traces.find((each) => text.includes(each));
        if (trace) found.push(`${trace} of ${secret} in ${what}: ${around(text, trace)}`);
      }
    }
    return found;
  }
}

const NOT_FAILED = Symbol('it did not fail');

function tracesOf(secret: string): string[] {
  const parts = Array.from({ length: Math.max(1, secret.length - WINDOW + 1) }, (_, i) => secret.slice(i, i + WINDOW));
  const bytes = Buffer.from(secret);
  const quoted = JSON.stringify(secret).slice(1, -1);
  const encoded = [
    bytes.toString('base64'),
    bytes.toString('base64url'),
    bytes.toString('hex'),
    encodeURIComponent(secret),
  ];
  return [...parts, quoted, ...encoded.map((each) => each.replace(/=+$/, ''))];
}

function around(text: string, trace: string): string {
  const at = text.indexOf(trace);
  return JSON.stringify(text.slice(Math.max(0, at - 80), at + trace.length + 20));
}

/** What loggers make of a value: as an object, as JSON, as a string; and everything below it, hidden or not. */
function textsOf(value: unknown, known: Set<unknown>): string[] {
  const texts = [
    attempt(() => inspect(value, { depth: 12, showHidden: true, getters: true })),
    attempt(() => String(value)),
  ];
  texts.push(
    attempt(() => JSON.stringify(value)),
    attempt(() => JSON.stringify(value, Object.getOwnPropertyNames(value ?? {}))),
  );
  if (typeof value !== 'object' || value === null || known.has(value)) return texts;
  known.add(value);
  for (const name of Reflect.ownKeys(value)) {
    texts.push(
      ...textsOf(
        attempt(() => (value as Record<PropertyKey, unknown>)[name]),
        known,
      ),
    );
  }
  return texts;
}

function attempt<T>(read: () => T): T | string {
  try {
    return read();
  } catch (error) {
    return `unreadable: ${error}`;
  }
}
