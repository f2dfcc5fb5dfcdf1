import { monotonicMs, withDeadline } from '../flow/deadline.js';
import { textFault } from '../model/check.js';
import { HookError, MisconfiguredError } from '../model/errors.js';
import type { PersistenceAdapter } from '../persistence/adapter.js';
import { askAdapter } from '../persistence/ask-adapter.js';
import type { Store } from '../redis/known-campaign.js';

/** A table that is not fit is checked again after this time, so that a process recovers once it is cured. */
const AGAIN_MS = 1_000;
/** How long a call waits for a database that it does not need itself. */
const BRIEF_MS = 1_000;
const OTHERWISE = 'nothing was reserved or claimed';

/**
 * The database behind the adapter, as this process knows it. It is asked once whether its table is fit, and which
 * database it is. Only a good answer is remembered for good. An adapter without both methods is taken as it is.
 */
export class AdapterStore implements Store {
  readonly #adapter: PersistenceAdapter;
  readonly #timeoutMs: number;
  #known: boolean;
  #knownAt = Number.NEGATIVE_INFINITY;
  #identity: string | null = null;
  #asking: Promise<void> | null = null;
  #refused: { readonly error: MisconfiguredError; readonly at: number } | null = null;

  constructor(adapter: PersistenceAdapter, timeoutMs: number) {
    this.#adapter = adapter;
    this.#timeoutMs = timeoutMs;
    this.#known = !adapter.check && !adapter.identity;
  }

  get known(): boolean {
    return this.#known;
  }

  get identity(): string | null {
    return this.#identity;
  }

  get description(): string {
    if (this.#identity !== null) return `the database ${this.#identity}`;
    if (this.#adapter.identity) return 'one that does not say which it is (cure: upgradeTable())';
    return 'one that does not say which it is, because its adapter has no identity(). An adapter that wraps another one has to pass check and identity on';
  }

  ask(patience: 'patient' | 'brief' = 'patient'): Promise<void> {
    if (patience === 'brief') return withDeadline(this.ask(), BRIEF_MS, () => new Error()).catch(unlessWrong);
    if (this.#known) return Promise.resolve();
    if (this.#refused && monotonicMs() - this.#refused.at < AGAIN_MS) return Promise.reject(this.#refused.error);
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  askAgain(): Promise<void> {
    if (monotonicMs() - this.#knownAt >= AGAIN_MS) this.#known = false;
    return this.ask();
  }

  async #ask(): Promise<void> {
    const how = { timeoutMs: this.#timeoutMs, otherwise: OTHERWISE };
    const adapter = this.#adapter;
    try {
      if (adapter.check) await askAdapter('check', async () => adapter.check!(), how);
      if (adapter.identity) this.#identity = checked(await askAdapter('identity', () => adapter.identity!(), how));
    } catch (error) {
      if (error instanceof MisconfiguredError) this.#refused = { error, at: monotonicMs() };
      throw error;
    }
    this.#known = true;
    this.#knownAt = monotonicMs();
  }
}

function unlessWrong(error: unknown): void {
  if (error instanceof MisconfiguredError) throw error;
}

function checked(identity: unknown): string | null {
  if (identity === null || identity === undefined) return null;
  const fault = textFault(identity);
  if (fault) throw new HookError(`the adapter's identity ${fault}, or null; ${OTHERWISE}`);
  return identity as string;
}
